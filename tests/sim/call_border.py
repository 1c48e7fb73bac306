"""The border between the controller and the world: every call crosses it, is written down, and may meet a fault.

A request that was sent takes effect even when its caller is cancelled meanwhile, as a real Engine would have it. Only a
crash before the effect keeps it from happening.
"""

import asyncio
import contextvars
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from controller.core.model.errors import OutcomeUnknown, Unreachable
from tests.sim.clock import SimClock
from tests.sim.expected_model import CONTROLLER
from tests.sim.faults import Call, Crash, Fault, Faults

T = TypeVar("T")

HANG_S = 40.0
"""Seconds that a hanging call is silent before its client gives up."""
LATE_EFFECT_S = 12.0
"""Seconds after that when a late effect happens."""


@dataclass(frozen=True)
class Effect:
    """Something that changed the world or the store, in the order in which it happened."""

    time: float
    """Virtual seconds since the world began."""
    actor: str
    """controller, or who else: user, vandal, engine, app."""
    op: str
    target: str
    """Names of what was changed, for a person."""
    sent: float = 0.0
    """When the controller sent its request; it could not know what happened since."""
    controller: str = ""
    """Id of the controller that did it."""

    def __str__(self) -> str:
        return f"{self.time:9.3f} {self.actor:10} {self.op:16} {self.target}"


@dataclass
class Life:
    """One life of the controller, from its start to its end or crash."""

    number: int
    tasks: "list[asyncio.Task[Any]]" = field(default_factory=list)
    dead: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by a crash."""
    actor: str = "controller"
    """What the trace calls it."""
    controller: str = CONTROLLER
    """Its id."""

    def end(self) -> None:
        """Cut it off from the world."""
        self.dead = True
        self.ended.set()


class Border:
    """Counts, records and disturbs calls. `before` and `after` look at the world around each effect."""

    def __init__(self, clock: SimClock, faults: Faults) -> None:
        self.clock = clock
        self.faults = faults
        self.effects: list[Effect] = []
        self.before: Callable[[Effect], None] = lambda effect: None
        self.after: Callable[[Effect], None] = lambda effect: None
        self.calls = 0
        self.looks: Counter[str] = Counter()
        """Calls that change nothing, by kind."""
        self.passes: list[tuple[float, str]] = []
        """When a pass of which stage began: each reads first what is remembered of its stage."""
        self.issued: list[Call] = []
        """Effects that the controller asked for, in order; the place is the number that `FaultAt` goes by."""
        self._apart = contextvars.Context()

    def judge(self, before: Callable[[Effect], None], after: Callable[[Effect], None]) -> None:
        """Have somebody more look at the world around each effect."""
        first, last = self.before, self.after

        def both_before(effect: Effect) -> None:
            first(effect)
            before(effect)

        def both_after(effect: Effect) -> None:
            last(effect)
            after(effect)

        self.before, self.after = both_before, both_after

    def note(self, actor: str, op: str, target: str) -> None:
        """Write down what somebody else did."""
        self.effects.append(Effect(self.clock.monotonic(), actor, op, target))

    def later(self, seconds: float, what: Callable[[], None]) -> None:
        """Let the world do something by itself in a while; it goes on when the controller dies."""
        asyncio.get_running_loop().call_later(seconds, what, context=self._apart)

    async def look(self, life: Life, op: str, target: str, act: Callable[[], T], seconds: float) -> T:
        """A call that changes nothing."""
        fault = self._draw(life, op, target, None)
        if fault.mode == "stale":
            return await self._old(life, fault, act, seconds)
        await self._travel(life, fault, seconds)
        if fault.mode != "ok":
            raise Unreachable(f"{op}: no answer")
        result = act()
        self._alive(life)
        return result

    async def effect(self, life: Life, op: str, target: str, act: Callable[[], T], seconds: float) -> T:
        """A call that changes something at once."""
        sent = self.clock.monotonic()
        fault = await self._send(life, op, target, act)
        return self._arrived(life, fault, op, await self._happens(life, op, target, act, (seconds, sent)))

    async def long(self, life: Life, op: str, target: str, act: "Callable[[], asyncio.Future[T]]", seconds: float) -> T:
        """A call that begins something which ends later; the answer comes at the end."""
        sent = self.clock.monotonic()
        fault = await self._send(life, op, target, act)
        pending = await self._happens(life, op, target, act, (seconds, sent))
        self._alive(life)
        if fault.mode == "during":
            self._crash(life)
        result = await asyncio.shield(pending)
        return self._arrived(life, fault, op, result)

    # Parts

    async def _old(self, life: Life, fault: Fault, act: Callable[[], T], seconds: float) -> T:
        """What was seen at once and arrives late."""
        result = act()
        await self._travel(life, fault, seconds)
        return result

    async def _send(self, life: Life, op: str, target: str, act: Callable[[], Any]) -> Fault:
        fault = self._draw(life, op, target, len(self.issued))
        await self._travel(life, fault, 0.0)
        if fault.mode == "before":
            self._crash(life)
        if fault.mode == "late":
            sent = self.clock.monotonic() - HANG_S
            self.later(LATE_EFFECT_S, lambda: self._happen_quietly(life, op, target, act, sent))
        if fault.mode in ("hang", "late"):
            raise OutcomeUnknown(f"{op} {target}: no answer in time")
        if fault.mode == "fail":
            raise Unreachable(f"{op} {target}: connection refused")
        return fault

    def _happens(
        self, life: Life, op: str, target: str, act: Callable[[], T], times: tuple[float, float]
    ) -> "asyncio.Future[T]":
        seconds, sent = times
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def arrive() -> None:
            try:
                result = self._happen(life, op, target, act, sent)
            except Exception as error:
                if not answer.done():
                    answer.set_exception(error)
            else:
                if not answer.done():
                    answer.set_result(result)

        self.later(seconds, arrive)
        return answer

    def _happen(self, life: Life, op: str, target: str, act: Callable[[], T], sent: float) -> T:
        effect = Effect(self.clock.monotonic(), life.actor, op, target, sent, life.controller)
        self.before(effect)
        result = act()
        self.effects.append(effect)
        self.after(effect)
        return result

    def _happen_quietly(self, life: Life, op: str, target: str, act: Callable[[], Any], sent: float) -> None:
        try:
            self._happen(life, op, target, act, sent)
        except Exception as error:
            self.note("engine", "refused", f"{op} {target}: {error}")

    def _arrived(self, life: Life, fault: Fault, op: str, result: T) -> T:
        self._alive(life)
        if fault.mode in ("after", "during"):
            self._crash(life)
        if fault.mode == "lost":
            raise OutcomeUnknown(f"{op}: the reply was lost")
        return result

    def _draw(self, life: Life, op: str, target: str, number: int | None) -> Fault:
        self._alive(life)
        self.calls += 1
        call = Call(self.calls, number, op, target, self.clock.monotonic())
        if number is None:
            self.looks[op] += 1
        if number is not None:
            self.issued.append(call)
        return self.faults.draw(call)

    async def _travel(self, life: Life, fault: Fault, seconds: float) -> None:
        wait = seconds + fault.delay + (HANG_S if fault.mode in ("hang", "late") else 0.0)
        if wait:
            await asyncio.sleep(wait)
        self._alive(life)

    def _alive(self, life: Life) -> None:
        if life.dead:
            raise Crash

    def _crash(self, life: Life) -> None:
        self.note(life.actor, "crash", "")
        life.end()
        raise Crash
