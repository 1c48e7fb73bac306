"""What each operation does: one client call with a deadline, or a loop in a module of its own."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import assert_never

from controller.core.model.actions import (
    CheckDigest,
    DeleteRoute,
    Gate,
    Operation,
    Pull,
    Restart,
    RunPreDeploy,
    SetRoute,
    Start,
    Stop,
    Verify,
    Watch,
)
from controller.core.model.errors import OutcomeUnknown, WorldBad
from controller.core.model.observed import RouteChange
from controller.interfaces import Clock, Prober, Runtime, Secrets
from controller.work.gate import Gatekeeper
from controller.work.liveness import Watcher
from controller.work.operations import Progress
from controller.work.predeploy import PreDeployer
from controller.work.route_writer import RouteWriter
from controller.work.wakeups import Wakeups

START = 60.0
STOP_MARGIN = 75.0
ROUTE = 45.0
VERIFY = 15.0
RESOLVE = 30.0
"""Deadlines in seconds: a start, a stop beyond its grace period, a route write once its turn has come, its proof, a
digest."""


class Performer:
    """Carries out operations; at most `starts` container starts and `pulls` pulls at a time."""

    def __init__(
        self,
        runtime: Runtime,
        prober: Prober,
        route_writer: RouteWriter,
        secrets: Secrets,
        clock: Clock,
        *,
        wakeups: Wakeups,
        starts: int,
        pulls: int,
        pulled: Callable[[str, str], None],
    ) -> None:
        """`pulled` is called after each pull with repository and digest."""
        self._runtime = runtime
        self._route_writer = route_writer
        self._clock = clock
        self._pulled = pulled
        self._starts = asyncio.Semaphore(starts)
        self._pulls = asyncio.Semaphore(pulls)
        self._gate = Gatekeeper(runtime, prober, clock, wakeups)
        self._watcher = Watcher(runtime, prober, clock)
        self._pre_deploy = PreDeployer(runtime, secrets, clock, wakeups, self._starts)

    async def perform(self, action: Operation, progress: Progress) -> Mapping[str, str]:
        """Do it; what it found is the fact's data. Raises an error of `core.errors`."""
        match action:
            case Pull():
                return await self._pull(action, progress)
            case CheckDigest():
                return await self._check_digest(action)
            case Gate():
                await self._gate.decide(action, progress)
            case Watch():
                return await self._watcher.watch(action, progress)
            case RunPreDeploy():
                await self._pre_deploy.run(action, progress)
            case Start():
                async with self._turn(progress), _deadline(START, f"starting {action.container.name}"):
                    await self._runtime.start(action.container)
            case Restart():
                doing = f"restarting {action.container.name}"
                async with self._turn(progress), _deadline(START + action.grace, doing):
                    await self._runtime.restart(action.container, action.grace)
            case Stop():
                async with _deadline(STOP_MARGIN + action.grace, f"stopping {action.container.name}"):
                    await self._runtime.stop(action.container, action.grace)
            case SetRoute():
                progress.waits()
                async with _deadline(self._route_writer.patience + ROUTE, f"setting the route {action.route.hostname}"):
                    await self._route_writer.change(RouteChange(action.route.hostname, action.route), progress.begins)
            case DeleteRoute():
                progress.waits()
                async with _deadline(self._route_writer.patience + ROUTE, f"deleting the route {action.hostname}"):
                    await self._route_writer.change(RouteChange(action.hostname, None), progress.begins)
            case Verify():
                await self._route_writer.verify(action.route, VERIFY)
            case _:
                assert_never(action)
        return {}

    @asynccontextmanager
    async def _turn(self, progress: Progress) -> AsyncIterator[None]:
        """The turn among the container starts."""
        progress.waits()
        async with self._starts:
            progress.begins()
            yield

    async def _pull(self, action: Pull, progress: Progress) -> Mapping[str, str]:
        if self._pulls.locked():
            progress.say("waits for other pulls")
        async with self._pulls:
            digest = await self._runtime.pull(action.image, action.tag, action.digest, progress.say)
        self._pulled(action.image, digest)
        return {"digest": digest, "image": action.image}

    async def _check_digest(self, action: CheckDigest) -> Mapping[str, str]:
        try:
            async with asyncio.timeout(RESOLVE):
                return {"digest": await self._runtime.resolve(action.image, action.tag)}
        except TimeoutError as error:
            message = f"the registry of {action.image} did not answer within {RESOLVE:g} s"
            raise WorldBad(message, reason="RegistryTimeout") from error


@asynccontextmanager
async def _deadline(seconds: float, doing: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise OutcomeUnknown(f"{doing}: no answer within {seconds:g} s") from error
