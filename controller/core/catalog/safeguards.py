"""Which change of the documents waits for a person, by what it would cost of what runs.

A change that loses more than one of what runs and more than a share of it is held until somebody allows exactly that
change; until then the accepted documents stay. What a source declared that the settings no longer name stays until that
is allowed, too; everything else goes on meanwhile.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.core.catalog import build, losses, untouched
from controller.core.catalog.losses import Loss
from controller.core.catalog.types import Catalog, CatalogRules, Incumbents, Sourced
from controller.core.model import names
from controller.core.model.desired import StageKey

DIGITS = 12
"""Hex digits that name a held change."""

Documents = Mapping[str, tuple[Sourced, ...]]
"""The documents of each source, by the name of the source."""


@dataclass(frozen=True)
class Limits:
    """The part of the settings that says what may go without asking."""

    sources: tuple[str, ...]
    """Names of the sources in the order of the settings."""
    percent: float
    """`limits.guardPercent`."""
    prune: bool = True
    """False: stages that nothing declares are left alone."""


@dataclass(frozen=True)
class Delivered:
    """What the sources hold now."""

    documents: Documents
    """With the last good documents in place of what could not be read."""
    digests: Mapping[str, str]
    """Digest of the documents of each source."""
    undelivered: frozenset[str] = frozenset()
    """Sources of which nothing is known: nothing whole was delivered since the start, and nothing stored before it."""
    complete: bool = True
    """Every source has delivered in whole since the start."""
    deleted: tuple[Sourced, ...] = ()
    """Documents that were deleted on purpose."""

    def digest(self, rules: CatalogRules) -> str:
        """Names exactly these documents under these rules: 12 hex."""
        return names.short_hash(repr((rules, sorted(self.undelivered), sorted(self.digests.items()))), DIGITS)


@dataclass(frozen=True)
class Accepted:
    """What is acted on since the last change that was not held."""

    documents: Documents = field(default_factory=dict)
    rules: CatalogRules | None = None
    """None until a catalog of all sources was accepted since the start."""
    digest: str = ""
    """Digest of what was delivered; empty: part of it still waits."""
    removals: frozenset[tuple[StageKey, str]] = frozenset()
    """Running tags that an accepted change has let go; they are on their way out."""


@dataclass(frozen=True)
class Hold:
    """A mass change that waits for `holdfast confirm DIGEST`."""

    digest: str
    losses: tuple[str, ...]
    """One sentence per instance or hostname that would be lost."""
    message: str


@dataclass(frozen=True)
class Decision:
    """What to act on now."""

    catalog: Catalog
    accepted: Accepted
    hold: Hold | None = None
    is_allowed: bool = False
    """It would be held, but somebody allowed exactly this change."""


def decide(
    delivered: Delivered,
    accepted: Accepted,
    rules: CatalogRules,
    incumbents: Incumbents,
    limits: Limits,
    *,
    allowed: str = "",
) -> Decision:
    """Accept what was delivered, or hold it and go on with what was accepted last.

    `incumbents` must come from a whole look at what runs: where nothing runs, nothing can be lost. `allowed` is the
    digest of the change that somebody confirmed.
    """
    case = _Case(delivered, accepted, rules, incumbents, limits)
    digest = delivered.digest(rules)
    after = case.catalog_of(delivered.documents, rules)
    loss = Loss() if digest == accepted.digest else case.loss(after)
    is_allowed = digest == allowed and (loss.too_much(limits.percent) or bool(loss.dropped))
    if is_allowed:
        loss = Loss()
    if loss.too_much(limits.percent):
        hold = Hold(digest, loss.sentences + loss.dropped_sentences, _too_much(loss, limits.percent))
        return Decision(case.held_catalog(), accepted, hold)
    spared = frozenset(loss.dropped)
    hold_of_dropped = Hold(digest, loss.dropped_sentences, _dropped(loss)) if spared else None
    catalog = case.spare_undecided(untouched.spare(after, spared))
    return Decision(catalog, case.accept(after, spared, digest), hold_of_dropped, is_allowed)


@dataclass(frozen=True)
class _Case:
    """What one decision is made of."""

    delivered: Delivered
    accepted: Accepted
    rules: CatalogRules
    incumbents: Incumbents
    limits: Limits

    def catalog_of(self, documents: Documents, rules: CatalogRules) -> Catalog:
        everything = [sourced for source in self.limits.sources for sourced in documents.get(source, ())]
        return build.catalog(everything, rules, self.incumbents)

    def loss(self, after: Catalog) -> Loss:
        before = self.catalog_of(self.accepted.documents, self.accepted.rules or self.rules)
        context = losses.Context(
            sources=self.limits.sources,
            undelivered=self.delivered.undelivered,
            removals=self.accepted.removals,
            rules_known=self.accepted.rules is not None,
            prune=self.limits.prune,
            deleted=self.delivered.deleted,
        )
        return losses.between(before, after, self.incumbents, context)

    def held_catalog(self) -> Catalog:
        """The accepted documents, and what a source without any delivered; nothing is pruned meanwhile.

        By the rules of that time too. After a restart those are unknown: then stages whose hostnames differ from the
        routed ones are left alone.
        """
        documents = {**self.delivered.documents, **self.accepted.documents}
        catalog = self.catalog_of(documents, self.accepted.rules or self.rules)
        if self.accepted.rules is None:
            catalog = untouched.keep_hostnames(catalog, self.incumbents)
        return self._await_sources(catalog)

    def spare_undecided(self, catalog: Catalog) -> Catalog:
        """Prune nothing of which it is not sure that no source declares it."""
        if not self.delivered.complete:
            return self._await_sources(catalog)
        return catalog if self.limits.prune else untouched.without_pruning(catalog, instances=False)

    def _await_sources(self, catalog: Catalog) -> Catalog:
        waiting = untouched.await_sources(catalog, self.incumbents, self.delivered.undelivered)
        return untouched.without_pruning(waiting, instances=True)

    def accept(self, after: Catalog, spared: frozenset[StageKey], digest: str) -> Accepted:
        undelivered = self.delivered.undelivered
        return Accepted(
            documents={source: held for source, held in self.delivered.documents.items() if source not in undelivered},
            rules=None if undelivered else self.rules,
            digest="" if spared else digest,
            removals=self._removals(after, spared),
        )

    def _removals(self, after: Catalog, spared: frozenset[StageKey]) -> frozenset[tuple[StageKey, str]]:
        """Running tags that an accepted change let go; no new ones where that is not decided yet."""
        removals = set()
        for key, tags in self.incumbents.running.items():
            stage = after.stages.get(key)
            undecided = key in spared or (stage is None and bool(self.delivered.undelivered))
            for tag in tags:
                undeclared = stage is None or stage.instance(tag) is None
                if (key, tag) in self.accepted.removals if undecided else undeclared:
                    removals.add((key, tag))
        return frozenset(removals)


def _too_much(loss: Loss, percent: float) -> str:
    kinds = ((loss.instances, loss.running, "running instances"), (loss.hostnames, loss.routed, "default hostnames"))
    count = " and ".join(f"{lost} of {of} {what}" for lost, of, what in kinds if lost)
    share = f"more than {percent:g} %"
    return f"{count} would be removed, which is {share}: the last good documents stay until this is confirmed"


def _dropped(loss: Loss) -> str:
    sources = ", ".join(sorted(set(loss.dropped.values())))
    return f"{', '.join(loss.dropped)}: what {sources} declared stays, although the settings no longer name that source"
