"""The status of custom resources, as `kubectl get -o yaml` shows it; the schema of the status subresource."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from controller.core.documents.spec_parts import Model
from controller.core.model.limits import MAX_INSTANCES, MAX_STAGES

MAX_CONDITIONS = 16
MAX_URLS = 128

Truth = Literal["True", "False", "Unknown"]
Message = Annotated[str, StringConstraints(max_length=32_768)]
Reason = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$", max_length=1024)]
Url = Annotated[str, StringConstraints(max_length=512)]
Generation = Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})]


class ResourceCondition(Model):
    """One condition, as Kubernetes has them."""

    type: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Za-z]*$", max_length=316)]
    """Ready sums up; Reconciling and Stalled are present only while they are true."""
    status: Truth
    """True, False or Unknown."""
    observed_generation: Generation | None = None
    """metadata.generation that this condition is about."""
    last_transition_time: Annotated[
        str, StringConstraints(max_length=64), Field(json_schema_extra={"format": "date-time"})
    ]
    """When the status last changed."""
    reason: Reason
    """One word for programs."""
    message: Message
    """One sentence for people."""


class InstanceReport(Model):
    """One instance of a stage."""

    tag: Annotated[str, StringConstraints(max_length=128)]
    """Image tag."""
    sync: Literal["Synced", "OutOfSync", "Unknown"]
    """Whether what runs is what is declared."""
    health: Literal["Healthy", "Unhealthy", "Progressing", "Missing", "Unknown"]
    """Whether it answers its probe."""
    message: Message | None = None
    """One sentence for people."""
    urls: Annotated[list[Url], Field(max_length=MAX_URLS)] | None = None
    """Where it can be reached."""


class StageReport(Model):
    """One stage of a project."""

    name: Annotated[str, StringConstraints(max_length=40)]
    """Name of the stage."""
    ready: Truth
    """Whether everything declared runs, is routed and verified."""
    message: Message | None = None
    """What the last pass did and why."""
    urls: Annotated[list[Url], Field(max_length=MAX_URLS)] | None = None
    """Where the default route can be reached."""
    instances: Annotated[list[InstanceReport], Field(max_length=2 * MAX_INSTANCES)] | None = None
    """Instances that are declared, held over or leaving."""


class ProjectStatus(Model):
    """What was seen of a project."""

    observed_generation: Generation | None = None
    """metadata.generation that was last looked at."""
    conditions: Annotated[list[ResourceCondition], Field(max_length=MAX_CONDITIONS)] | None = None
    """Ready, and Reconciling or Stalled while they are true."""
    stages: Annotated[list[StageReport], Field(max_length=MAX_STAGES)] | None = None
    """The stages that this controller takes."""


class DeployRequestStatus(Model):
    """What was seen of a deploy request."""

    observed_generation: Generation | None = None
    """metadata.generation that was last looked at."""
    conditions: Annotated[list[ResourceCondition], Field(max_length=MAX_CONDITIONS)] | None = None
    """Ready, and Reconciling or Stalled while they are true."""
    url: Url | None = None
    """Where the instance can be reached."""
    digest: Annotated[str, StringConstraints(max_length=128)] | None = None
    """Digest that the tag was resolved to."""
