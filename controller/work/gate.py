"""The gate: probes a new container until its health check has decided (`spec.HealthCheck`).

Two things go on side by side. Attempts are made, and the container is inspected at each event of Docker and at least
once a second. An exit, a restart or `unhealthy` ends the gate at once, whatever the attempts say.
"""

import asyncio
from dataclasses import replace
from typing import NoReturn

from controller.core.model.actions import Gate
from controller.core.model.desired import Check
from controller.core.model.errors import HoldfastError, RevisionBad, WorldBad
from controller.core.model.observed import Container
from controller.interfaces import Clock, Probe, Prober, Runtime
from controller.work.operations import Progress
from controller.work.wakeups import Wakeups

LOG_LINES = 20
"""Last lines of the output that an error carries."""
REFUSED_PAUSE_MIN_S = 0.025
REFUSED_PAUSE_MAX_S = 0.25
"""The pause between two connects to a port that still refuses grows from the one to the other."""
SHUTDOWN_WAIT_S = 1.0
"""Pause after an exit before the revision is blamed: a shutdown of Docker shows in other containers that end."""
CLOCK_SKEW_MAX_S = 30.0
"""The Engine's clock may be ahead of ours by so much."""
STOPPED_EXIT_CODES = (0, 137, 143)
"""A container that was stopped ends with one of these; all are stopped when Docker shuts down."""
RUN_MIN_S = 1.0
"""A container must run for so long where nothing else is checked."""


class Gatekeeper:
    """Carries out `Gate` actions."""

    def __init__(self, runtime: Runtime, prober: Prober, clock: Clock, wakeups: Wakeups) -> None:
        self._runtime = runtime
        self._prober = prober
        self._clock = clock
        self._wakeups = wakeups

    async def decide(self, action: Gate, progress: Progress) -> None:
        """Return when the container passed. Raises `RevisionBad`, or `WorldBad` when it is not the revision's fault."""
        watched = _Watched(self._runtime, action.container)
        try:
            await self._decide(action, watched, progress)
        except RevisionBad as error:
            await self._raise_if_docker_stopped_it(action, watched.now, error)
            raise

    async def _decide(self, action: Gate, watched: "_Watched", progress: Progress) -> None:
        await watched.inspect()
        limit = max(action.deadline - self._clock.now(), action.check.timeout)  # one attempt is granted in any case
        checking = asyncio.create_task(self._check(action, watched, progress))
        watching = asyncio.create_task(self._watch(watched))
        try:
            await asyncio.wait({checking, watching}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                watching.result()
            if checking.done():
                checking.result()
                return
        finally:
            checking.cancel()
            watching.cancel()
            await asyncio.gather(checking, watching, return_exceptions=True)
        last = progress.note
        message = f"not healthy before the progress deadline{': ' + last if last else ''}"
        await self._fail(action, watched, message, "ProgressDeadlineExceeded")

    async def _watch(self, watched: "_Watched") -> None:
        while True:
            await self._wakeups.wait(watched.now.id)
            await watched.inspect()

    async def _check(self, action: Gate, watched: "_Watched", progress: Progress) -> None:
        if action.check.type == "docker":
            await self._wait_for_docker_health(watched, progress)
        elif action.check.type == "none":
            await self._wait_for_age(watched, max(RUN_MIN_S, action.check.start_period), progress)
        else:
            await self._probe_until_decided(action, watched, progress)

    async def _wait_for_docker_health(self, watched: "_Watched", progress: Progress) -> None:
        while True:
            container = await watched.inspect()
            if container.health == "healthy":
                return
            if container.health is None:
                message = "healthCheck.type is docker, but the image has no HEALTHCHECK"
                raise RevisionBad(message, reason="HealthCheckMissing")
            progress.report(f"the image's HEALTHCHECK says {container.health}")
            await self._wakeups.wait(container.id)

    async def _wait_for_age(self, watched: "_Watched", seconds: float, progress: Progress) -> None:
        left = self._seconds_left(watched.now, seconds)
        if left > 0:
            progress.report(f"must run for {seconds:g} s")
            await self._clock.sleep(left)
        await self._until_unpaused(watched, progress)

    async def _probe_until_decided(self, action: Gate, watched: "_Watched", progress: Progress) -> None:
        check = action.check
        left = self._seconds_left(watched.now, check.start_period)
        if left > 0:
            progress.report(f"waits {check.start_period:g} s from the start before the first attempt")
            await self._clock.sleep(left)
        failed = passed = 0
        while True:
            await self._until_unpaused(watched, progress)
            probe = await self._attempt(check, watched, progress, failed + 1)
            if (await watched.inspect()).state == "paused":
                continue
            if probe.ok:
                passed += 1
                if passed >= check.success_threshold:
                    return
                progress.report(f"{passed} of {check.success_threshold} successes")
            else:
                failed, passed = failed + 1, 0
                progress.report(f"attempt {failed} of {check.retries}: {probe.detail}")
                if failed >= check.retries:
                    await self._fail(action, watched, f"{_times(failed)}: {probe.detail}")
            await self._clock.sleep(check.interval)

    async def _attempt(self, check: Check, watched: "_Watched", progress: Progress, number: int) -> Probe:
        """Make one attempt: while the port refuses it connects again, up to the check's timeout in all."""
        end = self._clock.monotonic() + check.timeout
        pause = REFUSED_PAUSE_MIN_S
        while True:
            left = max(0.001, end - self._clock.monotonic())
            probe = await self._prober.probe(replace(check, timeout=left), watched.now)
            if probe.ok or not probe.refused:
                return probe
            if self._clock.monotonic() + pause >= end:
                return Probe(False, f"{probe.detail} for {check.timeout:g} s", refused=True)
            progress.report(f"attempt {number} of {check.retries}: {probe.detail}, asked again")
            await self._clock.sleep(pause)
            pause = min(REFUSED_PAUSE_MAX_S, pause * 2)

    async def _raise_if_docker_stopped_it(self, action: Gate, ended: Container, error: RevisionBad) -> None:
        """Raise `WorldBad` when a container that passed before ended too: then Docker took both down.

        Docker may run again by now: after its restart the gate can begin with a container that has ended.
        """
        control = action.control.id if action.control is not None else ""
        if error.reason != "Exited" or (not control and ended.exit_code not in STOPPED_EXIT_CODES):
            return
        await self._clock.sleep(SHUTDOWN_WAIT_S)
        latest = self._clock.now() + CLOCK_SKEW_MAX_S  # a later start was before the clock was set back
        for other in await self._runtime.list(ended.stage):
            is_proven = other.id == control or (other.passed and other.id != ended.id)
            restarted = (ended.started_at or 0.0) < (other.started_at or 0.0) <= latest
            if is_proven and (restarted or (other.id == control and not other.running)):
                message = f"{error.message}; but {other.name}, which passed before, ended too"
                raise WorldBad(message, reason="ControlFailsToo") from error

    async def _fail(self, action: Gate, watched: "_Watched", text: str, reason: str = "HealthCheckFailed") -> NoReturn:
        """Raise `WorldBad` when the container that serves does not answer either, else `RevisionBad`."""
        stable = action.control and await self._runtime.inspect(action.control.id)
        if stable is not None and stable.running:
            probe = await self._prober.probe(action.check, stable)
            if not probe.ok:
                message = f"{text}; but {stable.name}, which passed before, does not answer either: {probe.detail}"
                raise WorldBad(message, reason="ControlFailsToo")
        raise RevisionBad(text, reason=reason, logs=await watched.logs())

    async def _until_unpaused(self, watched: "_Watched", progress: Progress) -> None:
        while (await watched.inspect()).state == "paused":
            progress.report("the container is paused")
            await self._wakeups.wait(watched.now.id)

    def _seconds_left(self, container: Container, seconds: float) -> float:
        """Seconds left until it ran for so long; never more than that, however the clocks differ."""
        started = container.started_at if container.started_at is not None else self._clock.now()
        return min(seconds, max(0.0, started + seconds - self._clock.now()))


class _Watched:
    """The container at the gate; `now` is how it was last seen."""

    def __init__(self, runtime: Runtime, container: Container) -> None:
        self._runtime = runtime
        self._first = container
        self.now = container

    async def inspect(self) -> Container:
        """Inspect it again. Raises `RevisionBad` when it does not run as it did, `WorldBad` when it is gone."""
        container = await self._runtime.inspect(self._first.id)
        if container is None or container.state == "removing":
            raise WorldBad(f"{self._first.name} is gone", reason="ContainerGone")
        if self._first.started_at is None:
            self._first = container
        self.now = container
        if container.state in ("exited", "dead", "created"):
            raise RevisionBad(_exit(container), reason="Exited", logs=await self.logs())
        first = self._first
        same_start = (container.started_at, container.restart_count) == (first.started_at, first.restart_count)
        if not same_start or container.state == "restarting":
            raise RevisionBad("it was restarted before it passed", reason="Restarted", logs=await self.logs())
        if container.health == "unhealthy":
            raise RevisionBad("the image's HEALTHCHECK says unhealthy", reason="Unhealthy", logs=await self.logs())
        return container

    async def logs(self) -> tuple[str, ...]:
        """Its last lines; none when Docker does not give them now."""
        return await last_lines(self._runtime, self.now)


async def last_lines(runtime: Runtime, container: Container) -> tuple[str, ...]:
    """The last lines of a container's output for an error; none when Docker does not give them now."""
    try:
        return await runtime.logs(container, LOG_LINES)
    except HoldfastError:
        return ()


def _exit(container: Container) -> str:
    if container.state == "created":
        return f"it does not run{': ' + container.error if container.error else ''}"
    code = "" if container.exit_code is None else f" with code {container.exit_code}"
    why = " (out of memory)" if container.oom_killed else f": {container.error}" if container.error else ""
    return f"it exited{code}{why}"


def _times(count: int) -> str:
    return "1 attempt" if count == 1 else f"{count} attempts"
