"""S20 in the simulated world: each world has a secret, every safety check looks for it, and would find it."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from controller.core.forecast.types import Forecast
from controller.core.model import names
from controller.core.model.observed import Route
from controller.core.model.status import StageStatus
from tests.sim.canary import REF, VALUE, spilled
from tests.sim.sources import project
from tests.sim.store import Row
from tests.sim.stories.rollouts import DEFAULT, deploy
from tests.sim.test_manager import manager
from tests.world import Simulation, simulate


def _in_a_route(sim: Simulation) -> None:
    route: Route = sim.proxy.routes[DEFAULT]
    sim.proxy.routes[DEFAULT] = replace(route, marker=VALUE)


def _in_a_label(sim: Simulation) -> None:
    sim.box("1.0").labels["note"] = f"CANARY={VALUE}"


def _in_a_status(sim: Simulation) -> None:
    sim.disk.statuses["shop/dev"] = StageStatus(key="shop/dev", reason=VALUE.encode().hex())


def _in_the_history(sim: Simulation) -> None:
    sim.disk.rows["x"] = Row("x", "shop/dev", "1.0", "r1", "deploy", reason=f"exited: {VALUE}")


def _in_the_log(sim: Simulation) -> None:
    sim.log.append({"event": "refused", "message": "Y2FuYXJ5LzRmOWQ6aHVzaCtodXNoPw=="})


def _in_the_trace(sim: Simulation) -> None:
    sim.border.note("controller", "docker.create", "canary/4f9d%3Ahush%2Bhush%3F")


LEAKS = (_in_a_route, _in_a_label, _in_a_status, _in_the_history, _in_the_log, _in_the_trace)


@pytest.mark.parametrize("leak", LEAKS, ids=lambda leak: leak.__name__)
def test_safety_a_secret_is_found_wherever_it_is_spilled(leak: Callable[[Simulation], None]) -> None:
    """As it is, in hex, in base64 and as in a URL."""
    sim = simulate(deploy)
    assert spilled(sim) == []
    leak(sim)
    [found] = spilled(sim)
    assert found.startswith("S20")


def test_safety_a_secret_that_is_used_changed_and_missing_is_told_nowhere() -> None:
    """It makes another revision, blocks a creation by its name only, and is in no forecast."""

    async def story(sim: Simulation) -> Forecast:
        await deploy(sim)
        first = sim.box("1.0")
        assert first.labels[names.SECRETS]
        sim.secrets[REF] = VALUE[::-1]
        await sim.wait(lambda: [box.id for box in sim.containers()] not in ([first.id], []), 120)
        await sim.settle()
        del sim.secrets[REF]
        sim.push("2.0")
        await sim.write(project("shop", "2.0"))
        await sim.wait(lambda: REF.name in repr(sim.status()), 60)
        sim.secrets[REF] = VALUE[::-1]
        forecast = await manager(sim, writes=False).forecast()
        await sim.settle()
        sim.matches()
        return forecast

    told: list[Forecast] = []

    async def keeping(sim: Simulation) -> None:
        told.append(await story(sim))

    simulate(keeping)
    assert told[0].counts() != (0, 0, 0)
    assert VALUE[::-1] not in repr(told[0])
