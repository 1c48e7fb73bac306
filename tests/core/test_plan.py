"""Golden cases of one pass: declared + seen + remembered → actions. Phases, conditions and log are on the pages."""

import fnmatch
from collections.abc import Mapping
from typing import Any

import pytest

from tests.core import plan_cases


@pytest.mark.parametrize("case", plan_cases.cases(), ids=lambda case: case["case"].replace(" ", "-"))
def test_case(case: Mapping[str, Any]) -> None:
    """The pass does exactly what the case says, in that order, and gives a reason."""
    decided = plan_cases.run(case)
    actions = [plan_cases.words(action) for action in decided.actions]
    assert len(case["then"]) == len(actions), actions
    assert all(map(fnmatch.fnmatchcase, actions, case["then"])), actions
    assert decided.reason


@pytest.mark.parametrize("case", plan_cases.cases(), ids=lambda case: case["case"].replace(" ", "-"))
def test_same_inputs_give_the_same_plan(case: Mapping[str, Any]) -> None:
    """Safety: a plan is a pure function (S13)."""
    assert plan_cases.run(case) == plan_cases.run(case)
