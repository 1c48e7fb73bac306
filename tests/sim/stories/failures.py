"""Stories of what stands in the way: of a gate, of a switch, of its proof, of a repair."""

import asyncio

from tests.sim.apps import App
from tests.sim.sources import project
from tests.sim.stories.rollouts import DEFAULT, FIVE_HUNDRED, deploy, host
from tests.world import Simulation


async def never_ready(sim: Simulation) -> None:
    """A new tag whose port never answers: rolled back at its deadline."""
    await deploy(sim)
    sim.push("2.0", App(ready=1e9))
    await sim.write(project("shop", "2.0"))
    await sim.settle()
    assert sim.routes()[DEFAULT] == "1.0"
    assert [box.tag for box in sim.containers()] == ["1.0"]


async def verification_fails(sim: Simulation) -> None:
    """A new tag that is well and that the proxy does not reach: the old one serves until it does."""
    await deploy(sim)
    sim.push("2.0")
    sim.proxy.blind.add("2.0")
    await sim.write(project("shop", "2.0"))
    await asyncio.sleep(120)
    assert [box.tag for box in sim.containers() if box.passed and box.tag == "1.0"] == ["1.0"], sim.trace(40)
    sim.proxy.blind.clear()
    await sim.settle()
    sim.matches()


async def proxy_stumbles(sim: Simulation) -> None:
    """A proxy that makes the change and answers 500 (F41)."""
    await deploy(sim)
    sim.push("2.0")
    sim.proxy.stumbles = 2
    await sim.write(project("shop", "2.0"))
    await sim.settle()
    sim.matches()


async def images_pruned(sim: Simulation) -> None:
    """`docker system prune -a` of what is down: container and image are got anew (F35)."""
    await deploy(sim)
    sim.vandal("drop", sim.box("1.0"))
    sim.border.note("vandal", "prune images", "")
    sim.engine.images.clear()
    await sim.settle()
    sim.matches()


async def broken_and_restarted(sim: Simulation) -> None:
    """A broken tag is remembered over a restart, and not tried again (S22)."""
    await deploy(sim)
    sim.push("2.0", FIVE_HUNDRED)
    await sim.write(project("shop", "1.0", "2.0"))
    await sim.settle()
    made = sim.engine.made
    await sim.restart()
    await sim.settle()
    assert sim.engine.made == made, f"a quarantined tag is tried again\n{sim.trace(40)}"
    assert sim.routes() == {DEFAULT: "1.0", host("1.0"): "1.0"}


async def unreadable(sim: Simulation) -> None:
    """A folder that is away for a while deletes nothing, and what was edited meanwhile counts when it is back."""
    await deploy(sim)
    sim.border.note("user", "unmount", "")
    sim.folder.reachable = False
    sim.folder.touched()
    await asyncio.sleep(100)
    assert sim.routes() == {DEFAULT: "1.0", host("1.0"): "1.0"}, f"something was deleted\n{sim.trace(40)}"
    sim.push("2.0")
    await sim.write(project("shop", "2.0"))
    await asyncio.sleep(60)
    assert [box.tag for box in sim.containers()] == ["1.0"]
    sim.folder.reachable = True
    sim.folder.touched()
    await sim.settle()
    sim.matches()
