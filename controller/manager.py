"""The controller as the command line and the API see it: run it, converge once, look ahead, and nudge it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from controller import wiring
from controller.core.forecast import forecast
from controller.core.forecast.types import Forecast
from controller.core.model.actions import CheckDigest
from controller.core.model.desired import StageKey
from controller.core.model.errors import Diagnostic, InvalidInput, Unreachable
from controller.core.model.memory import StageMemory
from controller.core.model.status import Condition, StageStatus, Transition
from controller.interfaces import Hold, Source
from controller.loop import Loop, Pieces
from controller.reconcile import Listener
from controller.telemetry import log

if TYPE_CHECKING:
    from controller.settings import Settings


class Manager:
    """Implements `interfaces.Control`. Made by `open` or from ready pieces; run once, by `run` or `converge`."""

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self._foreseen = False
        self._on_status: Callable[[StageStatus], None] = lambda status: None
        self._on_line: Callable[[Transition], None] = lambda transition: None
        self._loop = Loop(pieces)
        pieces.reconciler.subscribe(Listener(self._reported, self._logged))

    @staticmethod
    @asynccontextmanager
    async def open(
        settings: "Settings", sources: Sequence[Source] | None = None, lock: bool = True, prune: bool = True
    ) -> "AsyncIterator[Manager]":
        """A manager on the real parts. `sources` replace those of the settings; `lock` False: only for `forecast`;
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

    async def converge(
        self,
        keys: Sequence[StageKey] | None,
        timeout: float,
        on_status: Callable[[StageStatus], None],
        on_line: Callable[[Transition], None],
    ) -> Mapping[StageKey, StageStatus]:
        """Work until these stages (None: all) have settled, or `timeout` seconds are over.

        Raises `InvalidInput` for documents with errors, and `Unreachable` when Docker or the proxy does not answer the
        first look; nothing was changed then. After `forecast` and `look` it goes by the very documents that were seen.
        """
        self._on_status, self._on_line = on_status, on_line
        if not self._foreseen:
            await self._pieces.registry.first_look(strict=True)
        stop = asyncio.Event()
        serving = asyncio.create_task(self._loop.serve(stop, follow=False))
        settling = asyncio.create_task(self._settled(keys))
        try:
            await asyncio.wait({serving, settling}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            if settling.done():
                await self._loop.tidy()
        finally:
            settling.cancel()
            stop.set()
            await serving
        found = self._pieces.reconciler.statuses
        return {key: found.get(key) or _waiting(key) for key in self._chosen(keys)}

    async def look(self) -> tuple[Diagnostic, ...]:
        """Read the sources and look at everything; returns what is wrong with documents. Nothing is changed.

        An invalid document does not block the others: `converge` then goes by those, and by the last good ones. Raises
        `InvalidInput` when that leaves nothing declared, and `Unreachable`.
        """
        try:
            await self._pieces.registry.first_look(strict=False)
        except Unreachable as error:
            if wrong := self._pieces.intake.wrong():
                raise InvalidInput(list(wrong)) from error
            raise
        wrong = self._pieces.intake.wrong()
        if wrong and not self._pieces.intake.catalog.stages:
            raise InvalidInput(list(wrong))
        self._foreseen = True
        return wrong

    async def forecast(self) -> Forecast:
        """What would happen, by one look at everything; changes nothing. Raises `Unreachable`.

        Raises `InvalidInput` for any mistake in documents, unless `look` has told of them before.
        """
        if not self._foreseen:
            await self._pieces.registry.first_look(strict=True)
            self._foreseen = True
        wanted = [self._pieces.intake.desired(key) for key in self._pieces.registry.managed()]
        stages = [(desired, await self._pieces.reconciler.observe(desired)) for desired in wanted]
        digest = self._pieces.intake.catalog.digest
        return forecast.forecast(stages, self._pieces.reconciler.rules, self._pieces.clock.now(), digest)

    async def reload(self) -> tuple[Diagnostic, ...]:
        """Read every source and look at everything now, enqueue all stages, and return what is wrong with documents.

        Raises `Unreachable`: what was seen before would make whoever asked believe that all is well.
        """
        pieces = self._pieces
        wrong = await pieces.intake.load_all()
        await pieces.registry.resync()
        pieces.operations.forget_ended(CheckDigest)
        pieces.reconciler.outdate_statuses()
        pieces.registry.enqueue(*self.stages())
        return wrong

    async def reconcile(self, keys: Sequence[StageKey]) -> tuple[StageKey, ...]:
        """Ask for a pass of these stages (empty: all); returns those that exist."""
        found = tuple(key for key in self.stages() if not keys or key in keys)
        self._pieces.registry.enqueue(*found)
        return found

    async def retry(self, key: str) -> tuple[str, ...]:
        """Forget quarantines below a project, project/stage or project/stage/tag; returns project/stage/tag keys."""
        project, _, rest = key.partition("/")
        name, _, tag = rest.partition("/")
        found: list[str] = []
        for stage in self._known():
            if stage.partition("/")[0] == project and name in ("", stage.partition("/")[2]):
                asked: list[str] = []
                change = partial(_retried, tag, asked, self._pieces.clock.now())
                await self._pieces.reconciler.change_memory(stage, change)
                found += [f"{stage}/{one}" for one in asked]
                self._pieces.registry.enqueue(stage)
        return tuple(found)

    async def suspend(self, stage: StageKey, on: bool) -> None:
        """Suspend or resume a stage by hand. Raises `KeyError` for an unknown stage."""
        if stage not in self._known():
            await self._pieces.registry.first_look(strict=False)
        if stage not in self._known():
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

    def _reported(self, status: StageStatus) -> None:
        self._on_status(status)

    def _logged(self, _: StageKey, transition: Transition) -> None:
        self._on_line(transition)

    @property
    def ready(self) -> bool:
        """True once everything was looked at and every source has delivered."""
        return self._pieces.intake.complete and self._pieces.registry.seen

    async def _settled(self, keys: Sequence[StageKey] | None) -> None:
        news = self._pieces.registry.news
        while not self._at_rest(keys):
            news.clear()
            await news.wait()

    def _at_rest(self, keys: Sequence[StageKey] | None) -> bool:
        found = self._pieces.reconciler.statuses
        return all(key in found and found[key].settled for key in self._chosen(keys))

    def _chosen(self, keys: Sequence[StageKey] | None) -> list[StageKey]:
        return [key for key in self._pieces.registry.managed() if keys is None or key in keys]

    def _known(self) -> tuple[StageKey, ...]:
        return tuple(sorted({*self.stages(), *self._pieces.reconciler.statuses, *self._pieces.reconciler.earlier}))


def _retried(tag: str, asked: list[str], now: float, memory: StageMemory) -> StageMemory:
    """Ask for another try of what is quarantined; puts the tags into `asked`."""
    asked += [name for name, item in sorted(memory.instances.items()) if item.quarantine and tag in ("", name)]
    return memory.model_copy(update={"retries": {**memory.retries, **dict.fromkeys(asked, now)}}) if asked else memory


def _waiting(key: StageKey) -> StageStatus:
    return StageStatus(key=key, conditions=(Condition(type="Reconciling", status="True", reason="Waiting"),))
