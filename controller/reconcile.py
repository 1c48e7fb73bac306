"""One pass over one stage. Read this first: everything else is a detail of one of its six steps.

A pass is given a stage's name, never an event, and is right on its first run after a week off. It never waits for long
work: it issues what is safe now, and says when to come back. The rollout is nowhere a call stack; it is what the next
plan says.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from controller.broadcast import Broadcast, StatusReported, TransitionRecorded
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

OBSERVATION_MAX_AGE_S = 2.0
"""A pass issues no further action after so many seconds: it was decided on an observation that is too old by then."""


@dataclass(kw_only=True, eq=False)
class Reconciler:
    """Runs passes; made by `wiring`, called by the loop."""

    desired: Callable[[StageKey], DesiredStage]
    """A stage as it is declared now."""
    snapshot: ContainerSnapshot
    route_writer: RouteWriter
    operations: Operations
    applier: Applier
    secrets: Secrets
    store: Store
    broadcast: Broadcast
    """Gets each status and each transition."""
    clock: Clock
    rules: Rules
    is_stopping: Callable[[], bool]
    """True when no further action may be issued."""
    earlier: Mapping[StageKey, StageStatus]
    """The last statuses of an earlier process; they say since when conditions hold."""
    statuses: dict[StageKey, StageStatus] = field(default_factory=dict)
    """The newest status of each stage that is declared or has something left."""
    _locks: dict[StageKey, asyncio.Lock] = field(default_factory=dict)
    _clock_offsets: dict[StageKey, float] = field(default_factory=dict)
    """How far the wall clock was ahead of the monotonic one in the last recorded pass of each stage."""

    async def reconcile(self, key: StageKey) -> float | None:
        """Run one pass; returns in how many seconds to come back, None: at the next event or resync.

        Raises `Unreachable` when something could not be observed, and `WorldBad` when the intent could not be stored;
        no action was issued then.
        """
        async with self._lock(key):
            desired = self.desired(key)
            observed = await self.observe(desired)
            decided = self._plan(desired, observed)
            await self._record(key, observed.memory, decided)
            look_again = await self._apply(desired, decided)
            await self._report(desired, observed, decided)
        return 0.0 if look_again else self._seconds_until(decided.wake)

    async def observe(self, desired: DesiredStage) -> Observed:
        """Collect everything that the plan decides on.

        Facts come first: an operation that ends meanwhile is still seen as running. What changes fastest comes last, so
        that a slow proxy does not make the list of containers an old one.
        """
        facts = dict(self.operations.facts(desired.key))
        memory = await self.store.memory(desired.key)
        secrets = await self.secrets.look(desired.template.secrets)
        routes = await self.route_writer.table()
        containers = await self.snapshot.of_stage(desired.key)
        return Observed(containers=containers, routes=routes, facts=facts, secrets=secrets, memory=memory)

    def _plan(self, desired: DesiredStage, observed: Observed) -> Plan:
        """Decide.

        The clock offset differs from that of the last pass when the machine's clock was set. Remembered times are then
        shifted by the difference, so that what is being waited for lasts as long as before.
        """
        offset = self._clock_offset()
        memory = observed.memory.shifted_by(offset - self._clock_offsets.get(desired.key, offset))
        return plan.plan(desired, replace(observed, memory=memory), self.rules, self.clock.now())

    async def _record(self, key: StageKey, stored: StageMemory, decided: Plan) -> None:
        """Store what is to be remembered, before its effects. What has passed gets on without that."""
        offset, now = self._clock_offset(), decided.status.observed_at
        if decided.memory != stored or decided.transitions:
            try:
                await self.store.record(key, decided.memory, decided.transitions, now)
            except WorldBad:
                await self.applier.start_what_passed(key, decided.actions)
                raise
        self._clock_offsets[key] = offset

    async def _apply(self, desired: DesiredStage, decided: Plan) -> bool:
        """Carry out the actions until something newer is declared or too much time has passed.

        Returns True when the stage has to be observed again at once: the pass was cut short, or made a quick call.
        """
        key, begun = desired.key, self.clock.monotonic()
        self.operations.cancel_all_but(key, decided.keep)
        made_quick_call = False
        for action in decided.actions:
            is_old = self.clock.monotonic() - begun > OBSERVATION_MAX_AGE_S
            was_cut_short = is_old or self.is_stopping() or self.desired(key) != desired
            if was_cut_short:
                return True
            made_quick_call = await self.applier.apply(key, action) or made_quick_call
        return made_quick_call

    async def _report(self, desired: DesiredStage, observed: Observed, decided: Plan) -> None:
        for transition in decided.transitions:
            _log(desired.key, transition)
            self.broadcast.publish(TransitionRecorded(desired.key, transition))
        if self.desired(desired.key) != desired:
            return  # a status of what is no longer declared would mislead whoever waits for the new one
        if _is_gone(desired, observed, decided):
            await self._forget(desired.key)
        else:
            await self._publish(decided.status)

    async def report_failure(self, key: StageKey, error: HoldfastError) -> None:
        """Publish that a pass failed: what runs was left alone, and nothing is known of it."""
        conditions = (
            Condition(type="Ready", status="Unknown", reason=error.reason, message=error.message),
            Condition(type="Reconciling", status="True", reason=error.reason, message="will be tried again"),
        )
        changes = {"conditions": conditions, "reason": error.message, "observed_at": self.clock.now()}
        await self._publish((self.statuses.get(key) or StageStatus(key=key)).model_copy(update=changes))

    async def change_memory(self, key: StageKey, change: Callable[[StageMemory], StageMemory]) -> None:
        """Change what is remembered of a stage, never in the middle of a pass; durable when it returns."""
        async with self._lock(key):
            stored = await self.store.memory(key)
            changed = change(stored)
            if changed != stored:
                await self.store.record(key, changed, (), self.clock.now())

    def mark_statuses_old(self) -> None:
        """Mark every status as not observed yet, so that nobody who waits for an outcome is given an old one."""
        for key, status in self.statuses.items():
            self.statuses[key] = status.model_copy(update={"observed_at": 0.0})

    async def _publish(self, status: StageStatus) -> None:
        before = self.statuses.get(status.key)
        self.statuses[status.key] = status = status.dated(before or self.earlier.get(status.key))
        if before is None or before.reason != status.reason:
            log.info("pass", stage=status.key, reason=status.reason)
        self.broadcast.publish(StatusReported(status))
        try:
            await self.store.report(status)
        except WorldBad as error:
            log.warning("status not stored", stage=status.key, error=error.message)

    async def _forget(self, key: StageKey) -> None:
        self.statuses.pop(key, None)
        self.operations.cancel_all_but(key, frozenset())
        log.info("stage is gone", stage=key)
        await self.store.forget(key)

    def _clock_offset(self) -> float:
        return self.clock.now() - self.clock.monotonic()

    def _seconds_until(self, when: float | None) -> float | None:
        return None if when is None else max(0.0, when - self.clock.now())

    def _lock(self, key: StageKey) -> asyncio.Lock:
        return self._locks.setdefault(key, asyncio.Lock())


def _is_gone(desired: DesiredStage, observed: Observed, decided: Plan) -> bool:
    """True when the stage is not declared and nothing of it is left."""
    routed = any(route.stage == desired.key for route in observed.routes.routes.values())
    running = any(fact.status == "running" for fact in observed.facts.values())
    return not (desired.declared or observed.containers or routed or decided.actions or running)


def _log(key: StageKey, transition: Transition) -> None:
    write = {"info": log.info, "warning": log.warning, "error": log.error}[transition.level]
    named = {name: value for name, value in (("tag", transition.tag), ("reason", transition.reason)) if value}
    write(transition.step, stage=key, kind=transition.kind, **named, message=transition.message)
