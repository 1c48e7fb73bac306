"""From the sources through the guard to the catalog: what is declared now, and what is wrong with the rest."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from controller.core.catalog import build
from controller.core.catalog.types import Catalog, CatalogRules, Incumbents
from controller.core.model.desired import DesiredStage, StageKey
from controller.core.model.errors import Diagnostic, WorldBad
from controller.core.model.observed import RouteTable
from controller.intake.guard import Guard
from controller.interfaces import Delivery, Hold, Source
from controller.telemetry import log

SOURCE_UNREAD = "E0401"
"""Code of a source that could not be read as a whole."""


class Confirmed(Protocol):
    """Remembers which mass change somebody allowed, until it is over: it may take longer than one life of ours."""

    def load(self) -> str:
        """Its digest; empty: none."""
        ...

    def save(self, digest: str) -> None:
        """Remember exactly this. Raises `WorldBad`."""
        ...


class Intake:
    """Holds the catalog. `keep` False: nothing of what is accepted is remembered."""

    def __init__(
        self,
        sources: Sequence[Source],
        guard: Guard,
        rules: CatalogRules,
        confirmed: Confirmed | None = None,
        *,
        keep: bool,
    ) -> None:
        self.sources = tuple(sources)
        self._reading = {source.name: asyncio.Lock() for source in sources}
        self._guard = guard
        self._rules = rules
        self._keep = keep
        self._note = confirmed
        self._confirmed = confirmed.load() if confirmed is not None else ""
        self._allowed = ""
        """Digest of the catalog that the confirmed change led to."""
        self._wrong: dict[str, tuple[Diagnostic, ...]] = {}
        self._holds: tuple[Hold, ...] = ()
        self._stages: dict[StageKey, DesiredStage] = {}
        self.catalog = Catalog()

    async def restore(self) -> None:
        """Take up what was accepted before the last end."""
        await self._guard.restore()

    async def load(self, source: Source) -> None:
        """Read one source and hand what it holds to the guard.

        Never twice at a time: a reading that took long would bring back what was declared before a newer one.
        """
        async with self._reading[source.name]:
            delivery = await source.load()
            await self._guard.deliver(delivery)
        wrong = _wrong(delivery)
        if wrong != self._wrong.get(source.name, ()):
            for item in wrong:
                where = f"{item.source}:{item.line}:{item.column}" if item.line else item.source
                log.warning("document refused", code=item.code, where=where, message=item.message)
        self._wrong[source.name] = wrong

    async def load_all(self) -> tuple[Diagnostic, ...]:
        """Read every source; returns everything that is wrong in them."""
        await asyncio.gather(*(self.load(source) for source in self.sources))
        return self.wrong()

    def wrong(self) -> tuple[Diagnostic, ...]:
        """What was wrong in each source when it was last read."""
        return tuple(item for source in self.sources for item in self._wrong.get(source.name, ()))

    async def rebuild(self, incumbents: Incumbents, routes: RouteTable) -> frozenset[StageKey]:
        """Make the catalog anew; returns the stages for which something changed, also gone ones with routes."""
        before, known = self.catalog, dict(self._stages)
        self.catalog = self._guard.catalog(self._rules, incumbents)
        if any(self._guard.confirm(hold.digest) for hold in self.holds() if hold.digest == self._confirmed):
            self.catalog = self._guard.catalog(self._rules, incumbents)
            self._allowed = self.catalog.digest
        elif self._confirmed and self.complete and self.catalog.digest != self._allowed:
            self._outdate()
        self._stages = {}
        self._tell(before)
        if self._keep:
            try:
                await self._guard.keep()
            except WorldBad as error:
                log.warning("last good documents not stored", error=error.message)
        keys = {*before.stages, *self.catalog.stages, *(route.stage for route in routes.routes.values())}
        return frozenset(
            key for key in keys if _differs(known.get(key) or build.stage(before, key), self.desired(key), routes)
        )

    def desired(self, key: StageKey) -> DesiredStage:
        """A stage as it is declared now; the same object until the catalog changes."""
        if key not in self._stages:
            self._stages[key] = build.stage(self.catalog, key)
        return self._stages[key]

    @property
    def complete(self) -> bool:
        """True once every source has delivered: only then is what is missing no longer declared."""
        return self._guard.complete

    def holds(self) -> tuple[Hold, ...]:
        """What the guard holds back now."""
        return self._guard.holds()

    def confirm(self, digest: str) -> bool:
        """Allow exactly the held change with this digest; `rebuild` then takes it over, also after a restart."""
        found = any(hold.digest == digest for hold in self.holds())
        if found:
            self._remember(digest)
        return found

    def _outdate(self) -> None:
        """Something else is declared by now: the old word must not allow the same change a second time."""
        try:
            self._remember("")
        except WorldBad as error:
            log.warning("confirmation not forgotten", error=error.message)

    def _remember(self, digest: str) -> None:
        self._confirmed = digest
        if self._note is not None and self._keep:
            self._note.save(digest)

    def _tell(self, before: Catalog) -> None:
        told = {notice.message for notice in before.notices}
        for notice in self.catalog.notices:
            if notice.message not in told:
                where = notice.origin.place if notice.origin is not None else ""
                log.warning("refused", reason=notice.reason, where=where, message=notice.message)
        holds = self._guard.holds()
        for hold in holds:
            if hold not in self._holds:
                log.warning("held back", message=hold.message, allow=f"holdfast confirm {hold.digest}")
        self._holds = holds


def _wrong(delivery: Delivery) -> tuple[Diagnostic, ...]:
    if delivery.complete or delivery.diagnostics:
        return delivery.diagnostics
    message = delivery.detail or "it cannot be read as a whole"
    return (Diagnostic(SOURCE_UNREAD, message, delivery.source, help="nothing is removed for it; what runs stays"),)


def _differs(before: DesiredStage, after: DesiredStage, routes: RouteTable) -> bool:
    """What others claim matters to a stage only for the hostnames that it holds."""
    if before is after or before == after:
        return False
    moved = before.claimed_elsewhere ^ after.claimed_elsewhere
    mine = {name for name in moved if name in routes.routes and routes.routes[name].stage == after.key}
    return bool(mine) or _own(before) != _own(after)


def _own(stage: DesiredStage) -> dict[str, object]:
    return {name: value for name, value in vars(stage).items() if name != "claimed_elsewhere"}
