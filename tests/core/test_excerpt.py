"""The part of a line that an error shows: around the mistake, with the caret under it, without what may be a secret."""

import pytest

from controller.core.documents.codes import Code
from controller.core.documents.diagnostics import DiagnosticCollector, render
from controller.core.documents.yaml_tree import Mark
from controller.core.model.errors import Diagnostic
from controller.core.model.limits import MAX_DIAGNOSTICS, MAX_EXCERPT

CODE = Code.UNKNOWN_FIELD
WORD = "wrong"


def mistake_between(before: str, after: str = "") -> Diagnostic:
    """A mistake between two texts in one line, the third of its file."""
    collector = DiagnosticCollector("x.yaml", f"a\nb\n{before}{WORD}{after}\n")
    collector.add(Mark(3, len(before) + 1), CODE, "wrong")
    return collector.diagnostics[0]


def at_caret(diagnostic: Diagnostic) -> str:
    """The excerpt from the caret on."""
    return diagnostic.excerpt[diagnostic.column - 1 - diagnostic.cut :]


@pytest.mark.parametrize("size", [0, 1, 40, 89, 90, 91, 119, 120, 121, 300])
@pytest.mark.parametrize("rest", [0, 30, 200])
def test_the_caret_is_under_the_mistake(size: int, rest: int) -> None:
    """In short lines and in long ones, with enough of the line behind it to know the place again."""
    diagnostic = mistake_between("x" * size, "y" * rest)
    assert at_caret(diagnostic).startswith(WORD + "y" * min(rest, 20))
    assert len(diagnostic.excerpt) <= MAX_EXCERPT
    assert diagnostic.excerpt.startswith("… ") == (size > 90)
    caret = render([diagnostic]).splitlines()[3]
    assert caret == "   | " + " " * (diagnostic.column - 1 - diagnostic.cut) + "^"


@pytest.mark.parametrize("secret", ["a", "ab", "abc", "hunter2", "h" * 200])
def test_a_value_is_hidden_wherever_the_mistake_is(secret: str) -> None:
    """At most three stars stand for it, and the caret stays under the mistake before, behind and at the value."""
    stars = "***"[: len(secret)]
    behind = mistake_between(f"{{value: {secret}, ", ": 1}")
    assert at_caret(behind).startswith(WORD)
    assert behind.excerpt == f"{{value: {stars}, {WORD}: 1}}"
    before = mistake_between("{", f": 1, value: {secret}}}")
    assert before.excerpt == f"{{{WORD}: 1, value: {stars}}}"
    assert at_caret(before).startswith(WORD)
    inside = DiagnosticCollector("x.yaml", f"{{value: {secret}}}")
    inside.add(Mark(1, 9), CODE, "wrong")
    assert at_caret(inside.diagnostics[0]) == f"{stars}}}"


def test_no_more_than_the_limit_is_told() -> None:
    """What is more than fits is counted, and only that."""
    collector = DiagnosticCollector("x.yaml", "a\n" * MAX_DIAGNOSTICS)
    for line in range(MAX_DIAGNOSTICS):
        collector.add(Mark(line + 1, 1), CODE, "wrong")
    assert not collector.full
    assert len(collector.diagnostics) == MAX_DIAGNOSTICS
    collector.add(Mark(1, 2), CODE, "another")
    assert collector.full
    collector.add(Mark(1, 3), CODE, "another")
    assert collector.diagnostics[-1].message == "2 more mistakes in this file are not shown"


def test_one_error_is_not_counted_and_two_are() -> None:
    """Files are counted when there are several."""
    one = Diagnostic(CODE, "wrong", "a.yaml")
    other = Diagnostic(CODE, "wrong", "b.yaml")
    assert render([one]) == "error[E0104]: wrong\n  --> a.yaml\n"
    assert render([one, one]).endswith("\n\n2 errors\n")
    assert render([one, other]).endswith("\n\n2 errors in 2 files\n")
