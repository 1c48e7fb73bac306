"""One pass over one stage. Read this first: everything else is a detail of one of its six steps.

A pass gets a name, never an event, and is right on its first run after a week off. It never waits for long work: it
issues what is safe now, and says when to come back. The rollout is nowhere a call stack; it is what the plan says next.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from controller.core.model.backoff import delay
from controller.core.model.decision import Plan, Rules
from controller.core.model.desired import DesiredStage, StageKey
from controller.core.model.errors import HoldfastError, WorldBad
from controller.core.model.memory import StageMemory
from controller.core.model.observed import Observed
from controller.core.model.status import Condition, StageStatus, Transition
from controller.core.planning import plan
from controller.interfaces import Clock, Secrets, Store
from controller.telemetry import log
from controller.work.apply import Applier
from controller.work.container_snapshot import ContainerSnapshot
from controller.work.operations import Operations
from controller.work.route_writer import RouteWriter

AT_ONCE = 10
"""Passes of a stage that may follow each other at once; then they are slowed down, whatever the reason."""
JUMP, STALE = 2.0, 2.0
"""Seconds from which on the clock did not drift but was set, and after which a pass was decided on too old a look."""


@dataclass(frozen=True)
class World:
    """What a pass works with. `known`: the last statuses of an earlier process; they say since when things are so."""

    snapshot: ContainerSnapshot
    route_writer: RouteWriter
    operations: Operations
    secrets: Secrets
    store: Store
    applier: Applier
    clock: Clock
    rules: Rules
    known: Mapping[StageKey, StageStatus]


@dataclass(frozen=True)
class Listener:
    """Who is told what passes report: each status, and each transition with its stage."""

    status: Callable[[StageStatus], None]
    transition: Callable[[StageKey, Transition], None]


class Reconciler:
    """Runs passes. `desired` gives a stage as it is declared now; `stopping` becomes true when nothing may begin."""

    def __init__(
        self,
        world: World,
        desired: Callable[[StageKey], DesiredStage],
        stopping: Callable[[], bool],
        listener: Listener,
    ) -> None:
        self._world = world
        self._desired = desired
        self._stopping = stopping
        self._listener = listener
        self._locks: dict[StageKey, asyncio.Lock] = {}
        self._rows: dict[StageKey, int] = {}
        self._ahead: dict[StageKey, float] = {}
        """By how much the wall clock was ahead of the monotonic one in the last pass of each stage."""
        self.statuses: dict[StageKey, StageStatus] = {}
        """The newest status of each stage that is declared or has something left."""

    async def reconcile(self, key: StageKey) -> float | None:
        """One pass; returns in how many seconds to come back, None: at the next event or resync.

        Raises `Unreachable` when something could not be looked at, and `WorldBad` when the intent could not be stored;
        nothing new was begun then.
        """
        async with self._locks.setdefault(key, asyncio.Lock()):
            desired = self._desired(key)
            observed = await self.observe(desired)
            now, stored = self._world.clock.now(), observed.memory
            ahead = now - self._world.clock.monotonic()
            jump = ahead - self._ahead.get(key, ahead)
            if abs(jump) > JUMP:
                observed = replace(observed, memory=stored.carried(jump))
            decided = plan.plan(desired, observed, self._world.rules, now)
            await self._record(key, stored, decided, now)
            self._ahead[key] = ahead
            at_once = await self._apply(desired, decided)
            await self._report(desired, observed, decided)
        return self._again(key, decided, at_once)

    async def observe(self, desired: DesiredStage) -> Observed:
        """Everything the plan decides on.

        Facts come first: what ends while we look is seen as still running. What changes fastest comes last, so that a
        proxy that keeps us waiting does not make the look at Docker an old one.
        """
        world = self._world
        facts = dict(world.operations.facts(desired.key))
        memory = await world.store.memory(desired.key)
        secrets = await world.secrets.look(desired.template.secrets)
        routes = await world.route_writer.table()
        containers = await world.snapshot.of_stage(desired.key)
        return Observed(containers=containers, routes=routes, facts=facts, secrets=secrets, memory=memory)

    async def remember(self, key: StageKey, change: Callable[[StageMemory], StageMemory]) -> StageMemory:
        """Change by hand what is remembered of a stage, never in the middle of a pass; durable when it returns."""
        async with self._locks.setdefault(key, asyncio.Lock()):
            known = await self._world.store.memory(key)
            changed = change(known)
            if changed != known:
                await self._world.store.record(key, changed, (), self._world.clock.now())
            return changed

    def outdate(self) -> None:
        """Take every status for one of before now: whoever waits for an outcome must not be given an old one."""
        self.statuses = {key: item.model_copy(update={"observed_at": 0.0}) for key, item in self.statuses.items()}

    async def unseen(self, key: StageKey, error: HoldfastError) -> None:
        """Report that a pass failed: what runs is left alone, and nothing is known of it."""
        known = self.statuses.get(key) or StageStatus(key=key)
        conditions = (
            Condition(type="Ready", status="Unknown", reason=error.reason, message=error.message),
            Condition(type="Reconciling", status="True", reason=error.reason, message="will be tried again"),
        )
        changes = {"conditions": conditions, "reason": error.message, "observed_at": self._world.clock.now()}
        await self._publish(known.model_copy(update=changes))

    async def _record(self, key: StageKey, stored: StageMemory, decided: Plan, now: float) -> None:
        if decided.memory != stored or decided.transitions:
            try:
                await self._world.store.record(key, decided.memory, decided.transitions, now)
            except WorldBad:
                await self._world.applier.give_back(key, decided.actions)
                raise

    async def _apply(self, desired: DesiredStage, decided: Plan) -> bool:
        """Carry out the actions until something newer is declared, or a call kept us waiting; True: a look is due."""
        key, clock = desired.key, self._world.clock
        self._world.operations.keep(key, decided.keep)
        quick, began = False, clock.monotonic()
        for action in decided.actions:
            if self._stopping() or self._desired(key) != desired or clock.monotonic() - began > STALE:
                return True
            quick = await self._world.applier.apply(key, action) or quick
        return quick

    async def _report(self, desired: DesiredStage, observed: Observed, decided: Plan) -> None:
        for transition in decided.transitions:
            _log(desired.key, transition)
            self._listener.transition(desired.key, transition)
        if self._desired(desired.key) != desired:
            return  # a status of what is no longer declared would mislead whoever waits for the new one
        if _nothing_left(desired, observed, decided):
            await self._forget(desired.key)
        else:
            await self._publish(decided.status)

    async def _publish(self, status: StageStatus) -> None:
        known = self.statuses.get(status.key)
        self.statuses[status.key] = status = status.dated(known or self._world.known.get(status.key))
        if known is None or known.reason != status.reason:
            log.info("pass", stage=status.key, reason=status.reason)
        self._listener.status(status)
        try:
            await self._world.store.report(status)
        except WorldBad as error:
            log.warning("status not stored", stage=status.key, error=error.message)

    async def _forget(self, key: StageKey) -> None:
        self.statuses.pop(key, None)
        self._world.operations.keep(key, frozenset())
        log.info("stage is gone", stage=key)
        await self._world.store.forget(key)

    def _again(self, key: StageKey, decided: Plan, at_once: bool) -> float | None:
        seconds = None if decided.wake is None else max(0.0, decided.wake - self._world.clock.now())
        if not at_once and seconds != 0.0:
            self._rows.pop(key, None)
            return seconds
        self._rows[key] = self._rows.get(key, 0) + 1
        return delay(self._rows[key] - AT_ONCE, key)


def _nothing_left(desired: DesiredStage, observed: Observed, decided: Plan) -> bool:
    routed = any(route.stage == desired.key for route in observed.routes.routes.values())
    going = any(fact.status == "running" for fact in observed.facts.values())
    return not (desired.declared or observed.containers or routed or decided.actions or going)


def _log(key: StageKey, transition: Transition) -> None:
    write = {"info": log.info, "warning": log.warning, "error": log.error}[transition.level]
    more = {name: value for name, value in (("tag", transition.tag), ("reason", transition.reason)) if value}
    write(transition.step, stage=key, kind=transition.kind, **more, message=transition.message)
