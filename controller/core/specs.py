"""What a container of a slot is made from, with the labels that mark it as ours."""

from controller.core import names
from controller.core.actions import ContainerSpec
from controller.core.desired import PreDeployStep
from controller.core.draft import Draft
from controller.core.observed import Role
from controller.core.slots import Slot, publish


def container_spec(draft: Draft, found: Slot, attempt: int, step: PreDeployStep | None = None) -> ContainerSpec:
    """The app container of a slot, or with `step` its preDeploy container."""
    desired, template = draft.desired, draft.desired.template
    role: Role = "preDeploy" if step else "app"
    declared = found.declared
    labels = {
        **dict(template.labels),
        names.STAGE: desired.key,
        names.TAG: found.tag,
        names.REVISION: found.revision,
        names.TEMPLATE: found.template,
        names.SECRETS: draft.observed.secrets.label,
        names.DIGEST: found.digest,
        names.ATTEMPT: str(attempt),
        names.BORN: f"{found.born:.3f}",
        names.SEEN: f"{found.memory.seen:.3f}" if found.memory.seen else "",
        names.ROLE: role,
        names.SOURCE: declared.origin.source if declared else "",
    }
    return ContainerSpec(
        name=names.container_name(desired.key, found.tag, found.revision, attempt, role),
        image=f"{template.image}@{found.digest}",
        labels=tuple(sorted(labels.items())),
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
