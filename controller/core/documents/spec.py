"""The documents: `Project` and `DeployRequest`, the only source of the CRDs, the editor schema and the reference.

Each field's docstring is what `kubectl explain`, editors and the reference page show. Values that look like numbers
(tags above all) must be strings: YAML reads 1.10 as 1.1.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from controller.core.documents import forms
from controller.core.documents.spec_parts import (
    Duration,
    EnvVar,
    HealthCheck,
    Model,
    Name,
    Port,
    PreDeploy,
    Resources,
    RouteOptions,
    Text,
    Volume,
)
from controller.core.model import limits

API_VERSION: Literal["holdfast.dev/v1alpha1"] = "holdfast.dev/v1alpha1"

Tag = Annotated[str, StringConstraints(pattern=forms.TAG_PATTERN, max_length=128)]
Hostname = Annotated[str, StringConstraints(pattern=forms.HOSTNAME_PATTERN, max_length=253)]
LabelKey = Annotated[str, StringConstraints(pattern=forms.LABEL_KEY_PATTERN)]


class Shared(Model):
    """Fields that a project sets for all its stages and a stage may set for itself."""

    command: Annotated[list[Text], Field(min_length=1, max_length=limits.MAX_ARGS)] | None = None
    """Replaces the image's entrypoint, as in Kubernetes."""
    args: Annotated[list[Text], Field(max_length=limits.MAX_ARGS)] | None = None
    """Arguments of the entrypoint, as in Kubernetes."""
    user: Annotated[str, StringConstraints(pattern=forms.USER_PATTERN, max_length=64)] | None = None
    """User, or user:group, that the process runs as."""
    labels: Annotated[dict[LabelKey, Text], Field(max_length=limits.MAX_LABELS)] = {}
    """Labels of the containers; keys of holdfast.dev/ are refused. A stage overrides by key."""
    env: Annotated[list[EnvVar], Field(max_length=limits.MAX_ENV)] = []
    """Environment variables. A stage overrides by name."""
    health_check: HealthCheck | None = None
    """The gate and the liveness probe. A stage overrides field by field."""
    resources: Resources | None = None
    """Limits. A stage overrides field by field."""
    pre_deploy: PreDeploy | None = None
    """One-off container of the new image, before the gate."""
    strategy: Literal["BlueGreen", "Recreate"] | None = None
    """BlueGreen starts the new beside the old; Recreate stops the old first.
    Default: Recreate with a writable volume, else BlueGreen."""
    stop_grace_period: Duration | None = None
    """Time between SIGTERM and SIGKILL. Default: 10s."""
    drain: Duration | None = None
    """Time an old container keeps running after its traffic has moved. Default: 10s."""
    bake: Duration | None = None
    """Time the old container stays warm after the switch, ready to take over again. Default: 0s."""
    progress_deadline: Duration | None = None
    """Time a rollout may take before it fails. Default: 10m."""
    suspend: bool | None = None
    """Look and report, change nothing. Default: false."""
    tag_routes: bool | None = None
    """Give each instance a hostname of its own. Default: true."""
    track_digest: bool | None = None
    """Follow a tag that is pushed again. Default: false, it is only reported."""
    route: RouteOptions | None = None
    """Options of the proxy hosts. A stage overrides field by field."""


class Instance(Model):
    """One tag that should run in a stage."""

    tag: Tag
    """Image tag, in quotes when it looks like a number."""
    ttl: Duration | None = None
    """Remove the instance this long after it was first seen."""


class Stage(Shared):
    """One stage of a project."""

    name: Name
    """Name of the stage, such as dev or prod."""
    host: Name | None = None
    """Only the controller with this id takes the stage; absent: every controller."""
    max_instances: Annotated[int, Field(ge=1, le=limits.MAX_INSTANCES, strict=True)] | None = None
    """How many instances may run; beyond that the oldest are evicted once the newer have passed. Default: no limit."""
    domains: Annotated[list[Hostname], Field(max_length=limits.MAX_DOMAINS)] = []
    """More hostnames for the default route."""
    default_tag: Tag | None = None
    """Tag behind the default route, and an instance itself; absent: the newest instance that passed its gate."""
    instances: Annotated[list[Instance], Field(max_length=limits.MAX_INSTANCES)] = []
    """Tags that should run, oldest first; [] removes them all, the defaultTag too."""


class ProjectSpec(Shared):
    """What a project is and where its tags run."""

    image: Annotated[str, StringConstraints(pattern=forms.IMAGE_PATTERN, max_length=255)]
    """Repository of the image, without a tag."""
    port: Port | None = None
    """Port the container listens on; absent: a worker or a database, no routes."""
    volumes: Annotated[list[Volume], Field(max_length=limits.MAX_VOLUMES)] = []
    """Volumes of each stage's containers."""
    stages: Annotated[list[Stage], Field(max_length=limits.MAX_STAGES)] = []
    """Stages of the project."""


class DeployRequestSpec(Model):
    """One declared instance."""

    project: Name
    """Name of the project."""
    stage: Name
    """Name of the stage."""
    tag: Tag
    """Image tag."""
    ttl: Duration | None = None
    """Remove the instance this long after it was first seen."""


class Metadata(Model):
    """Name of a document, and what Kubernetes adds to it."""

    name: Annotated[str, StringConstraints(pattern=forms.OBJECT_NAME_PATTERN, max_length=253)]
    """Name, unique per kind."""
    namespace: str | None = None
    """Namespace of a custom resource."""
    labels: dict[str, str] | None = None
    """Labels of the document; not copied to containers."""
    annotations: dict[str, str] | None = None
    """Annotations of the document."""
    creation_timestamp: str | None = None
    """Set by Kubernetes."""


class ProjectMetadata(Metadata):
    """Name of the project, part of hostnames and of names of containers and volumes."""

    name: Name
    """Name of the project."""


class Project(Model):
    """A project: one image, its stages and which tags run there."""

    api_version: Literal["holdfast.dev/v1alpha1"] = API_VERSION
    """Version of this format."""
    kind: Literal["Project"] = "Project"
    """Project."""
    metadata: ProjectMetadata
    """Name of the project."""
    spec: ProjectSpec
    """What is deployed, and where."""


class DeployRequest(Model):
    """One declared instance; deleting the document removes the instance."""

    api_version: Literal["holdfast.dev/v1alpha1"] = API_VERSION
    """Version of this format."""
    kind: Literal["DeployRequest"] = "DeployRequest"
    """DeployRequest."""
    metadata: Metadata
    """Name of the request."""
    spec: DeployRequestSpec
    """What should run where."""


Document = Project | DeployRequest

KINDS: Mapping[str, type[Document]] = {"Project": Project, "DeployRequest": DeployRequest}
"""The kinds by their name."""
