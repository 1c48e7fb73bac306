"""The one-off container before the gate, such as a migration: once per revision, its exit code read from it."""

import asyncio

from controller.core.model.actions import RunPreDeploy
from controller.core.model.desired import SecretRef
from controller.core.model.errors import RevisionBad, WorldBad
from controller.core.model.observed import Container
from controller.interfaces import Clock, Runtime, Secrets
from controller.work.gate import last_lines
from controller.work.operations import Progress
from controller.work.wakeups import EVERY, Wakeups

FIRST_LOOK = 0.2
"""Seconds until the first look; the pauses grow to `EVERY`, and a hint of Docker ends them early."""


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
        """Create, start, await. Each step is skipped when the container shows that it was done, so that a crash of ours
        never runs it twice. Raises `RevisionBad` when it fails or takes too long; the container is kept."""
        refs = [item.value for item in action.spec.env if isinstance(item.value, SecretRef)]
        container_id = await self._runtime.create(action.spec, await self._secrets.resolve(refs) if refs else {})
        found = await self._look(container_id, action)
        if found.state == "created":
            async with self._starts:
                await self._runtime.start(found)
            found = await self._look(container_id, action)
        limit = self._left(found, action.timeout)
        progress.say(f"runs {' '.join(action.spec.command or ())}"[:200])
        try:
            async with asyncio.timeout(limit):
                found = await self._ended(container_id, action)
        except TimeoutError as error:
            await self._runtime.stop(found, action.spec.stop_grace)
            lines = await last_lines(self._runtime, found)
            message = f"preDeploy did not end within {action.timeout:g} s"
            raise RevisionBad(message, reason="PreDeployTimeout", logs=lines) from error
        if found.exit_code != 0:
            lines = await last_lines(self._runtime, found)
            why = " (out of memory)" if found.oom_killed else f": {found.error}" if found.error else ""
            message = f"preDeploy ended with code {found.exit_code}{why}"
            raise RevisionBad(message, reason="PreDeployFailed", logs=lines)

    async def _ended(self, container_id: str, action: RunPreDeploy) -> Container:
        pause = FIRST_LOOK
        while True:
            found = await self._look(container_id, action)
            if found.state in ("exited", "dead"):
                return found
            await self._wakeups.wait(container_id, pause)
            pause = min(EVERY, pause * 1.5)

    async def _look(self, container_id: str, action: RunPreDeploy) -> Container:
        found = await self._runtime.inspect(container_id)
        if found is None or found.state == "removing":
            raise WorldBad(f"{action.spec.name} is gone", reason="ContainerGone")
        return found

    def _left(self, container: Container, timeout: float) -> float:
        """Seconds left of its time, counted from its start so that a restart of ours does not give it more."""
        started = container.started_at if container.started_at is not None else self._clock.now()
        return min(timeout, max(EVERY, started + timeout - self._clock.now()))
