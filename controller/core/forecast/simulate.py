"""Simulates stages: each plan's actions are assumed to succeed, until no stage acts any more.

Time jumps to when a plan wants to come back. All stages share one route table, because a hostname can move from one to
another.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from controller.core.forecast.effects import apply
from controller.core.model import actions
from controller.core.model.actions import Action
from controller.core.model.decision import Plan, Rules
from controller.core.model.desired import DesiredStage
from controller.core.model.observed import Container, Observed, Route, RouteTable
from controller.core.model.status import StageStatus, Transition
from controller.core.planning import plan

ROUNDS = 500
"""Passes over all stages at most; a rollout takes about ten, so that more is an endless loop."""
IDLE_WAKEUPS = 20
"""After so many passes in a row that only looked, what a stage waits for is taken not to happen by itself."""


@dataclass(frozen=True)
class Outage:
    """A container that is stopped while it serves."""

    container: Container
    hostnames: tuple[str, ...]
    """Hostnames that pointed at it then; empty for a worker."""
    pre_deploy: bool = False
    """The one-off container runs only afterwards, and makes the gap longer."""


@dataclass(frozen=True)
class Simulation:
    """One stage from what was observed to where it comes to rest."""

    desired: DesiredStage
    first: Observed
    last: Observed
    actions: tuple[Action, ...]
    """All actions on the way, in order."""
    transitions: tuple[Transition, ...]
    """All transitions on the way, in order."""
    outages: tuple[Outage, ...]
    plan: Plan
    """The plan of the last pass; its status is where the stage ends up."""
    settled: bool = True
    """False: it still acted when the rounds were used up."""


def simulate(stages: Sequence[tuple[DesiredStage, Observed]], rules: Rules, now: float) -> tuple[Simulation, ...]:
    """Simulate the plans of all stages, from `now` (Unix seconds) on."""
    if not stages:
        return ()
    runs = [_StageRun(desired, observed, rules, now) for desired, observed in stages]
    shared = RouteTable(
        {name: route for _, observed in stages for name, route in observed.routes.routes.items()},
        {name: holder for _, observed in stages for name, holder in observed.routes.foreign.items()},
    )
    settled = False
    for _ in range(ROUNDS):
        before = shared
        for run in runs:
            shared = run.step(shared, now)
        if shared == before and not any(run.moved for run in runs):
            wakes = [run.wake for run in runs if run.wake is not None]
            if not wakes:
                settled = True
                break
            now = min(wakes)
    return tuple(run.result(settled) for run in runs)


class _StageRun:
    """One stage in the middle of its simulation."""

    def __init__(self, desired: DesiredStage, observed: Observed, rules: Rules, now: float) -> None:
        self.declared, self.first, self.rules = desired, observed, rules
        self.desired = _without_later_expiry(desired, observed, now)
        self.observed = replace(observed, facts={})
        self.plan = Plan((), observed.memory, (), StageStatus(key=desired.key), frozenset(), None)
        self.actions: list[Action] = []
        self.transitions: list[Transition] = []
        self.outages: list[Outage] = []
        self.moved = True
        self._idle_wakeups = 0
        self._seen = (observed.routes, now)

    def step(self, shared: RouteTable, now: float) -> RouteTable:
        """Run one pass; returns the route table after it. A pass that can change nothing is skipped."""
        if not self.moved and self._seen == (shared, now):
            return shared
        due = self.wake is not None and self.wake <= now
        before = replace(self.observed, routes=shared)
        self.plan = plan.plan(self.desired, before, self.rules, now)
        kept = {key: fact for key, fact in before.facts.items() if key in self.plan.keep}
        after = replace(before, memory=self.plan.memory, facts=kept)
        self.transitions += self.plan.transitions
        for action in self.plan.actions:
            self._note(action, after)
            after = apply(after, action, now)
        if any(not action.only_looks for action in self.plan.actions) or after.memory != before.memory:
            self._idle_wakeups = 0
        elif due:
            self._idle_wakeups += 1
        self.moved = after != before
        self.observed = after
        self._seen = (after.routes, now)
        return after.routes

    @property
    def wake(self) -> float | None:
        """When this stage goes on although nothing happens; None when it is at rest and only looks again."""
        wake = self.plan.wake
        if wake is None or self.plan.status.settled or wake <= self._seen[1] or self._idle_wakeups >= IDLE_WAKEUPS:
            return None
        return wake

    def result(self, settled: bool) -> Simulation:
        """The simulation as a whole."""
        return Simulation(
            self.declared,
            self.first,
            self.observed,
            tuple(self.actions),
            tuple(self.transitions),
            tuple(self.outages),
            self.plan,
            settled,
        )

    def _note(self, action: Action, before: Observed) -> None:
        if isinstance(action, actions.RunPreDeploy) and self.outages:
            self.outages[-1] = replace(self.outages[-1], pre_deploy=True)
        if isinstance(action, actions.Stop | actions.Restart) and action.container.running:
            hostnames = _pointing_at(before.routes.routes.values(), action.container)
            if hostnames or (self.desired.port is None and not _others_run(before, action.container)):
                self.outages.append(Outage(action.container, hostnames))
        self.actions.append(action)


def _pointing_at(routes: Iterable[Route], container: Container) -> tuple[str, ...]:
    return tuple(sorted(route.hostname for route in routes if route.container == container.id))


def _others_run(observed: Observed, container: Container) -> bool:
    return any(other.running and other.role == "app" and other.id != container.id for other in observed.containers)


def _without_later_expiry(desired: DesiredStage, observed: Observed, now: float) -> DesiredStage:
    """A TTL that ends later is no part of what would happen now."""

    def later(tag: str, ttl: float) -> bool:
        memory = observed.memory.of(tag)
        births = [container.born for container in observed.containers if container.tag == tag and container.born]
        return not memory.expired and (memory.born or min(births, default=now)) + ttl > now

    instances = (
        replace(instance, ttl=None) if instance.ttl and later(instance.tag, instance.ttl) else instance
        for instance in desired.instances
    )
    return replace(desired, instances=tuple(instances))
