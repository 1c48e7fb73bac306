"""From the sources through the guard to the catalog: what is declared now, and what is wrong with the rest."""

import asyncio
from collections.abc import Sequence

from controller.core.catalog.safeguards import Hold
from controller.core.catalog.types import Catalog, CatalogRules, Incumbents
from controller.core.model.desired import DesiredStage, StageKey
from controller.core.model.errors import Diagnostic, WorldBad
from controller.core.model.observed import RouteTable
from controller.intake.guard import Guard
from controller.interfaces import Delivery, Source
from controller.telemetry import log

SOURCE_UNREAD = "E0401"
"""Code of a source that could not be read as a whole."""


class Intake:
    """Reads the sources and holds the catalog."""

    def __init__(self, sources: Sequence[Source], guard: Guard, rules: CatalogRules) -> None:
        self.sources = tuple(sources)
        self._reading = {source.name: asyncio.Lock() for source in sources}
        self._guard = guard
        self._rules = rules
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
            for mistake in wrong:
                place = f"{mistake.source}:{mistake.line}:{mistake.column}" if mistake.line else mistake.source
                log.warning("document refused", code=mistake.code, where=place, message=mistake.message)
        self._wrong[source.name] = wrong

    async def load_all(self) -> tuple[Diagnostic, ...]:
        """Read every source; returns everything that is wrong in them."""
        await asyncio.gather(*(self.load(source) for source in self.sources))
        return self.wrong()

    def wrong(self) -> tuple[Diagnostic, ...]:
        """What was wrong in each source when it was last read."""
        return tuple(mistake for source in self.sources for mistake in self._wrong.get(source.name, ()))

    async def rebuild(self, incumbents: Incumbents, routes: RouteTable) -> frozenset[StageKey]:
        """Make the catalog anew; returns the stages for which something changed, also gone ones with routes."""
        before, stages_before = self.catalog, self._stages
        self.catalog, self._stages = self._guard.catalog(self._rules, incumbents), {}
        self._log_news(before)
        try:
            await self._guard.keep()
        except WorldBad as error:
            log.warning("last good documents not stored", error=error.message)
        keys = {*before.stages, *self.catalog.stages, *(route.stage for route in routes.routes.values())}
        pairs = ((stages_before.get(key) or before.stage(key), self.desired(key)) for key in keys)
        return frozenset(after.key for earlier, after in pairs if _differs(earlier, after, routes))

    def desired(self, key: StageKey) -> DesiredStage:
        """A stage as it is declared now; the same object until the catalog changes."""
        if key not in self._stages:
            self._stages[key] = self.catalog.stage(key)
        return self._stages[key]

    @property
    def complete(self) -> bool:
        """True once every source has delivered: only then is what is missing no longer declared."""
        return self._guard.complete

    def holds(self) -> tuple[Hold, ...]:
        """What is held back now."""
        return self._guard.holds()

    def confirm(self, digest: str) -> bool:
        """Allow exactly the held change with this digest; `rebuild` then takes it over. Raises `WorldBad`."""
        return self._guard.confirm(digest)

    def _log_news(self, before: Catalog) -> None:
        logged = {notice.message for notice in before.notices}
        for notice in self.catalog.notices:
            if notice.message not in logged:
                place = notice.origin.place if notice.origin is not None else ""
                log.warning("refused", reason=notice.reason, where=place, message=notice.message)
        holds = self.holds()
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
    held = {name for name in moved if name in routes.routes and routes.routes[name].stage == after.key}
    return bool(held) or _without_claims(before) != _without_claims(after)


def _without_claims(stage: DesiredStage) -> dict[str, object]:
    return {name: value for name, value in vars(stage).items() if name != "claimed_elsewhere"}
