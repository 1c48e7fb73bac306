"""Stories of a host, each a coroutine that plays the user. They say what is done; the tests say what must come of it.

Every story ends settled and states its expected end itself, so that it can be played again under any fault: the end may
not depend on the fault (L2). Where a story waits for something in between, it waits for a fact of the world.
"""

import asyncio
from collections.abc import Awaitable, Callable

from controller.core.desired import SecretRef
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


async def move_default(sim: Simulation) -> None:
    """`defaultTag` from one running instance to another."""
    await two_tags(sim)
    await sim.write(project("shop", "1.0", "1.1", stage_fields={"defaultTag": "1.0"}))
    await sim.settle()
    sim.matches()


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


ALL: tuple[Scenario, ...] = (
    deploy,
    two_tags,
    replace_tag,
    broken_tag,
    broken_then_fixed,
    exits_at_once,
    missing_command,
    missing_image,
    change_spec,
    change_two_specs,
    change_twice,
    change_and_back,
    add_check_path,
    bake,
    pre_deploy,
    pre_deploy_fails,
    recreate,
    recreate_fails,
    recreate_spec,
    recreate_with_job,
    track_digest,
    pushed_again,
    registry_away,
    proxy_away,
    edit_during_outage,
    suspended,
    give_up_domain,
    become_worker,
    broken_first,
    evict,
    evict_nothing,
    expire,
    move_default,
    requests,
    more_hostnames,
    worker,
    empty_list,
    remove_stage,
    swap_hostname,
    rename_project,
    drift_killed,
    drift_removed,
    drift_paused,
    drift_disconnected,
    drift_route_removed,
    drift_route_edited,
    proxy_restarted,
    engine_restarted,
    engine_killed,
    secret_changed,
    restarted,
    store_lost,
    store_lost_in_the_middle,
)
