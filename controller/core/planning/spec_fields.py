"""What of a stage's spec a container is made from, as flat text, and which fields of two such texts differ.

The flat form is kept in the store beside a tag, because a running container's labels only hold digests of it. It is
shown to people, so it never holds a secret: references stay references, and literals that look like secrets are `***`.
Two different masked literals therefore look alike; `masked` tells which fields can hide a change.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from controller.core.model.desired import DesiredStage, Env, Mount, SecretRef

MASK = "***"
_SECRET = r"(?:password|passwd|secret|token|key|credential)"
_SECRET_NAME = re.compile(_SECRET, re.IGNORECASE)
_OPTION = re.compile(rf"^(-{{1,2}}[\w.-]*{_SECRET}[\w.-]*)(=.*)?$", re.IGNORECASE | re.DOTALL)
_USERINFO = re.compile(r"(://[^/@:\s]*:)[^/@\s]+@")


@dataclass(frozen=True)
class FieldChange:
    """One field of the spec that differs; None: not there."""

    path: str
    old: str | None
    new: str | None


def flatten(desired: DesiredStage, tag: str) -> dict[str, str]:
    """The fields that containers of this tag are made from, as path → text; what is not set is left out.

    Paths are those of the documents: `image`, `env.LOG_LEVEL`, `resources.memory`, `volumes./data`, `labels.team`.
    Commands are JSON lists; a secret reference is `file:NAME` or `env:NAME`.
    """
    return dict(sorted(_fields(desired, tag)))


def fields(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[FieldChange, ...]:
    """What differs between two flat forms, by path; equal ones give nothing."""
    paths = sorted(path for path in {*old, *new} if old.get(path) != new.get(path))
    return tuple(FieldChange(path, old.get(path), new.get(path)) for path in paths)


def masked(flat: Mapping[str, str]) -> tuple[str, ...]:
    """Paths whose text is masked, in whole or in part: a change of what is behind the mask cannot be seen here."""
    return tuple(path for path, text in sorted(flat.items()) if MASK in text)


def _fields(desired: DesiredStage, tag: str) -> Iterator[tuple[str, str]]:
    template = desired.template
    yield "image", template.image
    yield "tag", tag
    for path, words in (("command", template.command), ("args", template.args)):
        if words is not None:
            yield path, json.dumps(_words(words), ensure_ascii=False)
    for path, value in (
        ("user", template.user),
        ("port", desired.port),
        ("resources.memory", template.memory and _size(template.memory)),
        ("resources.cpus", template.cpus and f"{template.cpus:g}"),
    ):
        if value is not None:
            yield path, str(value)
    yield from ((f"env.{env.name}", _env(env)) for env in template.env)
    yield from ((f"volumes.{mount.target}", _mount(mount)) for mount in template.mounts)
    yield from ((f"labels.{key}", _hide(value)) for key, value in template.labels)


def _env(env: Env) -> str:
    if isinstance(env.value, SecretRef):
        return f"{env.value.kind}:{env.value.name}"
    return MASK if env.value and _SECRET_NAME.search(env.name) else _hide(env.value)


def _words(words: tuple[str, ...]) -> list[str]:
    shown: list[str] = []
    hide = False
    for word in words:
        option = _OPTION.match(word)
        if hide and not word.startswith("-"):
            shown.append(MASK)
        elif option and option[2]:
            shown.append(f"{option[1]}={MASK}")
        else:
            shown.append(_hide(word))
        hide = option is not None and not option[2]
    return shown


def _hide(text: str) -> str:
    """Mask the password of a URL such as postgres://app:secret@db/app."""
    return _USERINFO.sub(rf"\1{MASK}@", text)


def _mount(mount: Mount) -> str:
    return mount.source + (" (read-only)" if mount.read_only else "")


def _size(size: int) -> str:
    for shift, unit in ((30, "Gi"), (20, "Mi"), (10, "Ki")):
        if size % (1 << shift) == 0:
            return f"{size >> shift}{unit}"
    return str(size)
