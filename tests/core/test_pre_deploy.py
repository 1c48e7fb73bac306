"""The one-off container before the gate: once, to its end, and no longer than its timeout."""

import asyncio
from dataclasses import replace

from controller.core.model.actions import ContainerSpec, RunPreDeploy
from controller.core.model.desired import Env, SecretRef
from controller.core.model.errors import WorldBad
from controller.core.model.observed import Container, Key
from controller.work.predeploy import PreDeployer
from tests.core.gate_world import NEW, Run, Script, World, bad
from tests.sim.clock import later, run_virtual

SPEC = ContainerSpec("shop-dev-2-r2-1-pre", "registry.test/shop@sha256:1", (), (Env("KEY", SecretRef("file", "key")),))


def pre_deploy(script: Script, timeout: float = 300) -> tuple[Run, World]:
    """Run a one-off container to its end; it is made at 0 s."""
    runs: list[tuple[Run, World]] = []

    async def main() -> None:
        world = World()
        world.containers[NEW.id] = script
        start = world.start

        async def started(container: Container) -> None:
            await start(container)
            world.containers[NEW.id] = script

        world.start = started  # type: ignore[method-assign]
        deployer = PreDeployer(world, world, world.clock, world.wakeups, asyncio.Semaphore(1))  # type: ignore[arg-type]
        action = RunPreDeploy(SPEC, timeout, "2", "before the gate", Key("pre", "a"))
        runs.append((Run(world, deployer.run, action), world))
        await later(2000)

    run_virtual(main)
    assert runs[0][0].end is not None
    return runs[0]


CREATED = replace(NEW, state="created", started_at=None, address=None)


def test_a_migration_that_ends_with_0_passes() -> None:
    """It is created with its secrets, started once, and its end is seen within a second."""
    run, world = pre_deploy(lambda t: CREATED if not world_started(t) else _at(t, 10, 0))
    assert run.error is None
    assert run.end is not None
    assert 10 <= run.end <= 11
    assert world.made == ["create shop-dev-2-r2-1-pre with ['value of key']", "start shop-dev-2-r2-1"]


def world_started(t: float) -> bool:
    """The script is asked once before the start, at 0 s."""
    return t > 0


def _at(t: float, end: float, code: int) -> Container:
    return NEW if t < end else replace(NEW, state="exited", exit_code=code, address=None)


def test_a_migration_that_fails_says_so_with_its_last_lines() -> None:
    """Another exit code than 0 is the revision's fault."""
    run, world = pre_deploy(lambda t: _at(t, 4, 7))
    assert (bad(run).reason, bad(run).message) == ("PreDeployFailed", "preDeploy ended with code 7")
    assert bad(run).logs == world.log_lines


def test_a_migration_that_already_ran_is_not_run_again() -> None:
    """After a crash the kept container tells the outcome: nothing is started."""
    run, world = pre_deploy(lambda t: _at(t, 0, 0))
    assert (run.error, run.end) == (None, 0)
    assert world.made == ["create shop-dev-2-r2-1-pre with ['value of key']"]


def test_a_migration_that_takes_too_long_is_stopped() -> None:
    """At its timeout, counted from its start, it is stopped and the revision is bad."""
    run, world = pre_deploy(lambda t: NEW, timeout=60)
    assert (run.end, bad(run).reason, world.stopped) == (60, "PreDeployTimeout", [NEW.name])


def test_a_migration_whose_container_vanished_is_the_worlds_fault() -> None:
    """Somebody removed it while it ran: it is tried again."""
    run, _ = pre_deploy(lambda t: NEW if t < 5 else None)
    assert isinstance(run.error, WorldBad)
    assert run.error.reason == "ContainerGone"
