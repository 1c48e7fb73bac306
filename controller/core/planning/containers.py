"""Attempt numbers and one-off containers: what is counted and remembered so that nothing is done twice."""

from controller.core.model import identity, keys, names
from controller.core.model.actions import ContainerSpec
from controller.core.model.desired import PreDeployStep
from controller.core.model.identity import Identity
from controller.core.model.observed import Fact, Role
from controller.core.planning.plan_builder import Draft, failure
from controller.core.planning.tag_state import Slot, publish

REMEMBERED = 8
"""Revisions of a tag whose attempt numbers are kept."""


def attempt(draft: Draft, found: Slot) -> int:
    """Number of the container to create, recorded before it is created.

    The number recorded last is used again while the outcome of its creation is not known: its name is the lock.
    """
    memory = draft.memory.of(found.tag)
    recorded = memory.attempts.get(found.revision, 0)
    if recorded and failure(keep_creation(draft, found)) is not None:
        return recorded
    of_tag = [item for item in draft.observed.containers if item.tag == found.tag and item.revision == found.revision]
    number = max([recorded, *(item.attempt for item in of_tag)]) + 1
    kept = [item for item in memory.attempts.items() if item[0] != found.revision][-(REMEMBERED - 1) :]
    draft.remember(found.tag, attempts=dict([*kept, (found.revision, number)]))
    return number


def keep_creation(draft: Draft, found: Slot) -> Fact | None:
    """What is known of the last creation; kept through all steps before the next one, such as another pull."""
    recorded = draft.memory.of(found.tag).attempts.get(found.revision, 0)
    name = names.container_name(draft.desired.key, found.tag, found.revision, recorded)
    return draft.fact(keys.create(name))


def pre_deployed(draft: Draft, found: Slot) -> bool:
    """True when the one-off container of this revision ended with 0, be it still there or not."""
    if any(one.revision == found.revision and one.state == "exited" and one.exit_code == 0 for one in found.one_offs):
        draft.remember(found.tag, migrated=found.revision)
    return draft.memory.of(found.tag).migrated == found.revision


def container_spec(draft: Draft, found: Slot, attempt: int, step: PreDeployStep | None = None) -> ContainerSpec:
    """The app container of a slot, or with `step` its preDeploy container."""
    desired, template = draft.desired, draft.desired.template
    role: Role = "preDeploy" if step else "app"
    declared = found.declared
    made = Identity(
        stage=desired.key,
        tag=found.tag,
        revision=found.revision,
        attempt=attempt,
        template=found.template,
        secrets=draft.observed.secrets.label,
        digest=found.digest,
        born=found.born,
        seen=found.memory.seen,
        source=declared.origin.source if declared else "",
        role=role,
    )
    return ContainerSpec(
        name=made.name,
        image=f"{template.image}@{found.digest}",
        labels=tuple(sorted((dict(template.labels) | identity.labels(made)).items())),
        env=template.env,
        command=step.command if step else template.command,
        args=None if step else template.args,
        user=template.user,
        memory=template.memory,
        cpus=template.cpus,
        mounts=template.mounts,
        publish=None if step else publish(draft),
        stop_grace=desired.stop_grace,
        role=role,
    )
