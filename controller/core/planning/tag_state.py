"""Reads one slot per tag of a stage from what is declared, observed and remembered."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from controller.core.model import digests, keys
from controller.core.model.memory import InstanceMemory
from controller.core.model.observed import Container
from controller.core.planning.plan_builder import PlanBuilder, is_running
from controller.core.planning.types import Slot

Slots = Mapping[str, Slot]
"""All tags that are declared, run or are remembered: the declared ones first, oldest first."""


def read_slots(builder: PlanBuilder) -> Slots:
    """Look at all tags."""
    tags = [instance.tag for instance in builder.desired.instances]
    tags += sorted(builder.containers.keys() - set(tags))
    tags += sorted(builder.memory.instances.keys() - set(tags))
    return {tag: read_slot(builder, tag) for tag in tags}


def reread(builder: PlanBuilder, slots: Slots) -> Slots:
    """The slots after a step: those tags are looked at again of which it changed what is remembered."""
    return {
        tag: slot if builder.memory.of(tag) is slot.memory else read_slot(builder, tag) for tag, slot in slots.items()
    }


def read_slot(builder: PlanBuilder, tag: str) -> Slot:
    """Look at one tag; goes on to go by the gates and stops of its containers."""
    desired, memory = builder.desired, builder.memory.of(tag)
    containers = _usable(builder, tag, memory)
    passed = [container for container in containers if _follow_passed(builder, container)]
    one_offs = [container for container in builder.containers.get(tag, ()) if container.role == "preDeploy"]
    slot = Slot(
        tag,
        desired.instance(tag) if desired.declared else None,
        memory,
        memory.born or min((container.born for container in containers if container.born), default=builder.now),
        tuple(containers),
        tuple(sorted(one_offs, key=lambda one_off: -one_off.attempt)),
    )
    if slot.declared is None:
        return replace(slot, stable=_first(passed), former=tuple(passed))
    return _against_declared(builder, slot, passed)


def _against_declared(builder: PlanBuilder, slot: Slot, passed: list[Container]) -> Slot:
    """Tell containers that are what is declared from those that are not, and name the declared revision."""
    desired, secrets = builder.desired, builder.observed.secrets
    template, digest = builder.template, _pinned_digest(builder, slot)
    matching = [container for container in slot.containers if digests.made_from(container, template, digest, secrets)]
    revision = (
        matching[0].revision if matching else digests.revision(desired.key, slot.tag, template, digest, secrets.label)
    )
    quarantine = slot.memory.quarantine
    failed = (quarantine.revision, quarantine.gate) if quarantine is not None else None
    quarantined = failed == (revision, digests.gate_hash(desired))
    former = [container for container in passed if container not in matching]
    candidates = [container for container in matching if container not in passed]
    current = None if quarantined else _first(container for container in matching if container in passed)
    return replace(
        slot,
        template=template,
        digest=digest,
        revision=revision,
        quarantined=quarantined,
        current=current,
        candidate=None if current or quarantined else max(candidates, key=lambda one: one.attempt, default=None),
        stable=None if current else _first(former),
        former=tuple(former),
    )


def has_passed_gate(builder: PlanBuilder, container: Container) -> bool:
    """True when this start of the container passed its gate while we were looking."""
    fact = builder.peek(keys.gate(container, builder.desired.check))
    return container.running and fact is not None and fact.status == "succeeded"


def _follow_passed(builder: PlanBuilder, container: Container) -> bool:
    """True for a container that counts as passed: by its mark, its gate, or a route of ours that leads to it."""
    if container.passed:
        return True
    builder.follow(keys.gate(container, builder.desired.check))
    return has_passed_gate(builder, container) or (container.running and _is_routed_here(builder, container))


def _is_routed_here(builder: PlanBuilder, container: Container) -> bool:
    here, routes = (container.id, builder.desired.key), builder.observed.routes.routes
    return container.id in builder.routed and any((one.container, one.stage) == here for one in routes.values())


def _usable(builder: PlanBuilder, tag: str, memory: InstanceMemory) -> list[Container]:
    """App containers that are of use, best first: not failed in the open rollout, not being stopped or removed."""
    discarded = memory.rollout.discarded if memory.rollout else ()
    apps = [
        container
        for container in builder.containers.get(tag, ())
        if container.role == "app" and container.id not in discarded and container.state not in ("removing", "dead")
    ]
    return sorted((app for app in apps if not is_running(builder.follow(keys.stop(app)))), key=_rank)


def _pinned_digest(builder: PlanBuilder, slot: Slot) -> str:
    """The digest that belongs to the tag here; empty when it has still to be resolved."""
    image, memory = builder.desired.template.image, slot.memory
    if memory.digest and memory.image in ("", image):
        return memory.moved if memory.moved and builder.desired.track_digest else memory.digest
    return next((one.digest for one in slot.containers if one.digest and one.image in ("", image)), "")


def _rank(container: Container) -> tuple[bool, bool, int, str]:
    return (not container.passed, not container.alive, -container.attempt, container.id)


def _first(containers: Iterable[Container]) -> Container | None:
    return next(iter(containers), None)
