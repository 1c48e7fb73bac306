"""Stories of rollouts: what becomes of tags and specs, good and bad ones."""

import asyncio
from collections.abc import Awaitable, Callable

from tests.sim.apps import App
from tests.sim.sources import project, request
from tests.world import Simulation

Scenario = Callable[[Simulation], Awaitable[None]]

DEFAULT = "stage-dev-shop.test"
FIVE_HUNDRED = App(status=503)


def host(tag: str, stage: str = "dev", name: str = "shop") -> str:
    """Hostname of an instance route."""
    return f"stage-{stage}-{name}-{tag.replace('.', '-')}.test"


async def deploy(sim: Simulation) -> None:
    """One tag on an empty host."""
    sim.push("1.0")
    await sim.write(project("shop", "1.0"))
    await sim.settle()
    sim.matches()


async def two_tags(sim: Simulation) -> None:
    """Two tags side by side."""
    sim.push("1.0")
    sim.push("1.1")
    await sim.write(project("shop", "1.0", "1.1"))
    await sim.settle()
    sim.matches()


async def replace_tag(sim: Simulation) -> None:
    """The most common edit: [1.0] becomes [2.0], without an outage."""
    await deploy(sim)
    sim.push("2.0", App(ready=2.0))
    await sim.write(project("shop", "2.0"))
    await sim.settle()
    sim.matches()


async def broken_tag(sim: Simulation) -> None:
    """[1.0] becomes [2.0], which never answers: 1.0 goes on serving, held over."""
    await deploy(sim)
    sim.push("2.0", FIVE_HUNDRED)
    await sim.write(project("shop", "2.0"))
    await sim.settle()
    assert sim.routes()[DEFAULT] == "1.0"
    assert sim.answered(DEFAULT)
    assert [box.tag for box in sim.containers()] == ["1.0"], sim.trace(40)
    assert sim.phases()["1.0"] == "HeldOver"


async def broken_then_fixed(sim: Simulation) -> None:
    """After a broken tag a good one must always be deployable (L8)."""
    await broken_tag(sim)
    sim.push("3.0")
    await sim.write(project("shop", "3.0"))
    await sim.settle()
    sim.matches()


async def exits_at_once(sim: Simulation) -> None:
    """A new tag whose process ends: rolled back."""
    await deploy(sim)
    sim.push("2.0", App(exits=0.3, code=3))
    await sim.write(project("shop", "1.0", "2.0"))
    await sim.settle()
    assert sim.routes() == {DEFAULT: "1.0", host("1.0"): "1.0"}
    assert [box.tag for box in sim.containers()] == ["1.0"]


async def missing_command(sim: Simulation) -> None:
    """A start that Docker refuses leaves no container behind."""
    await deploy(sim)
    sim.push("2.0", App(missing=True))
    await sim.write(project("shop", "1.0", "2.0"))
    await sim.settle()
    assert [box.tag for box in sim.containers()] == ["1.0"]


async def missing_image(sim: Simulation) -> None:
    """A tag that the registry does not know."""
    await deploy(sim)
    await sim.write(project("shop", "1.0", "9.9"))
    await sim.settle()
    assert sim.routes() == {DEFAULT: "1.0", host("1.0"): "1.0"}


async def change_spec(sim: Simulation) -> None:
    """A changed variable: a new container beside the old one, then the switch."""
    await deploy(sim)
    await sim.write(project("shop", "1.0", env=[{"name": "LEVEL", "value": "2"}]))
    await sim.settle()
    sim.matches()


async def change_two_specs(sim: Simulation) -> None:
    """A changed variable of two instances: one after the other."""
    await two_tags(sim)
    await sim.write(project("shop", "1.0", "1.1", env=[{"name": "LEVEL", "value": "2"}]))
    await sim.settle()
    sim.matches()


async def change_twice(sim: Simulation) -> None:
    """A second edit while the first is on its way: the newest one counts (S17)."""
    await deploy(sim)
    await sim.write(project("shop", "1.0", env=[{"name": "LEVEL", "value": "2"}]))
    await sim.wait(lambda: len(sim.containers()) > 1)
    await sim.write(project("shop", "1.0", env=[{"name": "LEVEL", "value": "3"}]))
    await sim.settle()
    sim.matches()


async def change_and_back(sim: Simulation) -> None:
    """An edit that is taken back while it is on its way."""
    await deploy(sim)
    await sim.write(project("shop", "1.0", env=[{"name": "LEVEL", "value": "2"}]))
    await sim.wait(lambda: len(sim.containers()) > 1)
    await sim.write(project("shop", "1.0"))
    await sim.settle()
    sim.matches()


async def add_check_path(sim: Simulation) -> None:
    """A changed probe is no reason for a new container."""
    await deploy(sim)
    await sim.write(project("shop", "1.0", healthCheck={"path": "/other", "interval": "1s"}))
    await sim.settle()
    sim.matches()


async def bake(sim: Simulation) -> None:
    """The old one stays warm for a while after the switch."""
    await deploy(sim)
    sim.push("2.0")
    await sim.write(project("shop", "2.0", bake="20s"))
    await sim.settle()
    sim.matches()


async def pre_deploy(sim: Simulation) -> None:
    """A migration before the gate."""
    await deploy(sim)
    sim.push("2.0")
    await sim.write(project("shop", "2.0", preDeploy={"command": ["./migrate"]}))
    await sim.settle()
    sim.matches()


async def pre_deploy_fails(sim: Simulation) -> None:
    """A migration that fails: nothing switches and nothing stays."""
    await deploy(sim)
    sim.push("2.0", App(job_code=4))
    await sim.write(project("shop", "1.0", "2.0", preDeploy={"command": ["./migrate"]}))
    await sim.settle()
    assert sim.routes() == {DEFAULT: "1.0", host("1.0"): "1.0"}
    assert [box.tag for box in sim.containers() if not box.job] == ["1.0"]


async def suspended(sim: Simulation) -> None:
    """Suspended: nothing is changed, and afterwards everything is made good."""
    await deploy(sim)
    sim.push("2.0")
    await sim.write(project("shop", "2.0", suspend=True))
    await sim.settle()
    sim.vandal("kill", sim.box("1.0"))
    await asyncio.sleep(200)
    assert [(box.tag, box.state) for box in sim.containers()] == [("1.0", "exited")]
    await sim.write(project("shop", "2.0"))
    await sim.settle()
    sim.matches()


async def broken_first(sim: Simulation) -> None:
    """The very first tag is broken: tried until the deadline, then given up, and a good one follows."""
    sim.push("1.0", FIVE_HUNDRED)
    await sim.write(project("shop", "1.0"))
    await sim.settle()
    assert sim.containers() == []
    assert sim.phases() == {"1.0": "Failed"}
    sim.push("1.1")
    await sim.write(project("shop", "1.1"))
    await sim.settle()
    sim.matches()


async def evict(sim: Simulation) -> None:
    """One more tag than `maxInstances`: the oldest goes once the newest has passed."""
    for tag in ("1", "2", "3"):
        sim.push(tag)
    await sim.write(project("shop", "1", "2", stage_fields={"maxInstances": 2}))
    await sim.settle()
    await sim.write(project("shop", "1", "2", "3", stage_fields={"maxInstances": 2}))
    await sim.settle()
    sim.matches()


async def evict_nothing(sim: Simulation) -> None:
    """A newest one that fails evicts nothing."""
    sim.push("1")
    sim.push("2")
    sim.push("3", FIVE_HUNDRED)
    await sim.write(project("shop", "1", "2", stage_fields={"maxInstances": 2}))
    await sim.settle()
    await sim.write(project("shop", "1", "2", "3", stage_fields={"maxInstances": 2}))
    await sim.settle()
    assert sorted(box.tag for box in sim.containers()) == ["1", "2"]
    assert sim.routes()[DEFAULT] == "2"


async def expire(sim: Simulation) -> None:
    """An instance with a time to live goes and stays away."""
    sim.push("1.0")
    sim.push("pr-7")
    await sim.write(project("shop", "1.0", {"tag": "pr-7", "ttl": "10m"}, stage_fields={"defaultTag": "1.0"}))
    await sim.settle()
    sim.matches()
    await sim.wait(lambda: [box.tag for box in sim.containers()] == ["1.0"], 900)
    await sim.settle()
    assert sim.routes() == {DEFAULT: "1.0", host("1.0"): "1.0"}


async def requests(sim: Simulation) -> None:
    """A DeployRequest comes and goes."""
    await deploy(sim)
    sim.push("pr-1")
    await sim.write(project("shop", "1.0"), request("one", "pr-1"))
    await sim.settle()
    sim.matches()
    await sim.write(project("shop", "1.0"))
    await sim.settle()
    sim.matches()
