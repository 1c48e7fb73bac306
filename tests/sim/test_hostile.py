"""Unlucky orders found by a hostile operator: each took down what was healthy, or gave up what was not at fault."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.sim.scenarios import DEFAULT, FIVE_HUNDRED, broken_tag, deploy
from tests.sim.sources import project
from tests.world import Simulation, simulate

RESYNC = 30.0


@asynccontextmanager
async def silence(sim: Simulation, hostname: str) -> AsyncIterator[list[float]]:
    """Collects the tenths of seconds in which a hostname is not answered."""
    found: list[float] = []

    async def listen() -> None:
        while True:
            await asyncio.sleep(0.1)
            if not sim.answered(hostname):
                found.append(sim.clock.monotonic())

    listening = asyncio.ensure_future(listen())
    try:
        yield found
    finally:
        listening.cancel()


def test_safety_what_is_held_over_survives_a_proxy_that_lost_its_routes() -> None:
    """F46: no route says any more who served, and the designated one failed: who served is not taken down for that."""

    async def story(sim: Simulation) -> None:
        await broken_tag(sim)
        held = sim.box("1.0").id
        sim.proxy.restart()
        await sim.settle()
        assert sim.box("1.0").id == held
        assert sim.routes() == {DEFAULT: "1.0"}

    simulate(story)


def test_safety_what_is_held_over_survives_the_loss_of_store_and_routes_at_once() -> None:
    """F46 and a lost state folder: what passed, runs and has no declared successor stays."""

    async def story(sim: Simulation) -> None:
        await broken_tag(sim)
        held = sim.box("1.0").id
        sim.proxy.restart()
        await sim.restart(lose_store=True)
        await asyncio.sleep(3 * RESYNC)
        assert sim.box("1.0").id == held
        assert sim.routes() == {DEFAULT: "1.0"}

    simulate(story)


def test_safety_a_proxy_that_loses_its_routes_while_the_successor_is_in_its_gate() -> None:
    """The default route comes back to who served, at the next resync; it does not wait for the successor."""

    async def story(sim: Simulation) -> None:
        await deploy(sim)
        sim.push("2.0")
        await sim.write(project("shop", "2.0", healthCheck={"startPeriod": "100s"}))
        await asyncio.sleep(20)
        sim.proxy.restart()
        async with silence(sim, DEFAULT) as silent:
            await sim.settle()
        assert len(silent) <= 10 * RESYNC + 20
        sim.matches()

    simulate(story)


def test_safety_a_default_tag_that_failed_leaves_the_route_where_it_was() -> None:
    """`defaultTag` names one that failed, and the proxy lost its routes: the one that served gets them back."""

    async def story(sim: Simulation) -> None:
        await deploy(sim)
        sim.push("2.0", FIVE_HUNDRED)
        await sim.write(project("shop", "1.0", "2.0", stage_fields={"defaultTag": "2.0"}))
        await sim.settle()
        before = sim.routes()
        sim.proxy.restart()
        await sim.settle()
        assert sim.routes() == before
        assert before[DEFAULT] == "1.0"

    simulate(story)
