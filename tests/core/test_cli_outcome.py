"""How `apply` ends: one exit code per outcome, and a sentence for each instance that is not as declared."""

from typing import Any

import pytest

from controller.cli.outcome import Unapplied, finish
from controller.cli.output import OPTIONS, Stop
from controller.core.model.status import Condition, InstanceStatus, StageStatus
from controller.interfaces import Hold

NOTHING = Unapplied()
HOLD = Hold("d1", ("shop/dev: 1.0 would be removed",), "all would be removed")


@pytest.fixture(autouse=True)
def _as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever another test asked for."""
    monkeypatch.setattr(OPTIONS, "output", "text")


def stage(ready: str, *more: str, **fields: Any) -> dict[str, StageStatus]:
    """One stage with these conditions."""
    ended = Condition.model_validate(
        {"type": "Ready", "status": ready, "reason": "R", "message": fields.pop("why", "")}
    )
    kinds = (ended, *(Condition(type=kind, status="True", reason="R", message="M") for kind in more))
    return {"shop/dev": StageStatus(key="shop/dev", conditions=kinds, **fields)}


def code(statuses: dict[str, StageStatus], unapplied: Unapplied = NOTHING) -> int:
    """Exit code of an apply that ended with these."""
    try:
        finish(statuses, unapplied)
    except Stop as stop:
        return int(stop.code)
    return 0


@pytest.mark.parametrize(
    ("statuses", "unapplied", "expected"),
    [
        (stage("True"), Unapplied(), 0),
        (stage("False", "Stalled"), Unapplied(), 1),
        (stage("False", "Reconciling"), Unapplied(), 75),
        (stage("True"), Unapplied([HOLD]), 1),
        (stage("True"), Unapplied([], ["a request for nothing"]), 1),
    ],
)
def test_each_outcome_has_its_exit_code(
    statuses: dict[str, StageStatus], unapplied: Unapplied, expected: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ready is 0, taken back, held or refused is 1, still busy is 75; a hold names the command that allows it."""
    assert code(statuses, unapplied) == expected
    stderr = capsys.readouterr().err
    assert ("holdfast confirm d1" in stderr) == bool(unapplied.holds)
    assert ("shop/dev: 1.0 would be removed" in stderr) == bool(unapplied.holds)
    assert ("refused: a request for nothing" in stderr) == bool(unapplied.notices)


def test_each_instance_that_is_not_as_declared_gets_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    """Rolled back and held over are said in words, what runs is not; only addresses that answer are listed."""
    instances = (
        InstanceStatus(tag="1.0", phase="HeldOver", message="it serves", urls=("http://default", "http://own")),
        InstanceStatus(tag="2.0", phase="RolledBack", message="status 503"),
        InstanceStatus(tag="0.9", phase="Running"),
    )
    statuses = stage(
        "False", "Stalled", "DuplicateProject", instances=instances, urls=("http://default", "http://none")
    )
    assert code(statuses) == 1
    output = capsys.readouterr()
    assert output.err.splitlines() == [
        "shop/dev: 1.0 is held over: it serves",
        "shop/dev: 2.0 was rolled back: status 503",
        "shop/dev: R: M",
    ]
    assert output.out.splitlines() == ["shop/dev", "  http://default", "  http://own"]


def test_without_such_an_instance_the_stage_itself_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    """A suspended stage, or one that could not be looked at."""
    assert code(stage("Unknown", why="left alone: holdfast suspend")) == 1
    assert "shop/dev: left alone: holdfast suspend" in capsys.readouterr().err


def test_what_does_not_serve_yet_has_no_address(capsys: pytest.CaptureFixture[str]) -> None:
    """One that never came up, or is being checked, is behind no hostname."""
    instances = (
        InstanceStatus(tag="1.0", phase="Running", health="Healthy", urls=("http://default", "http://1-0")),
        InstanceStatus(tag="1.1", phase="Gating", health="Progressing", urls=("http://1-1",)),
        InstanceStatus(tag="1.2", phase="Pending", health="Missing", urls=("http://1-2",)),
    )
    code(stage("False", "Reconciling", instances=instances, urls=("http://default",)))
    assert capsys.readouterr().out == "shop/dev\n  http://default\n  http://1-0\n"
