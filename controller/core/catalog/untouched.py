"""What of a catalog is left alone: stages that nothing prunes, and stages that are suspended with the reason."""

from collections.abc import Iterable
from dataclasses import replace

from controller.core.catalog.types import Catalog, Incumbents
from controller.core.model.desired import Notice, StageKey


def without_pruning(catalog: Catalog, *, instances: bool) -> Catalog:
    """Keep stages that the catalog does not have; with `instances` also instances that a stage does not declare."""
    if not instances:
        return replace(catalog, prune=False)
    stages = {key: replace(stage, prune=False) for key, stage in catalog.stages.items()}
    return replace(catalog, stages=stages, prune=False)


def spare(catalog: Catalog, keys: frozenset[StageKey]) -> Catalog:
    """Leave these stages alone: what is not declared of them stays, also where the whole stage is not declared."""
    stages = {key: replace(stage, prune=False) if key in keys else stage for key, stage in catalog.stages.items()}
    return replace(catalog, stages=stages, spared=keys)


def await_sources(catalog: Catalog, incumbents: Incumbents, undelivered: frozenset[str]) -> Catalog:
    """Suspend stages whose source has not delivered since the start, and those that would take a hostname from them."""
    waiting = {
        key
        for key, source in incumbents.sources.items()
        if source in undelivered and (key not in catalog.stages or catalog.stages[key].origin.source != source)
    }
    takers = {
        catalog.claims[hostname]
        for hostname, (key, _) in incumbents.hostnames.items()
        if key in waiting and catalog.claims.get(hostname, key) != key
    }
    message = f"waits for {', '.join(sorted(undelivered))}: what runs was declared there, and it has not delivered yet"
    return _suspended(catalog, waiting | takers, Notice("SourceNotDelivered", message))


def keep_hostnames(catalog: Catalog, incumbents: Incumbents) -> Catalog:
    """Suspend the stages whose declared instances are routed at hostnames that they no longer claim."""
    moved = {
        key
        for hostname, (key, tag) in incumbents.hostnames.items()
        if hostname not in catalog.claims and key in catalog.stages and catalog.stages[key].instance(tag) is not None
    }
    return _suspended(catalog, moved, Notice("HeldBack", "its hostnames would change: waits for `holdfast confirm`"))


def _suspended(catalog: Catalog, keys: Iterable[StageKey], notice: Notice) -> Catalog:
    left_alone = {key: catalog.stages[key].left_alone(notice) for key in keys if key in catalog.stages}
    return replace(catalog, stages={**catalog.stages, **left_alone})
