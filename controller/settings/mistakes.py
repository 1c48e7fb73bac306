"""Mistakes in the settings, in words for a person. What documents have in common with them, `wording` says."""

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from controller.core.documents.codes import Code
from controller.core.documents.diagnostics import Problem, did_you_mean
from controller.core.documents.shared_rules import NOT_YET
from controller.core.documents.wording import ErrorTranslator
from controller.core.documents.yaml_tree import Broken, Implicit, Loc
from controller.core.model.desired import SECRET_VARIABLE_PREFIX
from controller.settings.base import REFERENCE_HELP, Block, Reference
from controller.settings.blocks import FILES_HELP
from controller.settings.environment import block_of
from controller.settings.model import Settings
from controller.settings.values import InvalidValue

_HELP_WHEN_MISSING = {
    "id": "write a name for this controller, such as id: home-1",
    "domain": "write the domain of the hostnames, such as domain: example.com",
    "files": FILES_HELP,
    "path": "write path: ./desired",
    "url": f"write url: https://HOST/PATH, or url: {{env: {SECRET_VARIABLE_PREFIX}NAME}}",
}


def problems(error: ValidationError, data: dict[str, Any]) -> list[Problem]:
    """One problem per mistake."""
    translator = ErrorTranslator(Settings, lambda loc: None)
    errors = error.errors(include_url=False)
    refused = {details["loc"][:-1] for details in errors if details["type"] == NOT_YET}
    causes = (details for details in errors if not _follows(details, refused))
    return list(dict.fromkeys(_problem(details, data, translator) for details in causes))


def _follows(details: ErrorDetails, refused: Collection[Loc]) -> bool:
    """Whether this only follows from another mistake. `refused`: places of blocks with a key for later versions."""
    kind, value = details["type"], details["input"]
    is_refused = kind == "missing" and details["loc"][:-1] in refused
    return is_refused or isinstance(value, Broken) or (kind == "too_short" and bool(value))


def _problem(details: ErrorDetails, data: dict[str, Any], translator: ErrorTranslator) -> Problem:
    kind, value, context = details["type"], details["input"], details.get("ctx", {})
    loc = _place(details["loc"], data, kind)
    error = context.get("error")
    if isinstance(error, InvalidValue):
        return Problem((*loc, error.at) if error.at else loc, Code.FORM, str(error), error.help)
    if kind == "missing":
        return Problem(loc, Code.MISSING_FIELD, f"'{loc[-1]}' is missing", _HELP_WHEN_MISSING.get(str(loc[-1]), ""))
    if kind == "extra_forbidden":
        block = _block(loc[:-1])
        help = did_you_mean(str(loc[-1]), block.keys()) if block is not None else ""
        return Problem(loc, Code.UNKNOWN_FIELD, f"unknown key '{loc[-1]}'", help, on_key=True)
    if kind == "literal_error" and isinstance(value, (Implicit, bool, int)):
        return _choice(loc, value, re.findall(r"'([^']*)'", str(context["expected"])))
    problem = translator.problem(details, loc)
    return replace(problem, help=_keys_help(loc)) if kind == "model_type" and value is not None else problem


def _keys_help(loc: Loc) -> str:
    block = _block(loc)
    if block is Reference:
        return REFERENCE_HELP
    return "its keys are " + ", ".join(block.keys()) if block is not None else ""


def _choice(loc: Loc, value: Any, choices: Sequence[str]) -> Problem:
    """A word or number without quotes where one of some words is expected: `mode: off` is a yes/no to YAML."""
    written = value.text if isinstance(value, Implicit) else str(value).lower()
    if written in choices:
        message = f"{written} without quotes is not text to YAML"
        return Problem(loc, Code.QUOTES, message, f'put it in quotes: {loc[-1]}: "{written}"')
    help = f"use {', '.join(map(_quoted, choices))}"
    return Problem(loc, Code.CHOICE, f"{written} is not one of {', '.join(choices)}", help)


def _quoted(word: str) -> str:
    return f'"{word}"' if word in ("on", "off") else word


def _place(loc: Loc, data: Any, kind: str) -> Loc:
    """A place as it is written: without the names of union members that pydantic inserts."""
    place: list[str | int] = []
    node = data
    for number, part in enumerate(loc):
        is_entry = isinstance(node, list) and isinstance(part, int) and part < len(node)
        if is_entry or (isinstance(node, dict) and part in node):
            node = node[part]
        elif kind != "missing" or number < len(loc) - 1:
            continue
        place.append(part)
    return tuple(place)


def _block(loc: Loc) -> type[Block] | None:
    block: type[Block] | None = Settings
    for part in loc:
        if block is None or isinstance(part, int):
            continue
        info = next((info for name, info in block.model_fields.items() if (info.alias or name) == part), None)
        block = block_of(info.annotation) if info is not None else None
    return block
