"""What runs for ever: passes, Docker's events, resyncs, sources, notifications and the clean-up of images.

This is the only place with a broad `except`: an exception that is no error of `core.model.errors` is a bug, which is
logged with its traceback and never ends the controller.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from controller.broadcast import Broadcast
from controller.core.model.backoff import delay
from controller.core.model.desired import StageKey
from controller.core.model.errors import HoldfastError, WorldBad
from controller.intake.intake import Intake
from controller.interfaces import Clock, Reads, RuntimeEvent, Source
from controller.reconcile import Reconciler
from controller.stage_registry import StageRegistry
from controller.telemetry import log
from controller.work.housekeeping import Housekeeper
from controller.work.operations import Operations
from controller.work.queue import WorkQueue
from controller.work.wakeups import Wakeups

WORKERS = 8
LOCK_CHECK_INTERVAL_S = 2.0
"""Somebody who deletes the state folder lets a second controller start; this notices it."""
SHUTDOWN_S = 8.0
"""Seconds that calls in flight get when the controller ends."""


@dataclass(frozen=True)
class Pieces:
    """The ready pieces of one controller, made by `wiring`."""

    id: str
    intake: Intake
    registry: StageRegistry
    queue: WorkQueue
    reconciler: Reconciler
    operations: Operations
    broadcast: Broadcast
    """What passes report, for any number of listeners."""
    wakeups: Wakeups
    clock: Clock
    resync: float
    """Seconds between two looks at everything."""
    events: Callable[[], AsyncIterator[RuntimeEvent]]
    """Docker's hints, for ever."""
    stored: Reads
    """The content of the state folder, for showing."""
    housekeeper: Housekeeper | None
    notify: Callable[[asyncio.Event], Awaitable[None]] | None
    """Delivers notifications until the event is set."""
    keep_lock: Callable[[], None] | None
    """Makes sure that the state folder is still ours alone. Raises `Locked` when it is not."""


class Loop:
    """Runs the pieces beside each other in one event loop. Its owner is the manager."""

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self._resync = asyncio.Event()
        self._bugs: set[str] = set()
        """Bugs whose traceback was logged."""

    async def until_seen(self) -> None:
        """The first look at everything, tried until it succeeds."""
        await self._forever("first look", partial(self._pieces.registry.first_look, strict=False))

    async def serve(self, stop: asyncio.Event, *, follow: bool) -> None:
        """Work until `stop` is set, then end within ten seconds. `follow`: take up changes of the sources.

        Raises `Locked` when the state folder was deleted and somebody else has the new one.
        """
        pieces = self._pieces
        looking = [self._begin("events", self._listen), self._begin("resync", partial(self._resyncs, follow))]
        if follow:
            looking += [self._begin(source.name, partial(self._follow, source)) for source in pieces.intake.sources]
        if pieces.housekeeper is not None:
            looking.append(self._begin("housekeeping", self._housekeep))
        working = [self._begin("passes", partial(pieces.queue.run, self._pass, self._failed, WORKERS))]
        if pieces.notify is not None:
            working.append(self._begin("notifications", partial(pieces.notify, stop)))
        stopping = asyncio.create_task(stop.wait())
        locking = asyncio.create_task(self._keep_lock())
        try:
            await asyncio.wait({stopping, locking}, return_when=asyncio.FIRST_COMPLETED)
            if locking.done():
                locking.result()
        finally:
            stopping.cancel()
            locking.cancel()
            stop.set()
            await self._end(working, looking)

    async def tidy(self) -> None:
        """Remove images that are not needed any more; what fails is left for the next time."""
        housekeeper = self._pieces.housekeeper
        if housekeeper is not None and housekeeper.is_due:
            try:
                await housekeeper.clean(await self._pieces.registry.digests_in_use())
            except HoldfastError as error:
                log.warning("images not cleaned", reason=error.reason, message=error.message)

    def _begin(self, name: str, work: Callable[[], Awaitable[None]]) -> "asyncio.Task[None]":
        return asyncio.create_task(self._forever(name, work))

    async def _forever(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run a part until it ends by itself; begin it anew after an error."""
        failures = 0
        while True:
            try:
                await work()
                return
            except HoldfastError as error:
                log.warning("part failed", part=name, reason=error.reason, message=error.message)
            except Exception as error:
                self._log_bug(name, error)
            failures += 1
            await self._pieces.clock.sleep(min(delay(failures, name), self._pieces.resync))

    async def _pass(self, key: StageKey) -> float | None:
        reconciler = self._pieces.reconciler
        try:
            return await reconciler.reconcile(key)
        except HoldfastError as error:
            await reconciler.report_failure(key, error)
            raise
        except Exception as error:
            self._log_bug("pass", error, stage=key)
            failed = WorldBad(f"{type(error).__name__} in a pass; see the controller's log", reason="Bug")
            await reconciler.report_failure(key, failed)
            raise failed from error
        finally:
            self._pieces.registry.note_pass(key, gone=key not in reconciler.statuses)

    def _failed(self, key: StageKey, error: HoldfastError, seconds: float) -> None:
        again = f"{min(seconds, self._pieces.resync):.1f}s"  # a resync asks for a pass of every stage
        log.warning("pass failed", stage=key, reason=error.reason, message=error.message, again=again)

    async def _listen(self) -> None:
        async for event in self._pieces.events():
            if event.container:
                self._pieces.wakeups.wake(event.container)
            if event.stage is None:
                self._resync.set()
            else:
                self._pieces.registry.note_event(event.stage)

    async def _resyncs(self, follow: bool) -> None:
        while True:
            try:
                async with asyncio.timeout(self._pieces.resync):
                    await self._resync.wait()
            except TimeoutError:
                pass
            self._resync.clear()
            if follow:
                await self._pieces.intake.load_all()
            await self._pieces.registry.resync()

    async def _follow(self, source: Source) -> None:
        """Take up each change of a source. What comes while this is being begun anew is found by the next resync."""
        async for _ in source.changes():
            await self._pieces.intake.load(source)
            try:
                await self._pieces.registry.rebuild()
            except WorldBad:
                self._resync.set()
                raise

    async def _housekeep(self) -> None:
        while True:
            await self._pieces.clock.sleep(self._pieces.resync)
            await self.tidy()

    async def _keep_lock(self) -> None:
        """Hold the lock of the state folder, whatever becomes of the folder. Ends with `Locked` only."""
        # Without a lock this waits on a future that is never done, until the task is cancelled.
        keep = self._pieces.keep_lock or await asyncio.Future[Callable[[], None]]()
        while True:
            await self._pieces.clock.sleep(min(LOCK_CHECK_INTERVAL_S, self._pieces.resync))
            try:
                await asyncio.to_thread(keep)
            except WorldBad as error:
                log.warning("state folder not locked", reason=error.reason, message=error.message)

    async def _end(self, working: "list[asyncio.Task[None]]", looking: "list[asyncio.Task[None]]") -> None:
        """Begin nothing more; await calls in flight for a while, so that as little as possible stays unknown."""
        self._pieces.queue.stop()
        for task in looking:
            task.cancel()
        closing = asyncio.create_task(self._pieces.operations.close(SHUTDOWN_S))
        rest = {*working, *looking, closing}
        _, late = await asyncio.wait(rest, timeout=SHUTDOWN_S + 0.5)
        for task in late:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    def _log_bug(self, where: str, error: Exception, **named: str) -> None:
        """Log a bug, with its traceback the first time."""
        text = f"{where}: {type(error).__name__}: {error}"
        traceback = {} if text in self._bugs else {"exc_info": error}
        self._bugs.add(text)
        log.error("bug", where=where, error=text, **named, **traceback)
