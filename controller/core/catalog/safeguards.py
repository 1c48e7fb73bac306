"""What a change of the documents would cost of what runs (design §5, Emptiness); the guard decides by it.

Two things count: the net loss of running instances of each stage, where a tag that another replaces is none and neither
is one beyond maxInstances; and default hostnames left without claimant, as by another domain.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from controller.core.catalog.types import Catalog, Incumbents
from controller.core.model.desired import DesiredStage, Notice, StageKey


@dataclass(frozen=True)
class Context:
    """What is known beside the two catalogs."""

    sources: tuple[str, ...]
    """The sources of the settings."""
    silent: frozenset[str] = frozenset()
    """Those of which nothing is known yet: what only they may declare is neither there nor gone."""
    released: frozenset[tuple[StageKey, str]] = frozenset()
    """Running tags that an accepted change has let go; they are on their way out."""
    rules_known: bool = True
    """The catalog before was built by the settings that were in force; else they may have been others."""
    prune: bool = True
    """False: stages that are not declared are left alone."""


@dataclass(frozen=True)
class Loss:
    """The sum of what would be lost."""

    sentences: tuple[str, ...] = ()
    """One per instance or hostname."""
    instances: int = 0
    hostnames: int = 0
    """All default hostnames left without claimant."""
    alone: int = 0
    """Those of them whose stage stays: the others go with their stage and are no further loss."""
    running: int = 0
    """Instances that run."""
    routed: int = 0
    """Default hostnames that are routed."""
    dropped: Mapping[StageKey, str] = field(default_factory=dict)
    """Stages that lose something only because the settings no longer name their source, and that source."""
    dropped_sentences: tuple[str, ...] = ()

    def too_much(self, percent: float) -> bool:
        """More than one, and more than this share of the instances or of the hostnames.

        Each by itself: hostnames that stay do not make it less that what answers at them goes. What a dropped source
        declared is not in it.
        """
        shares = ((self.instances, self.running), (self.hostnames, self.routed))
        return self.instances + self.alone > 1 and any(lost * 100 > percent * of for lost, of in shares)


def loss(before: Catalog, after: Catalog, incumbents: Incumbents, context: Context) -> Loss:
    """Compare what runs with what would stay of it. Nothing runs: nothing is lost."""
    sentences: list[str] = []
    of_dropped: list[str] = []
    dropped: dict[StageKey, str] = {}
    standing = instances = 0
    for key, tags in sorted(incumbents.running.items()):
        strangers = frozenset(tag for tag in tags if _unknown(before, key, tag) and (key, tag) not in context.released)
        stood = len(strangers) + min(len(tags - strangers), _room(before.stages.get(key)))
        standing += stood
        kept = after.stages.get(key)
        lost = stood - len(kept.instances) if kept is not None else stood
        if lost <= 0 or (kept is None and not _gone(before, key, context)):
            continue
        source = incumbents.sources.get(key, "")
        if strangers and source and source not in context.sources and context.prune:
            dropped[key] = source
            of_dropped += _sentences(key, tags, kept, lost)
        else:
            instances += lost
            sentences += _sentences(key, tags, kept, lost)
    held = dict(_default_hostnames(before, after, incumbents, context))
    left = {name: key for name, key in held.items() if name not in after.claims and key not in dropped}
    left = {name: key for name, key in left.items() if key in after.stages or _gone(before, key, context)}
    alone = [name for name, key in left.items() if key in after.stages]
    sentences += [f"{left[name]}: nothing would answer at {name} any more" for name in alone]
    counts = instances, len(left), len(alone), standing, len(held)
    return Loss(tuple(sentences), *counts, dropped, tuple(of_dropped))


def _unknown(before: Catalog, key: StageKey, tag: str) -> bool:
    stage = before.stages.get(key)
    return stage is None or stage.instance(tag) is None


def _room(stage: DesiredStage | None) -> int:
    """How many instances were to run; more than that are on their way out."""
    if stage is None:
        return 0
    return min(len(stage.instances), stage.max_instances or len(stage.instances))


def _gone(before: Catalog, key: StageKey, context: Context) -> bool:
    """A stage that is not declared any more counts as gone, unless a source that was not heard yet may declare it."""
    return context.prune and (not context.silent or key in before.stages)


def _default_hostnames(
    before: Catalog, after: Catalog, incumbents: Incumbents, context: Context
) -> Iterator[tuple[str, StageKey]]:
    """Routed hostnames of default routes, and whose they are.

    Where the settings before are not known, also those that nothing explains: neither the documents by the settings of
    now, nor that their tag went.
    """
    for hostname, (key, tag) in sorted(incumbents.hostnames.items()):
        stage, kept = before.stages.get(key), after.stages.get(key)
        if stage is not None and hostname in stage.default_hostnames:
            yield hostname, key
        elif not context.rules_known and hostname not in before.claims:
            replaced = kept is not None and kept.instance(tag) is None
            if hostname in after.claims or not replaced:
                yield hostname, key


def _sentences(key: StageKey, tags: frozenset[str], kept: DesiredStage | None, lost: int) -> Iterator[str]:
    if kept is None:
        yield from (f"{key}: {tag} would go, the stage is no longer declared" for tag in sorted(tags)[:lost])
        return
    leaving = sorted(tag for tag in tags if kept.instance(tag) is None)
    yield from (f"{key}: {tag} would go, it is no longer declared" for tag in leaving[:lost])


def without_pruning(catalog: Catalog, *, instances: bool) -> Catalog:
    """Stages that are missing are not gone; with `instances` neither are instances that are missing in a stage."""
    if not instances:
        return replace(catalog, prune=False)
    stages = {key: replace(stage, prune=False) for key, stage in catalog.stages.items()}
    return replace(catalog, stages=stages, prune=False)


def spare(catalog: Catalog, keys: frozenset[StageKey]) -> Catalog:
    """These stages are left alone: gone or not, what is not declared of them stays."""
    stages = {key: replace(stage, prune=False) if key in keys else stage for key, stage in catalog.stages.items()}
    return replace(catalog, stages=stages, spared=keys)


def await_sources(catalog: Catalog, incumbents: Incumbents, silent: frozenset[str]) -> Catalog:
    """Leave alone what runs by the word of a source that has not spoken yet, whoever else declares it or its names."""
    theirs = {
        key
        for key, source in incumbents.sources.items()
        if source in silent and (key not in catalog.stages or catalog.stages[key].origin.source != source)
    }
    takers = {
        catalog.claims[hostname]
        for hostname, (key, _) in incumbents.hostnames.items()
        if key in theirs and catalog.claims.get(hostname, key) != key
    }
    told = f"waits for {', '.join(sorted(silent))}: what runs was declared there, and it has not delivered yet"
    return _suspended(catalog, theirs | takers, Notice("SourceNotDelivered", told))


def keep_hostnames(catalog: Catalog, incumbents: Incumbents) -> Catalog:
    """Leave alone the stages whose declared instances are routed at hostnames that they no longer claim."""
    moved = {
        key
        for hostname, (key, tag) in incumbents.hostnames.items()
        if hostname not in catalog.claims and key in catalog.stages and catalog.stages[key].instance(tag) is not None
    }
    return _suspended(catalog, moved, Notice("HeldBack", "its hostnames would change: waits for `holdfast confirm`"))


def _suspended(catalog: Catalog, keys: Iterable[StageKey], notice: Notice) -> Catalog:
    stages = dict(catalog.stages)
    for key in keys:
        if key in stages:
            stage = stages[key]
            stages[key] = replace(stage, suspend=True, notices=(*stage.notices, notice))
    return replace(catalog, stages=stages)
