"""How much effort anything may cost: calls while everything fails, moves of a route, what is kept after a long time."""

import asyncio
from collections import Counter
from collections.abc import Callable
from functools import partial

import pytest

from tests.sim.apps import App
from tests.sim.intent_oracle import Intent
from tests.sim.matrix import Reference
from tests.sim.scenarios import ALL, Scenario, deploy, verification_fails
from tests.sim.sources import project
from tests.sim.stories.rollouts import FIVE_HUNDRED
from tests.world import Simulation, simulate

HOUR_S = 3600.0
CALLS_PER_MINUTE_MAX = 30
"""Calls a minute to one backend while it fails, at most."""
BACKENDS = {"docker": "engine", "registry": "registry", "proxy": "proxy", "probe": "app"}


def _registry(sim: Simulation) -> None:
    sim.registry.down = True


def _proxy(sim: Simulation) -> None:
    sim.proxy.down = True


def _refusing(sim: Simulation) -> None:
    sim.proxy.refuses = True


def _engine(sim: Simulation) -> None:
    sim.engine.down_until = 1e9


MOVES: dict[Scenario, int] = {verification_fails: 3}
"""Where a hostname may move more often: a proxy that sees again is nobody's act, and it gets the new one once more."""
FAILING = (_registry, _proxy, _refusing, _engine)


@pytest.mark.parametrize("fail", FAILING, ids=lambda fail: fail.__name__)
def test_safety_what_fails_is_asked_ever_more_seldom(fail: Callable[[Simulation], None]) -> None:
    """S21: ten stages that all want something of a backend that fails for hours."""

    async def story(sim: Simulation) -> None:
        for tag in ("1.0", "2.0"):
            sim.push(tag)
        await sim.write(*(project(f"p{number}", "1.0") for number in range(10)))
        await sim.settle()
        fail(sim)
        await sim.write(*(project(f"p{number}", "2.0") for number in range(10)))
        await asyncio.sleep(HOUR_S)
        before, issued = sim.border.looks.copy(), len(sim.border.issued)
        await asyncio.sleep(2 * HOUR_S)
        asked = Counter({op: count - before[op] for op, count in sim.border.looks.items()})
        asked.update(call.op for call in sim.border.issued[issued:])
        calls: Counter[str] = Counter()
        for op, count in asked.items():
            calls[BACKENDS.get(op.partition(".")[0], "")] += count
        per_minute = {name: count / 120 for name, count in calls.items() if name not in ("", "app")}
        assert max(per_minute.values()) <= CALLS_PER_MINUTE_MAX, per_minute

    simulate(story)


@pytest.mark.parametrize("app", [FIVE_HUNDRED, App(exits=0.2), App(missing=True), App(job_code=1)], ids=str)
def test_safety_a_first_deployment_that_fails_makes_a_bounded_number_of_containers(app: App) -> None:
    """S21: until its progress deadline of ten minutes the pauses double; then it is over."""

    async def story(sim: Simulation) -> None:
        sim.push("1.0", app)
        await sim.write(project("shop", "1.0", progressDeadline="10m", preDeploy={"command": ["./migrate"]}))
        await asyncio.sleep(24 * HOUR_S)
        assert sim.containers() == []

    assert len(simulate(story).ops("docker.create")) <= 2 * 12


@pytest.mark.parametrize("scenario", ALL, ids=lambda scenario: scenario.__name__)
def test_safety_a_route_does_not_flap(scenario: Scenario) -> None:
    """S22: between two acts of anybody a hostname moves at most twice: to the new one, and back."""
    moves: dict[str, list[str]] = {}
    most: dict[str, int] = {}

    async def story(sim: Simulation) -> None:
        seen = dict(sim.proxy.routes)
        others = [0]

        def after(_: object) -> None:
            acts = sum(item.actor not in ("controller", "app") for item in sim.effects)
            if acts != others[0]:
                others[0] = acts
                moves.clear()
            for hostname, route in sim.proxy.routes.items():
                if hostname not in seen or seen[hostname].container != route.container:
                    moves.setdefault(hostname, []).append(route.container)
                    most[hostname] = max(most.get(hostname, 0), len(moves[hostname]))
            seen.clear()
            seen.update(sim.proxy.routes)

        sim.border.judge(lambda effect: None, after)
        await scenario(sim)

    simulate(story)
    assert {name: count for name, count in most.items() if count > MOVES.get(scenario, 2)} == {}


def _only(sim: Simulation, tag: str) -> bool:
    return [box.tag for box in sim.containers()] == [tag]


def test_what_is_kept_does_not_grow() -> None:
    """S23: after a hundred replacements there is as much in memory and in the state folder as after three."""
    sizes: list[tuple[int, int, int]] = []

    async def story(sim: Simulation) -> None:
        for number in range(100):
            sim.push(f"{number}")
            await sim.write(project("shop", f"{number}", drain="0s"))
            await sim.wait(partial(_only, sim, f"{number}"))
            if number % 97 == 2:
                await sim.settle()
                assert sim.life is not None
                tasks = sum(not task.done() for task in sim.life.tasks)
                memory = sum(len(item.model_dump_json()) for item in sim.disk.memory.values())
                sizes.append((tasks, memory, len(sim.disk.statuses)))

    simulate(story)
    first, last = sizes
    assert last[0] <= first[0]
    assert last[1] <= first[1] + 20
    assert last[2] == first[2]


def test_safety_a_creation_that_is_not_recorded_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """S26: the judge of durable intent would see one."""
    Reference.of(deploy)
    monkeypatch.setattr(Intent, "_note", lambda self, stage: None)
    with pytest.raises(AssertionError, match="S26"):
        Reference.of(deploy)
