"""Golden cases of the decision what must be confirmed: `guard/*.yaml`."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.core import guard_cases


@pytest.mark.parametrize("case", guard_cases.cases(), ids=lambda case: case["case"])
def test_what_waits_and_what_goes(case: Mapping[str, Any]) -> None:
    """A change is held with these words or accepted, and only these running instances may be removed."""
    decided = guard_cases.decision(case)
    hold = decided.hold
    assert (hold.message if hold is not None else None) == case.get("held")
    assert list(hold.losses if hold is not None else ()) == case.get("losses", [])
    assert list(guard_cases.goes(case, decided)) == case.get("goes", [])
    suspended = [key for key, stage in decided.catalog.stages.items() if stage.suspend]
    assert suspended == case.get("suspended", [])
    assert decided.is_allowed == case.get("allowed", False)


@pytest.mark.parametrize("case", guard_cases.cases(), ids=lambda case: case["case"])
def test_the_same_again_decides_the_same(case: Mapping[str, Any]) -> None:
    """The decision depends on nothing but what it is given."""
    assert guard_cases.decision(case) == guard_cases.decision(case)
