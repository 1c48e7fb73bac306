"""Listeners of a manager: each gets every status and transition, and none holds up a pass or another listener."""

import asyncio

from controller.broadcast import Event, EventsLost, StatusReported, Subscription, TransitionRecorded
from tests.sim.sources import project
from tests.sim.test_manager import alone, manager
from tests.world import Simulation


def test_each_listener_gets_every_status_and_transition() -> None:
    """Two listeners hear the same phases and steps, from the first to the last."""

    async def hear(events: Subscription) -> tuple[list[str], list[str]]:
        phases: list[str] = []
        steps: list[str] = []
        async for event in events:
            match event:
                case StatusReported(status):
                    phases += [instance.phase for instance in status.instances]
                case TransitionRecorded(stage, transition):
                    assert stage == "shop/dev"
                    steps.append(transition.step)
                case EventsLost():
                    raise AssertionError("nothing may be lost")
        return phases, steps

    async def play(sim: Simulation) -> tuple[tuple[list[str], list[str]], ...]:
        await sim.write(project("shop", "1.0"))
        one = manager(sim)
        with one.subscribe() as first, one.subscribe() as second:
            hearing = asyncio.gather(hear(first), hear(second))
            await one.converge(900)
        return await hearing

    (phases, steps), other = alone(play)
    assert phases[0] == "Pulling"
    assert phases[-1] == "Running"
    assert {"pull", "create", "start", "gate"} <= set(steps)
    assert other == (phases, steps)


def test_a_listener_that_is_slow_or_leaves_holds_up_nobody() -> None:
    """One that reads nothing loses its oldest events and is told how many; one that left gets nothing more."""

    async def play(sim: Simulation) -> tuple[list[Event], list[Event], float]:
        sim.push("1.0")
        await sim.write(project("shop", "1.0"))
        one = manager(sim)
        with one.subscribe(max_events=3) as slow:
            with one.subscribe() as leaving:
                pass
            await one.converge(900)
            begun = sim.clock.monotonic()
        return [event async for event in slow], [event async for event in leaving], begun

    slow, left, took = alone(play)
    assert left == []
    assert isinstance(slow[0], EventsLost)
    assert slow[0].count > 3
    assert len(slow) == 4
    last = slow[-1]
    assert isinstance(last, StatusReported)
    assert last.status.ready
    assert took < 60
