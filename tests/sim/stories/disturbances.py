"""Stories of what others do: vandals, restarts, outages, lost folders, tags that move."""

import asyncio

from controller.core.model.desired import SecretRef
from tests.sim.apps import App
from tests.sim.sources import project
from tests.sim.stories.rollouts import DEFAULT, FIVE_HUNDRED, deploy, two_tags
from tests.world import Simulation


async def track_digest(sim: Simulation) -> None:
    """A tag that is pushed again is followed where that is asked for."""
    first = sim.push("1.0")
    await sim.write(project("shop", "1.0", trackDigest=True))
    await sim.settle()
    second = sim.push("1.0")
    await sim.wait(lambda: all(box.image.endswith(second) for box in sim.containers()), 900)
    await sim.settle()
    sim.matches()
    assert not sim.box("1.0").image.endswith(first)


async def pushed_again(sim: Simulation) -> None:
    """A tag that is pushed again changes nothing, and a repair keeps the pinned digest."""
    first = sim.push("1.0")
    await sim.write(project("shop", "1.0"))
    await sim.settle()
    sim.push("1.0", FIVE_HUNDRED)
    sim.vandal("drop", sim.box("1.0"))
    sim.engine.images.clear()
    await sim.settle()
    sim.matches()
    assert sim.box("1.0").image.endswith(first)


async def registry_away(sim: Simulation) -> None:
    """A registry that is away delays a rollout and harms nothing."""
    await deploy(sim)
    sim.push("2.0")
    sim.registry.down = True
    await sim.write(project("shop", "2.0"))
    await asyncio.sleep(100)
    assert sim.answered(DEFAULT)
    sim.registry.down = False
    await sim.settle()
    sim.matches()


async def proxy_away(sim: Simulation) -> None:
    """A proxy that is away delays a rollout; the old container stays (F48)."""
    await deploy(sim)
    old = sim.box("1.0").id
    sim.push("2.0")
    sim.proxy.down = True
    await sim.write(project("shop", "2.0"))
    await asyncio.sleep(3600)
    assert old in sim.engine.boxes, sim.trace(40)
    sim.proxy.down = False
    await sim.settle()
    sim.matches()


async def edit_during_outage(sim: Simulation) -> None:
    """Edits that come while the Engine is away are not lost."""
    await deploy(sim)
    sim.push("2.0")
    sim.push("3.0")
    sim.engine.reboot(20)
    await asyncio.sleep(1)
    await sim.write(project("shop", "2.0"))
    await asyncio.sleep(10)
    await sim.write(project("shop", "3.0"))
    await sim.settle()
    sim.matches()


async def drift_killed(sim: Simulation) -> None:
    """`docker kill` of what serves."""
    await deploy(sim)
    sim.vandal("kill", sim.box("1.0"))
    await sim.settle()
    sim.matches()


async def drift_removed(sim: Simulation) -> None:
    """`docker rm -f` of what serves."""
    await deploy(sim)
    sim.vandal("drop", sim.box("1.0"))
    await sim.settle()
    sim.matches()


async def drift_paused(sim: Simulation) -> None:
    """`docker pause` of what serves."""
    await deploy(sim)
    sim.vandal("pause", sim.box("1.0"))
    await sim.settle()
    sim.matches()


async def drift_disconnected(sim: Simulation) -> None:
    """`docker network disconnect` of what serves."""
    await deploy(sim)
    sim.vandal("disconnect", sim.box("1.0"))
    await sim.settle()
    sim.matches()


async def drift_route_removed(sim: Simulation) -> None:
    """Somebody deletes our route."""
    await deploy(sim)
    sim.edit_route(DEFAULT, None)
    await sim.settle()
    sim.matches()


async def drift_route_edited(sim: Simulation) -> None:
    """Somebody points our route elsewhere."""
    await deploy(sim)
    sim.edit_route(DEFAULT, "10.9.0.2")
    await sim.settle()
    sim.matches()


async def proxy_restarted(sim: Simulation) -> None:
    """The proxy comes back without our routes (F46)."""
    await two_tags(sim)
    sim.proxy.restart()
    await sim.settle()
    sim.matches()


async def engine_restarted(sim: Simulation) -> None:
    """The Engine restarts in order: other addresses, the same containers."""
    await two_tags(sim)
    sim.engine.reboot(8)
    await sim.settle()
    sim.matches()


async def engine_killed(sim: Simulation) -> None:
    """kill -9 of the Engine: nothing comes back by itself (F12)."""
    await two_tags(sim)
    sim.engine.reboot(8, graceful=False)
    await sim.settle()
    sim.matches()


async def secret_changed(sim: Simulation) -> None:
    """Another value of a secret is another revision."""
    ref = SecretRef("file", "/run/secrets/db")
    sim.secrets[ref] = "one"
    sim.push("1.0")
    await sim.write(project("shop", "1.0", env=[{"name": "DB", "valueFrom": {"file": "/run/secrets/db"}}]))
    await sim.settle()
    first = sim.box("1.0").id
    sim.secrets[ref] = "two"
    await sim.wait(lambda: [box.id for box in sim.containers()] not in ([first], [first, first]), 120)
    await sim.settle()
    assert sim.box("1.0").id != first
    assert sim.answered(DEFAULT)


async def restarted(sim: Simulation) -> None:
    """The controller ends in order and starts again, in the middle and at rest."""
    await deploy(sim)
    sim.push("2.0")
    await sim.write(project("shop", "2.0"))
    await sim.wait(lambda: len(sim.containers()) > 1)
    await sim.restart()
    await sim.settle()
    sim.matches()


async def store_lost(sim: Simulation) -> None:
    """The state folder is lost: nothing is removed, recreated or restarted."""
    await two_tags(sim)
    before = [(box.id, box.runs) for box in sim.containers()]
    await sim.restart(lose_store=True)
    await sim.settle()
    assert [(box.id, box.runs) for box in sim.containers()] == before, sim.trace(40)
    sim.matches()


async def store_lost_in_the_middle(sim: Simulation) -> None:
    """The state folder is lost in the middle of a rollout."""
    await deploy(sim)
    sim.push("2.0", App(ready=3.0))
    await sim.write(project("shop", "2.0"))
    await sim.wait(lambda: any(box.tag == "2.0" and box.state == "running" for box in sim.containers()))
    await sim.restart(lose_store=True)
    await sim.settle()
    sim.matches()
