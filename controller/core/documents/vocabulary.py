"""What each text pattern of the documents means in words, and what was probably meant by text that does not fit."""

import functools
import re
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, StringConstraints

from controller.core.documents import spec
from controller.core.documents.yaml_tree import Loc
from controller.core.model.names import dns_label


@dataclass(frozen=True)
class Form:
    """One pattern in words; `mend` makes the probable correction, which is offered only when it fits."""

    noun: str
    rule: str
    mend: Callable[[str], str] | None = None


def correction(pattern: str, text: str) -> str:
    """The probable correction of a text; empty when there is none."""
    form = FORMS.get(pattern)
    if form is None or form.mend is None:
        return ""
    mended = form.mend(text)
    return mended if mended != text and fits(pattern, mended) else ""


def fits(pattern: str, text: str) -> bool:
    """True when the whole text has the form of the pattern."""
    return re.fullmatch(pattern.removeprefix("^").removesuffix("$"), text) is not None


def _hostname(text: str) -> str:
    host = re.sub(r"^[a-z+]+://", "", text.strip().lower())
    return re.split(r"[/:?#]", host, maxsplit=1)[0].strip(".")


def _image(text: str) -> str:
    name = re.sub(r"^[a-zA-Z+]+://", "", text.strip()).split("@", 1)[0]
    head, slash, last = name.rpartition("/")
    return head.lower() + slash + last.split(":", 1)[0].lower()


def _duration(text: str) -> str:
    words = {"sec": "s", "secs": "s", "seconds": "s", "second": "s", "min": "m", "mins": "m", "minutes": "m"}
    words |= {"minute": "m", "hour": "h", "hours": "h", "hr": "h", "day": "d", "days": "d"}
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)", text.strip())
    if found is None:
        return text
    unit = found[2].lower() or "s"
    return found[1] + words.get(unit, unit)


def _memory(text: str) -> str:
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([kmg])i?b?", text.strip().lower())
    return f"{found[1]}{found[2].upper()}i" if found else text


FORMS = {
    spec.NAME_PATTERN: Form(
        "a name",
        "lower-case letters, digits and dashes, at most 40, with a letter or digit at both ends",
        lambda text: dns_label(text) if text.isascii() else text,
    ),
    spec.TAG_PATTERN: Form("an image tag", "letters, digits, '_', '.' and '-', at most 128, not beginning with . or -"),
    spec.DURATION_PATTERN: Form(
        "a duration", "a number and a unit (ms, s, m, h, d), such as 30s, 1h30m or 250ms", _duration
    ),
    spec.MEMORY_PATTERN: Form("an amount of memory", "a number and a unit, such as 256Mi or 1Gi", _memory),
    spec.CPUS_PATTERN: Form("a number of processors", 'a number in quotes, such as "0.5", "2" or "500m"'),
    spec.HOSTNAME_PATTERN: Form(
        "a hostname",
        "lower-case letters, digits, dashes and dots, without scheme, port, path or wildcard, such as shop.example.com;"
        " other scripts in their xn-- form",
        _hostname,
    ),
    spec.IMAGE_PATTERN: Form(
        "an image repository",
        "registry/path in lower case, without scheme, tag or digest; tags stand in stages[].instances",
        _image,
    ),
    spec.ENV_NAME_PATTERN: Form(
        "a variable's name", "letters, digits, '_', '.' and '-', beginning with a letter or '_'"
    ),
    spec.STATUSES_PATTERN: Form(
        "a list of status codes", "codes and ranges from 100 to 599, such as 200-399 or 200,204"
    ),
    spec.LABEL_KEY_PATTERN: Form(
        "a label key", "letters, digits, '-', '.', '_' and '/', such as team or example.com/team"
    ),
    spec.URL_PATH_PATTERN: Form("a path", "only the path of the URL, beginning with /, without blanks: /healthz"),
    spec.MOUNT_PATTERN: Form("an absolute path", "a path that begins with / and holds no ':' or ','"),
    spec.USER_PATTERN: Form("a user", "a user or user:group, by name or number, such as 1000:1000"),
    spec.SECRET_ENV_PATTERN: Form("a variable for secrets", "only variables named HOLDFAST_SECRET_… can be used"),
    spec.OBJECT_NAME_PATTERN: Form("a name", "lower-case letters, digits, dashes and dots, at most 253"),
}
"""Pattern to words."""


@dataclass(frozen=True)
class Field:
    """One place: the names of its fields when it is a mapping of known ones, and the pattern when it is text."""

    names: tuple[str, ...] = ()
    pattern: str = ""


def field_at(model: type[BaseModel], loc: Loc) -> Field:
    """What the model says about a place; blank for a place that it does not know."""
    kind: Any = model
    for part in loc:
        kind = _below(kind, part)
        if kind is None:
            return Field()
    bare, pattern = _bare(kind)
    return Field(tuple(_fields(bare)) if _is_model(bare) else (), pattern)


def owner_of(model: type[BaseModel], name: str) -> Loc | None:
    """The shortest place whose fields include this name, list positions left out; None when there is none."""
    queue: list[tuple[Loc, Any]] = [((), model)]
    while queue:
        loc, kind = queue.pop(0)
        kind, _ = _bare(kind)
        if typing.get_origin(kind) is list:
            kind, _ = _bare(typing.get_args(kind)[0])
        if not _is_model(kind):
            continue
        fields = _fields(kind)
        if name in fields:
            return loc
        queue += [((*loc, key), below) for key, below in fields.items()]
    return None


def _below(kind: Any, part: str | int) -> Any:
    kind, _ = _bare(kind)
    if _is_model(kind):
        return _fields(kind).get(str(part))
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) in (list, tuple) and isinstance(part, int):
        return arguments[0]
    return arguments[1] if typing.get_origin(kind) is dict else None


def _bare(kind: Any) -> tuple[Any, str]:
    """A type without None and annotations, and the pattern that stood there."""
    pattern = ""
    while True:
        if typing.get_origin(kind) is typing.Annotated:
            kind, *extra = typing.get_args(kind)
            found = [item.pattern for item in extra if isinstance(item, StringConstraints) and item.pattern]
            pattern = str(found[0]) if found else pattern
        elif typing.get_origin(kind) in (typing.Union, types.UnionType):
            kind = next(item for item in typing.get_args(kind) if item is not types.NoneType)
        else:
            return kind, pattern


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


@functools.cache
def _fields(model: type[BaseModel]) -> dict[str, Any]:
    hints = typing.get_type_hints(model, include_extras=True)
    return {info.alias or name: hints[name] for name, info in model.model_fields.items()}
