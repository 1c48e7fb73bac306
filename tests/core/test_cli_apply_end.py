"""How `apply` ends: one exit code per outcome."""

import pytest

from controller.cli.converge import finish
from controller.cli.output import Stop
from controller.core.status import Condition, StageStatus


def _stage(ready: str, *more: str) -> dict[str, StageStatus]:
    ended = Condition.model_validate({"type": "Ready", "status": ready, "reason": "R"})
    kinds = (ended, *(Condition(type=kind, status="True", reason="R") for kind in more))
    return {"shop/dev": StageStatus(key="shop/dev", conditions=kinds)}


@pytest.mark.parametrize(
    ("found", "holds", "code"),
    [
        (_stage("True"), [], 0),
        (_stage("False", "Stalled"), [], 1),
        (_stage("False", "Reconciling"), [], 75),
        (_stage("True"), [{"digest": "d1", "message": "all would go"}], 1),
    ],
)
def test_each_outcome_has_its_exit_code(
    found: dict[str, StageStatus], holds: list[dict[str, str]], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ready is 0, taken back or held is 1, still busy is 75; a hold names the command that allows it."""
    ended = 0
    try:
        finish(found, holds)
    except Stop as stop:
        ended = int(stop.code)
    assert ended == code
    assert ("holdfast confirm d1" in capsys.readouterr().err) == bool(holds)
