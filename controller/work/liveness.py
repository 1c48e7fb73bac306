"""Probes a serving container every `check.liveness` seconds, for as long as it is there."""

import asyncio
from collections.abc import Mapping

from controller.core.model.actions import Watch
from controller.core.model.observed import Container
from controller.interfaces import Clock, Probe, Prober, Runtime
from controller.work.operations import Progress


class LivenessWatcher:
    """Carries out `Watch` actions."""

    def __init__(self, runtime: Runtime, prober: Prober, clock: Clock) -> None:
        self._runtime = runtime
        self._prober = prober
        self._clock = clock

    async def watch(self, action: Watch, progress: Progress) -> Mapping[str, str]:
        """Probe until the container is gone or does not run.

        It asks for a pass of the stage when the result turns, and when as many probes in a row failed as may.
        """
        failed = 0
        container: Container | None = action.container
        while True:
            probe = await self._probe(action, container or action.container)
            if not probe.ok:
                container = await self._runtime.inspect(action.container.id)
                if container is None or container.state in ("exited", "dead", "removing"):
                    return {"ok": "false", "failed": str(failed)}
                if container.address != action.container.address and container.running:
                    probe = await self._probe(action, container)  # connected anew: it has another address
            has_turned = probe.ok == (failed > 0)
            failed = 0 if probe.ok else failed + 1
            data = {"ok": "true" if probe.ok else "false", "failed": str(failed)}
            progress.report_result(data, probe.detail, wake=has_turned or failed == action.check.retries)
            if action.check.liveness <= 0:
                await asyncio.Event().wait()  # probed once; cancelled with the container
            await self._clock.sleep(action.check.liveness)

    async def _probe(self, action: Watch, container: Container) -> Probe:
        if action.check.type in ("docker", "none"):
            container = await self._runtime.inspect(container.id) or container
        return await self._prober.probe(action.check, container)
