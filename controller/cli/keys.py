"""KEY on the command line: `project`, `project/stage` or `project/stage/tag`, and the stages that it names."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from controller.core.model.status import StageStatus

NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
"""As in core.documents.spec, which would have to be loaded for every --help."""
FORMS = "project, project/stage or project/stage/tag"
MESSAGE_MAX_CHARS = 80
"""Characters of a wrong KEY that its message repeats."""


def _check(key: str | None) -> str | None:
    if key is None or _is_key(key):
        return key
    shown = key if len(key) <= MESSAGE_MAX_CHARS else key[: MESSAGE_MAX_CHARS - 1] + "…"
    raise typer.BadParameter(f"{shown!a} is not {FORMS}", param_hint="KEY")


def _is_key(key: str) -> bool:
    names, tag = key.split("/", 2)[:2], key.split("/", 2)[2:]
    return all(NAME.fullmatch(name) for name in names) and all(TAG.fullmatch(one) for one in tag)


def _check_stage(key: str) -> str:
    if key.count("/") != 1 or not _is_key(key):
        raise typer.BadParameter("name one stage as project/stage", param_hint="KEY")
    return key


Key = Annotated[str, typer.Argument(metavar="KEY", help=FORMS, callback=_check)]
MaybeKey = Annotated[str | None, typer.Argument(metavar="KEY", help=FORMS, callback=_check)]
StageKey = Annotated[str, typer.Argument(metavar="KEY", help="project/stage", callback=_check_stage)]


def split(key: str) -> tuple[str, str]:
    """A KEY as the prefix of stage keys and a tag: `a` → (a, ""), `a/b/c` → (a/b, c)."""
    parts = key.split("/", 2)
    return "/".join(parts[:2]), parts[2] if len(parts) == 3 else ""


def is_below(stage: str, prefix: str) -> bool:
    """True for a stage at or below a project or stage."""
    return stage == prefix or stage.startswith(prefix + "/")


def select(statuses: "Mapping[str, StageStatus]", key: str | None) -> "dict[str, StageStatus]":
    """The stages at or below a KEY, with only that tag when it names one. Raises `KeyError` with a suggestion."""
    if key is None:
        return dict(statuses)
    prefix, tag = split(key)
    chosen = {name: status for name, status in statuses.items() if is_below(name, prefix)}
    if tag:
        tagged = {name: tuple(one for one in status.instances if one.tag == tag) for name, status in chosen.items()}
        chosen = {name: chosen[name].model_copy(update={"instances": kept}) for name, kept in tagged.items() if kept}
    if chosen:
        return chosen
    if not statuses:
        raise KeyError(f"nothing is known of {key}: nothing has been reconciled yet; run 'holdfast apply'")
    names = {name.split("/")[0] for name in statuses} | set(statuses)
    names |= {f"{name}/{instance.tag}" for name, status in statuses.items() for instance in status.instances}
    near = get_close_matches(key, sorted(names), 1)
    raise KeyError(f"nothing is known of {key}" + (f"; did you mean {near[0]}?" if near else ""))
