"""A second controller (S18): on the same state folder it is refused, and on the same host under another id it is one
more neighbour, who lives and whose things look like ours.
"""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable

import pytest

from controller.core.model.errors import Locked
from tests.sim.apps import App
from tests.sim.call_border import Effect
from tests.sim.faults import Seeded
from tests.sim.histories import History
from tests.sim.matrix import Reference, fault_free
from tests.sim.scenarios import recreate, swap_hostname
from tests.sim.sources import project
from tests.sim.stories.rollouts import DEFAULT, Scenario, change_spec, deploy, evict, host, replace_tag
from tests.world import Simulation, simulate

FULL = os.environ.get("SIM") == "full"
MOVING: tuple[Scenario, ...] = (deploy, replace_tag, change_spec, recreate, evict, swap_hostname)
LONG = 300.0
"""Seconds for which a controller is stopped: longer than any drain, gate or pause of the stories."""


def at(scenario: Scenario, effect: int, what: Callable[[Simulation], Awaitable[None]]) -> Scenario:
    """The story, with something that happens right after this effect of the controller."""

    async def played(sim: Simulation) -> None:
        left, tasks = [effect], []

        def after(found: Effect) -> None:
            left[0] -= found.actor == "controller"
            if left[0] == 0:
                left[0] = -1
                sim.border.later(0.0, lambda: tasks.append(asyncio.ensure_future(what(sim))))

        sim.border.judge(lambda found: None, after)
        await scenario(sim)
        for task in tasks:
            await task
        await sim.settle()
        await sim.rest(100.0)

    return played


def some(reference: Reference) -> range:
    """Effects of a story at which something is done to its controller."""
    return range(1, len(reference.calls), 1 if FULL else 11)


async def refused(sim: Simulation) -> None:
    """Start a second process on the same folder."""
    with pytest.raises(Locked):
        await sim.again().start()


async def stopped(sim: Simulation) -> None:
    """SIGSTOP, a second process that is refused meanwhile, SIGCONT."""
    sim.process.freeze()
    begun = sim.clock.monotonic()
    await asyncio.sleep(LONG)
    await refused(sim)
    assert not [item for item in sim.effects if item.actor == "controller" and item.sent > begun]
    sim.process.thaw()


async def taken_over(sim: Simulation) -> None:
    """Kill it for good and start the second."""
    await sim.process.kill()
    sim.process = sim.again()
    await sim.start()


@pytest.mark.parametrize("scenario", MOVING, ids=lambda scenario: scenario.__name__)
@pytest.mark.parametrize("what", [refused, stopped, taken_over], ids=lambda what: what.__name__)
def test_safety_one_state_folder_has_one_writer(
    scenario: Scenario, what: Callable[[Simulation], Awaitable[None]]
) -> None:
    """S18, L2, F3, F4: at any effect; the end is the same, and who has not the folder writes nothing."""
    reference = fault_free(scenario)
    for effect in some(reference):
        sim = simulate(at(scenario, effect, what), suspendable=True)
        sim.history_closed()
        assert sim.canonical() == reference.end
        wrote = [item.time for item in sim.effects if item.actor == "second"]
        killed = [item.time for item in sim.effects if item.op == "kill -9"]
        assert not wrote or wrote[0] > max(killed), "the second wrote while the first was there"


def test_safety_what_was_decided_before_a_stop_is_not_done_after_it() -> None:
    """S17, F3: the world and the documents change while it is stopped, at any effect; it goes by what is there then."""

    async def edited(sim: Simulation) -> None:
        sim.process.freeze()
        await asyncio.sleep(LONG / 2)
        await sim.write(project("shop", "3.0"))
        for box in sim.containers()[:1]:
            sim.vandal("kill", box)
        await asyncio.sleep(LONG / 2)
        sim.process.thaw()
        await sim.settle()
        sim.matches()

    async def story(sim: Simulation) -> None:
        for tag in ("1.0", "2.0", "3.0"):
            sim.push(tag)
        await sim.write(project("shop", "1.0"))
        await sim.settle()
        await sim.write(project("shop", "2.0"))
        await sim.wait(lambda: sim.expected_stages()["shop/dev"].tags == ("3.0",), 400)

    for effect in range(20, 54, 1 if FULL else 3):
        sim = simulate(at(story, effect, edited), suspendable=True)
        assert sim.routes() == {DEFAULT: "3.0", host("3.0"): "3.0"}


def test_liveness_the_first_comes_back_when_the_second_has_ended() -> None:
    """F4: restarted by its host it waits for the folder, and takes it when it is free."""

    async def story(sim: Simulation) -> None:
        sim.push("1.0")
        sim.push("2.0")
        await sim.write(project("shop", "1.0"))
        await sim.settle()
        second = sim.again()
        assert sim.life is not None
        sim.life.end()
        await asyncio.sleep(0.5)
        await second.start()
        await sim.write(project("shop", "2.0"))
        await sim.wait(lambda: sim.routes().get(DEFAULT) == "2.0")
        assert {item.actor for item in sim.effects if item.op == "docker.create" and "2-0" in item.target} == {"second"}
        await second.end()
        await sim.settle()
        sim.matches()

    simulate(story)


async def beside(sim: Simulation) -> Simulation:
    """A second controller with another id on the same Engine and proxy, at work."""
    other = Simulation(beside=sim)
    await other.start()
    return other


def test_safety_two_ids_on_one_host_touch_nothing_of_each_other() -> None:
    """S1: rollouts, removals, drift and a proxy that forgets, on both sides; the same image, stage and volume names."""

    async def story(sim: Simulation) -> None:
        other = await beside(sim)
        for tag in ("1.0", "2.0"):
            sim.push(tag)
        volumes = [{"name": "data", "mountPath": "/data"}]
        await sim.write(project("shop", "1.0"), project("files", "1.0", volumes=volumes))
        await other.write(project("blog", "1.0"), project("notes", "1.0", volumes=volumes))
        await sim.settle()
        await other.settle()
        await sim.write(project("shop", "2.0"))
        await other.write(project("blog", "2.0"))
        await sim.settle()
        sim.vandal("kill", sim.box("2.0"))
        other.vandal("drop", other.box("2.0", "blog/dev"))
        sim.proxy.restart()
        await other.settle()
        await sim.settle()
        sim.matches()
        other.matches()
        await sim.write()
        await sim.settle()
        assert sim.containers() == []
        other.matches()
        other.safe()

    simulate(story)


def test_safety_the_same_names_under_another_id_are_a_conflict() -> None:
    """S1, S2: whoever came first keeps names and hostnames; the other one says so and gets them when they are free."""

    async def story(sim: Simulation) -> None:
        other = await beside(sim)
        sim.push("1.0")
        await sim.write(project("shop", "1.0"))
        await sim.settle()
        await other.write(project("shop", "1.0"))
        await asyncio.sleep(600)
        assert other.containers() == []
        assert other.routes() == {}
        assert not other.status().ready
        sim.matches()
        await sim.write()
        await sim.settle()
        await other.settle()
        other.matches()
        other.safe()

    simulate(story)


@pytest.mark.parametrize("npm", [False, True], ids=["caddy", "npm"])
def test_safety_and_liveness_of_two_random_histories_on_one_host(npm: bool) -> None:
    """S1 to S12, L1: two users, two controllers, one Engine and proxy, calls that fail; in the end both have theirs."""

    class Half(History):
        """A user who in the end declares only one project."""

        mine = ""

        async def end(self) -> None:
            """The faults are over."""
            sim = self.sim
            if isinstance(sim.border.faults, Seeded):
                sim.border.faults.stop()
            sim.registry.down = sim.proxy.down = sim.proxy.refuses = False
            sim.folder.reachable = True
            await sim.write(project(self.mine, "1.0", env=[{"name": "LEVEL", "value": "99"}]))

    def play(seed: int) -> None:
        async def story(sim: Simulation) -> None:
            other = await beside(sim)
            halves = (Half(sim, seed), Half(other, seed + 500))
            halves[0].mine, halves[1].mine = "shop", "blog"
            await asyncio.gather(*(half.play() for half in halves))
            for half in halves:
                await half.sim.settle(7200.0)
                half.sim.matches()
                half.sim.history_closed()
            other.safe()

        simulate(story, Seeded(seed, 0.03, 0.005), npm)

    for seed in range(100 if FULL else 12):
        play(seed)


async def disturb(sim: Simulation, source: random.Random) -> None:
    """Now and then stop the controller for a while, set the clock, or start a second process."""
    while True:
        await asyncio.sleep(source.choice((0.3, 1.0, 3.0, 10.0, 30.0)))
        kind, life = source.choice(("stop", "clock", "second")), sim.life
        if kind == "clock":
            sim.set_clock(source.choice((3.0, -3.0, 3600.0, -3600.0, 86_400.0, -86_400.0)))
        elif life is not None and not life.dead and kind == "second":
            await refused(sim)
        elif life is not None and not life.dead:
            sim.process.freeze()
            await asyncio.sleep(source.choice((0.1, 2.0, 30.0, 400.0)))
            if life is sim.life:
                sim.process.thaw()


def test_safety_and_liveness_of_random_histories_with_a_controller_that_is_stopped_now_and_then() -> None:
    """S1 to S19, L1: on a clock that is set, and with others who want its folder; in the end all is as declared."""

    class Disturbed(History):
        """A history with all that beside it, until its end."""

        beside: asyncio.Task[None]

        async def end(self) -> None:
            """The faults are over."""
            self.beside.cancel()
            if self.sim.life is not None:
                self.sim.process.thaw()
            await super().end()

    def play(seed: int) -> None:
        async def story(sim: Simulation) -> None:
            disturbed = Disturbed(sim, seed)
            disturbed.beside = asyncio.ensure_future(disturb(sim, random.Random(seed)))
            await disturbed.play()

        simulate(story, Seeded(seed, 0.03, 0.01), npm=seed % 3 == 0, suspendable=True)

    for seed in range(100 if FULL else 10):
        play(seed)


def test_the_second_of_the_same_id_sees_nothing_of_a_dead_first_but_what_runs() -> None:
    """S6, L2: with a folder of its own it adopts by names and labels, and makes nothing twice."""

    async def story(sim: Simulation) -> None:
        sim.push("1.0", App(ready=2.0))
        await sim.write(project("shop", "1.0"))
        await sim.wait(lambda: len(sim.containers()) == 1)
        await sim.process.kill()
        sim.disk.wipe()
        sim.process = sim.again()
        await sim.start()
        await sim.settle()
        sim.matches()
        assert len(sim.ops("docker.create")) == 1

    sim = simulate(story)
    assert [item.actor for item in sim.effects if item.op == "docker.create"] == ["controller"]
