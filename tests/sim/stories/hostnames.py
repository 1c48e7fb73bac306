"""Stories of hostnames: who gets them, who gives them up, and who never had any."""

from tests.sim.sources import project
from tests.sim.stories.rollouts import deploy, two_tags
from tests.world import Simulation


async def give_up_domain(sim: Simulation) -> None:
    """A new tag and one domain fewer at once."""
    await deploy(sim)
    await sim.write(project("shop", "1.0", stage_fields={"domains": ["a.test"]}))
    await sim.settle()
    sim.push("2.0")
    await sim.write(project("shop", "2.0", bake="10s"))
    await sim.settle()
    sim.matches()


async def become_worker(sim: Simulation) -> None:
    """A project that loses its port keeps running without routes."""
    await deploy(sim)
    await sim.write(project("shop", "1.0", port=None, healthCheck=None, env=[{"name": "LEVEL", "value": "2"}]))
    await sim.settle()
    sim.matches()


async def move_default(sim: Simulation) -> None:
    """`defaultTag` from one running instance to another."""
    await two_tags(sim)
    await sim.write(project("shop", "1.0", "1.1", stage_fields={"defaultTag": "1.0"}))
    await sim.settle()
    sim.matches()


async def more_hostnames(sim: Simulation) -> None:
    """More domains for the default route, then fewer."""
    await deploy(sim)
    await sim.write(project("shop", "1.0", stage_fields={"domains": ["a.test", "b.test"]}))
    await sim.settle()
    sim.matches()
    await sim.write(project("shop", "1.0", stage_fields={"domains": ["b.test"]}))
    await sim.settle()
    sim.matches()


async def worker(sim: Simulation) -> None:
    """Without a port there are no routes and the gate is to keep running."""
    sim.push("1.0")
    sim.push("2.0")
    await sim.write(project("shop", "1.0", port=None, healthCheck=None))
    await sim.settle()
    sim.matches()
    await sim.write(project("shop", "2.0", port=None, healthCheck=None))
    await sim.settle()
    sim.matches()


async def empty_list(sim: Simulation) -> None:
    """`instances: []` releases even what serves."""
    await deploy(sim)
    await sim.write(project("shop"))
    await sim.settle()
    assert sim.containers() == []
    assert sim.routes() == {}


async def remove_stage(sim: Simulation) -> None:
    """A stage that is no longer declared goes; the other stays."""
    sim.push("1.0")
    await sim.write(project("shop", stages={"dev": {"tags": ["1.0"]}, "prod": {"tags": ["1.0"]}}))
    await sim.settle()
    sim.matches()
    await sim.write(project("shop", stages={"prod": {"tags": ["1.0"]}}))
    await sim.settle()
    sim.matches()


async def swap_hostname(sim: Simulation) -> None:
    """Two stages that swap a hostname: nobody loses it in between."""
    sim.push("1.0")
    before = {"dev": {"tags": ["1.0"], "domains": ["a.test"]}, "prod": {"tags": ["1.0"], "domains": ["b.test"]}}
    after = {"dev": {"tags": ["1.0"], "domains": ["b.test"]}, "prod": {"tags": ["1.0"], "domains": ["a.test"]}}
    await sim.write(project("shop", stages=before))
    await sim.settle()
    sim.matches()
    await sim.write(project("shop", stages=after))
    await sim.settle()
    sim.matches()


async def rename_project(sim: Simulation) -> None:
    """A project under a new name takes its domain along without a gap."""
    sim.push("1.0")
    await sim.write(project("shop", "1.0", stage_fields={"domains": ["shop.test"]}))
    await sim.settle()
    await sim.write(project("store", "1.0", stage_fields={"domains": ["shop.test"]}))
    await sim.settle()
    sim.matches()
