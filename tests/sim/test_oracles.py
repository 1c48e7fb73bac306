"""The suite finds bugs: each known kind is planted into the real plan, and one of the oracles must see it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from controller.core.model.actions import Create, DeleteRoute, MarkPassed, SetRoute, Stop
from controller.core.model.decision import Plan, Rules
from controller.core.model.desired import DesiredStage
from controller.core.model.observed import Fact, Key, Observed
from controller.core.planning import plan as plans
from tests.sim import scenarios
from tests.sim.clock import EPOCH
from tests.sim.matrix import Reference
from tests.sim.scenarios import Scenario

Planner = Callable[[DesiredStage, Observed, Rules, float], Plan]
TRUE: Planner = plans.plan


def switch_before_health(desired: DesiredStage, observed: Observed, rules: Rules, now: float) -> Plan:
    """Believe that a gate has passed as soon as it began."""
    facts = {key: _passed(fact) if key.kind == "gate" else fact for key, fact in observed.facts.items()}
    return TRUE(desired, replace(observed, facts=facts), rules, now)


def no_drain(desired: DesiredStage, observed: Observed, rules: Rules, now: float) -> Plan:
    """Give the old one no time."""
    return TRUE(replace(desired, drain=0.0), observed, rules, now)


def stop_before_switch(desired: DesiredStage, observed: Observed, rules: Rules, now: float) -> Plan:
    """Take the old one down when its successor is made (Argo Rollouts #2235)."""
    found = TRUE(desired, observed, rules, now)
    making = any(isinstance(action, Create) for action in found.actions)
    old = [item for item in observed.containers if item.running and item.passed] if making else []
    return _more(found, [Stop(item, 1.0, "planted", Key("stop", item.id, "planted")) for item in old])


def delete_before_set(desired: DesiredStage, observed: Observed, rules: Rules, now: float) -> Plan:
    """Delete a route and set it anew afterwards."""
    found = TRUE(desired, observed, rules, now)
    held = observed.routes.routes
    moved = [
        item.route.hostname for item in found.actions if isinstance(item, SetRoute) and item.route.hostname in held
    ]
    actions = tuple(DeleteRoute(name, "planted", Key("unroute", name, "planted")) for name in moved)
    return replace(found, actions=(*actions, *found.actions), keep=found.keep | {item.key for item in actions})


def overlap(desired: DesiredStage, observed: Observed, rules: Rules, now: float) -> Plan:
    """Run old and new side by side on one volume."""
    return TRUE(replace(desired, strategy="BlueGreen"), observed, rules, now)


def restless(desired: DesiredStage, observed: Observed, rules: Rules, now: float) -> Plan:
    """Write in each resync."""
    found = TRUE(desired, observed, rules, now)
    marked = [item for item in observed.containers if item.passed and (now - EPOCH) % 30 < 1]
    return _more(found, [MarkPassed(item, True, "planted", Key("mark", item.id, "planted")) for item in marked])


def forgetful(desired: DesiredStage, observed: Observed, rules: Rules, now: float) -> Plan:
    """Keep nothing of what failed."""
    found = TRUE(desired, observed, rules, now)
    kept = {tag: item.model_copy(update={"quarantine": None}) for tag, item in found.memory.instances.items()}
    return replace(found, memory=found.memory.model_copy(update={"instances": kept}))


def leftovers(desired: DesiredStage, observed: Observed, rules: Rules, now: float) -> Plan:
    """Remove nothing."""
    found = TRUE(desired, observed, rules, now)
    return replace(found, actions=tuple(item for item in found.actions if type(item).__name__ != "Remove"))


def old_address(desired: DesiredStage, observed: Observed, rules: Rules, now: float) -> Plan:
    """Route to the address that a container had when it was first seen (F13)."""
    seen = tuple(replace(item, address=_FIRST.setdefault(item.id, item.address)) for item in observed.containers)
    return TRUE(desired, replace(observed, containers=seen), rules, now)


def by_tag_only(desired: DesiredStage, observed: Observed, rules: Rules, now: float) -> Plan:
    """Take any container of the tag for the declared one."""
    blind = replace(desired.template, env=())
    return TRUE(replace(desired, template=blind), observed, rules, now)


def prunes_in_doubt(desired: DesiredStage, observed: Observed, rules: Rules, now: float) -> Plan:
    """Take a stage that serves for one that is gone while its rollout runs."""
    if any(fact.status == "running" and fact.key.kind == "gate" for fact in observed.facts.values()):
        desired = DesiredStage(desired.key, desired.project, desired.stage, declared=False)
    return TRUE(desired, observed, rules, now)


_FIRST: dict[str, Any] = {}

PLANTED: tuple[tuple[Planner, Scenario], ...] = (
    (switch_before_health, scenarios.broken_tag),
    (no_drain, scenarios.replace_tag),
    (stop_before_switch, scenarios.replace_tag),
    (delete_before_set, scenarios.replace_tag),
    (overlap, scenarios.recreate),
    (restless, scenarios.deploy),
    (forgetful, scenarios.broken_tag),
    (leftovers, scenarios.replace_tag),
    (old_address, scenarios.engine_restarted),
    (by_tag_only, scenarios.change_spec),
    (prunes_in_doubt, scenarios.replace_tag),
)


@pytest.mark.parametrize(("planted", "scenario"), PLANTED, ids=lambda item: item.__name__)
def test_a_planted_bug_is_found(planted: Planner, scenario: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the bug the story fails; without it the very same story passes."""
    Reference.of(scenario)
    _FIRST.clear()
    monkeypatch.setattr(plans, "plan", planted)
    with pytest.raises(AssertionError):
        Reference.of(scenario)


def _passed(fact: Fact) -> Fact:
    return replace(fact, status="succeeded", ended_at=fact.started_at) if fact.status == "running" else fact


def _more(found: Plan, actions: list[Any]) -> Plan:
    keys = {item.key for item in actions}
    return replace(found, actions=(*found.actions, *actions), keep=found.keep | keys)
