"""Stories without a fault, on a proxy that forgets and on one that keeps: each ends as it says, and then is at rest."""

import asyncio

import pytest

from tests.sim.apps import App
from tests.sim.faults import DeafEvents
from tests.sim.matrix import fault_free
from tests.sim.scenarios import ALL, DEFAULT, Scenario, host
from tests.sim.sources import project
from tests.world import Simulation, simulate

EACH = pytest.mark.parametrize("scenario", ALL, ids=lambda scenario: scenario.__name__)


@EACH
def test_liveness_the_end_is_reached_and_nothing_is_written_after_it(scenario: Scenario) -> None:
    """S7, S12, L1, L3: the declared end, every rollout closed, and then silence for twenty resyncs."""
    fault_free(scenario)


@EACH
def test_a_proxy_that_takes_one_change_at_a_time_comes_to_the_same_end(scenario: Scenario) -> None:
    """Both kinds of proxy give the same containers and routes."""
    one, other = fault_free(scenario), fault_free(scenario, npm=True)
    assert one.end == other.end


@EACH
def test_liveness_without_any_event_of_the_engine(scenario: Scenario) -> None:
    """L7: events are hints; with every one of them lost the same end is reached."""
    sim = simulate(scenario, DeafEvents())
    assert sim.canonical() == fault_free(scenario).end


@EACH
def test_the_same_story_gives_the_same_trace(scenario: Scenario) -> None:
    """S13: what a test finds can be played again."""
    assert simulate(scenario).trace() == fault_free(scenario).sim.trace()


def test_safety_replacing_a_tag_is_no_outage() -> None:
    """At every moment of the most common edit the default hostname is answered."""
    silent: list[float] = []

    async def story(sim: Simulation) -> None:
        sim.push("1.0")
        await sim.write(project("shop", "1.0"))
        await sim.settle()
        sim.push("2.0", App(ready=3.0))
        await sim.write(project("shop", "2.0"))
        for _ in range(4000):
            await asyncio.sleep(0.01)
            if not sim.answered(DEFAULT):
                silent.append(sim.clock.monotonic())
        sim.matches()

    simulate(story)
    assert silent == []


def test_a_broken_revision_is_not_tried_again_by_itself() -> None:
    """S22: one container, one quarantine; a day later still."""

    async def story(sim: Simulation) -> None:
        sim.push("1.0")
        await sim.write(project("shop", "1.0"))
        await sim.settle()
        sim.push("2.0", App(status=503))
        await sim.write(project("shop", "1.0", "2.0"))
        await sim.settle()
        await sim.restart()
        await asyncio.sleep(86_400)

    made = [name for name in simulate(story).ops("docker.create") if "2-0" in name]
    assert len(made) == 1


@pytest.mark.parametrize("seconds", [0.001, 0.02, 0.3])
def test_an_application_that_ends_at_once_is_started_once(seconds: float) -> None:
    """Also when it has ended before Docker replies to its start, which is no restart of the host."""

    async def story(sim: Simulation) -> None:
        sim.push("1.0")
        await sim.write(project("shop", "1.0"))
        await sim.settle()
        sim.push("2.0", App(exits=seconds, code=3))
        await sim.write(project("shop", "1.0", "2.0"))
        await sim.settle()

    started = [name for name in simulate(story).ops("docker.start") if "2-0" in name]
    assert len(started) == 1


def test_retry_tries_a_broken_revision_again() -> None:
    """`holdfast retry` forgets the quarantine; when the tag is mended by then, it runs."""

    async def story(sim: Simulation) -> None:
        sim.push("1.0")
        await sim.write(project("shop", "1.0"))
        await sim.settle()
        await sim.write(project("shop", "1.0", "2.0"))
        await sim.settle()
        assert host("2.0") not in sim.routes()
        sim.push("2.0")
        assert sim.manager is not None
        assert await sim.manager.retry("shop/dev/2.0") == ("shop/dev/2.0",)
        await sim.settle()
        sim.matches()

    simulate(story)


def test_a_day_at_rest_costs_nothing_but_looks() -> None:
    """S12: no write, one list and one read per resync, and now and then one after a look at the registry."""

    async def story(sim: Simulation) -> None:
        sim.push("1.0")
        await sim.write(project("shop", "1.0"))
        await sim.settle()
        before = sim.border.looks.copy()
        await sim.rest(86_400.0)
        resyncs = 86_400 / 30
        more = {op: n - before[op] for op, n in sim.border.looks.items() if n - before[op] > 1.25 * resyncs}
        assert more == {}

    simulate(story)


def test_an_application_that_never_answers_delays_no_other_stage() -> None:
    """L9: one that hangs in its gate, and twenty that are good."""

    async def story(sim: Simulation) -> None:
        sim.push("1.0")
        sim.push("slow", App(ready=1e9))
        others = [project(f"p{number}", "1.0") for number in range(20)]
        await sim.write(project("shop", "slow", progressDeadline="10m"), *others)
        good = [f"stage-dev-p{number}.test" for number in range(20)]
        await sim.wait(lambda: all(sim.answered(name) for name in good), 60)

    simulate(story)
