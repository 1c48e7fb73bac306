"""What the models say about a place in a document, for error messages: its fields, and the form of its text."""

import functools
import types
import typing
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, StringConstraints

from controller.core.nodes import Loc


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
