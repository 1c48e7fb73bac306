"""Keeps what the sources delivered and what of it was accepted; the core decides what must be confirmed.

Each delivery goes in by `deliver`, the catalog that may be acted on comes out of `catalog`. A source that fails, as a
whole or in a file, deletes nothing: its last good documents stay.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal, Protocol

from controller.core.catalog import safeguards
from controller.core.catalog.safeguards import Accepted, Decision, Delivered, Hold, Limits
from controller.core.catalog.types import Catalog, CatalogRules, Incumbents, Sourced
from controller.core.model.errors import WorldBad
from controller.interfaces import Delivery, Store
from controller.telemetry import log

_Received = Literal["nothing", "partial", "stored", "whole"]
"""What is known of a source: nothing; all but files with errors, whose last good documents nobody knows; what the store
remembers; what it delivered in whole since the start."""


class Confirmed(Protocol):
    """Remembers which mass change somebody allowed, until it is over: it may take longer than one life of ours."""

    def load(self) -> str:
        """Its digest; empty: none."""

    def save(self, digest: str) -> None:
        """Remember exactly this. Raises `WorldBad`."""


class Guard:
    """The last good documents of all sources, what of them was accepted, and the one change that somebody allowed.

    `keep` False: nothing of it is remembered.
    """

    def __init__(self, store: Store, limits: Limits, confirmed: Confirmed | None = None, *, keep: bool = True) -> None:
        self._store = store
        self._limits = limits
        self._note = confirmed
        self._keep = keep
        self._restored = False
        self._received: dict[str, _Received] = dict.fromkeys(limits.sources, "nothing")
        self._delivered = Delivered({}, {})
        self._accepted = Accepted()
        self._stored: dict[str, tuple[Sourced, ...]] = {}
        self._allowed = confirmed.load() if confirmed is not None else ""
        self._allowed_catalog = ""
        """Digest of the catalog that the allowed change led to."""
        self._decided: tuple[tuple[object, ...], Decision] | None = None
        """The last decision, and from what it was made: at most looks nothing has changed."""

    async def restore(self) -> None:
        """Take up what was accepted before the last end; without a store there is nothing, and what runs must do.

        Later calls change nothing: what was delivered and decided since then is newer.
        """
        if self._restored:
            return
        for source in self._limits.sources:
            documents = await self._store.last_good(source)
            if documents is not None:
                self._stored[source] = tuple(documents)
                self._received[source] = "stored"
                self._take(source, tuple(documents))
        self._accepted = Accepted(documents=dict(self._stored))
        self._restored = True

    async def deliver(self, delivery: Delivery) -> None:
        """Take in what a source holds now. Raises `KeyError` for a source that the settings do not name."""
        received = self._received[delivery.source]
        before = self._delivered.documents.get(delivery.source, ())
        self._take(delivery.source, (*delivery.documents, *_last_good(before, delivery)), delivery.deleted)
        if delivery.complete:
            nothing_known = received in ("nothing", "partial")
            self._received[delivery.source] = "partial" if delivery.unread and nothing_known else "whole"

    @property
    def complete(self) -> bool:
        """True once every source has delivered in whole since the start; until then nothing is pruned.

        A file with errors counts as delivered where its last good documents are known.
        """
        return all(received == "whole" for received in self._received.values())

    def catalog(self, rules: CatalogRules, incumbents: Incumbents) -> Catalog:
        """What is to be acted on now: everything delivered, or what was accepted last while a change is held back.

        `incumbents` must come from a whole look at what runs.
        """
        if not incumbents.running and not incumbents.hostnames:
            # A file that cannot be read declared nothing that runs.
            self._received = {
                source: "whole" if received == "partial" else received for source, received in self._received.items()
            }
        decision = self._decide(rules, incumbents)
        self._accepted = decision.accepted
        if decision.hold is None and self.complete:
            self._delivered = replace(self._delivered, deleted=())
        self._forget_old_confirmation(decision)
        return decision.catalog

    def holds(self) -> tuple[Hold, ...]:
        """The change that is held back now, if any."""
        hold = self._decided[1].hold if self._decided is not None else None
        return (hold,) if hold is not None else ()

    def confirm(self, digest: str) -> bool:
        """Allow exactly the held change with this digest, also after a restart; False when it is not held back.

        Any edit in between is another change, and has to be confirmed anew. Raises `WorldBad`.
        """
        if all(hold.digest != digest for hold in self.holds()):
            return False
        self._allow(digest)
        return True

    async def keep(self) -> None:
        """Store what was accepted, source by source, where it changed. Raises `WorldBad` when the store cannot."""
        for source, documents in self._accepted.documents.items():
            if self._keep and self._stored.get(source) != documents:
                await self._store.keep_good(source, documents)
                self._stored[source] = documents

    def _take(self, source: str, documents: tuple[Sourced, ...], deleted: Iterable[Sourced] = ()) -> None:
        there = {sourced.origin.document for sourced in documents}
        gone = {sourced.origin.document: sourced for sourced in (*self._delivered.deleted, *deleted)}
        self._delivered = replace(
            self._delivered,
            documents={**self._delivered.documents, source: documents},
            digests={**self._delivered.digests, source: _digest(documents)},
            deleted=tuple(sourced for document, sourced in gone.items() if document not in there),
        )

    def _decide(self, rules: CatalogRules, incumbents: Incumbents) -> Decision:
        undelivered = frozenset(
            source for source, received in self._received.items() if received in ("nothing", "partial")
        )
        self._delivered = replace(self._delivered, undelivered=undelivered, complete=self.complete)
        made_from = (self._delivered, self._accepted, rules, incumbents, self._allowed)
        if self._decided is None or self._decided[0] != made_from:
            decision = safeguards.decide(
                self._delivered, self._accepted, rules, incumbents, self._limits, allowed=self._allowed
            )
            # What was accepted whole is accepted again.
            accepted = self._accepted if decision.hold is not None else decision.accepted
            self._decided = ((self._delivered, accepted, rules, incumbents, self._allowed), decision)
        return self._decided[1]

    def _forget_old_confirmation(self, decision: Decision) -> None:
        """Forget what was allowed once something else is acted on: it must not count for the same change again."""
        if decision.is_allowed:
            self._allowed_catalog = decision.catalog.digest
        elif self._allowed and self.complete and decision.catalog.digest != self._allowed_catalog:
            try:
                self._allow("")
            except WorldBad as error:
                log.warning("confirmation not forgotten", error=error.message)

    def _allow(self, digest: str) -> None:
        self._allowed = digest
        if self._note is not None and self._keep:
            self._note.save(digest)


def _last_good(before: Sequence[Sourced], delivery: Delivery) -> list[Sourced]:
    """Documents that stay although they were not delivered: of files with errors, or of a source not read in whole.

    One that was delivered from the same place is replaced, one that appeared at a new place has moved there, and one
    that was deleted on purpose is gone.
    """
    known = {sourced.origin.document for sourced in before}
    same = {sourced.origin.document for sourced in delivery.documents}
    gone = {sourced.origin.document for sourced in delivery.deleted}
    moved = {_name(sourced) for sourced in delivery.documents if sourced.origin.document not in known}
    return [
        sourced
        for sourced in before
        if (not delivery.complete or sourced.origin.path in delivery.unread)
        and sourced.origin.document not in same | gone
        and _name(sourced) not in moved
    ]


def _name(sourced: Sourced) -> tuple[str, str]:
    return sourced.document.kind, sourced.document.metadata.name


def _digest(documents: Iterable[Sourced]) -> str:
    """Names exactly these documents and their places; lines and order do not matter."""
    pairs = [(sourced.origin.path, sourced.document.model_dump_json(exclude_unset=True)) for sourced in documents]
    texts = sorted(f"{path}\n{text}" for path, text in pairs)
    return hashlib.sha256(repr(texts).encode("utf-8", "surrogatepass")).hexdigest()
