"""Runs the one-off container before the gate, such as a migration, and reads its exit code from it."""

import asyncio

from controller.core.model.actions import RunPreDeploy
from controller.core.model.desired import SecretRef
from controller.core.model.errors import RevisionBad, WorldBad
from controller.core.model.observed import Container
from controller.interfaces import Clock, Runtime, Secrets
from controller.work.gate import last_lines
from controller.work.operations import Progress
from controller.work.wakeups import INTERVAL_S, Wakeups

FIRST_PAUSE_S = 0.2
"""Pause before the first inspection. Pauses grow to `wakeups.INTERVAL_S`, and an event of Docker ends them early."""


class PreDeployer:
    """Carries out `RunPreDeploy` actions."""

    def __init__(
        self, runtime: Runtime, secrets: Secrets, clock: Clock, wakeups: Wakeups, starts: asyncio.Semaphore
    ) -> None:
        self._runtime = runtime
        self._secrets = secrets
        self._clock = clock
        self._wakeups = wakeups
        self._starts = starts

    async def run(self, action: RunPreDeploy, progress: Progress) -> None:
        """Create, start and await it; the container is kept. Raises `RevisionBad` when it fails or takes too long.

        A step that the container shows as done is skipped, so that a crash of ours never runs it twice.
        """
        refs = [entry.value for entry in action.spec.env if isinstance(entry.value, SecretRef)]
        container_id = await self._runtime.create(action.spec, await self._secrets.resolve(refs) if refs else {})
        container = await self._inspect(container_id, action)
        if container.state == "created":
            async with self._starts:
                await self._runtime.start(container)
            container = await self._inspect(container_id, action)
        limit = self._seconds_left(container, action.timeout)
        progress.report(f"runs {' '.join(action.spec.command or ())}"[:200])
        try:
            async with asyncio.timeout(limit):
                container = await self._until_ended(container_id, action)
        except TimeoutError as error:
            await self._runtime.stop(container, action.spec.stop_grace)
            lines = await last_lines(self._runtime, container)
            message = f"preDeploy did not end within {action.timeout:g} s"
            raise RevisionBad(message, reason="PreDeployTimeout", logs=lines) from error
        if container.exit_code != 0:
            lines = await last_lines(self._runtime, container)
            why = " (out of memory)" if container.oom_killed else f": {container.error}" if container.error else ""
            message = f"preDeploy ended with code {container.exit_code}{why}"
            raise RevisionBad(message, reason="PreDeployFailed", logs=lines)

    async def _until_ended(self, container_id: str, action: RunPreDeploy) -> Container:
        pause = FIRST_PAUSE_S
        while True:
            container = await self._inspect(container_id, action)
            if container.state in ("exited", "dead"):
                return container
            await self._wakeups.wait(container_id, pause)
            pause = min(INTERVAL_S, pause * 1.5)

    async def _inspect(self, container_id: str, action: RunPreDeploy) -> Container:
        container = await self._runtime.inspect(container_id)
        if container is None or container.state == "removing":
            raise WorldBad(f"{action.spec.name} is gone", reason="ContainerGone")
        return container

    def _seconds_left(self, container: Container, timeout: float) -> float:
        """Seconds left of its time, counted from its start so that a restart of ours does not give it more."""
        started = container.started_at if container.started_at is not None else self._clock.now()
        return min(timeout, max(INTERVAL_S, started + timeout - self._clock.now()))
