"""Faults that are written down as they strike, and faults that strike as they were written down.

A fault is named by the kind of call and its number among the calls of that kind: when a step of a history is left out,
most of the calls that follow keep their names.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tests.sim.faults import OK, Call, Fault, Mode, NoFaults, Seeded


@dataclass(frozen=True)
class StruckFault:
    """A fault that a call met."""

    op: str
    nth: int
    """Number among the calls of this kind, from 1."""
    mode: Mode
    delay: float = 0.0


class RecordingFaults(Seeded):
    """Faults by chance, written down."""

    def __init__(self, seed: int, rate: float, crash: float) -> None:
        super().__init__(seed, rate, crash)
        self.met: list[StruckFault] = []
        self.events: dict[int, int] = {}
        """How often an event was delivered, by its number from 1; once is not written down."""
        self._calls: Counter[str] = Counter()
        self._heard = 0

    def draw(self, call: Call) -> Fault:
        """A fault now and then."""
        fault = super().draw(call)
        self._calls[call.op] += 1
        if fault is not OK:
            self.met.append(StruckFault(call.op, self._calls[call.op], fault.mode, fault.delay))
        return fault

    def copies(self) -> int:
        """Mostly once."""
        count = super().copies()
        self._heard += 1
        if count != 1:
            self.events[self._heard] = count
        return count


class ScriptedFaults(NoFaults):
    """Exactly these faults, until `stop` is called."""

    slowest = Seeded.slowest

    def __init__(self, faults: Iterable[StruckFault], events: Mapping[int, int]) -> None:
        self._faults = {(item.op, item.nth): Fault(item.mode, item.delay) for item in faults}
        self._events = dict(events)
        self._calls: Counter[str] = Counter()
        self._heard = 0

    def stop(self) -> None:
        """From now on everything works."""
        self._faults, self._events = {}, {}

    def draw(self, call: Call) -> Fault:
        """What is written down for this call."""
        self._calls[call.op] += 1
        return self._faults.get((call.op, self._calls[call.op]), OK)

    def copies(self) -> int:
        """What is written down for this event."""
        self._heard += 1
        return self._events.get(self._heard, 1)
