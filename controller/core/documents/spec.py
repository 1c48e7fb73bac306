"""The documents: `Project` and `DeployRequest`, the only source of the CRDs, the editor schema and the reference.

Each field's docstring is what `kubectl explain`, editors and the reference page show. Values that look like numbers
(tags above all) must be strings: YAML reads 1.10 as 1.1.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from controller.core.model.limits import (
    MAX_ARGS,
    MAX_DOMAINS,
    MAX_ENV,
    MAX_ENV_VALUE,
    MAX_INSTANCES,
    MAX_LABELS,
    MAX_STAGES,
    MAX_VOLUMES,
)

API_VERSION: Literal["holdfast.dev/v1alpha1"] = "holdfast.dev/v1alpha1"

NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$"
TAG_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$"
DURATION_PATTERN = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$"
MEMORY_PATTERN = r"^[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|k|K|M|G)?$"
CPUS_PATTERN = r"^[0-9]+(\.[0-9]+)?m?$"
HOSTNAME_PATTERN = r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)*[a-z]([-a-z0-9]{0,61}[a-z0-9])?$"
"""The last label begins with a letter, so that an address is no hostname."""
IMAGE_PATTERN = (
    r"^([a-zA-Z0-9]([-a-zA-Z0-9.]*[a-zA-Z0-9])?(:[0-9]{1,5})?/)?"
    r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$"
)
ENV_NAME_PATTERN = r"^[A-Za-z_][A-Za-z0-9_.-]{0,254}$"
STATUSES_PATTERN = r"^[1-5][0-9]{2}(-[1-5][0-9]{2})?(,[1-5][0-9]{2}(-[1-5][0-9]{2})?)*$"
LABEL_KEY_PATTERN = r"^[A-Za-z0-9]([-A-Za-z0-9._/]{0,253}[A-Za-z0-9])?$"
URL_PATH_PATTERN = r"^/[!-~]*$"
MOUNT_PATTERN = r"^/[^\x00-\x1f:,]*$"
USER_PATTERN = r"^[A-Za-z0-9_.-]+(:[A-Za-z0-9_.-]+)?$"
SECRET_ENV_PATTERN = r"^HOLDFAST_SECRET_[A-Za-z0-9_]+$"
OBJECT_NAME_PATTERN = r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$"

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=40)]
Tag = Annotated[str, StringConstraints(pattern=TAG_PATTERN, max_length=128)]
Duration = Annotated[str, StringConstraints(pattern=DURATION_PATTERN, max_length=32)]
Hostname = Annotated[str, StringConstraints(pattern=HOSTNAME_PATTERN, max_length=253)]
Text = Annotated[str, StringConstraints(max_length=MAX_ENV_VALUE)]
Port = Annotated[int, Field(ge=1, le=65535, strict=True)]


class Model(BaseModel):
    """Strict base: unknown fields are errors, names are camelCase outside and snake_case inside."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        strict=True,
    )


class SecretKeyRef(Model):
    """A key of a Kubernetes Secret."""

    name: str
    """Name of the Secret."""
    key: str
    """Key inside the Secret."""


class ValueFrom(Model):
    """Where a secret value comes from; exactly one source."""

    file: Annotated[str, StringConstraints(min_length=1, max_length=4096)] | None = None
    """File below one of `policy.secretRoots`; one trailing newline is dropped."""
    env: Annotated[str, StringConstraints(pattern=SECRET_ENV_PATTERN)] | None = None
    """Variable of the controller whose name begins with HOLDFAST_SECRET_."""
    sops: str | None = None
    """Value in a SOPS file. Not available yet: refused."""
    secret_key_ref: SecretKeyRef | None = None
    """Key of a Kubernetes Secret. Not available yet: refused."""

    @field_validator("sops", "secret_key_ref", mode="before")
    @classmethod
    def _not_yet(cls, value: object) -> object:
        if value is not None:
            raise PydanticCustomError("not_yet", "this kind of secret cannot be used yet", {"help": "use file or env"})
        return value

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.file is None) == (self.env is None):
            help = "'file: /run/secrets/NAME' or 'env: HOLDFAST_SECRET_NAME'"
            raise PydanticCustomError("exactly_one", "write exactly one of 'file' and 'env'", {"help": help})
        return self


class EnvVar(Model):
    """One environment variable; exactly one of value and valueFrom."""

    name: Annotated[str, StringConstraints(pattern=ENV_NAME_PATTERN)]
    """Name of the variable."""
    value: Text | None = None
    """Literal value, in quotes when it looks like a number, a date or a yes/no."""
    value_from: ValueFrom | None = None
    """Reference to a secret value."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.value is None) == (self.value_from is None):
            help = 'an empty variable is written value: ""'
            raise PydanticCustomError("exactly_one", "write exactly one of 'value' and 'valueFrom'", {"help": help})
        return self


class HealthCheck(Model):
    """The gate that a new container passes before it gets traffic, and the probe that watches it afterwards."""

    type: Literal["http", "tcp", "docker", "none"] | None = None
    """http asks `path`, tcp connects, docker waits for the image's HEALTHCHECK, none trusts a running process.
    Default: http with a port, else none."""
    path: Annotated[str, StringConstraints(pattern=URL_PATH_PATTERN, max_length=1024)] = "/"
    """Path that is asked, on the container's own address; redirects are not followed. The same path must not answer
    502 to 504 through the proxy when a route is new."""
    port: Port | None = None
    """Port that is probed; default: the project's port."""
    statuses: Annotated[str, StringConstraints(pattern=STATUSES_PATTERN, max_length=128)] = "200-399"
    """Status codes that count as healthy, such as 200-399 or 200,204."""
    retries: Annotated[int, Field(ge=1, le=1000, strict=True)] = 3
    """Attempts before the gate fails."""
    interval: Duration = "5s"
    """Pause between attempts."""
    timeout: Duration = "10s"
    """How long one attempt lasts; while the port refuses connections it is asked again inside the attempt."""
    success_threshold: Annotated[int, Field(ge=1, le=100, strict=True)] = 1
    """Successes in a row that the gate needs."""
    start_period: Duration = "0s"
    """Time from the container's start before the first attempt."""
    liveness: Duration = "30s"
    """How often what runs is probed; 0s: never."""
    restart_on_failure: bool = False
    """Restart a running container whose liveness probe fails `retries` times in a row."""


class Resources(Model):
    """Limits of one container."""

    memory: Annotated[str, StringConstraints(pattern=MEMORY_PATTERN)] | None = None
    """Memory limit, such as 256Mi; at least 6Mi (Docker's floor)."""
    cpus: Annotated[str, StringConstraints(pattern=CPUS_PATTERN)] | None = None
    """Processor limit, such as "0.5" or "500m"."""


class Volume(Model):
    """A named volume `{project}-{stage}-{name}`, never deleted; or a bind mount below an allowed root."""

    name: Name
    """Name of the volume inside the stage."""
    mount_path: Annotated[str, StringConstraints(pattern=MOUNT_PATTERN, max_length=4096)]
    """Absolute path inside the container."""
    read_only: bool = False
    """Mount read-only; such a volume may be shared by containers side by side."""
    host_path: Annotated[str, StringConstraints(pattern=MOUNT_PATTERN, max_length=4096)] | None = None
    """Bind this folder of the host instead of a named volume; only below `policy.bindRoots`."""


class PreDeploy(Model):
    """A one-off container of the new image that must end with 0 before the gate, such as a migration."""

    command: Annotated[list[Text], Field(min_length=1, max_length=MAX_ARGS)]
    """Command and arguments; replaces the image's entrypoint."""
    timeout: Duration = "5m"
    """How long it may run."""


class RouteOptions(Model):
    """How the proxy treats the hostnames of a stage."""

    websockets: bool | None = None
    """Pass WebSocket upgrades. Default: true."""
    force_tls: bool | None = Field(default=None, alias="forceTLS")
    """Redirect http to https. Default: the proxy's setting."""
    certificate: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None
    """Certificate by name or id, or letsencrypt (Nginx Proxy Manager)."""
    access_list: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None
    """Access list by name or id (Nginx Proxy Manager)."""


class Shared(Model):
    """Fields that a project sets for all its stages and a stage may set for itself."""

    command: Annotated[list[Text], Field(min_length=1, max_length=MAX_ARGS)] | None = None
    """Replaces the image's entrypoint, as in Kubernetes."""
    args: Annotated[list[Text], Field(max_length=MAX_ARGS)] | None = None
    """Arguments of the entrypoint, as in Kubernetes."""
    user: Annotated[str, StringConstraints(pattern=USER_PATTERN, max_length=64)] | None = None
    """User, or user:group, that the process runs as."""
    labels: Annotated[
        dict[Annotated[str, StringConstraints(pattern=LABEL_KEY_PATTERN)], Text], Field(max_length=MAX_LABELS)
    ] = {}
    """Labels of the containers; keys of holdfast.dev/ are refused. A stage overrides by key."""
    env: Annotated[list[EnvVar], Field(max_length=MAX_ENV)] = []
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
    max_instances: Annotated[int, Field(ge=1, le=MAX_INSTANCES, strict=True)] | None = None
    """How many instances may run; beyond that the oldest are evicted once the newer have passed. Default: no limit."""
    domains: Annotated[list[Hostname], Field(max_length=MAX_DOMAINS)] = []
    """More hostnames for the default route."""
    default_tag: Tag | None = None
    """Tag behind the default route, and an instance itself; absent: the newest instance that passed its gate."""
    instances: Annotated[list[Instance], Field(max_length=MAX_INSTANCES)] = []
    """Tags that should run, oldest first; [] removes them all, the defaultTag too."""


class ProjectSpec(Shared):
    """What a project is and where its tags run."""

    image: Annotated[str, StringConstraints(pattern=IMAGE_PATTERN, max_length=255)]
    """Repository of the image, without a tag."""
    port: Port | None = None
    """Port the container listens on; absent: a worker or a database, no routes."""
    volumes: Annotated[list[Volume], Field(max_length=MAX_VOLUMES)] = []
    """Volumes of each stage's containers."""
    stages: Annotated[list[Stage], Field(max_length=MAX_STAGES)] = []
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

    name: Annotated[str, StringConstraints(pattern=OBJECT_NAME_PATTERN, max_length=253)]
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
