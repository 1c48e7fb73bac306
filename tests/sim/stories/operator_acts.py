"""Stories of what a person decides at a running controller: allow a loss, hold a stage still, have it tried again."""

import asyncio

from tests.sim.sources import project
from tests.sim.stories.rollouts import DEFAULT, FIVE_HUNDRED, deploy, host
from tests.world import Simulation


async def guarded(sim: Simulation) -> None:
    """Most of what runs is no longer declared: nothing goes until somebody confirms exactly that (S16)."""
    sim.guard_percent = 20.0
    await sim.restart()
    for tag in ("1", "2", "3"):
        sim.push(tag)
    await sim.write(project("shop", "1", "2", "3"))
    await sim.settle()
    await sim.write(project("shop", "3"))
    await asyncio.sleep(100)
    assert [box.tag for box in sim.containers()] == ["1", "2", "3"], f"gone without a word\n{sim.trace(40)}"
    await sim.confirm()
    await sim.settle()
    sim.matches()


async def guarded_and_taken_back(sim: Simulation) -> None:
    """What the guard held back is undone in the documents: nothing was lost, and other edits go on (S16)."""
    sim.guard_percent = 20.0
    await sim.restart()
    for tag in ("1", "2", "3"):
        sim.push(tag)
    await sim.write(project("shop", "1", "2"))
    await sim.settle()
    before = [(box.id, box.runs) for box in sim.containers()]
    await sim.write()
    await asyncio.sleep(100)
    await sim.write(project("shop", "1", "2", "3"))
    await sim.settle()
    sim.matches()
    assert [(box.id, box.runs) for box in sim.containers() if box.tag != "3"] == before


async def suspended_by_hand(sim: Simulation) -> None:
    """A stage is held still over an edit and a loss, and then made good."""
    await deploy(sim)
    sim.push("2.0")
    await sim.suspend("shop/dev", True)
    await sim.write(project("shop", "2.0"))
    sim.vandal("kill", sim.box("1.0"))
    await asyncio.sleep(200)
    assert [(box.tag, box.state) for box in sim.containers()] == [("1.0", "exited")]
    await sim.suspend("shop/dev", False)
    await sim.settle()
    sim.matches()


async def retried(sim: Simulation) -> None:
    """A broken tag that was mended behind its digest runs after `holdfast retry`, and not before."""
    await deploy(sim)
    digest = sim.push("2.0", FIVE_HUNDRED)
    await sim.write(project("shop", "1.0", "2.0"))
    await sim.settle()
    assert sim.routes() == {DEFAULT: "1.0", host("1.0"): "1.0"}
    sim.mend(digest)
    await sim.retry("shop/dev/2.0")
    await sim.settle()
    sim.matches()
