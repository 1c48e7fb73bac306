"""What can go wrong with one call of the controller to the outside, and who decides when it does.

A call is numbered twice: among all calls, and, when it changes something, among the effects. Tests of crashes go by
effects, because the same scenario has the same effects until the fault.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

Mode = Literal["ok", "before", "during", "after", "lost", "fail", "hang", "late", "stale"]
"""before, during, after: the controller dies before the effect, while a long one goes on, or after it. lost: the effect
happens and the reply does not come. fail: nothing happens and the other side is not there. hang: no answer for a while,
then as fail. late: no answer, and the effect happens when nobody waits for it any more (F11). stale: the answer to
a look is long on its way and shows the world of when it was asked for, some steps ago."""


class Crash(BaseException):
    """The controller's process is gone: nothing of it runs any more, not even its clean-up."""


@dataclass(frozen=True)
class Call:
    """One call, before it happens."""

    number: int
    effect: int | None
    """Number among the effects; None for a look."""
    op: str
    """Such as docker.create, proxy.write, store.record."""
    target: str
    time: float = 0.0
    """Virtual seconds."""


@dataclass(frozen=True)
class Fault:
    """What happens to one call."""

    mode: Mode = "ok"
    delay: float = 0.0
    """Seconds on the way."""


OK = Fault()


class Faults(Protocol):
    """Decides the fate of each call and of each event."""

    slowest: float
    """Seconds by which a look may be late."""

    def draw(self, call: Call) -> Fault:
        """The fate of this call."""
        ...

    def copies(self) -> int:
        """How often an event is delivered: 0, 1 or 2 times."""
        ...


class NoFaults:
    """Everything works."""

    slowest = 0.0

    def draw(self, call: Call) -> Fault:
        """Ok."""
        return OK

    def copies(self) -> int:
        """Once."""
        return 1


@dataclass
class FaultAt(NoFaults):
    """Faults at chosen effects, by number; everything else works."""

    at: Mapping[int, Mode]
    hit: list[Call] = field(default_factory=list)
    """The calls that met a fault."""

    def draw(self, call: Call) -> Fault:
        """The fault of this effect, once."""
        mode = None if call.effect is None else self.at.get(call.effect)
        if mode is None:
            return OK
        self.hit.append(call)
        return Fault(mode)


@dataclass
class StaleLooks(NoFaults):
    """Everything works, but every so manyth answer to a look of these kinds shows the world of a while ago."""

    ops: tuple[str, ...]
    every: int = 2
    slowest: float = 3.0
    drawn: int = 0

    def draw(self, call: Call) -> Fault:
        """Late or not."""
        if call.op not in self.ops:
            return OK
        self.drawn += 1
        return Fault("stale", self.slowest) if self.drawn % self.every == 0 else OK


@dataclass
class DeafEvents(NoFaults):
    """Everything works, but no event of the Engine ever arrives (L7)."""

    def copies(self) -> int:
        """Never."""
        return 0


_MODES: tuple[Mode, ...] = ("lost", "fail", "hang", "ok")


class Seeded:
    """Faults by chance, the same for the same seed, until `stop` is called."""

    slowest = 3.0

    def __init__(self, seed: int, rate: float = 0.05, crash: float = 0.01) -> None:
        self._random = random.Random(seed)
        self._rate = rate
        self._crash = crash
        self._on = True

    def stop(self) -> None:
        """From now on everything works."""
        self._on = False

    def draw(self, call: Call) -> Fault:
        """A fault now and then; store calls only crash, for the store is a local file."""
        if not self._on:
            return OK
        dice = self._random.random()
        if call.effect is not None and dice < self._crash:
            return Fault(self._random.choice(("before", "during", "after")))
        if call.op.startswith("store.") or dice >= self._crash + self._rate:
            return OK
        if call.effect is None:
            mode: Mode = self._random.choice(("fail", "hang", "ok"))
            delay = self._random.uniform(0, self.slowest)
            return Fault("stale" if mode == "ok" and delay > self.slowest / 2 else mode, delay)
        modes: tuple[Mode, ...] = ("lost", "fail", "hang", "ok", "late") if call.op == "docker.create" else _MODES
        return Fault(self._random.choice(modes), self._random.uniform(0, 5))

    def copies(self) -> int:
        """Mostly once."""
        return self._random.choice((0, 1, 1, 1, 2)) if self._on else 1
