"""A document as a tree that remembers lines and columns, and the data that it stands for.

YAML readers disagree about words such as no, 1.10 and 22:22. The tree keeps what was written. `to_data` returns text,
numbers and yes/no only where all readers agree, and `Implicit` otherwise, which no field accepts.
"""

import re
from dataclasses import dataclass
from typing import Any, Literal

Loc = tuple[str | int, ...]
"""A place inside a document: field names and list positions."""

Kind = Literal["text", "yes/no", "number", "date", "nothing"]
"""What a YAML reader makes of a scalar."""

_INT = re.compile(r"-?(0|[1-9][0-9]{0,17})")


@dataclass(frozen=True)
class Mark:
    """A place in a text; line and column are 1-based."""

    line: int
    column: int


@dataclass(frozen=True)
class Implicit:
    """A scalar without quotes that readers take for something other than text, and not all for the same."""

    text: str
    kind: Kind


@dataclass(frozen=True)
class Broken:
    """Stands for data that could not be read and is reported already."""


@dataclass(frozen=True)
class ScalarNode:
    """One value as written."""

    mark: Mark
    text: str
    kind: Kind = "text"


@dataclass(frozen=True)
class SequenceNode:
    """A list."""

    mark: Mark
    items: tuple["Node", ...]


@dataclass(frozen=True)
class MappingNode:
    """A mapping; a key that was written twice is here once, with its last value."""

    mark: Mark
    entries: dict[str, tuple[Mark, "Node"]]


@dataclass(frozen=True)
class UnreadableNode:
    """A part that could not be read and is reported already."""

    mark: Mark


Node = ScalarNode | SequenceNode | MappingNode | UnreadableNode


def to_data(node: Node) -> Any:
    """The data that a node stands for: dict, list, str, int, bool, None, Implicit or Broken."""
    match node:
        case MappingNode():
            return {key: to_data(value) for key, (_, value) in node.entries.items()}
        case SequenceNode():
            return [to_data(item) for item in node.items]
        case ScalarNode():
            return _scalar_value(node)
        case UnreadableNode():
            return Broken()


def _scalar_value(node: ScalarNode) -> Any:
    if node.kind == "text":
        return node.text
    if node.kind == "nothing":
        return None
    if node.kind == "yes/no" and node.text in ("true", "false"):
        return node.text == "true"
    if node.kind == "number" and _INT.fullmatch(node.text):
        return int(node.text)
    return Implicit(node.text, node.kind)


def find(root: Node, loc: Loc) -> Node | None:
    """The node at a place; None when there is none."""
    node: Node | None = root
    for part in loc:
        if isinstance(node, MappingNode) and isinstance(part, str) and part in node.entries:
            node = node.entries[part][1]
        elif isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.items):
            node = node.items[part]
        else:
            return None
    return node


def locate(root: Node, loc: Loc, on_key: bool = False) -> Mark:
    """Line and column of a place: of its value, or of its key; of the nearest node above when it is not there.

    A mapping or list in a field, and a field without a value, are shown at their key, where a person looks for them.
    """
    while loc:
        parent = find(root, loc[:-1])
        if isinstance(parent, MappingNode) and loc[-1] in parent.entries:
            key_mark, value = parent.entries[str(loc[-1])]
            has_text = isinstance(value, ScalarNode) and value.kind != "nothing"
            return value.mark if has_text and not on_key else key_mark
        node = find(root, loc)
        if node is not None:
            return node.mark
        loc = loc[:-1]
    return root.mark
