"""What a pass reports of a stage: conditions, instances, one sentence, and what history is told of a rollout."""

from typing import Any

import pytest

from controller.core.model.decision import Plan
from controller.core.model.status import InstanceStatus
from tests.core import plan_cases

FACTS = {
    "Watch a": "running",
    "Watch b": "running",
    "Verify 1.0.test": "succeeded",
    "Verify 2.0.test": "succeeded",
    "Verify stage.test": "succeeded",
}
UP: dict[str, Any] = {
    "stage": {"tags": ["1.0", "2.0"]},
    "containers": {"a": {"tag": "1.0", "passed": True}, "b": {"tag": "2.0", "passed": True}},
    "routes": {"1.0.test": "a", "2.0.test": "b", "stage.test": "b"},
    "settled": ["a", "b"],
}


def run(**changes: Any) -> Plan:
    """The plan of the case in which all is well, but for these changes; facts are added."""
    return plan_cases.run({**UP, **changes, "facts": {**FACTS, **changes.get("facts", {})}})


def conditions(decided: Plan) -> list[str]:
    """Type, status and reason of each."""
    return [f"{item.type}={item.status} {item.reason}" for item in decided.status.conditions]


def of(decided: Plan, tag: str) -> InstanceStatus:
    """One instance."""
    return next(item for item in decided.status.instances if item.tag == tag)


def test_a_stage_at_rest() -> None:
    """Ready and healthy; each instance says what it is and where it answers."""
    decided = run()
    assert conditions(decided) == ["Ready=True Converged", "Healthy=True Healthy"]
    assert decided.status.reason.startswith("nothing to do: ")
    assert (decided.status.ready, decided.status.settled) == (True, True)
    assert decided.status.urls == ("http://stage.test",)
    one, two = of(decided, "1.0"), of(decided, "2.0")
    assert (one.phase, one.sync, one.health, one.default) == ("Running", "Synced", "Healthy", False)
    assert (two.phase, two.sync, two.health, two.default) == ("Running", "Synced", "Healthy", True)
    assert one.urls == ("http://1.0.test",)
    assert two.urls == ("http://2.0.test", "http://stage.test")
    assert (one.container, one.digest, one.born) == ("name-a", plan_cases.DIGEST, plan_cases.NOW - 1000)
    assert one.revision
    assert one.declared


def test_a_hostname_that_somebody_else_holds() -> None:
    """Ready is False with the holder's name, the address is not promised, and everything else goes on."""
    decided = run(foreign={"1.0.test": "a host of Ann"}, routes={"2.0.test": "b", "stage.test": "b"})
    assert conditions(decided) == [
        "Ready=False HostnameConflict",
        "Stalled=True HostnameConflict",
        "Healthy=True Healthy",
    ]
    ready = decided.status.condition("Ready")
    assert ready is not None
    assert ready.message == "1.0.test is held by a host of Ann"
    assert of(decided, "1.0").urls == ()
    assert of(decided, "2.0").urls == ("http://2.0.test", "http://stage.test")
    assert decided.status.reason == "1.0.test is held by a host of Ann"


def test_a_tag_that_was_pushed_again() -> None:
    """A condition of its own, beside Ready."""
    memory = {"instances": {"1.0": {"moved": "sha256:new"}}}
    decided = run(memory=memory)
    assert conditions(decided) == ["Ready=True Converged", "Healthy=True Healthy", "TagMoved=True TagMoved"]
    moved = decided.status.condition("TagMoved")
    assert moved is not None
    assert moved.message.startswith("1.0: pushed again")


def test_one_that_is_sick() -> None:
    """Healthy is False and says who; nothing is going on, so the stage is stalled."""
    fact = {"status": "running", "data": {"ok": "false", "failed": "3"}, "note": "status 503"}
    decided = run(facts={"Watch a": fact})
    assert conditions(decided) == ["Ready=False Unhealthy", "Stalled=True Unhealthy", "Healthy=False Unhealthy"]
    assert (of(decided, "1.0").health, of(decided, "2.0").health) == ("Unhealthy", "Healthy")
    healthy = decided.status.condition("Healthy")
    assert healthy is not None
    assert healthy.message == "1.0: status 503"


def test_a_rollout_on_its_way() -> None:
    """Reconciling, with what it waits for; the old one is shown as what serves."""
    decided = plan_cases.run(
        {
            "stage": {"tags": ["1.0"]},
            "containers": {"a": {"tag": "1.0", "made": "before", "passed": True}, "b": {"tag": "1.0", "attempt": 2}},
            "routes": {"1.0.test": "a", "stage.test": "a"},
            "facts": {**FACTS, "Gate b": "running"},
        }
    )
    assert conditions(decided)[:2] == ["Ready=False Progressing", "Reconciling=True Progressing"]
    one = of(decided, "1.0")
    assert (one.phase, one.sync, one.health, one.container) == ("Gating", "OutOfSync", "Healthy", "name-a")
    assert not decided.status.settled


@pytest.mark.parametrize(
    ("case", "sync", "health"),
    [
        ({"containers": {}}, "OutOfSync", "Missing"),
        ({"containers": {"a": {"tag": "1.0"}}}, "OutOfSync", "Progressing"),
        ({"containers": {"a": {"tag": "1.0", "passed": True, "state": "exited", "exit": 1}}}, "OutOfSync", "Unhealthy"),
    ],
    ids=["nothing", "candidate", "stopped"],
)
def test_what_is_not_there_yet_or_any_more(case: dict[str, Any], sync: str, health: str) -> None:
    """Health is that of what serves, else of what is to."""
    one = of(plan_cases.run({"stage": {"tags": ["1.0"]}, **case}), "1.0")
    assert (one.sync, one.health) == (sync, health)


def test_history_is_told_which_rollout_it_is() -> None:
    """Every line of a rollout carries its id, kind and revision; its end the reason and the last output too."""
    case = {
        "stage": {"tags": ["2.0"]},
        "containers": {"a": {"tag": "1.0", "passed": True}, "b": {"tag": "2.0"}},
        "routes": {"1.0.test": "a", "stage.test": "a"},
        "facts": {"Gate b": {"bad": "HealthCheckFailed"}, "Watch a": "running"},
    }
    decided = plan_cases.run(case)
    mine = [line for line in decided.transitions if line.tag == "2.0"]
    assert [(line.kind, line.step) for line in mine] == [
        ("started", "start"),
        ("step", "gate"),
        ("step", "rollback"),
        ("rolledBack", "end"),
    ]
    assert len({(line.rollout, line.rollout_kind, line.revision) for line in mine}) == 1
    assert mine[0].rollout_kind == "deploy"
    assert mine[0].rollout
    assert mine[0].revision == of(decided, "2.0").revision != ""
    assert (mine[-1].reason, mine[-1].message, mine[-1].level) == (
        "HealthCheckFailed",
        "HealthCheckFailed it is",
        "error",
    )


@pytest.mark.parametrize(
    ("case", "by"),
    [
        ({"stage": {"tags": ["1.0"], "suspend": True}}, "the document says suspend: true"),
        ({"stage": {"tags": ["1.0"]}, "memory": {"suspended": True}}, "holdfast suspend"),
    ],
    ids=["document", "by hand"],
)
def test_a_suspended_stage_says_who_suspended_it(case: dict[str, Any], by: str) -> None:
    """Nothing is done, and nobody waits for it."""
    decided = plan_cases.run({"containers": {"a": {"tag": "1.0", "passed": True}}, **case})
    suspended = decided.status.condition("Suspended")
    assert suspended is not None
    assert suspended.message == by
    assert decided.status.reason == f"suspended: {by}; nothing is changed"
    assert decided.actions == ()
    assert decided.status.settled


def test_a_suspended_stage_shows_what_serves() -> None:
    """Looking and reporting go on: URLs and the default are those of the routes that were seen."""
    decided = run(stage={"tags": ["1.0", "2.0"], "suspend": True})
    assert [(item.tag, item.phase, item.default) for item in decided.status.instances] == [
        ("1.0", "Suspended", False),
        ("2.0", "Suspended", True),
    ]
    assert of(decided, "1.0").urls == of(run(), "1.0").urls == ("http://1.0.test",)
    assert set(of(decided, "2.0").urls) == {"http://2.0.test", "http://stage.test"}
    without = run(stage={"tags": ["1.0", "2.0"], "suspend": True}, routes={})
    assert [(item.default, item.urls) for item in without.status.instances] == [(False, ())] * 2


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        ({"tags": [], "declared": False, "prune": False}, "no longer declared; kept until every source has delivered"),
        ({"tags": ["2.0"], "prune": False}, "kept until its successor has passed"),
        ({"tags": ["2.0"]}, "kept until its successor has passed"),
    ],
    ids=["nothing is sure", "replaced while nothing is sure", "replaced"],
)
def test_why_a_tag_is_held_over(stage: dict[str, Any], words: str) -> None:
    """What only waits for certainty has no successor that could pass."""
    case = {"stage": stage, "containers": {"a": {"tag": "1.0", "passed": True}}, "routes": {"stage.test": "a"}}
    held = of(plan_cases.run({**case, "settled": ["a"], "facts": FACTS}), "1.0")
    assert (held.phase, held.message) == ("HeldOver", words)


def test_an_empty_list_that_lets_go_of_the_default_tag_says_so() -> None:
    """What is declared is reached, and a person who forgot the defaultTag reads why nothing runs."""
    decided = plan_cases.run({"stage": {"tags": [], "default_tag": "1.0"}})
    assert decided.status.ready
    assert "instances: [] removes defaultTag 1.0 too" in decided.status.reason
    assert decided.status.conditions[0].message in decided.status.reason
    nothing = plan_cases.run({"stage": {"tags": []}})
    assert nothing.status.reason == "nothing to do: 0 instances as declared"


def test_two_notices_of_one_reason_are_one_condition() -> None:
    """Kubernetes keys conditions by type: both messages are in the one condition, each of them once."""
    told = [["HostnameConflict", "a.test is taken"], ["HostnameConflict", "b.test is taken"]]
    decided = run(stage={"tags": ["1.0", "2.0"], "notices": [*told, told[0]]})
    types = [item.type for item in decided.status.conditions]
    assert sorted(types) == sorted({*types})
    conflict = decided.status.condition("HostnameConflict")
    assert conflict is not None
    assert conflict.message == "a.test is taken; b.test is taken"


@pytest.mark.parametrize("passed", [True, False], ids=["begins", "drains"])
def test_what_is_evicted_is_told_so_until_it_is_gone(passed: bool) -> None:
    """It is declared still, also while it drains and has not its mark any more."""
    up = {**UP["containers"], "a": {"tag": "1.0", "passed": passed}}
    routes = {"2.0.test": "b", "stage.test": "b"}
    decided = run(stage={"tags": ["1.0", "2.0"], "max_instances": 1}, containers=up, routes=routes)
    one = of(decided, "1.0")
    assert (one.phase, one.reason) == ("Draining", "Evicted")
    assert "beyond maxInstances" in one.message
