"""A document as a tree that remembers its places, and the plain data it stands for.

YAML readers disagree about words such as no, 1.10 and 22:22. The tree keeps what was written; `plain` makes text of
what everybody reads as text, numbers and yes/no of what everybody reads as such, and `Implicit` of the rest, which no
field accepts.
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
    """Stands for what could not be read and is reported already."""


@dataclass(frozen=True)
class Scalar:
    """One value as written."""

    mark: Mark
    text: str
    kind: Kind = "text"


@dataclass(frozen=True)
class Items:
    """A list."""

    mark: Mark
    items: tuple["Node", ...]


@dataclass(frozen=True)
class Fields:
    """A mapping; a key that was written twice is here once, with its last value."""

    mark: Mark
    entries: dict[str, tuple[Mark, "Node"]]


@dataclass(frozen=True)
class Unread:
    """A part that could not be read and is reported already."""

    mark: Mark


Node = Scalar | Items | Fields | Unread


def plain(node: Node) -> Any:
    """The data that a node stands for: dict, list, str, int, bool, None, Implicit or Broken."""
    match node:
        case Fields():
            return {key: plain(value) for key, (_, value) in node.entries.items()}
        case Items():
            return [plain(item) for item in node.items]
        case Scalar():
            return _value(node)
        case Unread():
            return Broken()


def _value(node: Scalar) -> Any:
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
    """The node at a place, if there is one."""
    node: Node | None = root
    for part in loc:
        if isinstance(node, Fields) and isinstance(part, str) and part in node.entries:
            node = node.entries[part][1]
        elif isinstance(node, Items) and isinstance(part, int) and part < len(node.items):
            node = node.items[part]
        else:
            return None
    return node


def locate(root: Node, loc: Loc, on_key: bool = False) -> Mark:
    """Where a place stands in the text: its value, or its key; the nearest thing above it when it is not there.

    A mapping or list in a field, and a field without a value, are shown at their key, for that is where a person looks.
    """
    while loc:
        parent = find(root, loc[:-1])
        if isinstance(parent, Fields) and loc[-1] in parent.entries:
            key, node = parent.entries[str(loc[-1])]
            plain_value = isinstance(node, Scalar) and node.kind != "nothing"
            return node.mark if plain_value and not on_key else key
        node_here = find(root, loc)
        if node_here is not None:
            return node_here.mark
        loc = loc[:-1]
    return root.mark
