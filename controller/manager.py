"""The controller as the command line and the API see it: run it, converge once, forecast, read and change."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from functools import partial

from controller import broadcast, wiring
from controller.broadcast import Subscription
from controller.core.forecast import forecast
from controller.core.forecast.types import Forecast
from controller.core.model.actions import CheckDigest
from controller.core.model.desired import StageKey
from controller.core.model.errors import Diagnostic, InvalidInput, Unreachable
from controller.core.model.memory import StageMemory
from controller.core.model.status import HistoryRow, LogLine, StageStatus, waiting
from controller.interfaces import Hold, Source
from controller.loop import Loop, Pieces
from controller.settings import Settings
from controller.telemetry import log


class Manager:
    """Implements `interfaces.Control` and `interfaces.Reads`; made by `open` or from ready pieces.

    One of `run` and `converge` is called, once.
    """

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self._prepared = False
        self._loop = Loop(pieces)

    @staticmethod
    @asynccontextmanager
    async def open(
        settings: Settings, sources: Sequence[Source] | None = None, lock: bool = True, prune: bool = True
    ) -> "AsyncIterator[Manager]":
        """A manager on the real clients. `sources` replace those of the settings; `lock` False: only for `forecast`;
        `prune` False: stages that no document declares are left alone. Raises `Locked`, `WorldBad`."""
        async with wiring.opened(settings, sources, lock=lock) as clients:
            yield Manager(wiring.compose(clients, wiring.configured(settings, prune=prune, writes=lock)))

    async def run(self, stop: asyncio.Event) -> None:
        """Keep everything as declared until `stop` is set; then end within ten seconds, and what runs keeps running."""
        log.info("controller starts", id=self._pieces.id)
        seeing = asyncio.create_task(self._loop.until_seen())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({seeing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if seeing.done():
                seeing.result()
        finally:
            stopping.cancel()
            seeing.cancel()
            await asyncio.gather(seeing, stopping, return_exceptions=True)
        await self._loop.serve(stop, follow=True)
        log.info("controller ended")

    async def converge(self, timeout: float) -> Mapping[StageKey, StageStatus]:
        """Work until all stages have settled, or `timeout` seconds are over; returns each stage's newest status.

        Raises `InvalidInput` for documents with errors, and `Unreachable` when Docker or the proxy does not answer the
        first look; nothing was changed then. After `prepare` or `forecast` it goes by the documents that those read.
        """
        if not self._prepared:
            await self._pieces.registry.first_look(strict=True)
        stop = asyncio.Event()
        serving = asyncio.create_task(self._loop.serve(stop, follow=False))
        settling = asyncio.create_task(self._until_settled())
        try:
            await asyncio.wait({serving, settling}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            if settling.done():
                await self._loop.tidy()
        finally:
            settling.cancel()
            stop.set()
            await serving
        statuses = self._pieces.reconciler.statuses
        return {key: statuses.get(key) or waiting(key) for key in self._pieces.registry.managed()}

    async def prepare(self) -> tuple[Diagnostic, ...]:
        """Read the sources and look at everything; returns what is wrong with documents. Nothing is changed.

        An invalid document does not block the others: `converge` then goes by those, and by the last good ones. Raises
        `InvalidInput` when that leaves nothing declared, and `Unreachable`.
        """
        try:
            await self._pieces.registry.first_look(strict=False)
        except Unreachable as error:
            if mistakes := self.diagnostics():
                raise InvalidInput(list(mistakes)) from error
            raise
        mistakes = self.diagnostics()
        if mistakes and not self._pieces.intake.catalog.stages:
            raise InvalidInput(list(mistakes))
        self._prepared = True
        return mistakes

    async def forecast(self) -> Forecast:
        """What would happen, by one look at everything; changes nothing. Raises `Unreachable`.

        Raises `InvalidInput` for any mistake in documents, unless `prepare` was called before.
        """
        if not self._prepared:
            await self._pieces.registry.first_look(strict=True)
            self._prepared = True
        declared = [self._pieces.intake.desired(key) for key in self._pieces.registry.managed()]
        stages = [(desired, await self._pieces.reconciler.observe(desired)) for desired in declared]
        digest = self._pieces.intake.catalog.digest
        return forecast.forecast(stages, self._pieces.reconciler.rules, self._pieces.clock.now(), digest)

    async def reload(self) -> tuple[Diagnostic, ...]:
        """Read every source and look at everything now, enqueue all stages, and return what is wrong with documents.

        Raises `Unreachable`: an older observation would make the caller believe that all is well.
        """
        pieces = self._pieces
        mistakes = await pieces.intake.load_all()
        await pieces.registry.resync()
        pieces.operations.forget_ended(CheckDigest)
        pieces.reconciler.mark_statuses_old()
        pieces.registry.enqueue(*self.stages())
        return mistakes

    async def reconcile(self, keys: Sequence[StageKey]) -> tuple[StageKey, ...]:
        """Ask for a pass of these stages (empty: all); returns those that exist."""
        chosen = tuple(key for key in self.stages() if not keys or key in keys)
        self._pieces.registry.enqueue(*chosen)
        return chosen

    async def retry(self, key: str) -> tuple[str, ...]:
        """Forget quarantines below a project, project/stage or project/stage/tag; returns project/stage/tag keys."""
        project, _, rest = key.partition("/")
        name, _, tag = rest.partition("/")
        retried: list[str] = []
        for stage in self._known_stages():
            if stage.partition("/")[0] == project and name in ("", stage.partition("/")[2]):
                tags: list[str] = []
                change = partial(_request_retry, tag, tags, self._pieces.clock.now())
                await self._pieces.reconciler.change_memory(stage, change)
                retried += [f"{stage}/{one}" for one in tags]
                self._pieces.registry.enqueue(stage)
        return tuple(retried)

    async def suspend(self, stage: StageKey, on: bool) -> None:
        """Suspend or resume a stage by hand. Raises `KeyError` for an unknown stage."""
        if stage not in self._known_stages():
            await self._pieces.registry.first_look(strict=False)
        if stage not in self._known_stages():
            raise KeyError(stage)
        await self._pieces.reconciler.change_memory(stage, lambda memory: memory.model_copy(update={"suspended": on}))
        self._pieces.registry.enqueue(stage)

    async def confirm(self, digest: str) -> bool:
        """Allow exactly the held change with this digest; False when there is none."""
        if not self._pieces.intake.complete:
            await self._pieces.registry.first_look(strict=False)
        if not self._pieces.intake.confirm(digest):
            return False
        await self._pieces.registry.rebuild()
        return True

    def holds(self) -> tuple[Hold, ...]:
        """What the guard holds back now."""
        return self._pieces.intake.holds()

    def notices(self) -> tuple[str, ...]:
        """What was refused and belongs to no stage, such as a DeployRequest for an unknown project."""
        return tuple(notice.message for notice in self._pieces.intake.catalog.notices)

    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What was wrong with the documents when the sources were last read."""
        return self._pieces.intake.wrong()

    def statuses(self) -> Mapping[StageKey, StageStatus]:
        """Newest status of each stage; a stage without a pass yet is missing."""
        return dict(self._pieces.reconciler.statuses)

    def stages(self) -> tuple[StageKey, ...]:
        """All declared stages, and undeclared ones that still have something running."""
        return self._pieces.registry.stages()

    def memory(self, stage: StageKey) -> StageMemory:
        """What is remembered of a stage; blank when nothing is."""
        return self._pieces.stored.memory(stage)

    def history(self, prefix: str | None, limit: int) -> Sequence[HistoryRow]:
        """The newest rollouts at or below `project` or `project/stage` (None: all), newest first."""
        return self._pieces.stored.history(prefix, limit)

    def lines(self, prefix: str | None, rollout: str | None, limit: int, after: int) -> Sequence[LogLine]:
        """Log lines at or below `project` or `project/stage`; see `interfaces.Reads`."""
        return self._pieces.stored.lines(prefix, rollout, limit, after)

    def oldest_record(self) -> float | None:
        """Unix seconds of the oldest log line that is kept; None when there is none."""
        return self._pieces.stored.oldest_record()

    def subscribe(self, max_events: int = broadcast.QUEUE_MAX_EVENTS) -> AbstractContextManager[Subscription]:
        """Every status and transition from now on, as `broadcast.Event`; any number of listeners may subscribe."""
        return self._pieces.broadcast.subscribe(max_events)

    @property
    def ready(self) -> bool:
        """True once everything was looked at and every source has delivered."""
        return self._pieces.intake.complete and self._pieces.registry.seen

    async def _until_settled(self) -> None:
        news = self._pieces.registry.news
        while not self._is_settled():
            news.clear()
            await news.wait()

    def _is_settled(self) -> bool:
        statuses = self._pieces.reconciler.statuses
        return all(key in statuses and statuses[key].settled for key in self._pieces.registry.managed())

    def _known_stages(self) -> tuple[StageKey, ...]:
        return tuple(sorted({*self.stages(), *self._pieces.reconciler.statuses, *self._pieces.reconciler.earlier}))


def _request_retry(tag: str, tags: list[str], now: float, memory: StageMemory) -> StageMemory:
    """Ask for another try of what is quarantined; puts the tags into `tags`."""
    tags += [name for name, one in sorted(memory.instances.items()) if one.quarantine and tag in ("", name)]
    return memory.model_copy(update={"retries": {**memory.retries, **dict.fromkeys(tags, now)}}) if tags else memory
