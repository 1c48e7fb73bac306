"""Variables that beat the file: HOLDFAST_PROXY__ADMIN is proxy.admin, HOLDFAST_API__LISTEN is api.listen.

Two underscores separate blocks from keys. Text is taken as it is; numbers, true, false, null, lists and blocks are
JSON.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from pydantic import BaseModel

from controller.core.documents.diagnostics import did_you_mean, path_text
from controller.core.documents.yaml_tree import Loc
from controller.core.model.desired import SECRET_VARIABLE_PREFIX
from controller.core.model.errors import Diagnostic
from controller.settings.base import Block
from controller.settings.model import Settings

PREFIX = "HOLDFAST_"
PLACE = "environment"
"""Source of a mistake in a variable."""
UNKNOWN_VARIABLE = "E0301"
UNREADABLE_VARIABLE = "E0302"

_NOT_SETTINGS = re.compile(rf"{SECRET_VARIABLE_PREFIX}.*|{PREFIX}(CONFIG|DEBUG|TEST_.*|SERVICE_.*|PORT(_.*)?)")
"""Secrets, the program's own switches, and what Kubernetes sets for a Service named holdfast."""

MAX_DEPTH = 16


@dataclass
class Overlay:
    """Values that variables set; `places` names the variable of each."""

    values: list[tuple[Loc, Any]] = field(default_factory=list)
    places: dict[Loc, str] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)

    def onto(self, data: dict[str, Any]) -> dict[str, Any]:
        """The data with these values in place of its own."""
        result = dict(data)
        for loc, value in self.values:
            block = result
            for name in loc[:-1]:
                inner = block.get(str(name))
                block[str(name)] = dict(inner) if isinstance(inner, dict) else {}
                block = block[str(name)]
            block[str(loc[-1])] = value
        return result

    def variable(self, loc: Loc) -> str:
        """The variable that a place comes from; empty when it comes from the file."""
        for end in range(len(loc), 0, -1):
            if loc[:end] in self.places:
                return self.places[loc[:end]]
        return ""


def read(environ: Mapping[str, str]) -> Overlay:
    """The settings among the variables; blocks come before their keys, so that the more exact one wins."""
    by_name = dict(_variables(Settings))
    overlay = Overlay()
    for name in sorted(environ):
        if not name.startswith(PREFIX) or _NOT_SETTINGS.fullmatch(name):
            continue
        variable = by_name.get(_normalized(name))
        if variable is None:
            help = did_you_mean(name, (known.name for known in by_name.values()))
            overlay.diagnostics.append(Diagnostic(UNKNOWN_VARIABLE, f"unknown variable {name}", PLACE, help=help))
            continue
        try:
            value = _value(environ[name], variable.annotation)
        except (ValueError, RecursionError):
            help = f"write {path_text(variable.loc)} as JSON, such as {_example(variable.annotation)}"
            message = f"the value of {name} is not JSON"
            overlay.diagnostics.append(Diagnostic(UNREADABLE_VARIABLE, message, PLACE, path=name, help=help))
            continue
        overlay.values.append((variable.loc, value))
        overlay.places[variable.loc] = name
    return overlay


@dataclass(frozen=True)
class Variable:
    """One key that a variable may set."""

    name: str
    loc: Loc
    annotation: Any


def variables() -> tuple[Variable, ...]:
    """Every variable that is a setting, in the order of the keys."""
    return tuple(variable for _, variable in _variables(Settings))


def block_of(annotation: Any) -> type[Block] | None:
    """The block that an annotation such as `Api | None` or a list of blocks holds."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation if issubclass(annotation, Block) else None
    return next((block for block in map(block_of, get_args(annotation)) if block is not None), None)


def is_list(annotation: Any) -> bool:
    """Whether it is a list of anything."""
    return getattr(annotation, "__origin__", None) is list


def _variables(block: type[Block], prefix: str = PREFIX, loc: Loc = ()) -> Iterator[tuple[str, Variable]]:
    for name, info in block.model_fields.items():
        here = prefix + name.upper()
        place = (*loc, info.alias or name)
        yield _normalized(here), Variable(here, place, info.annotation)
        inner = block_of(info.annotation)
        if inner is not None and not is_list(info.annotation):
            yield from _variables(inner, here + "__", place)


def _normalized(name: str) -> str:
    """GUARD_PERCENT and GUARDPERCENT are one key."""
    return "__".join(part.replace("_", "") for part in name.removeprefix(PREFIX).split("__")).upper()


def _value(text: str, annotation: Any) -> Any:
    members = get_args(annotation) or (annotation,)
    if text == "null" and type(None) in members:
        return None
    if is_list(annotation) or block_of(annotation) is not None:
        return _bounded(json.loads(text, parse_constant=_refuse), 0)
    if int in members and re.fullmatch(r"-?[0-9]{1,18}", text):
        return int(text)
    if bool in members and text in ("true", "false"):
        return text == "true"
    return text


def _example(annotation: Any) -> str:
    """What a block, a list of blocks or a list of texts looks like as JSON."""
    one = '{"key": "value"}' if block_of(annotation) is not None else '"text"'
    return f"[{one}]" if is_list(annotation) else one


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _bounded(value: Any, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise ValueError("nested too deeply")
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _bounded(inner, depth + 1)
    return value
