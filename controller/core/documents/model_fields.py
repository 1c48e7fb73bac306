"""What the models say about a place in a document: the names of its fields, or the pattern of its text."""

import functools
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, StringConstraints

from controller.core.documents.yaml_tree import Loc


@dataclass(frozen=True)
class Field:
    """One place: the names of its fields when it is a mapping of known ones, and the pattern when it is text."""

    names: tuple[str, ...] = ()
    pattern: str = ""


def field_at(model: type[BaseModel], loc: Loc) -> Field:
    """What the model says about a place; blank for a place that it does not know."""
    kind: Any = model
    for part in loc:
        kind = _inner_type(kind, part)
        if kind is None:
            return Field()
    bare, pattern = _bare(kind)
    return Field(tuple(_field_types(bare)) if _is_model(bare) else (), pattern)


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
        fields = _field_types(kind)
        if name in fields:
            return loc
        queue += [((*loc, key), inner) for key, inner in fields.items()]
    return None


def _inner_type(kind: Any, part: str | int) -> Any:
    """The type of a field, or of the items of a list or mapping; None when the type has no such part."""
    kind, _ = _bare(kind)
    if _is_model(kind):
        return _field_types(kind).get(str(part))
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) in (list, tuple) and isinstance(part, int):
        return arguments[0]
    return arguments[1] if typing.get_origin(kind) is dict else None


def _bare(kind: Any) -> tuple[Any, str]:
    """A type without None and annotations, and the pattern among its annotations."""
    pattern = ""
    while True:
        if typing.get_origin(kind) is typing.Annotated:
            kind, *annotations = typing.get_args(kind)
            patterns = [note.pattern for note in annotations if isinstance(note, StringConstraints) and note.pattern]
            pattern = str(patterns[0]) if patterns else pattern
        elif typing.get_origin(kind) in (typing.Union, types.UnionType):
            kind = next(member for member in typing.get_args(kind) if member is not types.NoneType)
        else:
            return kind, pattern


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


@functools.cache
def _field_types(model: type[BaseModel]) -> Mapping[str, Any]:
    hints = typing.get_type_hints(model, include_extras=True)
    return {info.alias or name: hints[name] for name, info in model.model_fields.items()}
