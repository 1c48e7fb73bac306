"""Between the sources and the catalog: keeps the last good documents, and holds back what would lose too much.

Called by the manager: each delivery goes in by `deliver`, the catalog that may be acted on comes out of `catalog`. A
source that fails, in whole or in a file, deletes nothing. A change that loses more than one of what runs and more than
`percent` of it waits until somebody confirms exactly that change; until then the last accepted documents stay. What a
source declared that the settings no longer name stays until it is confirmed, too; everything else goes on then.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from controller.core.catalog import build as catalogs
from controller.core.catalog.safeguards import (
    Context,
    Loss,
    await_sources,
    keep_hostnames,
    loss,
    spare,
    without_pruning,
)
from controller.core.catalog.types import Catalog, CatalogRules, Incumbents, Sourced
from controller.core.model import names
from controller.core.model.desired import StageKey
from controller.interfaces import Delivery, Hold, Store

DIGITS = 12
"""Hex digits that name a held change."""

_Documents = Mapping[str, tuple[Sourced, ...]]


class Guard:
    """The documents of all sources, as delivered and as accepted.

    `sources` are the names of the settings, in order; `percent` is `limits.guardPercent`; `prune` False leaves stages
    alone that nothing declares.
    """

    def __init__(self, store: Store, sources: Sequence[str], percent: float, prune: bool = True) -> None:
        self._store = store
        self._sources = tuple(sources)
        self._percent = percent
        self._prune = prune
        self._delivered: set[str] = set()
        """Sources that delivered in whole since the start."""
        self._known: set[str] = set()
        """Those, and the ones restored from the store; of the others nothing is known yet."""
        self._partial: set[str] = set()
        """Those that delivered in whole but for files with errors, whose last good documents nobody knows."""
        self._current: dict[str, tuple[Sourced, ...]] = {}
        """What each source holds now, with last good documents in place of what could not be read."""
        self._sums: dict[str, str] = {}
        self._accepted: dict[str, tuple[Sourced, ...]] = {}
        self._stored: dict[str, tuple[Sourced, ...]] = {}
        self._built: tuple[list[Sourced], CatalogRules, Incumbents, Catalog] | None = None
        """The catalog that was built last, and of what: at most looks nothing has changed."""
        self._rules: CatalogRules | None = None
        """The rules of the accepted catalog; None until one of all sources was accepted since the start."""
        self._digest = ""
        self._released: frozenset[tuple[StageKey, str]] = frozenset()
        self._confirmed = ""
        self._hold: Hold | None = None

    async def restore(self) -> None:
        """Take up what was accepted before the last end; without a store there is nothing, and what runs must do."""
        for source in self._sources:
            documents = await self._store.last_good(source)
            if documents is not None:
                self._stored[source] = self._accepted[source] = tuple(documents)
                self._take(source, tuple(documents))
                self._known.add(source)

    async def deliver(self, delivery: Delivery) -> None:
        """Take in what a source holds now. Raises `KeyError` for a source that the settings do not name."""
        if delivery.source not in self._sources:
            raise KeyError(delivery.source)
        before = self._current.get(delivery.source, ())
        self._take(delivery.source, (*delivery.documents, *_last_good(before, delivery)))
        if delivery.complete and delivery.unread and delivery.source not in self._known:
            self._partial.add(delivery.source)
        elif delivery.complete:
            self._partial.discard(delivery.source)
            self._delivered.add(delivery.source)
            self._known.add(delivery.source)

    @property
    def complete(self) -> bool:
        """True once every source has delivered in whole since the start; until then nothing is pruned.

        A file with errors counts as delivered where its last good documents are known.
        """
        return self._delivered >= set(self._sources)

    def catalog(self, rules: CatalogRules, incumbents: Incumbents) -> Catalog:
        """What is to be acted on now: everything delivered, or what was accepted last while a change is held back.

        `incumbents` must come from a whole look at what runs: where nothing runs, nothing can be lost.
        """
        if not incumbents.running and not incumbents.hostnames:
            self._delivered |= self._partial  # a file that cannot be read declared nothing that runs
            self._known |= self._partial
            self._partial.clear()
        silent = frozenset(self._sources) - self._known
        digest = names.short_hash(repr((rules, sorted(silent), sorted(self._sums.items()))), DIGITS)
        after = self._build(self._current, rules, incumbents)
        allowed = digest in (self._digest, self._confirmed)
        lost = Loss() if allowed else self._loss(after, rules, incumbents, silent)
        self._confirmed = ""
        if lost.too_much(self._percent):
            self._hold = Hold(digest, lost.sentences + lost.dropped_sentences, _too_much(lost, self._percent))
            return self._held(rules, incumbents, silent)
        spared = frozenset(lost.dropped)
        self._hold = Hold(digest, lost.dropped_sentences, _dropped(lost)) if spared else None
        self._digest = "" if spared else digest
        self._accepted = {source: self._current[source] for source in self._sources if source in self._known}
        self._rules = None if silent else rules
        self._released = self._leaving(after, incumbents, spared, silent)
        return self._careful(spare(after, spared), incumbents, silent)

    def holds(self) -> tuple[Hold, ...]:
        """The change that is held back now, if any."""
        return (self._hold,) if self._hold is not None else ()

    def confirm(self, digest: str) -> bool:
        """Allow exactly the change with this digest, from the next `catalog` on; False when it is not held back.

        Any edit in between is another change, and has to be confirmed anew.
        """
        if self._hold is None or self._hold.digest != digest:
            return False
        self._confirmed, self._hold = digest, None
        return True

    async def keep(self) -> None:
        """Store what was accepted, source by source, where it changed. Raises `WorldBad` when the store cannot."""
        for source, documents in self._accepted.items():
            if self._stored.get(source) != documents:
                await self._store.keep_good(source, documents)
                self._stored[source] = documents

    def _take(self, source: str, documents: tuple[Sourced, ...]) -> None:
        self._current[source], self._sums[source] = documents, _sum(documents)

    def _build(self, documents: _Documents, rules: CatalogRules, incumbents: Incumbents) -> Catalog:
        found = [item for source in self._sources for item in documents.get(source, ())]
        if self._built is None or self._built[:3] != (found, rules, incumbents):
            self._built = (found, rules, incumbents, catalogs.build(found, rules, incumbents))
        return self._built[3]

    def _loss(self, after: Catalog, rules: CatalogRules, incumbents: Incumbents, silent: frozenset[str]) -> Loss:
        before = self._build(self._accepted, self._rules or rules, incumbents)
        known = self._rules is not None
        return loss(before, after, incumbents, Context(self._sources, silent, self._released, known, self._prune))

    def _held(self, rules: CatalogRules, incumbents: Incumbents, silent: frozenset[str]) -> Catalog:
        """The last accepted documents, and what a source without any delivered; nothing is pruned meanwhile.

        By the rules of that time too. After a restart those are unknown: then stages whose hostnames differ from the
        routed ones are left alone.
        """
        found = self._build({**self._current, **self._accepted}, self._rules or rules, incumbents)
        if self._rules is None:
            found = keep_hostnames(found, incumbents)
        return without_pruning(await_sources(found, incumbents, silent), instances=True)

    def _careful(self, found: Catalog, incumbents: Incumbents, silent: frozenset[str]) -> Catalog:
        if not self.complete:
            return without_pruning(await_sources(found, incumbents, silent), instances=True)
        return found if self._prune else without_pruning(found, instances=False)

    def _leaving(
        self, after: Catalog, incumbents: Incumbents, spared: frozenset[StageKey], silent: frozenset[str]
    ) -> frozenset[tuple[StageKey, str]]:
        """Running tags that an accepted change let go; no new ones where that is not decided yet."""
        found = set()
        for key, tags in incumbents.running.items():
            stage = after.stages.get(key)
            for tag in tags:
                undecided = key in spared or (stage is None and silent)
                gone = stage is None or stage.instance(tag) is None
                if (key, tag) in self._released if undecided else gone:
                    found.add((key, tag))
        return frozenset(found)


def _last_good(before: Sequence[Sourced], delivery: Delivery) -> list[Sourced]:
    """Documents that stay although they were not delivered: of files with errors, or of a source not read in whole.

    One that was delivered from the same place is replaced, and one that appeared at a new place has moved there.
    """
    known = {(_name(item), item.origin.path) for item in before}
    same = {(_name(item), item.origin.path) for item in delivery.documents}
    moved = {name for name, path in same - known}
    return [
        item
        for item in before
        if (not delivery.complete or item.origin.path in delivery.unread)
        and (_name(item), item.origin.path) not in same
        and _name(item) not in moved
    ]


def _name(item: Sourced) -> tuple[str, str]:
    return item.document.kind, item.document.metadata.name


def _sum(documents: Iterable[Sourced]) -> str:
    """Names exactly these documents and their places; lines and order do not matter."""
    texts = sorted(f"{item.origin.path}\n{item.document.model_dump_json(exclude_unset=True)}" for item in documents)
    return hashlib.sha256(repr(texts).encode("utf-8", "surrogatepass")).hexdigest()


def _too_much(lost: Loss, percent: float) -> str:
    kinds = (
        (lost.instances, lost.running, "running instances"),
        (lost.hostnames, lost.routed, "default hostnames"),
    )
    count = " and ".join(f"{some} of {all_} {what}" for some, all_, what in kinds if some)
    return f"{count} would go, which is more than {percent:g} %: the last good documents stay until this is confirmed"


def _dropped(lost: Loss) -> str:
    sources = ", ".join(sorted(set(lost.dropped.values())))
    return f"{', '.join(lost.dropped)}: what {sources} declared stays, although the settings no longer name that source"
