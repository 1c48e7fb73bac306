"""The crash matrix: one story again and again, each time with a fault at another effect (L2).

Sieve's two oracles: the end must be the end of the run without a fault, and what is made and removed on the way may
differ by no more than one repair.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from tests.sim.faults import Call, FaultAt, Mode
from tests.sim.scenarios import (
    Scenario,
    broken_tag,
    change_spec,
    deploy,
    evict,
    pre_deploy,
    recreate,
    recreate_fails,
    remove_stage,
    replace_tag,
    swap_hostname,
)
from tests.world import Simulation, simulate

PAIRED: tuple[Scenario, ...] = (
    deploy,
    replace_tag,
    broken_tag,
    change_spec,
    pre_deploy,
    recreate,
    recreate_fails,
    evict,
    remove_stage,
    swap_hostname,
)
"""The stories that are played with two faults."""
SECOND_FAULT_WITHIN = 7
"""A second fault strikes at one of so many effects after the first."""
CRASHES: tuple[Mode, ...] = ("before", "after")
LONG_CALLS = ("docker.pull", "docker.start", "docker.stop", "docker.restart")
COUNTED_CALLS = ("docker.create", "docker.remove", "docker.start", "docker.stop")
OWN_ACTORS = ("controller", "app")
"""Who acts without being somebody else."""
EXTRA_CALLS_MAX = 2
"""So many more of each call than without a fault may be made."""


@dataclass(frozen=True)
class Case:
    """One fault in one story."""

    effect: int
    mode: Mode


@dataclass
class Reference:
    """The story without a fault."""

    scenario: Scenario
    npm: bool
    calls: tuple[Call, ...]
    end: object
    made: Counter[str]
    sim: Simulation

    @staticmethod
    def of(scenario: Scenario, npm: bool = False) -> "Reference":
        """Play it once; nothing may be written once it is over."""
        sim = simulate(_resting(scenario, 600.0), npm=npm)
        sim.history_closed()
        return Reference(scenario, npm, tuple(sim.border.issued), sim.canonical(), _made(sim), sim)

    def cases(self) -> Iterator[Case]:
        """Every fault that makes sense for every effect."""
        for number, call in enumerate(self.calls):
            for mode in modes(call):
                yield Case(number, mode)

    def pairs(self) -> Iterator[tuple[Case, Case]]:
        """Each fault, and a crash at one of the effects that follow it, while the controller recovers (L4)."""
        for first in self.cases():
            for gap in range(1, SECOND_FAULT_WITHIN + 1):
                for mode in CRASHES:
                    yield first, Case(first.effect + gap, mode)

    def play(self, *cases: Case) -> Simulation:
        """Play it with these faults, the first of which must strike; everything about it is judged."""
        faults = FaultAt({case.effect: case.mode for case in cases})
        sim = simulate(_resting(self.scenario, 100.0), faults, self.npm)
        first = self.calls[cases[0].effect]
        assert [(call.op, call.effect) for call in faults.hit[:1]] == [(first.op, first.effect)], "it never struck"
        assert len(faults.hit) == sum(case.effect < len(sim.border.issued) for case in cases), "one never struck"
        sim.history_closed()
        assert sim.canonical() == self.end, f"{_differences(self.end, sim.canonical())}\n{sim.trace()}"
        spare = EXTRA_CALLS_MAX * len(cases)
        more = {op: n - self.made[op] for op, n in _made(sim).items() if n - self.made[op] > spare}
        assert not more, f"so many more calls than without the fault: {more}\n{sim.trace()}"
        return sim


def fault_free(scenario: Scenario, npm: bool = False) -> Reference:
    """The reference of a story, played once in a process; for a patched package `Reference.of` plays it anew."""
    return _played(scenario, npm)


@cache
def _played(scenario: Scenario, npm: bool) -> Reference:
    return Reference.of(scenario, npm)


def modes(call: Call) -> tuple[Mode, ...]:
    """The faults that an effect can meet. The store is a local file: it only dies with the controller."""
    crashes: tuple[Mode, ...] = ("before", "during", "after") if call.op in LONG_CALLS else ("before", "after")
    if call.op.startswith("store."):
        return crashes
    return (*crashes, "lost", "fail", "hang", *(("late",) if call.op == "docker.create" else ()))


def passes(sim: Simulation, since: float) -> int:
    """Passes from that second on until rest: most of one stage, up to the last effect before somebody acts again."""
    others = [item.time for item in sim.effects if item.actor not in OWN_ACTORS and item.time > since]
    until = min(others, default=sim.clock.monotonic())
    last = max((item.time for item in sim.effects if item.actor in OWN_ACTORS and item.time < until), default=since)
    stages = Counter(stage for time, stage in sim.border.passes if since < time <= last)
    return max(stages.values(), default=0)


def _resting(scenario: Scenario, seconds: float) -> Scenario:
    async def played(sim: Simulation) -> None:
        await scenario(sim)
        await sim.rest(seconds)

    return played


def _made(sim: Simulation) -> Counter[str]:
    return Counter(item.op for item in sim.effects if item.actor == "controller" and item.op in COUNTED_CALLS)


def _differences(expected: object, actual: object) -> str:
    assert isinstance(expected, dict)
    assert isinstance(actual, dict)
    return "\n".join(
        f"{key}: {expected[key]}\n  now: {actual[key]}" for key in expected if expected[key] != actual[key]
    )
