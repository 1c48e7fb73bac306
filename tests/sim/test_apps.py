"""Applications that are well and ill in turn, end now and then after they passed, or do not heed SIGTERM."""

import asyncio

import pytest

from tests.sim.apps import App
from tests.sim.call_border import Effect
from tests.sim.sources import project
from tests.sim.stories.rollouts import DEFAULT
from tests.world import Simulation, simulate

HOUR_S = 3600.0


def changes(effects: list[Effect], since: float) -> list[str]:
    """What the controller did to the world from that second on, without what it wrote down."""
    return [item.op for item in effects if item.time > since and item.op.startswith(("docker.", "proxy."))]


@pytest.mark.parametrize("turns", [20.0, 100.0, 400.0])
def test_safety_one_that_is_well_and_ill_in_turn_is_told_of_and_left_alone(turns: float) -> None:
    """S22: no restart, no roll-back, no move of its route; each turn is told once, its neighbour is not disturbed."""

    async def story(sim: Simulation) -> None:
        sim.push("1.0")
        sim.push("odd", App(turns=turns))
        await sim.write(project("shop", "odd", healthCheck={"liveness": "5s"}), project("blog", "1.0"))
        await sim.wait(lambda: sim.answered(DEFAULT) and sim.answered("stage-dev-blog.test"))
        await asyncio.sleep(30)
        before, ids = sim.clock.monotonic(), [(box.id, box.runs) for box in sim.containers()]
        await asyncio.sleep(HOUR_S)
        assert changes(sim.effects, before) == []
        assert [(box.id, box.runs) for box in sim.containers()] == ids
        written = [item for item in sim.effects if item.time > before and item.op == "store.record"]
        assert len(written) <= 2 * HOUR_S / turns + 2
        assert {item.target.split()[0] for item in written} <= {"shop/dev"}

    simulate(story)


def test_safety_one_that_is_ill_in_turn_is_restarted_once_for_each_illness_where_that_is_asked_for() -> None:
    """S21: `restartOnFailure` is no circle: it is the same container after hours, restarted when it fell ill again."""

    async def story(sim: Simulation) -> None:
        sim.push("odd", App(turns=60.0))
        check = {"path": "/", "liveness": "5s", "interval": "1s", "timeout": "3s", "restartOnFailure": True}
        await sim.write(project("shop", "odd", healthCheck=check))
        await sim.wait(lambda: sim.answered(DEFAULT))
        before = sim.clock.monotonic()
        await asyncio.sleep(3 * HOUR_S)
        restarts = changes(sim.effects, before).count("docker.restart")
        assert 0 < restarts <= 3 * HOUR_S / 60
        assert len(sim.containers()) == 1

    simulate(story)


@pytest.mark.parametrize("lasts", [5.0, 40.0, 900.0])
def test_safety_one_that_ends_every_so_often_is_left_to_docker(lasts: float) -> None:
    """S6, S21, S22: no second container, no roll-back; its route comes back to it, what is done for it is bounded."""

    async def story(sim: Simulation) -> None:
        sim.push("1.0")
        sim.push("odd", App(exits=lasts, ready=0.2))
        await sim.write(project("shop", "odd"), project("blog", "1.0"))
        await sim.wait(lambda: sim.answered(DEFAULT) and sim.answered("stage-dev-blog.test"))
        await asyncio.sleep(10)
        before = sim.clock.monotonic()
        await asyncio.sleep(2 * HOUR_S)
        done = changes(sim.effects, before)
        assert "docker.create" not in done
        assert "docker.remove" not in done
        assert len(done) <= 4 * 2 * HOUR_S / lasts + 10
        assert [box.tag for box in sim.containers("shop/dev")] == ["odd"]
        assert {route.tag for route in sim.proxy.routes.values() if route.stage == "shop/dev"} == {"odd"}
        await sim.wait(lambda: sim.answered(DEFAULT), 120)

    simulate(story)


def test_liveness_one_that_ends_every_so_often_is_replaced_by_a_good_one() -> None:
    """L8: a fix is always deployable."""

    async def story(sim: Simulation) -> None:
        sim.push("odd", App(exits=20.0))
        sim.push("2.0")
        await sim.write(project("shop", "odd"))
        await sim.wait(lambda: sim.answered(DEFAULT))
        await asyncio.sleep(600)
        await sim.write(project("shop", "2.0"))
        await sim.settle()
        sim.matches()

    simulate(story)


def test_safety_a_new_one_that_is_ill_in_turn_never_takes_the_place_before_it_passed() -> None:
    """S4: four successes in a row are asked for, it is well for two seconds at a time: the old one serves on."""
    silent: list[float] = []

    async def story(sim: Simulation) -> None:
        sim.push("1.0")
        sim.push("odd", App(turns=2.0, ready=0.1))
        check = {"path": "/", "retries": 5, "interval": "1s", "timeout": "3s", "successThreshold": 4}
        await sim.write(project("shop", "1.0", healthCheck=check))
        await sim.settle()
        await sim.write(project("shop", "odd", healthCheck=check))
        for _ in range(600):
            await asyncio.sleep(0.1)
            if not sim.answered(DEFAULT):
                silent.append(sim.clock.monotonic())
        await sim.settle()
        assert sim.routes()[DEFAULT] == "1.0"
        assert sim.phases()["odd"] == "RolledBack"

    simulate(story)
    assert silent == []


def test_liveness_one_that_does_not_heed_sigterm_is_killed_after_its_grace_period() -> None:
    """S5, L1: it is drained and asked first, and its end is not waited for longer than declared."""

    async def story(sim: Simulation) -> None:
        sim.push("1.0", App(stops=1e9))
        sim.push("2.0")
        await sim.write(project("shop", "1.0", stopGracePeriod="20s", drain="5s"))
        await sim.settle()
        await sim.write(project("shop", "2.0", stopGracePeriod="20s", drain="5s"))
        await sim.wait(lambda: set(sim.routes().values()) == {"2.0"})
        begun = sim.clock.monotonic()
        await sim.wait(lambda: [box.tag for box in sim.containers()] == ["2.0"])
        assert 24.9 <= sim.clock.monotonic() - begun <= 28
        await sim.settle()
        sim.matches()

    simulate(story)


def test_liveness_a_controller_ends_in_time_though_an_application_does_not() -> None:
    """L10: SIGTERM while a stop with a grace period of two minutes goes on; the next life finishes what was begun."""

    async def story(sim: Simulation) -> None:
        sim.push("1.0", App(stops=1e9))
        sim.push("2.0")
        await sim.write(project("shop", "1.0", stopGracePeriod="2m", drain="0s"))
        await sim.settle()
        await sim.write(project("shop", "2.0", stopGracePeriod="2m", drain="0s"))
        await sim.wait(lambda: any(box.term for box in sim.containers()))
        begun = sim.clock.monotonic()
        await sim.restart()
        assert sim.clock.monotonic() - begun <= 10
        await sim.settle()
        sim.matches()

    simulate(story)
