"""The manager on the simulated world: what converge, forecast, reload, retry, suspend and confirm promise."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from controller.core.documents.spec import Document
from controller.core.forecast.types import Forecast
from controller.core.model.errors import InvalidInput, Unreachable
from controller.core.model.memory import StageMemory
from controller.core.model.status import StageStatus
from controller.manager import Manager
from controller.wiring import compose
from tests.sim.apps import App
from tests.sim.call_border import Life
from tests.sim.clock import run_virtual
from tests.sim.simulated_clients import clients, config
from tests.sim.sources import project
from tests.world import Simulation, simulate

T = TypeVar("T")


def alone(play: Callable[[Simulation], Awaitable[T]]) -> T:
    """Play in a world without a running controller, as the command line does; safety is asserted."""

    async def main() -> T:
        sim = Simulation()
        for tag in ("1.0", "1.1", "2.0"):
            sim.push(tag)
        result = await play(sim)
        sim.safe()
        return result

    return run_virtual(main)


def manager(sim: Simulation, **changes: Any) -> Manager:
    """One process's manager."""
    sim.process.lives += 1
    return Manager(compose(clients(sim, Life(sim.process.lives)), replace(config(sim), **changes)))


async def converge(
    sim: Simulation, *documents: Document, timeout: float = 900, **changes: Any
) -> dict[str, StageStatus]:
    """`holdfast apply` with these documents."""
    await sim.write(*documents)
    found = await manager(sim, **changes).converge(timeout)
    return dict(found)


def outside(sim: Simulation) -> list[str]:
    """Everything that was changed by us outside the state folder, in order."""
    return [f"{item.op} {item.target}" for item in sim.effects if item.actor == "controller" and "store" not in item.op]


@contextmanager
def looks(sim: Simulation) -> Iterator[list[str]]:
    """Collects the calls that look at the world."""
    seen: list[str] = []
    original = sim.border.look

    async def look(life: Life, op: str, target: str, act: Callable[[], T], seconds: float) -> T:
        seen.append(f"{op} {target}" if op == "docker.list" else op)
        return await original(life, op, target, act, seconds)

    sim.border.look = look  # type: ignore[method-assign]
    try:
        yield seen
    finally:
        sim.border.look = original  # type: ignore[method-assign]


def test_converge_ends_when_everything_has_settled() -> None:
    """It returns each stage's status, ready, and the world is as declared."""

    async def play(sim: Simulation) -> dict[str, StageStatus]:
        found = await converge(sim, project("shop", "1.0", "1.1"), project("web", "2.0"))
        sim.matches()
        return found

    assert {key: status.ready for key, status in alone(play).items()} == {"shop/dev": True, "web/dev": True}


def test_converge_gives_up_at_its_timeout_and_says_what_is_not_done() -> None:
    """A stage that is still on its way is returned as not settled."""

    async def play(sim: Simulation) -> tuple[dict[str, StageStatus], float]:
        sim.push("slow", App(ready=500))
        found = await converge(sim, project("shop", "slow", healthCheck={"retries": 100, "interval": "1s"}), timeout=20)
        return found, sim.clock.monotonic()

    found, end = alone(play)
    assert not found["shop/dev"].settled
    assert 20 <= end <= 29


def test_converge_refuses_documents_with_errors_before_anything_is_done() -> None:
    """One bad file among good ones: nothing is changed at all."""

    async def play(sim: Simulation) -> list[str]:
        await sim.write(project("shop", "1.0"))
        sim.folder.put("bad.yaml", None)
        with pytest.raises(InvalidInput) as caught:
            await manager(sim).converge(900)
        assert [item.source for item in caught.value.diagnostics] == ["bad.yaml"]
        return outside(sim)

    assert alone(play) == []


def test_converge_says_at_once_that_the_engine_is_not_there() -> None:
    """It raises `Unreachable` instead of trying for ever."""

    async def play(sim: Simulation) -> float:
        await sim.write(project("shop", "1.0"))
        sim.engine.down_until = 1e9
        with pytest.raises(Unreachable):
            await manager(sim).converge(900)
        return sim.clock.monotonic()

    assert alone(play) < 60


def test_a_source_that_cannot_be_read_is_an_error_for_converge() -> None:
    """Without its folder an apply does not claim success."""

    async def play(sim: Simulation) -> str:
        sim.folder.reachable = False
        with pytest.raises(InvalidInput) as caught:
            await manager(sim).converge(900)
        return caught.value.diagnostics[0].message

    assert alone(play) == "the folder is not there"


def test_without_prune_what_is_not_named_stays() -> None:
    """`apply -f` of one project leaves the other project's stage alone, and remembers nothing as last good."""

    async def play(sim: Simulation) -> tuple[list[str], bool]:
        await converge(sim, project("shop", "1.0"), project("web", "1.0"))
        good = dict(sim.disk.good)
        await converge(sim, project("web", "1.1"), prune=False)
        return sorted(f"{box.stage} {box.tag}" for box in sim.containers()), sim.disk.good == good

    assert alone(play) == (["shop/dev 1.0", "web/dev 1.1"], True)


def test_a_removed_project_goes_and_is_forgotten() -> None:
    """With prune its containers, routes, memory and status go; the status is not among the outcomes."""

    async def play(sim: Simulation) -> dict[str, StageStatus]:
        sim.guard_percent = 100
        await converge(sim, project("shop", "1.0"), project("web", "1.0"))
        found = await converge(sim, project("web", "1.0"))
        assert [box.stage for box in sim.containers()] == ["web/dev"]
        assert (set(sim.disk.statuses), set(sim.disk.memory)) == ({"web/dev"}, {"web/dev"})
        return found

    assert set(alone(play)) == {"web/dev"}


def test_a_stage_that_only_the_store_remembers_is_forgotten() -> None:
    """What went while no controller ran leaves nothing behind in the store."""

    async def play(sim: Simulation) -> set[str]:
        await converge(sim, project("shop", "1.0"), project("web", "1.0"))
        sim.disk.statuses["old/dev"] = StageStatus(key="old/dev")
        sim.disk.memory["old/dev"] = StageMemory(suspended=False)
        await converge(sim, project("shop", "1.0"), project("web", "1.0"))
        return set(sim.disk.statuses) | set(sim.disk.memory)

    assert alone(play) == {"shop/dev", "web/dev"}


def test_a_forecast_changes_nothing_and_is_what_converge_then_does() -> None:
    """No effect at all, not even in the state folder; afterwards there is nothing left to do."""

    async def play(sim: Simulation) -> tuple[Forecast, Forecast]:
        await sim.write(project("shop", "1.0"))
        before = await manager(sim, writes=False).forecast()
        assert [item for item in sim.effects if item.actor == "controller"] == []
        await converge(sim, project("shop", "1.0"))
        return before, await manager(sim, writes=False).forecast()

    before, after = alone(play)
    assert before.counts() == (3, 0, 0)
    assert after.counts() == (0, 0, 0)


def test_converge_after_forecast_goes_by_what_was_foreseen() -> None:
    """Documents that change in between are not taken up: a saved plan binds the documents."""

    async def play(sim: Simulation) -> list[str]:
        await sim.write(project("shop", "1.0"))
        one = manager(sim)
        await one.forecast()
        sim.folder.files = {"project-shop.yaml": project("shop", "1.1")}
        await one.converge(900)
        return [box.tag for box in sim.containers()]

    assert alone(play) == ["1.0"]


def test_a_resync_costs_one_list_and_one_read_of_the_routes() -> None:
    """At rest, twelve stages: each resync lists all containers once, reads the routes once, and lists no stage."""

    async def play(sim: Simulation) -> None:
        sim.push("1.0")
        await sim.write(*(project(f"shop-{number}", "1.0") for number in range(12)))
        await sim.settle()
        with looks(sim) as seen:
            await asyncio.sleep(150)
        assert 4 <= seen.count("docker.list all") <= 6
        assert seen.count("proxy.read") == seen.count("docker.list all")
        assert [item for item in seen if item.startswith("docker.list") and item != "docker.list all"] == []

    simulate(play)


def test_a_suspended_stage_is_left_alone_until_it_is_resumed() -> None:
    """A container that is killed meanwhile comes back only after resume; an unknown stage is refused."""

    async def play(sim: Simulation) -> None:
        sim.push("1.0")
        await sim.write(project("shop", "1.0"))
        await sim.settle()
        assert sim.manager is not None
        with pytest.raises(KeyError):
            await sim.manager.suspend("shop/prod", True)
        await sim.manager.suspend("shop/dev", True)
        sim.vandal("kill", sim.box("1.0"))
        await asyncio.sleep(120)
        assert sim.box("1.0").state == "exited"
        assert sim.phases() == {"1.0": "Suspended"}
        await sim.manager.suspend("shop/dev", False)
        await sim.settle()
        assert sim.box("1.0").state == "running"

    simulate(play)


def test_retry_tries_a_quarantined_revision_again() -> None:
    """Only what is quarantined below the key is named; mended, it then passes."""

    async def play(sim: Simulation) -> None:
        sim.push("1.0")
        digest = sim.push("1.1", App(status=503))
        await sim.write(project("shop", "1.0", "1.1"))
        await sim.settle()
        assert sim.phases() == {"1.0": "Running", "1.1": "RolledBack"}
        assert sim.manager is not None
        assert await sim.manager.retry("web") == ()
        assert await sim.manager.retry("shop/dev/1.0") == ()
        sim.registry.apps[digest] = App()
        assert await sim.manager.retry("shop") == ("shop/dev/1.1",)
        await sim.settle()
        assert sim.phases() == {"1.0": "Running", "1.1": "Running"}

    simulate(play)


def test_retry_without_a_controller_is_taken_up_by_the_next() -> None:
    """The wish is durable when the command ends."""

    async def play(sim: Simulation) -> dict[str, str]:
        digest = sim.push("bad", App(status=503))
        await converge(sim, project("shop", "1.0", "bad"))
        sim.registry.apps[digest] = App()
        assert await manager(sim).retry("shop/dev") == ("shop/dev/bad",)
        await converge(sim, project("shop", "1.0", "bad"))
        return sim.phases()

    assert alone(play) == {"1.0": "Running", "bad": "Running"}


def test_after_a_reload_no_status_of_before_looks_fresh() -> None:
    """Until their next pass the stages count as not observed, so that nobody takes an old outcome for the new one."""

    async def play(sim: Simulation) -> None:
        sim.push("1.0")
        await sim.write(project("shop", "1.0"))
        await sim.settle()
        assert sim.manager is not None
        begun = sim.clock.now()
        assert await sim.manager.reload() == ()
        assert sim.manager.statuses()["shop/dev"].observed_at == 0
        await asyncio.sleep(5)
        assert sim.manager.statuses()["shop/dev"].observed_at >= begun

    simulate(play)


def test_what_cannot_be_seen_is_reported_and_comes_back() -> None:
    """While the Engine is away the status is Unknown and not settled; afterwards it is ready again."""

    async def play(sim: Simulation) -> None:
        sim.push("1.0")
        await sim.write(project("shop", "1.0"))
        await sim.settle()
        sim.engine.down_until = 1e9
        await asyncio.sleep(120)
        ready = sim.status().condition("Ready")
        assert ready is not None
        assert (ready.status, ready.reason, sim.status().settled) == ("Unknown", "Unreachable", False)
        assert sim.phases() == {"1.0": "Running"}
        sim.engine.down_until = 0
        await sim.settle()
        assert sim.status().ready

    simulate(play)


def test_a_bug_in_a_pass_of_one_stage_stops_nothing_else() -> None:
    """The stage says so and is tried again; the other stage is served; the log has the traceback once."""

    async def play(sim: Simulation) -> None:
        sim.push("1.0")
        assert sim.manager is not None
        store = sim.manager._pieces.reconciler.store
        memory = store.memory

        async def broken(stage: str) -> StageMemory:
            if stage == "shop/dev" and sim.clock.monotonic() < 100:
                raise ZeroDivisionError("oops")
            return await memory(stage)

        store.memory = broken  # type: ignore[method-assign]
        await sim.write(project("shop", "1.0"), project("web", "1.0"))
        await asyncio.sleep(90)
        assert sim.status("web/dev").ready
        ready = sim.status("shop/dev").condition("Ready")
        assert ready is not None
        assert (ready.status, ready.reason) == ("Unknown", "Bug")
        await sim.settle()
        assert sim.status("shop/dev").ready
        assert sum("Traceback" in bug for bug in sim.bugs) == 1
        sim.bugs.clear()

    simulate(play)
