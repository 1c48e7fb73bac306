"""Unlucky orders found by a hostile operator: each took down what was healthy, or gave up what was not at fault."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from controller.core.model.desired import SecretRef
from tests.sim.apps import App
from tests.sim.faults import Call, Fault, NoFaults
from tests.sim.proxy import target
from tests.sim.scenarios import DEFAULT, FIVE_HUNDRED, broken_tag, deploy
from tests.sim.sources import project
from tests.world import Simulation, simulate

RESYNC_S = 30.0


@asynccontextmanager
async def silence(sim: Simulation, hostname: str) -> AsyncIterator[list[float]]:
    """Collects the tenths of seconds in which a hostname is not answered."""
    found: list[float] = []

    async def listen() -> None:
        while True:
            await asyncio.sleep(0.1)
            if not sim.answered(hostname):
                found.append(sim.clock.monotonic())

    listening = asyncio.ensure_future(listen())
    try:
        yield found
    finally:
        listening.cancel()


def test_safety_what_is_held_over_survives_a_proxy_that_lost_its_routes() -> None:
    """F46: no route says any more who served, and the designated one failed: who served is not taken down for that."""

    async def story(sim: Simulation) -> None:
        await broken_tag(sim)
        held = sim.box("1.0").id
        sim.proxy.restart()
        await sim.settle()
        assert sim.box("1.0").id == held
        assert sim.routes() == {DEFAULT: "1.0"}

    simulate(story)


def test_safety_what_is_held_over_survives_the_loss_of_store_and_routes_at_once() -> None:
    """F46 and a lost state folder: what passed, runs and has no declared successor stays."""

    async def story(sim: Simulation) -> None:
        await broken_tag(sim)
        held = sim.box("1.0").id
        sim.proxy.restart()
        await sim.restart(lose_store=True)
        await asyncio.sleep(3 * RESYNC_S)
        assert sim.box("1.0").id == held
        assert sim.routes() == {DEFAULT: "1.0"}

    simulate(story)


def test_safety_a_proxy_that_loses_its_routes_while_the_successor_is_in_its_gate() -> None:
    """The default route comes back to who served, at the next resync; it does not wait for the successor."""

    async def story(sim: Simulation) -> None:
        await deploy(sim)
        sim.push("2.0")
        await sim.write(project("shop", "2.0", healthCheck={"startPeriod": "100s"}))
        await asyncio.sleep(20)
        sim.proxy.restart()
        async with silence(sim, DEFAULT) as silent:
            await sim.settle()
        assert len(silent) <= 10 * RESYNC_S + 20
        sim.matches()

    simulate(story)


def test_safety_a_default_tag_that_failed_leaves_the_route_where_it_was() -> None:
    """`defaultTag` names one that failed, and the proxy lost its routes: the one that served gets them back."""

    async def story(sim: Simulation) -> None:
        await deploy(sim)
        sim.push("2.0", FIVE_HUNDRED)
        await sim.write(project("shop", "1.0", "2.0", stage_fields={"defaultTag": "2.0"}))
        await sim.settle()
        before = sim.routes()
        sim.proxy.restart()
        await sim.settle()
        assert sim.routes() == before
        assert before[DEFAULT] == "1.0"

    simulate(story)


LENIENT = {"path": "/", "interval": "1s", "timeout": "3s", "statuses": "200-399,503"}
"""A gate that FIVE_HUNDRED passes; the proof through the proxy does not take its 503."""


def test_safety_a_switch_that_fails_its_proof_is_not_tried_again_and_again() -> None:
    """S22: one try of the default route; from then on only the new tag's own hostname is asked."""

    async def story(sim: Simulation) -> None:
        await deploy(sim)
        old = sim.box("1.0").id
        sim.push("2.0", FIVE_HUNDRED)
        async with silence(sim, DEFAULT) as silent:
            await sim.write(project("shop", "2.0", healthCheck=LENIENT))
            await asyncio.sleep(3600)
        assert len(silent) / 10 < 20
        assert sim.box("1.0").id == old
        assert sum(DEFAULT in names for names in sim.ops("proxy.write")) == 3  # first deploy, switch, put back
        sim.push("3.0")
        await sim.write(project("shop", "3.0", healthCheck=LENIENT))
        await sim.settle()
        sim.matches()

    simulate(story)


def test_safety_what_was_put_back_is_no_proof_of_the_new_one() -> None:
    """A new revision of one tag fails its proof on every hostname: it never counts as settled, the old one stays."""

    async def story(sim: Simulation) -> None:
        sim.push("1.0")
        await sim.write(project("shop", "1.0", healthCheck=LENIENT, trackDigest=True))
        await sim.settle()
        old = sim.box("1.0").id
        async with silence(sim, DEFAULT) as silent:
            sim.push("1.0", FIVE_HUNDRED)
            await asyncio.sleep(3600)
        assert len(silent) / 10 < 20
        assert sim.route(DEFAULT).container == old
        assert sim.disk.memory["shop/dev"].of("1.0").settled == old
        assert ("shop/dev", "1.0", "update", "succeeded") not in sim.outcomes()

    simulate(story)


VOLUMES = [{"name": "data", "mountPath": "/data"}]


def test_safety_a_migration_that_cannot_begin_does_not_keep_the_old_one_stopped() -> None:
    """Recreate: the secret is gone when the one-off container is to be made; the old one is started again."""

    async def story(sim: Simulation) -> None:
        ref = SecretRef("file", "/run/secrets/db")
        sim.secrets[ref] = "one"
        sim.push("1.0")
        sim.push("2.0")
        more: dict[str, Any] = {"volumes": VOLUMES, "env": [{"name": "DB", "valueFrom": {"file": ref.name}}]}
        await sim.write(project("shop", "1.0", **more))
        await sim.settle()
        await sim.write(project("shop", "2.0", preDeploy={"command": ["./migrate"]}, **more))
        await sim.wait(lambda: any(box.tag == "2.0" for box in sim.containers()))
        del sim.secrets[ref]
        async with silence(sim, DEFAULT) as silent:
            await asyncio.sleep(600)
        assert len(silent) / 10 < 30
        assert sim.answered(DEFAULT)

    simulate(story)


SLOW = {"path": "/", "interval": "2s", "retries": 20, "timeout": "3s"}
"""A gate that a container passes 20 s after its start."""


async def _in_its_gate(sim: Simulation, **more: Any) -> None:
    sim.push("1.0")
    await sim.write(project("shop", "1.0", **more))
    await sim.settle()
    sim.push("2.0", App(ready=20.0))
    await sim.write(project("shop", "2.0", healthCheck=SLOW, **more))
    await sim.wait(lambda: any(box.tag == "2.0" and box.state == "running" for box in sim.containers()))
    await asyncio.sleep(3)


@pytest.mark.parametrize("graceful", [True, False])
@pytest.mark.parametrize("more", [{}, {"volumes": VOLUMES}], ids=["BlueGreen", "Recreate"])
def test_liveness_docker_restarts_in_the_middle_of_a_gate(graceful: bool, more: dict[str, Any]) -> None:
    """What ended because Docker did is started again; the revision is not to blame."""

    async def story(sim: Simulation) -> None:
        await _in_its_gate(sim, **more)
        sim.engine.reboot(8, graceful)
        await sim.settle()
        sim.matches()

    simulate(story)


def test_liveness_the_host_restarts_in_the_middle_of_a_gate() -> None:
    """The same when the controller was down too and saw nothing of it."""

    async def story(sim: Simulation) -> None:
        await _in_its_gate(sim)
        assert sim.life is not None
        sim.life.end()
        sim.engine.reboot(0.5)
        await asyncio.sleep(2)
        await sim.settle()
        sim.matches()

    simulate(story)


def test_liveness_docker_is_killed_while_the_new_one_bakes() -> None:
    """Both the old and the new one are down: that is Docker, and no reason to go back."""

    async def story(sim: Simulation) -> None:
        await deploy(sim)
        sim.push("2.0")
        await sim.write(project("shop", "2.0", bake="60s"))
        await sim.wait(lambda: sim.routes().get(DEFAULT) == "2.0")
        await asyncio.sleep(5)
        sim.engine.reboot(8, graceful=False)
        await sim.settle()
        sim.matches()

    simulate(story)


class NoMark(NoFaults):
    """Docker refuses to change the restart policy of one tag."""

    def draw(self, call: Call) -> Fault:
        """The fate of this call."""
        return Fault("fail" if call.op == "docker.mark" and "-2-0-" in call.target else "ok")


def test_liveness_one_that_ends_between_its_gate_and_its_mark_is_given_up() -> None:
    """It was neither passed nor failed, and its gate was never asked again."""

    async def story(sim: Simulation) -> None:
        await deploy(sim)
        sim.push("2.0", App(exits=3.0))
        sim.border.faults, sim.proxy.refuses = NoMark(), True
        await sim.write(project("shop", "2.0"))
        await asyncio.sleep(60)
        sim.border.faults, sim.proxy.refuses = NoFaults(), False
        await sim.settle()
        assert sim.phases() == {"1.0": "HeldOver", "2.0": "RolledBack"}
        assert sim.answered(DEFAULT)

    simulate(story)


def test_safety_addresses_given_out_anew_lead_nobody_to_another_application() -> None:
    """F13: after a restart of Docker a container has the address that another had; that is mended before it answers."""

    async def story(sim: Simulation) -> None:
        sim.push("1.0", App(ready=40.0))
        check = {"path": "/", "interval": "2s", "retries": 40, "timeout": "3s"}
        await sim.write(*(project(f"p{number}", "1.0", healthCheck=check) for number in range(8)))
        await sim.settle()
        sim.engine.reboot(8)
        await asyncio.sleep(8)
        wrong = 0
        for _ in range(600):
            await asyncio.sleep(0.1)
            found = [(target(sim.engine, route), route) for route in sim.proxy.routes.values()]
            wrong += any(box is not None and box.id != route.container for box, route in found)
        assert wrong / 10 < 1.0
        await sim.settle()
        sim.matches()

    simulate(story)


def test_liveness_an_expired_tag_that_is_declared_again_while_it_drains_runs_again() -> None:
    """It stays away until it is undeclared, and it was; its time begins anew."""

    async def story(sim: Simulation) -> None:
        def wanted(*tags: Any) -> Any:
            return project("shop", "1.0", *tags, stage_fields={"defaultTag": "1.0"}, drain="30s")

        passing = {"tag": "pr", "ttl": "5m"}
        sim.push("1.0")
        sim.push("pr")
        await sim.write(wanted(passing))
        await sim.wait(lambda: sim.phases().get("pr") == "Draining" if "shop/dev" in sim.disk.statuses else False, 400)
        await sim.write(wanted())
        await asyncio.sleep(3)
        await sim.write(wanted(passing))
        await asyncio.sleep(200)
        assert sim.phases() == {"1.0": "Running", "pr": "Running"}

    simulate(story)


def test_safety_a_name_that_somebody_else_holds_is_a_conflict_and_not_dodged() -> None:
    """Design §5: it is reported, the number of the attempt stays, and when the name is free the container is made."""

    async def story(sim: Simulation) -> None:
        await deploy(sim)
        name = sim.box("1.0").name
        await sim.write(project("shop"))
        await sim.settle()
        foreign = sim.engine.add(name, "somebody/else", {}, None, App())
        await sim.write(project("shop", "1.0"))
        await asyncio.sleep(120)
        assert sim.containers() == []
        assert "NameTaken" in str(sim.status().instances)
        sim.engine.remove(foreign)
        await sim.settle()
        assert sim.box("1.0").name == name
        sim.matches()

    simulate(story)
