"""What a person reads in each golden case is what the page beside its file says."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.core import plan_cases, snapshots

FILES = sorted(plan_cases.FOLDER.glob("*.yaml"))
CASES = [(path, number, case) for path in FILES for number, case in enumerate(plan_cases.cases_of(path))]


def sections(path: Path) -> list[str]:
    """The cases on the page beside a file."""
    return path.with_suffix(".txt").read_text().split("\n\n")


@pytest.mark.parametrize(
    ("path", "number", "case"), CASES, ids=[case["case"].replace(" ", "-") for _, _, case in CASES]
)
def test_page(path: Path, number: int, case: Mapping[str, Any]) -> None:
    """Status, log, memory and forecast of each case; `python -m tests.core.snapshots` writes them anew for review."""
    assert sections(path)[number].splitlines() == snapshots.section(case).splitlines()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_page_has_only_the_cases_of_its_file(path: Path) -> None:
    """A case that is gone is gone from the page."""
    assert len(sections(path)) == len(plan_cases.cases_of(path))
