"""What code and pages refer to is there: numbers, paths and tests; and each folder says what it is."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROPERTIES = ROOT / "tests" / "PROPERTIES.md"
FACTS = ROOT / "controller" / "README.md"
PAGES = ("controller/README.md", "tests/README.md", "tests/PROPERTIES.md", "CONTRIBUTING.md")
BASES = (ROOT, ROOT / "controller", ROOT / "tests")
"""A path on a page is relative to one of these; a bare name is found anywhere below."""
NUMBER = re.compile(r"(?<![\w-])[SLF]\d{1,2}(?![\w-])")
OUTSIDE = re.compile(r"\bdesign §|\b(?:design|reliability|faults)\.md\b|(?<![\w-])(?:G|DP|M|Q)\d{1,2}(?![\w-])")
"""What only pages outside of this repository explain."""
LONGEST = 300
MODULES = sorted(path for folder in ("controller", "tests") for path in (ROOT / folder).rglob("*.py"))
ROWS = {
    name.strip(): cells
    for page in (PROPERTIES, FACTS)
    for line in page.read_text().splitlines()
    if len(cells := line.split("|")) >= 5
    for name in cells[1].split(",")
    if NUMBER.fullmatch(name.strip())
}
"""The rows of both tables by their number; one row may have several."""


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _lines(pattern: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    for path in MODULES:
        if path != Path(__file__):
            for number, line in enumerate(path.read_text().splitlines(), 1):
                yield from ((f"{_name(path)}:{number}", match) for match in pattern.findall(line))


def test_each_number_has_its_row() -> None:
    """S and L are in tests/PROPERTIES.md, F is in controller/README.md."""
    assert [(place, number) for place, number in _lines(NUMBER) if number not in ROWS] == []


def test_each_property_has_a_row_without_a_gap() -> None:
    """A number that is missing between two others was lost."""
    for letter, last in (("S", 26), ("L", 11)):
        assert [name for name in ROWS if name[0] == letter] == [f"{letter}{number}" for number in range(1, last + 1)]


@pytest.mark.parametrize("name", [name for name in ROWS if name[0] in "SL"])
def test_a_property_is_checked_by_something_that_exists(name: str) -> None:
    """At least one test, oracle or story, and each place has a function of that name."""
    places = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", "".join(ROWS[name][3:]))
    assert places
    assert [f"{path}::{function}" for path, function in places if not _defines(ROOT / path, function)] == []


@pytest.mark.parametrize("page", PAGES)
def test_each_path_on_a_page_leads_somewhere(page: str) -> None:
    """In the text, in the tables and in drawings; `*` stands for at least one file."""
    text = (ROOT / page).read_text()
    quoted = re.findall(r"`([\w./*-]+)(?:::\w+)?`", text)
    drawn = re.findall(r"(?<![\w./])\w+(?:/\w+)*\.py\b", text)
    links = re.findall(r"\]\(([^)#:]+)", text)
    paths = {name for name in quoted if re.search(r"\.(py|md|sh|toml)$", name) or re.fullmatch(r"[\w/.-]+/", name)}
    assert [name for name in sorted({*paths, *drawn}) if not _is_there(name)] == []
    assert [link for link in links if not (ROOT / page).parent.joinpath(link).exists()] == []


def test_nothing_refers_to_what_is_not_in_the_repository() -> None:
    """A sentence stands by itself, or its number is in one of the tables."""
    assert list(_lines(OUTSIDE)) == []


def test_no_module_of_the_package_is_long() -> None:
    """One that is has two subjects."""
    lengths = {
        _name(path): len(path.read_text().splitlines()) for path in MODULES if _name(path).startswith("controller/")
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def test_each_folder_says_what_lives_there() -> None:
    """In the docstring of its `__init__`."""
    packages = [path for path in MODULES if path.name == "__init__.py" and len(list(path.parent.glob("*.py"))) > 1]
    assert [_name(path) for path in packages if not ast.get_docstring(ast.parse(path.read_text()))] == []


def _is_there(name: str) -> bool:
    pattern = name if "/" in name else f"**/{name}"
    return any(any(base.glob(pattern)) for base in BASES)


def _defines(path: Path, function: str) -> bool:
    return path.exists() and re.search(rf"^ *(async )?def {function}\(", path.read_text(), re.MULTILINE) is not None
