"""Catalogs with the brakes on: what the guard gives out while it does not know enough, or holds a change back."""

from collections.abc import Iterable
from dataclasses import replace

from controller.core.catalog_types import Catalog, Incumbents
from controller.core.desired import Notice, StageKey


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
