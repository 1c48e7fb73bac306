"""What a change of the documents would cost of what runs.

Two things count. The net loss of running instances of each stage: a tag that another replaces is none, and neither is
one beyond maxInstances. And default hostnames left without a claimant, as by another domain. What somebody deleted on
purpose counts as neither.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from controller.core.catalog.types import Catalog, Incumbents, Sourced
from controller.core.documents.spec import Project
from controller.core.model import names
from controller.core.model.desired import DesiredStage, StageKey


@dataclass(frozen=True)
class Context:
    """What is known beside the two catalogs."""

    sources: tuple[str, ...]
    """The sources of the settings."""
    undelivered: frozenset[str] = frozenset()
    """Those of which nothing is known yet: what only they may declare is neither there nor gone."""
    removals: frozenset[tuple[StageKey, str]] = frozenset()
    """Running tags that an accepted change has let go; they are on their way out."""
    rules_known: bool = True
    """The catalog before was built by the settings that were in force; else they may have been others."""
    prune: bool = True
    """False: stages that are not declared are left alone."""
    deleted: tuple[Sourced, ...] = ()
    """Documents that were deleted on purpose."""


@dataclass(frozen=True)
class Loss:
    """The sum of what would be lost."""

    sentences: tuple[str, ...] = ()
    """One per instance or hostname."""
    instances: int = 0
    hostnames: int = 0
    """All default hostnames left without a claimant."""
    stranded: int = 0
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

        Each share by itself: hostnames that stay do not make it less that what answers at them goes. What a dropped
        source declared is not in it.
        """
        shares = ((self.instances, self.running), (self.hostnames, self.routed))
        return self.instances + self.stranded > 1 and any(lost * 100 > percent * of for lost, of in shares)


def between(before: Catalog, after: Catalog, incumbents: Incumbents, context: Context) -> Loss:
    """Compare what runs with what would stay of it. Nothing runs: nothing is lost."""
    change = _Change(before, after, _without_deleted(before, after, incumbents, context.deleted), context)
    stages = [change.of_stage(key, tags) for key, tags in sorted(change.incumbents.running.items())]
    dropped = {stage.key: stage.dropped_source for stage in stages if stage.dropped_source}
    held = dict(change.default_hostnames())
    left = {
        name: key
        for name, key in held.items()
        if name not in after.claims and key not in dropped and (key in after.stages or change.is_gone(key))
    }
    stranded = [f"{key}: nothing would answer at {name} any more" for name, key in left.items() if key in after.stages]
    counted = [stage for stage in stages if not stage.dropped_source]
    return Loss(
        sentences=(*(sentence for stage in counted for sentence in stage.sentences), *stranded),
        instances=sum(stage.lost for stage in counted),
        hostnames=len(left),
        stranded=len(stranded),
        running=sum(stage.running for stage in stages),
        routed=len(held),
        dropped=dropped,
        dropped_sentences=tuple(sentence for stage in stages if stage.dropped_source for sentence in stage.sentences),
    )


@dataclass(frozen=True)
class _StageLoss:
    key: StageKey
    running: int
    """Instances that run and were to run."""
    lost: int = 0
    sentences: tuple[str, ...] = ()
    dropped_source: str = ""
    """The source that declared what is lost, where the settings no longer name it."""


@dataclass(frozen=True)
class _Change:
    before: Catalog
    after: Catalog
    incumbents: Incumbents
    context: Context

    def of_stage(self, key: StageKey, tags: frozenset[str]) -> _StageLoss:
        stage, kept = self.before.stages.get(key), self.after.stages.get(key)
        removals = self.context.removals
        unknown = frozenset(tag for tag in tags if not _declares(stage, tag) and (key, tag) not in removals)
        running = len(unknown) + min(len(tags - unknown), _room(stage))
        lost = running - (len(kept.instances) if kept is not None else 0)
        if lost <= 0 or (kept is None and not self.is_gone(key)):
            return _StageLoss(key, running)
        source = self.incumbents.sources.get(key, "")
        dropped = unknown and self.context.prune and source not in self.context.sources
        return _StageLoss(key, running, lost, tuple(_sentences(key, tags, kept, lost)), source if dropped else "")

    def is_gone(self, key: StageKey) -> bool:
        """True for a stage that is not declared any more, unless a source that was not heard yet may declare it."""
        return self.context.prune and (not self.context.undelivered or key in self.before.stages)

    def default_hostnames(self) -> Iterator[tuple[str, StageKey]]:
        """Routed hostnames of default routes, and whose they are.

        Where the settings before are not known, also those that nothing explains: neither the documents by the settings
        of now, nor that their tag went.
        """
        for hostname, (key, tag) in sorted(self.incumbents.hostnames.items()):
            stage, kept = self.before.stages.get(key), self.after.stages.get(key)
            if stage is not None and hostname in stage.default_hostnames:
                yield hostname, key
            elif not self.context.rules_known and hostname not in self.before.claims:
                replaced = kept is not None and not _declares(kept, tag)
                if hostname in self.after.claims or not replaced:
                    yield hostname, key


def _without_deleted(before: Catalog, after: Catalog, incumbents: Incumbents, deleted: Iterable[Sourced]) -> Incumbents:
    """What runs, without what goes because its document was deleted on purpose.

    The document must be the one that declared it: to delete a refused duplicate lets go of nothing.
    """
    documents = {sourced.origin.document for sourced in deleted}
    declared = {pair for sourced in deleted for pair in _declared(sourced)}

    def is_let_go(key: StageKey, tag: str) -> bool:
        stage = before.stages.get(key)
        instance = stage.instance(tag) if stage is not None else None
        if _declares(after.stages.get(key), tag):
            return False
        if stage is not None and stage.origin.document in documents:
            return True
        if instance is not None:
            return instance.origin.document in documents
        return (key, tag) in declared or (stage is None and (key, None) in declared)

    if not documents:
        return incumbents
    kept = {key: [tag for tag in tags if not is_let_go(key, tag)] for key, tags in incumbents.running.items()}
    running = {key: frozenset(tags) for key, tags in kept.items()}
    hostnames = {name: target for name, target in incumbents.hostnames.items() if not is_let_go(*target)}
    return replace(incumbents, running=running, hostnames=hostnames)


def _declared(sourced: Sourced) -> Iterator[tuple[StageKey, str | None]]:
    """The stages of a project, each without a tag; stage and tag of a DeployRequest."""
    document = sourced.document
    if isinstance(document, Project):
        yield from ((names.stage_key(document.metadata.name, stage.name), None) for stage in document.spec.stages)
    else:
        yield names.stage_key(document.spec.project, document.spec.stage), document.spec.tag


def _declares(stage: DesiredStage | None, tag: str) -> bool:
    return stage is not None and stage.instance(tag) is not None


def _room(stage: DesiredStage | None) -> int:
    """How many instances were to run; more than that are on their way out."""
    if stage is None:
        return 0
    return min(len(stage.instances), stage.max_instances or len(stage.instances))


def _sentences(key: StageKey, tags: frozenset[str], kept: DesiredStage | None, lost: int) -> Iterator[str]:
    if kept is None:
        yield from (f"{key}: {tag} would be removed, the stage is no longer declared" for tag in sorted(tags)[:lost])
        return
    leaving = sorted(tag for tag in tags if not _declares(kept, tag))
    yield from (f"{key}: {tag} would be removed, it is no longer declared" for tag in leaving[:lost])
