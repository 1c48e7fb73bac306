"""Golden cases of one pass: declared + seen + remembered → actions, phases, readiness."""

import fnmatch
from collections.abc import Mapping
from typing import Any

import pytest

from tests.core import plan_cases


@pytest.mark.parametrize("case", plan_cases.cases(), ids=lambda case: case["case"].replace(" ", "-"))
def test_case(case: Mapping[str, Any]) -> None:
    """The pass does exactly what the case says, in that order, and says so."""
    found = plan_cases.run(case)

    told = [plan_cases.words(action) for action in found.actions]
    assert len(case["then"]) == len(told), told
    assert all(fnmatch.fnmatchcase(have, want) for have, want in zip(told, case["then"], strict=True)), told
    phases = {item.tag: item.phase for item in found.status.instances}
    assert case.get("phases", {}).items() <= phases.items()
    if "ready" in case:
        ready = found.status.condition("Ready")
        assert ready is not None
        assert case["ready"] == ready.status
        assert case.get("why", ready.reason) == ready.reason
    if "log" in case:
        assert case["log"] == [f"{line.level} {line.step}" for line in found.transitions]
    if "wake" in case:
        assert found.wake == plan_cases.NOW + case["wake"]
    assert found.reason


@pytest.mark.parametrize("case", plan_cases.cases(), ids=lambda case: case["case"].replace(" ", "-"))
def test_same_inputs_give_the_same_plan(case: Mapping[str, Any]) -> None:
    """Safety: a plan is a pure function (S13)."""
    assert plan_cases.run(case) == plan_cases.run(case)
