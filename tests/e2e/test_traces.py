"""What is crashed at in the simulated world is what a controller does to real parts: the same stories, call by call."""

import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import trace
from tests.e2e.real_world import play
from tests.e2e.trace import Trace
from tests.parts.caddy import Caddy, find_caddy
from tests.parts.engine import Engine
from tests.parts.registry import Registry
from tests.parts.sandbox import Sandbox
from tests.sim.call_border import Effect
from tests.sim.scenarios import ALL, Scenario
from tests.world import Simulation, simulate

LEFT_OUT = {
    "change_twice": "how far the first edit got when the second comes is chance",
    "change_and_back": "how far the edit got when it is taken back is chance",
    "missing_image": "nothing but tries of a pull, whose number is chance",
    "track_digest": "the registry is asked every few minutes",
    "pushed_again": "the real controller repairs before the image can be taken away",
    "images_pruned": "the real controller repairs before the image can be taken away",
    "registry_away": "the number of tries depends on the moment",
    "proxy_away": "an hour without a proxy; the number of tries depends on the moment",
    "broken_first": "tries for two minutes, whose number depends on the moment",
    "verification_fails": "a proxy on the same host reaches every container",
    "guarded": "which of three that begin at once serves first is chance",
    "retried": "nobody mends an image behind its digest",
    "edit_during_outage": "stops the Engine that other tests use",
    "engine_restarted": "stops the Engine that other tests use",
    "engine_killed": "stops the Engine that other tests use",
}
"""Stories that are played in the simulated world only, and why."""
PLAYED = [scenario for scenario in ALL if scenario.__name__ not in LEFT_OUT]
SIDE_BY_SIDE = 5
"""So many stories at a time: they mostly wait."""

Played = Callable[[Scenario], Trace]


@pytest.fixture(scope="module")
def played(request: pytest.FixtureRequest, engine: Engine, registry: Registry) -> Iterator[Played]:
    """Gives the trace of a story on real parts; all that were chosen are played beside each other."""
    program = find_caddy()
    if program is None:
        pytest.skip("caddy is not installed (Debian: apt-get install caddy)")

    def one(scenario: Scenario) -> Trace:
        with tempfile.TemporaryDirectory(prefix="hf-story-") as folder:
            caddy = Caddy(Path(folder) / "caddy", program)
            caddy.start()
            number = ALL.index(scenario)
            box = Sandbox(Path(folder) / "box", f"s{os.getpid()}-{number}", Engine(engine.url), registry, caddy)
            try:
                return play(box, scenario)
            finally:
                box.close()
                caddy.stop(5)

    items = [
        item for item in request.session.items if isinstance(item, pytest.Function) and item.module is request.module
    ]
    chosen: list[Any] = [item.callspec.params["scenario"] for item in items if "played" in item.fixturenames]
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        futures: dict[str, Future[Trace]] = {story.__name__: pool.submit(one, story) for story in chosen}
        yield lambda scenario: futures[scenario.__name__].result()
        pool.shutdown(cancel_futures=True)


def simulated(scenario: Scenario) -> Trace:
    """The trace of a story without a fault in the simulated world."""
    found = Trace()

    async def watched(sim: Simulation) -> None:
        judged = sim.border.after

        def after(effect: Effect) -> None:
            judged(effect)
            if effect.op == "proxy.write":
                held = {box.id: box.name for box in sim.engine.boxes.values()}
                found.routed({name: held.get(route.container, "?") for name, route in sim.proxy.routes.items()})

        sim.border.after = after
        await scenario(sim)

    for call in simulate(watched).border.issued:
        if call.op == "docker.pull":
            found.pull(call.target.rpartition(":")[2])
        elif call.op.startswith("docker."):
            found.asked(call.target, call.op.removeprefix("docker."))
    return found


@pytest.mark.timeout(600)
@pytest.mark.parametrize("scenario", PLAYED, ids=lambda scenario: scenario.__name__)
def test_a_story_makes_the_same_calls_on_real_parts(scenario: Scenario, played: Played) -> None:
    """Every call that changes Docker, per container in its order, every pull, and the ways of every hostname."""
    found = trace.differences(simulated(scenario), played(scenario))
    assert not found, "\n".join(found)


def test_what_is_left_out_are_stories() -> None:
    """None of them is gone or was renamed."""
    assert set(LEFT_OUT) <= {scenario.__name__ for scenario in ALL}


@pytest.mark.parametrize("missing", ["mark", "pull", "route"])
def test_a_call_that_only_one_world_makes_is_a_difference(missing: str) -> None:
    """So is a hostname that ends at another container; that it passed by one more does not count."""
    one, other = Trace(), Trace()
    for found in (one, other):
        found.asked("shop-dev-1-0-0a1b2c3d-1", "create")
        found.routed({"shop.test": "shop-dev-1-0-0a1b2c3d-1"})
    assert trace.differences(one, other) == []
    other.routed({"shop.test": "shop-dev-2-0-0a1b2c3d-1"})
    one.routed({"shop.test": "shop-dev-3-0-0a1b2c3d-1"})
    one.routed({"shop.test": "shop-dev-2-0-0a1b2c3d-1"})
    assert trace.differences(one, other) == []
    {
        "mark": lambda: one.asked("shop-dev-1-0-0a1b2c3d-1", "mark"),
        "pull": lambda: one.pull("1.0"),
        "route": lambda: one.routed({}),
    }[missing]()
    assert len(trace.differences(one, other)) in (1, 2)
