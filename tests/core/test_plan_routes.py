"""When a route that is there is written anew: at once, after a gate, or not at all."""

from dataclasses import replace

import pytest

from controller.core.model import digests, keys
from controller.core.model.actions import Gate, SetRoute
from controller.core.model.decision import Plan, Rules
from controller.core.model.desired import Options
from controller.core.model.observed import Fact, Observed, Route
from controller.core.planning.plan import plan
from tests.core import plan_cases

CASE = {
    "stage": {"tags": ["1.0", "2.0"]},
    "containers": {"a": {"tag": "1.0", "passed": True}, "b": {"tag": "2.0", "passed": True}},
    "routes": {"1.0.test": "a", "2.0.test": "b", "stage.test": "b"},
    "settled": ["a", "b"],
}
STAGE = plan_cases.desired(CASE)
SEEN = plan_cases.observed(CASE, STAGE)


def run(**changed: object) -> Plan:
    """The plan when the default route was changed in this way."""
    routes = dict(SEEN.routes.routes)
    routes["stage.test"] = digests.with_marker(replace(routes["stage.test"], **changed))  # type: ignore[arg-type]
    return plan(STAGE, seeing(routes), Rules(), plan_cases.NOW)


def seeing(routes: dict[str, Route]) -> Observed:
    """The world with these routes."""
    return replace(SEEN, routes=replace(SEEN.routes, routes=routes))


def written(decided: Plan) -> list[str]:
    """Hostnames whose routes are set."""
    return [action.route.hostname for action in decided.actions if isinstance(action, SetRoute)]


def gates(decided: Plan) -> int:
    """How many gates are begun."""
    return sum(isinstance(action, Gate) for action in decided.actions)


def test_an_address_that_moved_is_written_without_a_gate() -> None:
    """Safety: somebody else may have the old address by now; what served needs no proof to be reached again."""
    decided = run(host="10.9.9.9")
    assert written(decided) == ["stage.test"]
    assert gates(decided) == 0


@pytest.mark.parametrize(
    "changed",
    [{"port": 9090}, {"port": 9090, "host": "10.9.9.9"}, {"options": Options(websockets=False)}],
    ids=["port", "port and address", "options"],
)
def test_anything_else_is_written_after_a_gate(changed: dict[str, object]) -> None:
    """Traffic goes only to a start of a container whose gate said yes while we were looking."""
    decided = run(**changed)
    assert written(decided) == []
    assert gates(decided) == 1


def test_what_is_as_declared_is_not_written() -> None:
    """Zero writes at rest (S12)."""
    decided = plan(STAGE, SEEN, Rules(), plan_cases.NOW)
    assert written(decided) == []


def test_who_serves_is_remembered_and_nobody_else() -> None:
    """The target of the default route outlives a proxy that lost its routes."""
    proven = {
        keys.verify(route): Fact(keys.verify(route), "succeeded", 1.0, 2.0) for route in SEEN.routes.routes.values()
    }
    decided = plan(STAGE, replace(SEEN, facts=proven), Rules(), plan_cases.NOW)
    assert decided.memory.target == "2.0"
    again = plan(STAGE, replace(SEEN, facts=proven, memory=decided.memory), Rules(), plan_cases.NOW)
    assert again.memory.target == "2.0"
