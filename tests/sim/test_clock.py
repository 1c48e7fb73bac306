"""The machine's clock is set while something goes on (F5): nothing healthy goes down for it, and nothing waits for it.

What is counted goes on being counted, by the time that passes; only a time to live ends by the calendar.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable

import pytest

from tests.sim.apps import App
from tests.sim.call_border import Effect
from tests.sim.matrix import fault_free
from tests.sim.scenarios import ALL, Scenario, expire
from tests.sim.sources import project
from tests.sim.stories.rollouts import DEFAULT, FIVE_HUNDRED
from tests.world import Simulation, simulate

FULL = os.environ.get("SIM") == "full"
HOUR, DAY, YEAR = 3600.0, 86_400.0, 365 * 86_400.0
JUMPS = (HOUR, -HOUR, DAY, -DAY, YEAR, -YEAR)
BY_THE_CALENDAR = (expire,)
EACH = pytest.mark.parametrize("jump", JUMPS, ids=lambda jump: f"{jump:+g}s")


def jumping(scenario: Scenario, at: int, jump: float) -> Scenario:
    """The story with a clock that is set at this effect of the controller."""

    async def played(sim: Simulation) -> None:
        left = [at]

        def after(effect: Effect) -> None:
            left[0] -= effect.actor == "controller"
            if left[0] == 0:
                left[0] = -1
                sim.set_clock(jump)

        sim.border.judge(lambda effect: None, after)
        await scenario(sim)
        await sim.rest(100.0)

    return played


@pytest.mark.parametrize("scenario", [one for one in ALL if one not in BY_THE_CALENDAR], ids=lambda one: one.__name__)
def test_liveness_and_safety_when_the_clock_is_set_in_the_middle(scenario: Scenario) -> None:
    """S5, L1, L3: the same end, in time, and every drain as long as declared. `SIM=full` at each effect."""
    reference = fault_free(scenario)
    number, effects = ALL.index(scenario), len(reference.calls)
    some = [(1 + (7 * number + 11 * turn) % effects, JUMPS[(number + turn) % len(JUMPS)]) for turn in range(3)]
    every = [(at, jump) for at in range(1, effects) for jump in JUMPS]
    for at, jump in every if FULL else some:
        sim = simulate(jumping(scenario, at, jump))
        sim.history_closed()
        assert sim.canonical() == reference.end, (at, jump)


@EACH
def test_safety_a_drain_takes_as_long_whatever_the_clock_says(jump: float) -> None:
    """S5: neither cut off nor without an end."""

    async def story(sim: Simulation) -> None:
        sim.push("1.0")
        sim.push("2.0")
        await sim.write(project("shop", "1.0", drain="60s"))
        await sim.settle()
        await sim.write(project("shop", "2.0", drain="60s"))
        await sim.wait(lambda: sim.routes() and set(sim.routes().values()) == {"2.0"})
        begun = sim.clock.monotonic()
        await asyncio.sleep(20)
        sim.set_clock(jump)
        await sim.wait(lambda: [box.tag for box in sim.containers()] == ["2.0"])
        assert 60 <= sim.clock.monotonic() - begun <= 64
        await sim.settle()
        sim.matches()

    simulate(story)


@EACH
def test_liveness_a_backoff_ends_whatever_the_clock_says(jump: float) -> None:
    """S21: a registry that was away for long is asked again within the longest pause."""

    async def story(sim: Simulation) -> None:
        sim.push("1.0")
        sim.registry.down = True
        await sim.write(project("shop", "1.0"))
        await asyncio.sleep(3000)
        sim.registry.down = False
        sim.set_clock(jump)
        await sim.wait(sim.containers, 310)
        await sim.settle()
        sim.matches()

    simulate(story)


@EACH
def test_safety_nothing_is_given_up_early_or_tried_for_ever(jump: float) -> None:
    """L3: the first deployment fails until its progress deadline of two minutes, by the time that passed."""

    async def story(sim: Simulation) -> None:
        sim.push("1.0", FIVE_HUNDRED)
        await sim.write(project("shop", "1.0"))
        await asyncio.sleep(40)
        sim.set_clock(jump)
        await asyncio.sleep(70)
        assert sim.phases()["1.0"] != "Failed"
        await sim.settle(400)
        assert sim.phases() == {"1.0": "Failed"}

    simulate(story)


@pytest.mark.parametrize("jump", [-HOUR, -DAY, -YEAR], ids=lambda jump: f"{jump:+g}s")
def test_liveness_what_serves_began_later_by_the_clock_and_excuses_nothing(jump: float) -> None:
    """L3, S22: after the clock was set back a new tag that ends at once is taken back, and not tried for ever."""

    async def story(sim: Simulation) -> None:
        sim.push("1.0")
        sim.push("2.0", App(exits=0.3, code=137))
        await sim.write(project("shop", "1.0"))
        await sim.settle()
        sim.set_clock(jump)
        await sim.write(project("shop", "1.0", "2.0"))
        await sim.settle(300)
        assert sim.phases() == {"1.0": "Running", "2.0": "RolledBack"}

    simulate(story)


@EACH
def test_safety_a_bake_takes_as_long_whatever_the_clock_says(jump: float) -> None:
    """The old one stays warm for as long as declared after the switch, and no longer."""

    async def story(sim: Simulation) -> None:
        sim.push("1.0")
        sim.push("2.0")
        await sim.write(project("shop", "1.0", drain="0s"))
        await sim.settle()
        await sim.write(project("shop", "2.0", drain="0s", bake="90s"))
        await sim.wait(lambda: sim.routes().get(DEFAULT) == "2.0")
        begun = sim.clock.monotonic()
        await asyncio.sleep(30)
        sim.set_clock(jump)
        await sim.wait(lambda: [box.tag for box in sim.containers()] == ["2.0"])
        assert 90 <= sim.clock.monotonic() - begun <= 95

    simulate(story)


@EACH
def test_liveness_a_proof_that_fails_ends_whatever_the_clock_says(jump: float) -> None:
    """L3, L4: asked through the proxy the new one is silent: the old target is put back in time."""

    async def story(sim: Simulation) -> None:
        sim.push("1.0")
        sim.push("2.0")
        await sim.write(project("shop", "1.0"))
        await sim.settle()
        sim.proxy.blind.add("2.0")
        await sim.write(project("shop", "2.0"))
        await sim.wait(lambda: sim.routes()[DEFAULT] == "2.0")
        await asyncio.sleep(2)
        sim.set_clock(jump)
        await sim.wait(lambda: sim.routes()[DEFAULT] == "1.0", 30)

    simulate(story)


TTL: tuple[tuple[float, Callable[[float], bool]], ...] = (
    (HOUR, lambda lived: lived < 302),
    (YEAR, lambda lived: lived < 302),
    (-HOUR, lambda lived: 598 < lived < 902),
    (-YEAR, lambda lived: 598 < lived < 902),
)


@pytest.mark.parametrize(("jump", "fair"), TTL, ids=[f"{jump:+g}s" for jump, _ in TTL])
def test_liveness_a_time_to_live_ends_by_the_calendar_and_ends(jump: float, fair: Callable[[float], bool]) -> None:
    """Ten minutes, the clock set after five: over at once when it is later now, and never longer than ten from here."""

    async def story(sim: Simulation) -> None:
        sim.push("1.0")
        sim.push("pr-7", App(ready=0.2))
        await sim.write(project("shop", "1.0", {"tag": "pr-7", "ttl": "10m"}, stage_fields={"defaultTag": "1.0"}))
        await asyncio.sleep(300)
        assert len(sim.containers()) == 2
        sim.set_clock(jump)
        await sim.wait(lambda: sim.phases().get("pr-7") in ("Expired", "Draining"), 1000)
        assert fair(sim.clock.monotonic())
        await sim.settle()
        assert [box.tag for box in sim.containers()] == ["1.0"]

    simulate(story)


def test_safety_the_clock_is_set_while_no_controller_runs() -> None:
    """A life that begins on another clock takes nothing down that serves."""
    plays: list[Callable[[Simulation], Awaitable[None]]] = []
    for jump in JUMPS:

        async def story(sim: Simulation, jump: float = jump) -> None:
            sim.push("1.0")
            sim.push("2.0", App(ready=3.0))
            await sim.write(project("shop", "1.0"))
            await sim.settle()
            await sim.write(project("shop", "2.0"))
            await sim.wait(lambda: len(sim.containers()) > 1)
            sim.set_clock(jump)
            await sim.restart()
            await sim.settle()
            sim.matches()

        plays.append(story)
    for play in plays:
        simulate(play)
