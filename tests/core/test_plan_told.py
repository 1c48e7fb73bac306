"""What a person reads in each golden case is what the pages beside the cases say."""

from pathlib import Path

import pytest

from tests.core import told

PAGES = sorted(told.plan_cases.FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_what_is_told(path: Path) -> None:
    """Status, log, return and forecast of each case; `python -m tests.core.told` writes them anew for review."""
    page = path.with_suffix(".txt")
    assert page.read_text() == told.page(told.plan_cases.cases_of(path))
