"""The parts that projects and stages are made of: variables, health check, resources, volumes, preDeploy, route.

Each field's docstring is what `kubectl explain`, editors and the reference page show.
"""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic.alias_generators import to_camel
from pydantic.json_schema import SkipJsonSchema

from controller.core.documents import forms
from controller.core.documents.shared_rules import not_yet, require_exactly_one
from controller.core.model import limits
from controller.core.model.desired import SECRET_VARIABLE_PREFIX

Name = Annotated[str, StringConstraints(pattern=forms.NAME_PATTERN, max_length=40)]
Duration = Annotated[str, StringConstraints(pattern=forms.DURATION_PATTERN, max_length=32)]
Text = Annotated[str, StringConstraints(max_length=limits.MAX_ENV_VALUE)]
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


class ExactlyOne(Model):
    """Base of models of which exactly one of some fields is written; the schemas say so too."""

    one_of: ClassVar[tuple[str, ...]]
    one_of_help: ClassVar[str]

    @model_validator(mode="after")
    def _require_exactly_one(self) -> Self:
        require_exactly_one(self, self.one_of, self.one_of_help)
        return self

    @classmethod
    def one_of_keys(cls) -> list[str]:
        """Names of these fields as they are written."""
        return [cls.model_fields[name].alias or name for name in cls.one_of]


_NOT_YET = not_yet("this kind of secret", "use file or env")


class ValueFrom(ExactlyOne):
    """Where a secret value comes from; exactly one source."""

    one_of = ("file", "env")
    one_of_help = f"'file: /run/secrets/NAME' or 'env: {SECRET_VARIABLE_PREFIX}NAME'"

    file: Annotated[str, StringConstraints(min_length=1, max_length=4096)] | None = None
    """File below one of `policy.secretRoots`; one trailing newline is dropped."""
    env: Annotated[str, StringConstraints(pattern=forms.SECRET_VARIABLE_PATTERN)] | None = None
    """Variable of the controller whose name begins with HOLDFAST_SECRET_."""
    sops: SkipJsonSchema[Annotated[None, _NOT_YET]] = None
    """Value in a SOPS file. Not available yet: refused."""
    secret_key_ref: SkipJsonSchema[Annotated[None, _NOT_YET]] = None
    """Key of a Kubernetes Secret. Not available yet: refused."""


class EnvVar(ExactlyOne):
    """One environment variable; exactly one of value and valueFrom."""

    one_of = ("value", "value_from")
    one_of_help = 'an empty variable is written value: ""'

    name: Annotated[str, StringConstraints(pattern=forms.ENV_NAME_PATTERN)]
    """Name of the variable."""
    value: Text | None = None
    """Literal value, in quotes when it looks like a number, a date or a yes/no."""
    value_from: ValueFrom | None = None
    """Reference to a secret value."""


class HealthCheck(Model):
    """The gate that a new container passes before it gets traffic, and the probe that watches it afterwards."""

    type: Literal["http", "tcp", "docker", "none"] | None = None
    """http asks `path`, tcp connects, docker waits for the image's HEALTHCHECK, none trusts a running process.
    Default: http with a port, else none."""
    path: Annotated[str, StringConstraints(pattern=forms.URL_PATH_PATTERN, max_length=1024)] = "/"
    """Path that is asked, on the container's own address; redirects are not followed. The same path must not answer
    502 to 504 through the proxy when a route is new."""
    port: Port | None = None
    """Port that is probed; default: the project's port."""
    statuses: Annotated[str, StringConstraints(pattern=forms.STATUSES_PATTERN, max_length=128)] = "200-399"
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

    memory: Annotated[str, StringConstraints(pattern=forms.MEMORY_PATTERN)] | None = None
    """Memory limit, such as 256Mi; at least 6Mi (Docker's floor)."""
    cpus: Annotated[str, StringConstraints(pattern=forms.CPUS_PATTERN)] | None = None
    """Processor limit, such as "0.5" or "500m"."""


class Volume(Model):
    """A named volume `{project}-{stage}-{name}`, never deleted; or a bind mount below an allowed root."""

    name: Name
    """Name of the volume inside the stage."""
    mount_path: Annotated[str, StringConstraints(pattern=forms.MOUNT_PATTERN, max_length=4096)]
    """Absolute path inside the container."""
    read_only: bool = False
    """Mount read-only; such a volume may be shared by containers side by side."""
    host_path: Annotated[str, StringConstraints(pattern=forms.MOUNT_PATTERN, max_length=4096)] | None = None
    """Bind this folder of the host instead of a named volume; only below `policy.bindRoots`."""


class PreDeploy(Model):
    """A one-off container of the new image that must end with 0 before the gate, such as a migration."""

    command: Annotated[list[Text], Field(min_length=1, max_length=limits.MAX_ARGS)]
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
