"""Performs each operation: one client call with a deadline, or a loop in a module of its own."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import assert_never

from controller.core.model import actions
from controller.core.model.actions import Operation
from controller.core.model.errors import OutcomeUnknown, WorldBad
from controller.core.model.observed import RouteChange
from controller.interfaces import Clock, Prober, Runtime, Secrets
from controller.work.gate import Gatekeeper
from controller.work.liveness import LivenessWatcher
from controller.work.operations import Progress
from controller.work.predeploy import PreDeployer
from controller.work.route_writer import RouteWriter
from controller.work.wakeups import Wakeups

START_DEADLINE_S = 60.0
STOP_DEADLINE_S = 75.0
"""This comes on top of the grace period."""
ROUTE_DEADLINE_S = 45.0
"""This begins when the turn of the change has come."""
VERIFY_DEADLINE_S = 15.0
RESOLVE_DEADLINE_S = 30.0


class Performer:
    """Performs operations; at most `starts` container starts and `pulls` pulls at a time."""

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
        self._watcher = LivenessWatcher(runtime, prober, clock)
        self._pre_deploy = PreDeployer(runtime, secrets, clock, wakeups, self._starts)

    async def perform(self, action: Operation, progress: Progress) -> Mapping[str, str]:
        """Perform an operation; returns the data of its fact. Raises an error of `core.model.errors`."""
        match action:
            case actions.Pull():
                return await self._pull(action, progress)
            case actions.CheckDigest():
                return await self._check_digest(action)
            case actions.Gate():
                await self._gate.decide(action, progress)
            case actions.Watch():
                return await self._watcher.watch(action, progress)
            case actions.RunPreDeploy():
                await self._pre_deploy.run(action, progress)
            case actions.Start():
                async with self._turn(progress), _deadline(START_DEADLINE_S, f"starting {action.container.name}"):
                    await self._runtime.start(action.container)
            case actions.Restart():
                doing = f"restarting {action.container.name}"
                async with self._turn(progress), _deadline(START_DEADLINE_S + action.grace, doing):
                    await self._runtime.restart(action.container, action.grace)
            case actions.Stop():
                async with _deadline(STOP_DEADLINE_S + action.grace, f"stopping {action.container.name}"):
                    await self._runtime.stop(action.container, action.grace)
            case actions.SetRoute():
                await self._change_route(RouteChange(action.route.hostname, action.route), "setting", progress)
            case actions.DeleteRoute():
                await self._change_route(RouteChange(action.hostname, None), "deleting", progress)
            case actions.Verify():
                await self._route_writer.verify(action.route, VERIFY_DEADLINE_S)
            case _:
                assert_never(action)
        return {}

    @asynccontextmanager
    async def _turn(self, progress: Progress) -> AsyncIterator[None]:
        """Wait for one of the container starts that may be made at a time."""
        progress.mark_waiting()
        async with self._starts:
            progress.mark_begun()
            yield

    async def _change_route(self, change: RouteChange, doing: str, progress: Progress) -> None:
        progress.mark_waiting()
        seconds = self._route_writer.patience + ROUTE_DEADLINE_S
        async with _deadline(seconds, f"{doing} the route {change.hostname}"):
            await self._route_writer.change(change, progress.mark_begun)

    async def _pull(self, action: actions.Pull, progress: Progress) -> Mapping[str, str]:
        if self._pulls.locked():
            progress.report("waits for other pulls")
        async with self._pulls:
            digest = await self._runtime.pull(action.image, action.tag, action.digest, progress.report)
        self._pulled(action.image, digest)
        return {"digest": digest, "image": action.image}

    async def _check_digest(self, action: actions.CheckDigest) -> Mapping[str, str]:
        try:
            async with asyncio.timeout(RESOLVE_DEADLINE_S):
                return {"digest": await self._runtime.resolve(action.image, action.tag)}
        except TimeoutError as error:
            message = f"the registry of {action.image} did not answer within {RESOLVE_DEADLINE_S:g} s"
            raise WorldBad(message, reason="RegistryTimeout") from error


@asynccontextmanager
async def _deadline(seconds: float, doing: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise OutcomeUnknown(f"{doing}: no answer within {seconds:g} s") from error
