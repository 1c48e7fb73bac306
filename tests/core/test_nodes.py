"""Where things stand in a text, also when they are not there: every message points somewhere."""

import pytest

from controller.core.documents.yaml_tree import MappingNode, Mark, Node, ScalarNode, SequenceNode, find, locate


def scalar(text: str, line: int) -> ScalarNode:
    """A plain text on a line."""
    return ScalarNode(Mark(line, 1), text, "text")


LIST: Node = SequenceNode(Mark(2, 1), (scalar("a", 2), scalar("b", 3)))
ROOT: Node = MappingNode(Mark(1, 1), {"tags": (Mark(2, 7), LIST), "name": (Mark(4, 7), scalar("shop", 4))})


@pytest.mark.parametrize(
    "loc", [("tags", 2), ("tags", "x"), ("name", 0), ("name", "x"), ("other",), (0,), ("tags", 0, "x")]
)
def test_what_is_not_there_is_not_found(loc: tuple[str | int, ...]) -> None:
    """A wrong kind of step and a place behind the end are no error."""
    assert find(ROOT, loc) is None


def test_what_is_there_is_found() -> None:
    """By field and by place in a list."""
    assert find(ROOT, ()) is ROOT
    assert find(ROOT, ("tags",)) is LIST
    node = find(ROOT, ("tags", 1))
    assert isinstance(node, ScalarNode)
    assert node.text == "b"


@pytest.mark.parametrize(
    ("loc", "on_key", "line", "column"),
    [
        (("name",), False, 4, 1),
        (("name",), True, 4, 7),
        (("tags",), False, 2, 7),
        (("tags", 1), False, 3, 1),
        (("tags", 9), False, 2, 7),
        (("other", "x"), False, 1, 1),
    ],
)
def test_a_place_is_its_value_its_key_or_what_is_above_it(
    loc: tuple[str | int, ...], on_key: bool, line: int, column: int
) -> None:
    """Mappings and lists are shown at their key; what is missing at the nearest thing above it."""
    assert locate(ROOT, loc, on_key) == Mark(line, column)
