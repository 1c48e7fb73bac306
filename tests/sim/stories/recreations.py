"""Stories of stages with a writable volume, whose containers never overlap."""

from tests.sim.sources import project
from tests.sim.stories.rollouts import DEFAULT, FIVE_HUNDRED
from tests.world import Simulation


async def recreate(sim: Simulation) -> None:
    """A stage with a writable volume: stop the old, start the new."""
    volumes = [{"name": "data", "mountPath": "/data"}]
    sim.push("1.0")
    await sim.write(project("shop", "1.0", volumes=volumes))
    await sim.settle()
    sim.matches()
    sim.push("2.0")
    await sim.write(project("shop", "2.0", volumes=volumes))
    await sim.settle()
    sim.matches()


async def recreate_fails(sim: Simulation) -> None:
    """A stage with a writable volume and a broken new tag: the old one is started again."""
    volumes = [{"name": "data", "mountPath": "/data"}]
    sim.push("1.0")
    await sim.write(project("shop", "1.0", volumes=volumes))
    await sim.settle()
    sim.push("2.0", FIVE_HUNDRED)
    await sim.write(project("shop", "2.0", volumes=volumes))
    await sim.settle()
    assert sim.answered(DEFAULT)
    assert sim.routes()[DEFAULT] == "1.0"
    assert [box.tag for box in sim.containers()] == ["1.0"]


async def recreate_spec(sim: Simulation) -> None:
    """A changed variable with a writable volume."""
    volumes = [{"name": "data", "mountPath": "/data"}]
    sim.push("1.0")
    await sim.write(project("shop", "1.0", volumes=volumes))
    await sim.settle()
    await sim.write(project("shop", "1.0", volumes=volumes, env=[{"name": "LEVEL", "value": "2"}]))
    await sim.settle()
    sim.matches()


async def recreate_with_job(sim: Simulation) -> None:
    """A migration on a writable volume runs when nothing else has it."""
    volumes = [{"name": "data", "mountPath": "/data"}]
    sim.push("1.0")
    await sim.write(project("shop", "1.0", volumes=volumes))
    await sim.settle()
    sim.push("2.0")
    await sim.write(project("shop", "2.0", volumes=volumes, preDeploy={"command": ["./migrate"]}))
    await sim.settle()
    sim.matches()
