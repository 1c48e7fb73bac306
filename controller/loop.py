"""The controller at work: passes, Docker's events, resyncs and sources, beside each other in one event loop.

This is the only place with a broad `except`: what gets here and is no error of `core.errors` is a bug, which is logged
with its traceback and never ends the controller.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from controller.core.catalog.safeguards import Limits
from controller.core.catalog.types import incumbents
from controller.core.model.backoff import delay
from controller.core.model.desired import StageKey
from controller.core.model.errors import HoldfastError, InvalidInput, WorldBad
from controller.core.model.observed import Container
from controller.core.model.status import StageStatus
from controller.intake.guard import Guard
from controller.intake.intake import Intake
from controller.interfaces import Source
from controller.reconcile import Listener, Reconciler, World
from controller.telemetry import log
from controller.wiring import Parts
from controller.work.apply import Applier
from controller.work.container_snapshot import ContainerSnapshot
from controller.work.operations import Operations
from controller.work.perform import Performer
from controller.work.queue import WorkQueue
from controller.work.route_writer import RouteWriter
from controller.work.wakeups import Wakeups

WORKERS = 8
PROGRESS = 1.0
"""Seconds after which a pass shows the progress of an operation."""
LOCK_LOOK = 2.0
"""Seconds between two looks at the lock: somebody who deleted the state folder may start a second controller."""
GOODBYE = 8.0
"""Seconds that calls in flight get when the controller ends."""


class Loop:
    """Everything that runs by itself. Its owner is the manager."""

    def __init__(self, parts: Parts, listener: Listener) -> None:
        self._parts = parts
        self._stopping = False
        self._wakeups = Wakeups()
        self._snapshot = ContainerSnapshot(parts.runtime, parts.clock)
        self._route_writer = RouteWriter(parts.proxy, parts.clock)
        performer = Performer(
            parts.runtime,
            parts.prober,
            self._route_writer,
            parts.secrets,
            parts.clock,
            wakeups=self._wakeups,
            starts=parts.limits.starts,
            pulls=parts.limits.pulls,
            pulled=parts.housekeeper.pulled if parts.housekeeper is not None else None,
        )
        self.operations = Operations(performer.perform, parts.clock, self._ended, self._progressed)
        names = tuple(source.name for source in parts.sources)
        limits = Limits(names, parts.limits.guard_percent, parts.prune)
        guard = Guard(parts.store, limits, parts.confirmed, keep=parts.prune and parts.writes)
        self.intake = Intake(parts.sources, guard, parts.catalog_rules)
        world = World(
            snapshot=self._snapshot,
            route_writer=self._route_writer,
            operations=self.operations,
            secrets=parts.secrets,
            store=parts.store,
            applier=Applier(parts.runtime, parts.secrets, self.operations, self._snapshot.mark_changed),
            clock=parts.clock,
            rules=parts.rules,
            known=parts.known,
        )
        self.reconciler = Reconciler(world, self.intake.desired, lambda: self._stopping, listener)
        self._queue = WorkQueue(self._pass, parts.clock, self._failed)
        self._rebuilding = asyncio.Lock()
        self._resync = asyncio.Event()
        self._left: set[StageKey] = set()
        self._remembered = set(parts.known)
        self._follows = False
        self._containers: tuple[Container, ...] = ()
        self._cleaning: asyncio.Task[None] | None = None
        self._bugs: set[str] = set()
        self.news = asyncio.Event()
        """Set after each pass and each change of the catalog."""
        self.seen = False
        """True once Docker, the proxy and the sources have all been looked at."""

    @property
    def statuses(self) -> Mapping[StageKey, StageStatus]:
        """Newest status of each stage that had a pass."""
        return self.reconciler.statuses

    def stages(self) -> tuple[StageKey, ...]:
        """All declared stages, and undeclared ones that still have something of ours."""
        return tuple(sorted({*self.intake.catalog.stages, *self._left}))

    def cared_for(self) -> tuple[StageKey, ...]:
        """The stages that get passes: undeclared ones only when every source has said what it declares."""
        return self.stages() if self._prunes else tuple(sorted(self.intake.catalog.stages))

    def enqueue(self, *keys: StageKey) -> None:
        """Ask for a pass of these stages."""
        for key in keys:
            if self._prunes or key in self.intake.catalog.stages:
                self._queue.add(key)

    # Looks at the world

    async def first_look(self, *, strict: bool) -> None:
        """Read the sources and look at everything. Raises `Unreachable`, and `InvalidInput` when `strict`."""
        await self.intake.restore()
        wrong = await self.intake.load_all()
        if strict and wrong:
            raise InvalidInput(list(wrong))
        await self.look()

    async def until_seen(self) -> None:
        """The first look, tried until it succeeds."""
        await self._forever("first look", partial(self.first_look, strict=False))

    async def rebuild(self) -> None:
        """Make the catalog anew from what the sources delivered and what runs, and enqueue what changed by it."""
        async with self._rebuilding:
            self._containers = await self._snapshot.list_all()
            table = await self._route_writer.table()
            self._remembered = set(await self._parts.store.stages())
            memories = {key: await self._parts.store.memory(key) for key in self._requested()}
            routes = table.routes.values()
            changed = await self.intake.rebuild(incumbents(self._containers, routes, memories), table)
            here = {item.stage for item in self._containers} | {route.stage for route in routes}
            self._left = (here | self._remembered) - set(self.intake.catalog.stages)
            for key in sorted(changed):
                self.operations.outdate(key)
                self.enqueue(key)
            self.seen = True
            self.news.set()

    async def look(self) -> None:
        """One list of all containers and one read of the routes, for the passes of all stages. Raises `WorldBad`."""
        before = {item.id for item in self._containers}
        self._route_writer.forget()
        try:
            await self.rebuild()
        finally:
            self.enqueue(*self.stages())
        if not before <= {item.id for item in self._containers}:
            self._clean()

    def _requested(self) -> list[StageKey]:
        """Stages for which it is remembered when a DeployRequest was first seen."""
        stages = self.intake.catalog.stages
        asked = {key for key, stage in stages.items() if any(item.request for item in stage.instances)}
        return sorted(asked if stages else self._remembered)

    @property
    def _prunes(self) -> bool:
        return self._parts.prune and self.intake.complete

    # Passes

    async def _pass(self, key: StageKey) -> float | None:
        try:
            return await self.reconciler.reconcile(key)
        except HoldfastError as error:
            await self.reconciler.unseen(key, error)
            raise
        except Exception as error:
            self._bug("pass", error, stage=key)
            failed = WorldBad(f"{type(error).__name__} in a pass; see the controller's log", reason="Bug")
            await self.reconciler.unseen(key, failed)
            raise failed from error
        finally:
            if key not in self.intake.catalog.stages and key not in self.statuses:
                self._left.discard(key)
                self._remembered.discard(key)
            self.news.set()

    def _failed(self, key: StageKey, error: HoldfastError, seconds: float) -> None:
        again = f"{min(seconds, self._parts.limits.resync):.1f}s"  # a resync asks for a pass of every stage
        log.warning("pass failed", stage=key, reason=error.reason, message=error.message, again=again)

    def _ended(self, stage: StageKey) -> None:
        self._snapshot.mark_changed(stage)
        self._queue.add(stage)

    def _progressed(self, stage: StageKey) -> None:
        self._queue.add_after(stage, PROGRESS)

    # The parts that run for ever

    async def serve(self, stop: asyncio.Event, *, follow: bool) -> None:
        """Work until `stop` is set, then end within ten seconds. `follow`: take up changes of the sources.

        Raises `Locked` when the state folder was deleted and somebody else has the new one.
        """
        working = asyncio.create_task(self._forever("passes", partial(self._queue.run, WORKERS)))
        looking = [
            asyncio.create_task(self._forever("events", self._listen)),
            asyncio.create_task(self._forever("resync", self._resyncs)),
        ]
        self._follows = follow
        if follow:
            for source in self.intake.sources:
                looking.append(asyncio.create_task(self._forever(source.name, partial(self._follow, source))))
        notify = self._parts.notify
        telling = asyncio.create_task(self._forever("notifications", partial(notify, stop) if notify else _nothing))
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
            await self._end(working, looking, telling)

    async def _keep_lock(self) -> None:
        """Hold the lock of the state folder, whatever becomes of the folder. Ends with `Locked` only."""
        keep = self._parts.keep_lock or await asyncio.Future[Callable[[], None]]()
        while True:
            await self._parts.clock.sleep(min(LOCK_LOOK, self._parts.limits.resync))
            try:
                await asyncio.to_thread(keep)
            except WorldBad as error:
                log.warning("state folder not locked", reason=error.reason, message=error.message)

    async def _end(
        self, working: "asyncio.Task[None]", looking: "list[asyncio.Task[None]]", telling: "asyncio.Task[None]"
    ) -> None:
        """Begin nothing more; await calls in flight for a while, so that as little as possible stays unknown."""
        self._stopping = True
        self._queue.stop()
        if self._cleaning is not None:
            looking.append(self._cleaning)
        for task in looking:
            task.cancel()
        closing = asyncio.create_task(self.operations.close(GOODBYE))
        rest = {working, telling, closing, *looking}
        _, late = await asyncio.wait(rest, timeout=GOODBYE + 0.5)
        for task in late:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

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
                self._bug(name, error)
            failures += 1
            await self._parts.clock.sleep(min(delay(failures, name), self._parts.limits.resync))

    async def _listen(self) -> None:
        async for event in self._parts.runtime.events():
            if event.container:
                self._wakeups.wake(event.container)
            if event.stage is None:
                self._resync.set()
                continue
            self._snapshot.mark_changed(event.stage)
            if event.stage not in self.intake.catalog.stages:
                self._left.add(event.stage)
            self.enqueue(event.stage)

    async def _resyncs(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._parts.limits.resync):
                    await self._resync.wait()
            except TimeoutError:
                pass
            self._resync.clear()
            if self._follows:
                await self.intake.load_all()
            await self.look()

    async def _follow(self, source: Source) -> None:
        """Take up each change of a source. What comes while this is being begun anew is found by the next resync."""
        async for _ in source.changes():
            await self.intake.load(source)
            try:
                await self.rebuild()
            except WorldBad:
                self._resync.set()
                raise

    def _clean(self) -> None:
        if self._parts.housekeeper is not None and (self._cleaning is None or self._cleaning.done()):
            self._cleaning = asyncio.create_task(self._forever("housekeeping", self._clean_once))

    async def tidy(self) -> None:
        """Remove images that are not needed any more; what fails is left for the next time."""
        try:
            self._containers = await self._snapshot.list_all()
            await self._clean_once()
        except HoldfastError as error:
            log.warning("images not cleaned", reason=error.reason, message=error.message)

    async def _clean_once(self) -> None:
        used: dict[str, set[str]] = {}
        for key, stage in self.intake.catalog.stages.items():
            memory = await self._parts.store.memory(key)
            used.setdefault(stage.template.image, set()).update(one.digest for one in memory.instances.values())
        for digests in used.values():
            digests.update(item.digest for item in self._containers)
        if self._parts.housekeeper is not None:
            await self._parts.housekeeper.clean(used)

    def _bug(self, where: str, error: Exception, **names: str) -> None:
        """Log a bug, with its traceback the first time."""
        text = f"{where}: {type(error).__name__}: {error}"
        known = text in self._bugs
        self._bugs.add(text)
        log.error("bug", where=where, error=text, **names, **({} if known else {"exc_info": error}))


async def _nothing() -> None:
    """Nobody wants to be told."""
