"""What a new container is made from, which attempt number it gets, and how one is stopped that is kept."""

from controller.core.model import identity, keys, names
from controller.core.model.actions import ContainerSpec, Stop, Unpause
from controller.core.model.desired import PreDeployStep
from controller.core.model.identity import Identity
from controller.core.model.observed import Container, Fact, Role
from controller.core.planning.plan_builder import PlanBuilder, failure_of
from controller.core.planning.types import Slot

REMEMBERED_MAX = 8
"""Revisions of a tag whose attempt numbers are kept."""


def note_attempt(builder: PlanBuilder, slot: Slot) -> int:
    """Number of the container to create, recorded before it is created.

    The number recorded last is used again while the outcome of its creation is not known: its name is the lock.
    """
    attempts = builder.memory.of(slot.tag).attempts
    recorded = attempts.get(slot.revision, 0)
    if recorded and failure_of(follow_creation(builder, slot)) is not None:
        return recorded
    made = [one.attempt for one in builder.containers.get(slot.tag, ()) if one.revision == slot.revision]
    number = max([recorded, *made]) + 1
    others = [(revision, count) for revision, count in attempts.items() if revision != slot.revision]
    builder.remember(slot.tag, attempts=dict([*others[-(REMEMBERED_MAX - 1) :], (slot.revision, number)]))
    return number


def follow_creation(builder: PlanBuilder, slot: Slot) -> Fact | None:
    """What is known of the last creation; kept through all steps before the next one, such as another pull."""
    recorded = builder.memory.of(slot.tag).attempts.get(slot.revision, 0)
    return builder.follow(keys.create(names.container_name(builder.desired.key, slot.tag, slot.revision, recorded)))


def spec(builder: PlanBuilder, slot: Slot, attempt: int, step: PreDeployStep | None = None) -> ContainerSpec:
    """The app container of a slot, or with `step` its preDeploy container."""
    desired, template = builder.desired, builder.desired.template
    role: Role = "preDeploy" if step else "app"
    made = Identity(
        stage=desired.key,
        tag=slot.tag,
        revision=slot.revision,
        attempt=attempt,
        template=slot.template,
        secrets=builder.observed.secrets.label,
        digest=slot.digest,
        born=slot.born,
        seen=slot.memory.seen,
        source=slot.declared.origin.source if slot.declared else "",
        role=role,
    )
    return ContainerSpec(
        name=made.name,
        image=f"{template.image}@{slot.digest}",
        labels=tuple(sorted((dict(template.labels) | identity.labels(made)).items())),
        env=template.env,
        command=step.command if step else template.command,
        args=None if step else template.args,
        user=template.user,
        memory=template.memory,
        cpus=template.cpus,
        mounts=template.mounts,
        publish=None if step else builder.published_port,
        stop_grace=desired.stop_grace,
        role=role,
    )


def stop_and_keep(builder: PlanBuilder, container: Container, reason: str) -> None:
    """Stop a container that is kept."""
    if container.state == "paused":
        builder.request(Unpause(container, "a paused container cannot be stopped", keys.unpause(container)))
    builder.request_until_seen(Stop(container, builder.desired.stop_grace, reason, keys.stop_and_keep(container)))
