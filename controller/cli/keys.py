"""KEY on the command line: `project`, `project/stage` or `project/stage/tag`. What cannot be one is a usage error."""

import re
from typing import Annotated

import typer

NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
"""As in core.spec, which would have to be loaded for every --help."""
FORMS = "project, project/stage or project/stage/tag"
SHOWN = 80


def _check(key: str | None) -> str | None:
    if key is None or _fits(key):
        return key
    shown = key if len(key) <= SHOWN else key[: SHOWN - 1] + "…"
    raise typer.BadParameter(f"{shown!a} is not {FORMS}", param_hint="KEY")


def _fits(key: str) -> bool:
    names, tag = key.split("/", 2)[:2], key.split("/", 2)[2:]
    return all(NAME.fullmatch(name) for name in names) and all(TAG.fullmatch(item) for item in tag)


def _stage(key: str) -> str:
    if key.count("/") != 1 or not _fits(key):
        raise typer.BadParameter("name one stage as project/stage", param_hint="KEY")
    return key


Key = Annotated[str, typer.Argument(metavar="KEY", help=FORMS, callback=_check)]
MaybeKey = Annotated[str | None, typer.Argument(metavar="KEY", help=FORMS, callback=_check)]
StageKey = Annotated[str, typer.Argument(metavar="KEY", help="project/stage", callback=_stage)]
