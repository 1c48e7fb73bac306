"""The declared instances of one stage: who declares each tag, how old it is, and which tags exclude each other.

Age is the order: the list of the project first, oldest first, then the DeployRequests by creationTimestamp, else by
when they were first seen, else as the newest; then by name.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from controller.core.catalog.precedence import Placed, Precedence, precedence, where
from controller.core.catalog.types import CatalogRules, Incumbents
from controller.core.documents import quantity
from controller.core.documents.spec import DeployRequest, Instance
from controller.core.model import names
from controller.core.model.desired import DesiredInstance, DesiredStage, Notice


def with_instances(
    stage: DesiredStage,
    listed: Sequence[Instance] | None,
    requests: Iterable[Placed[DeployRequest]],
    rules: CatalogRules,
    incumbents: Incumbents,
) -> DesiredStage:
    """The stage with its instances, oldest first, each with the hostname it wants; what was refused becomes a notice.

    A tag that is declared twice is one instance and goes with its last declaration. `default_tag` counts: not declared
    it is the oldest instance. Only an empty list that is written down releases it too; `listed` None: it is not.
    """
    aged = sorted(requests, key=lambda request: _age(stage, request, incumbents))
    declared = [DesiredInstance(instance.tag, _ttl(instance.ttl), stage.origin) for instance in listed or ()]
    declared += [_requested(request) for request in aged]
    by_tag: dict[str, DesiredInstance] = {}
    for declaration in declared:
        by_tag.pop(declaration.tag, None)
        by_tag[declaration.tag] = declaration
    instances = list(by_tag.values())
    counts = bool(instances) or listed is None
    if counts and stage.default_tag is not None and stage.default_tag not in by_tag:
        instances.insert(0, DesiredInstance(stage.default_tag, None, stage.origin))
    kept, notices = _distinct(stage, instances, rules, incumbents)
    settled = [_without_default_ttl(stage, instance, notices) for instance in kept]
    named = tuple(replace(instance, hostname=_hostname(stage, instance.tag, rules)) for instance in settled)
    return replace(stage, instances=named, notices=(*stage.notices, *notices))


def _age(stage: DesiredStage, request: Placed[DeployRequest], incumbents: Incumbents) -> tuple[float, str]:
    document = request.document
    first_seen = incumbents.seen.get((stage.key, document.spec.tag), float("inf"))
    created = _timestamp(document.metadata.creation_timestamp)
    return (first_seen if created is None else created, request.name)


def _timestamp(text: str | None) -> float | None:
    """Unix seconds; None for what is no time, which a document that an older version stored may hold."""
    try:
        return quantity.timestamp(text) if text is not None else None
    except ValueError:
        return None


def _requested(request: Placed[DeployRequest]) -> DesiredInstance:
    spec = request.document.spec
    return DesiredInstance(spec.tag, _ttl(spec.ttl), request.origin, request.name)


def _ttl(text: str | None) -> float | None:
    return None if text is None else quantity.duration(text)


def _hostname(stage: DesiredStage, tag: str, rules: CatalogRules) -> str | None:
    if stage.port is None or not stage.tag_routes:
        return None
    return names.hostname(rules.instance_pattern, rules.domain, stage.project, stage.stage, tag)


def _without_default_ttl(stage: DesiredStage, instance: DesiredInstance, notices: list[Notice]) -> DesiredInstance:
    if instance.tag != stage.default_tag or instance.ttl is None:
        return instance
    message = f"{instance.tag} is the defaultTag of {stage.key} and cannot have a ttl ({_place(instance)}): it stays"
    notices.append(Notice("DefaultTagTTL", message, instance.tag, instance.origin))
    return replace(instance, ttl=None)


def _distinct(
    stage: DesiredStage, instances: Sequence[DesiredInstance], rules: CatalogRules, incumbents: Incumbents
) -> tuple[list[DesiredInstance], list[Notice]]:
    """One tag for each DNS label: what runs, then the order of documents; the others are no instances."""
    running = incumbents.running.get(stage.key, frozenset())

    def rank(instance: DesiredInstance) -> tuple[bool, Precedence, int]:
        name = instance.request or stage.project
        place = precedence(instance.origin, name, rules.sources)
        return (instance.tag not in running, place, instances.index(instance))

    winners: dict[str, DesiredInstance] = {}
    for instance in instances:
        label = names.dns_label(instance.tag)
        holder = winners.get(label)
        if holder is None or rank(instance) < rank(holder):
            winners[label] = instance
    notices = [
        _collision(instance, winners[label])
        for instance in instances
        if winners[label := names.dns_label(instance.tag)] is not instance
    ]
    return [instance for instance in instances if winners[names.dns_label(instance.tag)] is instance], notices


def _collision(loser: DesiredInstance, winner: DesiredInstance) -> Notice:
    label = names.dns_label(loser.tag)
    message = (
        f"tag {loser.tag} ({_place(loser)}) is refused: as a hostname it reads {label}, "
        f"like tag {winner.tag} ({_place(winner)})"
    )
    return Notice("TagCollision", message, loser.tag, loser.origin)


def _place(instance: DesiredInstance) -> str:
    return (f"DeployRequest {instance.request}, " if instance.request else "") + where(instance.origin)
