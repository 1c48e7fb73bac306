"""The blocks of holdfast.yaml except `proxy`, with their defaults.

The sentences below the fields are those of the reference page. Once loaded, durations are seconds and paths absolute.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, ModelWrapValidatorHandler, PrivateAttr, Tag, model_validator
from pydantic.json_schema import SkipJsonSchema

from controller.core.documents.shared_rules import not_yet
from controller.core.model.desired import SecretRef
from controller.settings import values
from controller.settings.base import Block, Reference
from controller.settings.values import InvalidValue

DAY_S = 86400.0
FILES_HELP = "write files: {path: ./desired}"

Event = Literal["success", "failure", "rollback"]
"""Ends of a rollout that receivers may be told of."""


class Hostnames(Block):
    """How hostnames are made; the domain is appended."""

    default: values.DefaultPattern = "stage-{stage}-{project}"
    """Of a stage's default route."""
    instance: values.InstancePattern = "stage-{stage}-{project}-{tag}"
    """Of each instance's own route."""


class History(Block):
    """How much history is kept."""

    max_age: values.Seconds = Field(default=90 * DAY_S, json_schema_extra={"default": "90d"})
    """Older rollouts and their log lines are forgotten."""
    max_count: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """More rollouts than this are forgotten, the oldest first."""


class State(Block):
    """Where history, memory and the socket of a running controller live. It may be lost without harm to what runs."""

    path: values.Location = Field(
        default=Path(".holdfast"), validate_default=True, json_schema_extra={"default": "./.holdfast"}
    )
    """Folder of this controller alone, made with mode 0700."""
    history: History = Field(default_factory=History)
    """How much history is kept."""


class Docker(Block):
    """The Docker Engine that is kept as declared."""

    host: values.Engine | None = None
    """unix:///PATH or tcp://HOST:PORT. Default: DOCKER_HOST, else Docker's own socket."""
    network: values.Network = "holdfast"
    """Network that all containers of this controller join; made when missing."""
    config: values.Location | None = None
    """Folder of Docker's config.json with registry credentials. Default: DOCKER_CONFIG, else ~/.docker."""


class Files(Block):
    """A file or a folder with documents."""

    path: values.Location
    """File, or folder that is read with everything below it."""

    _written: str = PrivateAttr(default="")

    @model_validator(mode="wrap")
    @classmethod
    def _keep_written(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        block = handler(data)
        if isinstance(data, dict):
            block._written = str(data["path"])
        return block


class Source(Block):
    """One place that documents come from."""

    files: Files
    """A file or a folder with documents."""
    git: SkipJsonSchema[Annotated[None, not_yet("a source of kind git", FILES_HELP)]] = None
    """Not available yet: refused."""
    kubernetes: SkipJsonSchema[Annotated[None, not_yet("a source of kind kubernetes", FILES_HELP)]] = None
    """Not available yet: refused."""

    @property
    def kind(self) -> Literal["files"]:
        """What the entry is: the key that it is written with."""
        return "files"

    @property
    def name(self) -> str:
        """Name of the source as it is written, such as files:./desired."""
        return f"files:{self.files._written}"


class Notification(Block):
    """One receiver of signed webhooks."""

    target: Annotated[
        Annotated[values.Webhook, Tag("text")] | Annotated[Reference, Tag("reference")],
        Discriminator(lambda value: "reference" if isinstance(value, (dict, Reference)) else "text"),
    ] = Field(alias="url")
    """Where to post: http(s)://…, or a reference where the URL itself is a secret."""
    signing: Reference | None = Field(default=None, alias="secret")
    """Key that the webhooks are signed with; absent: unsigned."""
    events: Annotated[list[Event], Field(min_length=1, max_length=3)] = ["success", "failure", "rollback"]
    """Which ends of a rollout are told."""

    @property
    def url(self) -> str | SecretRef:
        """Where to post."""
        return self.target.ref if isinstance(self.target, Reference) else self.target

    @property
    def secret(self) -> SecretRef | None:
        """What the webhooks are signed with."""
        return self.signing.ref if self.signing is not None else None


class Policy(Block):
    """What documents may ask for."""

    registries: Annotated[list[values.Registry], Field(max_length=256)] = []
    """Registries, or registries with a path, that images may come from; []: all."""
    bind_roots: Annotated[list[values.Location], Field(max_length=256)] = []
    """Folders of the host below which bind mounts (hostPath) are allowed."""
    capabilities: Annotated[list[values.Capability], Field(max_length=64)] = []
    """Capabilities that the policy lets a container have beyond Docker's defaults, without CAP_; NET_RAW, which
    Holdfast takes away otherwise, is kept where it is listed."""
    secret_roots: Annotated[list[values.Location], Field(max_length=64)] = Field(
        default=[Path("secrets"), Path("/run/secrets")],
        validate_default=True,
        json_schema_extra={"default": ["./secrets", "/run/secrets"]},
    )
    """Folders below which secret files may lie."""

    @model_validator(mode="after")
    def _not_everything(self) -> Self:
        for at, roots in (("bindRoots", self.bind_roots), ("secretRoots", self.secret_roots)):
            if Path("/") in roots:
                raise InvalidValue("the root folder would allow everything", "name the folders that are needed", at)
        return self


class Limits(Block):
    """How much happens at a time, and how much may be lost at once."""

    starts: values.Starts = "auto"
    """Container starts in flight; auto: twice the processor's cores."""
    pulls: Annotated[int, Field(ge=1, le=64)] = 2
    """Image pulls in flight."""
    surge: Annotated[int, Field(ge=1, le=64)] = 1
    """Replacements of one stage at a time."""
    resync: values.Seconds = Field(default=30.0, json_schema_extra={"default": "30s"})
    """How often everything is looked at although nothing seems to have happened; at least 1s."""
    guard_percent: Annotated[int, Field(ge=0, le=100)] = 25
    """A change that loses more than one running instance and more than this share of what runs must be confirmed."""
    image_history: Annotated[int, Field(ge=0, le=1000)] = 3
    """Unused images that are kept per repository."""
    digest_interval: values.Seconds = Field(default=3600.0, json_schema_extra={"default": "1h"})
    """How often the registry is asked what each declared tag points to; at least 1s."""
    track_interval: values.Seconds = Field(default=300.0, json_schema_extra={"default": "5m"})
    """The same for tags that are followed (trackDigest); at least 1s."""


class Api(Block):
    """The HTTP API that only reads: /healthz, /readyz and /api/v1/status."""

    listen: values.Address = "127.0.0.1:8420"
    """Address that it listens on."""

    @property
    def host(self) -> str:
        """Host part of `listen`, without brackets."""
        return values.split_address(self.listen)[0]

    @property
    def port(self) -> int:
        """Port of `listen`."""
        return values.split_address(self.listen)[1]
