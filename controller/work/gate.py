"""The gate: probes a new container until the rule of its health check decides (design §4, `spec.HealthCheck`).

Two things go on side by side: attempts are made, and the container is looked at, at each hint of Docker and at least
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
REFUSED_FIRST = 0.025
REFUSED_MAX = 0.25
"""Seconds between two questions to a port that still refuses, at first and at most."""
EXCUSE = 1.0
"""Seconds after an end before somebody is blamed: a Docker that shuts down is known by what else ends."""
CLOCKS = 30.0
"""Seconds by which the Engine's clock may be ahead of ours."""
STOPPED = (0, 137, 143)
"""Exit codes of a container that was stopped, as all are when Docker shuts down."""
LEAST_RUN = 1.0
"""Seconds that a container must run where nothing else is checked."""


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
            await self._judge(action, watched, progress)
        except RevisionBad as error:
            await self._excuse(action, watched.now, error)
            raise

    async def _judge(self, action: Gate, watched: "_Watched", progress: Progress) -> None:
        await watched.look()
        limit = max(action.deadline - self._clock.now(), action.check.timeout)  # one attempt is granted in any case
        deciding = asyncio.create_task(self._attempts(action, watched, progress))
        watching = asyncio.create_task(self._watch(watched))
        try:
            await asyncio.wait({deciding, watching}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                watching.result()
            if deciding.done():
                deciding.result()
                return
        finally:
            deciding.cancel()
            watching.cancel()
            await asyncio.gather(deciding, watching, return_exceptions=True)
        last = progress.note
        message = f"not healthy before the progress deadline{': ' + last if last else ''}"
        await self._fail(action, watched, message, "ProgressDeadlineExceeded")

    async def _watch(self, watched: "_Watched") -> None:
        while True:
            await self._wakeups.wait(watched.now.id)
            await watched.look()

    async def _attempts(self, action: Gate, watched: "_Watched", progress: Progress) -> None:
        if action.check.type == "docker":
            await self._docker(watched, progress)
        elif action.check.type == "none":
            await self._age(watched, max(LEAST_RUN, action.check.start_period), progress)
        else:
            await self._probes(action, watched, progress)

    async def _docker(self, watched: "_Watched", progress: Progress) -> None:
        while True:
            found = await watched.look()
            if found.health == "healthy":
                return
            if found.health is None:
                message = "healthCheck.type is docker, but the image has no HEALTHCHECK"
                raise RevisionBad(message, reason="HealthCheckMissing")
            progress.say(f"the image's HEALTHCHECK says {found.health}")
            await self._wakeups.wait(found.id)

    async def _age(self, watched: "_Watched", seconds: float, progress: Progress) -> None:
        left = self._until(watched.now, seconds)
        if left > 0:
            progress.say(f"must run for {seconds:g} s")
            await self._clock.sleep(left)
        await self._unpaused(watched, progress)

    async def _probes(self, action: Gate, watched: "_Watched", progress: Progress) -> None:
        check = action.check
        left = self._until(watched.now, check.start_period)
        if left > 0:
            progress.say(f"waits {check.start_period:g} s from the start before the first attempt")
            await self._clock.sleep(left)
        failed = passed = 0
        while True:
            await self._unpaused(watched, progress)
            probe = await self._attempt(check, watched, progress, failed + 1)
            if (await watched.look()).state == "paused":
                continue
            if probe.ok:
                passed += 1
                if passed >= check.success_threshold:
                    return
                progress.say(f"{passed} of {check.success_threshold} successes")
            else:
                failed, passed = failed + 1, 0
                progress.say(f"attempt {failed} of {check.retries}: {probe.detail}")
                if failed >= check.retries:
                    await self._fail(action, watched, f"{_times(failed)}: {probe.detail}")
            await self._clock.sleep(check.interval)

    async def _attempt(self, check: Check, watched: "_Watched", progress: Progress, number: int) -> Probe:
        """One attempt: while the port refuses it is asked again, up to the check's timeout in all."""
        end = self._clock.monotonic() + check.timeout
        pause = REFUSED_FIRST
        while True:
            left = max(0.001, end - self._clock.monotonic())
            probe = await self._prober.probe(replace(check, timeout=left), watched.now)
            if probe.ok or not probe.refused:
                return probe
            if self._clock.monotonic() + pause >= end:
                return Probe(False, f"{probe.detail} for {check.timeout:g} s", refused=True)
            progress.say(f"attempt {number} of {check.retries}: {probe.detail}, asked again")
            await self._clock.sleep(pause)
            pause = min(REFUSED_MAX, pause * 2)

    async def _excuse(self, action: Gate, ended: Container, error: RevisionBad) -> None:
        """Raise `WorldBad` for a container that Docker took down: then what passed before ended in its time too.

        That may be over already: after a restart of Docker the gate can begin with a container that has ended.
        """
        control = action.control.id if action.control is not None else ""
        if error.reason != "Exited" or (not control and ended.exit_code not in STOPPED):
            return
        await self._clock.sleep(EXCUSE)
        latest = self._clock.now() + CLOCKS  # what began after that did so before the clock was set back
        for other in await self._runtime.list(ended.stage):
            proven = other.id == control or (other.passed and other.id != ended.id)
            later = (ended.started_at or 0.0) < (other.started_at or 0.0) <= latest
            if proven and (later or (other.id == control and not other.running)):
                message = f"{error.message}; but {other.name}, which passed before, ended too"
                raise WorldBad(message, reason="ControlFailsToo") from error

    async def _fail(self, action: Gate, watched: "_Watched", text: str, reason: str = "HealthCheckFailed") -> NoReturn:
        """Say who is at fault: when the container that serves does not answer either, the world is."""
        stable = action.control and await self._runtime.inspect(action.control.id)
        if stable is not None and stable.running:
            probe = await self._prober.probe(action.check, stable)
            if not probe.ok:
                message = f"{text}; but {stable.name}, which passed before, does not answer either: {probe.detail}"
                raise WorldBad(message, reason="ControlFailsToo")
        raise RevisionBad(text, reason=reason, logs=await watched.logs())

    async def _unpaused(self, watched: "_Watched", progress: Progress) -> None:
        while (await watched.look()).state == "paused":
            progress.say("the container is paused")
            await self._wakeups.wait(watched.now.id)

    def _until(self, container: Container, seconds: float) -> float:
        """Seconds left until it ran for so long; never more than that, however the clocks differ."""
        started = container.started_at if container.started_at is not None else self._clock.now()
        return min(seconds, max(0.0, started + seconds - self._clock.now()))


class _Watched:
    """The container at the gate: `now` is the last look at it."""

    def __init__(self, runtime: Runtime, container: Container) -> None:
        self._runtime = runtime
        self._first = container
        self.now = container

    async def look(self) -> Container:
        """Look again. Raises `RevisionBad` when it does not run as it did, `WorldBad` when it is gone."""
        found = await self._runtime.inspect(self._first.id)
        if found is None or found.state == "removing":
            raise WorldBad(f"{self._first.name} is gone", reason="ContainerGone")
        if self._first.started_at is None:
            self._first = found
        self.now = found
        if found.state in ("exited", "dead", "created"):
            raise RevisionBad(_exit(found), reason="Exited", logs=await self.logs())
        restarted = (found.started_at, found.restart_count) != (self._first.started_at, self._first.restart_count)
        if restarted or found.state == "restarting":
            raise RevisionBad("it was restarted before it passed", reason="Restarted", logs=await self.logs())
        if found.health == "unhealthy":
            raise RevisionBad("the image's HEALTHCHECK says unhealthy", reason="Unhealthy", logs=await self.logs())
        return found

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
