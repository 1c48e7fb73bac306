"""The page of properties names what there is, and leaves none of them out."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "tests" / "PROPERTIES.md"
ROWS = {cells[1].strip(): cells for line in PAGE.read_text().splitlines() if len(cells := line.split("|")) == 6}
PROMISED = (*(f"S{number}" for number in range(1, 27)), *(f"L{number}" for number in range(1, 12)))


@pytest.mark.parametrize("name", PROMISED)
def test_a_property_is_checked_by_something_that_exists(name: str) -> None:
    """At least one place, and each place has a function of that name."""
    places = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", "".join(ROWS[name][3:]))
    assert places
    missing = [f"{path}::{what}" for path, what in places if not _defines(ROOT / path, what)]
    assert missing == []


def test_nothing_else_is_on_the_page() -> None:
    """A property that is not on the list has a typing error."""
    assert set(ROWS) - {"", "---"} == set(PROMISED)


def _defines(path: Path, what: str) -> bool:
    return path.exists() and re.search(rf"^ *(async )?def {what}\(", path.read_text(), re.MULTILINE) is not None
