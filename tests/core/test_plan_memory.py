"""What a pass forgets, and what it goes on remembering: quarantines, and what has failed after it had passed."""

from typing import Any

import pytest

from controller.core.model.actions import Create, Pull, Remove, Stop
from controller.core.model.decision import Plan
from controller.core.model.digests import gate_hash
from controller.core.model.memory import InstanceMemory, Quarantine, Rollout, StageMemory
from tests.core import plan_cases
from tests.core.plan_cases import DIGEST, NOW


def broken(**changed: Any) -> dict[str, Any]:
    """A case in which 2.0 failed some time ago beside 1.0, and was then declared in another way."""
    case: dict[str, Any] = {
        "stage": {"tags": ["1.0", "2.0"]},
        "containers": {"a": {"tag": "1.0", "passed": True}, "b": {"tag": "2.0"}},
        "routes": {"1.0.test": "a", "stage.test": "a"},
        "settled": ["a"],
        "facts": {"Gate b": {"bad": "HealthCheckFailed"}, "Watch a": "running"},
    }
    failed = plan_cases.run(case)
    kept = failed.memory.of("2.0").quarantine
    assert kept is not None
    memory = {"instances": {"2.0": {"digest": DIGEST, "quarantine": kept.model_copy(update=changed).model_dump()}}}
    rest = {"facts": {"Watch a": "running", "Pull 2.0": {"status": "succeeded", "data": {"digest": DIGEST}}}}
    return {**case, **rest, "containers": {"a": {"tag": "1.0", "passed": True}}, "memory": memory}


def quarantine(decided: Plan) -> Quarantine | None:
    """What is remembered of 2.0."""
    return decided.memory.of("2.0").quarantine


def test_what_failed_is_not_tried_again_by_itself() -> None:
    """Safety: the same revision, checked in the same way (S22)."""
    decided = plan_cases.run(broken())
    assert quarantine(decided) is not None
    assert not any(isinstance(action, Pull | Create) for action in decided.actions)


@pytest.mark.parametrize("changed", [{"revision": "another"}, {"gate": "another"}], ids=["revision", "check"])
def test_another_revision_or_check_gets_its_try_and_ends_the_quarantine(changed: dict[str, str]) -> None:
    """Whoever mends something wants to see it tried; going back to the old one is another try too."""
    decided = plan_cases.run(broken(**changed))
    assert quarantine(decided) is None
    assert any(isinstance(action, Create) for action in decided.actions)


def test_a_quarantine_outlives_that_its_tag_is_not_declared_for_a_while() -> None:
    """It goes with the tag, and not before nothing of it is left."""
    case = broken()
    gone = plan_cases.run({**case, "stage": {"tags": ["1.0"]}})
    assert quarantine(gone) is None
    assert "2.0" not in gone.memory.instances


def test_the_check_is_part_of_what_is_quarantined() -> None:
    """Path, retries, port, deadline and migration decide whether it passes; env does not."""
    stage = plan_cases.desired({"stage": {"tags": ["1.0"]}})
    others = ({"check": {"path": "/x"}}, {"check": {"retries": 9}}, {"progress_deadline": 9.0}, {"preDeploy": ["./m"]})
    prints = {gate_hash(plan_cases.desired({"stage": {"tags": ["1.0"], **other}})) for other in others}
    assert len(prints) == len(others)
    assert gate_hash(stage) not in prints
    assert gate_hash(plan_cases.desired({"stage": {"tags": ["1.0"], "drain": 1.0}})) == gate_hash(stage)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"restarts": 1}, "was restarted after its gate"),
        ({"state": "restarting", "exit": 1}, "was restarted after its gate"),
    ],
    ids=["restarted", "restarting"],
)
def test_one_that_breaks_before_it_has_proven_itself_is_given_up(state: dict[str, Any], words: str) -> None:
    """Something else can serve, so the revision is bad: the old one stays and the new one goes."""
    case: dict[str, Any] = {
        "stage": {"tags": ["2.0"]},
        "containers": {"a": {"tag": "1.0", "passed": True}, "b": {"tag": "2.0", "passed": True, **state}},
        "routes": {"1.0.test": "a", "stage.test": "a"},
    }
    opened = plan_cases.run({**case, "containers": {**case["containers"], "b": {"tag": "2.0"}}})
    rollout = opened.memory.of("2.0").rollout
    assert rollout is not None
    decided = plan_cases.run({**case, "memory": {"instances": {"2.0": {"rollout": rollout.model_dump()}}}})
    kept = quarantine(decided)
    assert kept is not None
    assert kept.reason == "FailedAfterGate"
    assert words in kept.message
    assert {action.container.id[0] for action in decided.actions if isinstance(action, Stop | Remove)} <= {"b"}


def test_a_worker_that_was_replaced_stays_until_its_successor_has_passed() -> None:
    """Without a route it is the newest undeclared one that passed."""
    case: dict[str, Any] = {
        "stage": {"tags": ["3.0"], "port": None},
        "containers": {
            "a": {"tag": "1.0", "passed": True, "born": NOW - 3000},
            "b": {"tag": "2.0", "passed": True, "born": NOW - 2000},
            "c": {"tag": "3.0", "born": NOW - 10},
        },
    }
    decided = plan_cases.run(case)
    assert {item.tag: item.phase for item in decided.status.instances}["2.0"] == "HeldOver"
    proven = {**case, "containers": {**case["containers"], "c": {"tag": "3.0", "passed": True}}, "settled": ["c"]}
    after = plan_cases.run(proven)
    assert {item.tag: item.phase for item in after.status.instances}["2.0"] == "Draining"


def test_what_is_waited_for_lasts_as_long_on_a_clock_that_was_set() -> None:
    """Drains, bakes, deadlines and pauses move along with the clock; births stay, and what has not begun has none."""
    rollout = Rollout(id="r", kind="deploy", revision="x", started_at=100, retry_at=110)
    waiting = InstanceMemory(born=5, switched_at=90, rollout=rollout)
    fresh = InstanceMemory(born=6, rollout=rollout.model_copy(update={"retry_at": 0.0}))
    memory = StageMemory(instances={"1": waiting, "2": fresh, "3": InstanceMemory()}, draining={"a": 95})

    shifted = memory.shifted_by(-50)

    assert shifted.draining == {"a": 45}
    first, second, third = (shifted.of(tag) for tag in "123")
    assert (first.born, first.switched_at) == (5, 40)
    assert first.rollout == rollout.model_copy(update={"started_at": 50, "retry_at": 60})
    assert (second.switched_at, second.rollout) == (0, rollout.model_copy(update={"started_at": 50, "retry_at": 0.0}))
    assert third == InstanceMemory()
