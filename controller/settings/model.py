"""What stands in holdfast.yaml, with its defaults. The sentences below fields are the reference page's.

Durations are seconds and paths absolute once loaded; `load` makes them so.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    Tag,
    model_validator,
)
from pydantic.alias_generators import to_camel

from controller.core.catalog.types import CatalogRules
from controller.core.model.decision import Rules
from controller.core.model.desired import SecretRef
from controller.core.model.policy import PolicyRules
from controller.settings import values
from controller.settings.values import Bad

DAY = 86400.0

Event = Literal["success", "failure", "rollback"]
"""Ends of a rollout that receivers may be told of."""


class Block(BaseModel):
    """Strict base of all blocks: unknown keys are errors, and a block that is absent has its defaults."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True
    )

    @classmethod
    def keys(cls) -> list[str]:
        """Names of the keys as they are written."""
        return [info.alias or name for name, info in cls.model_fields.items()]

    @model_validator(mode="before")
    @classmethod
    def _absent_blocks(cls, data: Any) -> Any:
        """Validate absent blocks like empty ones, so that the paths among their defaults become absolute too."""
        if not isinstance(data, dict):
            return data
        absent = (name for name, field in cls.model_fields.items() if _is_block(field.annotation))
        return {**{name: {} for name in absent if not cls.model_fields[name].is_required()}, **data}


def _is_block(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Block)


class Hostnames(Block):
    """How hostnames are made; the domain is appended."""

    default: values.DefaultPattern = "stage-{stage}-{project}"
    """Of a stage's default route."""
    instance: values.InstancePattern = "stage-{stage}-{project}-{tag}"
    """Of each instance's own route."""


class History(Block):
    """How much history is kept."""

    max_age: values.Seconds = Field(default=90 * DAY, json_schema_extra={"default": "90d"})
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


class Tls(Block):
    """Certificates of the hostnames."""

    mode: Literal["off", "internal", "acme"] = "off"
    """"off" (in quotes) serves http, internal certificates of Caddy's own authority, acme those of Let's Encrypt."""
    email: values.Email | None = None
    """Contact of the ACME account; needed for acme and only there."""

    @model_validator(mode="after")
    def _email_for_acme(self) -> Self:
        if self.mode == "acme" and self.email is None:
            raise Bad("acme needs an e-mail address", "add email: admin@example.com", at="email")
        if self.mode != "acme" and self.email is not None:
            raise Bad(f"an e-mail address has no use with mode {self.mode}", "remove email, or use mode: acme", "email")
        return self


class Reference(Block):
    """A secret: exactly one of file and env."""

    file: values.SecretFile | None = None
    """File below one of policy.secretRoots; one trailing newline is dropped."""
    env: values.SecretVariable | None = None
    """Variable of the controller whose name begins with HOLDFAST_SECRET_."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.file is None) == (self.env is None):
            raise Bad("a secret is exactly one of file and env", "write {file: NAME} or {env: HOLDFAST_SECRET_NAME}")
        return self

    @property
    def ref(self) -> SecretRef:
        """The reference as the rest of the program knows it."""
        return SecretRef("env", self.env) if self.env is not None else SecretRef("file", self.file or "")


_NPM_NEEDS = {
    "url": "write url: http://127.0.0.1:81",
    "identity": "write identity: holdfast@example.com, a user of Nginx Proxy Manager",
    "secret": "write secret: {file: npm-password}, a file below policy.secretRoots",
}


class Proxy(Block):
    """The reverse proxy that routes hostnames to containers. It is started by somebody else and outlives us."""

    kind: Literal["caddy", "npm"] = "caddy"
    """Which proxy it is: Caddy, or Nginx Proxy Manager."""
    admin: values.Admin = "http://127.0.0.1:2019"
    """Caddy's admin API, http://HOST:PORT or unix:///PATH."""
    listen: values.Listen = ":80"
    """Address on which Caddy serves our hostnames."""
    address: values.Address = "127.0.0.1:80"
    """Where a new route is asked for, to see that it answers."""
    tls_address: values.Address = "127.0.0.1:443"
    """With npm: where a new route is asked for that has a certificate."""
    reach: Literal["ip", "name", "published"] = "ip"
    """How the proxy reaches containers: by address, by name (it is in the same network; the default with npm), by a
    port on 127.0.0.1."""
    tls: Tls = Field(default_factory=Tls)
    """Certificates of Caddy's hostnames."""
    url: values.Base | None = None
    """With npm, needed: where its interface is, such as http://127.0.0.1:81."""
    identity: values.Email | None = None
    """With npm, needed: e-mail address of the user that Holdfast logs in as."""
    secret: Reference | None = None
    """With npm, needed: that user's password."""
    certificate: values.Named | None = None
    """With npm: name, hostname or id of the certificate that routes get, or letsencrypt. Default: none of ours."""
    force_tls: bool = Field(default=False, alias="forceTLS")
    """With npm: routes with a certificate redirect plain HTTP."""
    access_list: values.Named | None = None
    """With npm: name or id of the access list that routes get. Default: none of ours."""
    websockets: bool = True
    """With npm: false switches websockets off for all routes."""

    @model_validator(mode="before")
    @classmethod
    def _usual_reach(cls, data: Any) -> Any:
        return {"reach": "name", **data} if isinstance(data, dict) and data.get("kind") == "npm" else data

    @model_validator(mode="after")
    def _keys_of_kind(self) -> Self:
        caddy = {"admin", "listen", "tls"}
        npm = {"tls_address", "url", "identity", "secret", "certificate", "force_tls", "access_list", "websockets"}
        kind, others = ("npm", caddy) if self.kind == "npm" else ("caddy", npm)
        for name, info in type(self).model_fields.items():
            if name in others and getattr(self, name) != info.get_default(call_default_factory=True):
                key = info.alias or name
                raise Bad(f"{key} has no meaning with kind: {kind}", f"remove {key}, or change kind", at=key)
        for name in ("url", "identity", "secret") if self.kind == "npm" else ():
            if getattr(self, name) is None:
                key = type(self).model_fields[name].alias or name
                raise Bad(f"kind npm needs {key}", _NPM_NEEDS[key], at=key)
        return self

    @model_validator(mode="after")
    def _tls_port(self) -> Self:
        if self.tls.mode != "off" and values.split_address(self.listen)[1] == 80:
            help = 'write listen: ":443" and address: 127.0.0.1:443, or mode: "off"'
            raise Bad(f"port 80 serves no TLS, but tls.mode is {self.tls.mode}", help, at="listen")
        return self


class Files(Block):
    """A file or a folder with documents."""

    path: values.Location
    """File, or folder that is read with everything below it."""

    _written: str = PrivateAttr(default="")

    @model_validator(mode="wrap")
    @classmethod
    def _keep_written(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        found = handler(data)
        if isinstance(data, dict):
            found._written = str(data["path"])
        return found


class Source(Block):
    """One place that documents come from."""

    files: Files
    """A file or a folder with documents."""

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
                raise Bad("the root folder would allow everything", "name the folders that are needed", at)
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
    """Share of what runs that may be lost by one change of the documents without `holdfast confirm`."""
    image_history: Annotated[int, Field(ge=0, le=1000)] = 3
    """Unused images that are kept per repository."""


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


class Settings(Block):
    """Everything that holdfast.yaml says."""

    id: values.Identifier
    """Ownership mark of this controller on its Engine; never change it while something runs."""
    domain: values.Domain
    """Domain that hostnames are made below, such as example.com, or localhost to try things out."""
    hostnames: Hostnames = Field(default_factory=Hostnames)
    """How hostnames are made."""
    state: State = Field(default_factory=State)
    """The state folder."""
    docker: Docker = Field(default_factory=Docker)
    """The Docker Engine."""
    proxy: Proxy = Field(default_factory=Proxy)
    """The reverse proxy."""
    sources: Annotated[list[Source], Field(min_length=1, max_length=64)] = Field(
        default=[], json_schema_extra={"default": [{"files": {"path": "./desired"}}]}
    )
    """Where documents come from, merged in this order."""
    notifications: Annotated[list[Notification], Field(max_length=32)] = []
    """Who is told when a rollout ends."""
    policy: Policy = Field(default_factory=Policy)
    """What documents may ask for."""
    limits: Limits = Field(default_factory=Limits)
    """How much happens at a time."""
    api: Api | None = Field(default_factory=Api)
    """The HTTP API that only reads; null: off."""

    _file: Path = PrivateAttr(default=Path("holdfast.yaml"))

    @model_validator(mode="before")
    @classmethod
    def _default_source(cls, data: Any) -> Any:
        return {"sources": [{"files": {"path": "./desired"}}], **data} if isinstance(data, dict) else data

    @model_validator(mode="after")
    def _distinct_sources(self) -> Self:
        if len({source.files.path for source in self.sources}) < len(self.sources):
            raise Bad("two sources have the same path", "name each path once", at="sources")
        return self

    def rules(self) -> Rules:
        """What plans depend on."""
        proxy = self.proxy
        secure = proxy.certificate is not None if proxy.kind == "npm" else proxy.tls.mode != "off"
        front = proxy.listen if proxy.kind == "caddy" else proxy.tls_address if secure else proxy.address
        scheme, usual = ("https", 443) if secure else ("http", 80)
        port = values.split_address(front)[1]
        url = f"{scheme}://{{hostname}}" + ("" if port == usual else f":{port}")
        return Rules(reach=proxy.reach, surge=self.limits.surge, url=url, policy=self.policy_rules())

    def catalog_rules(self) -> CatalogRules:
        """What the catalog depends on."""
        return CatalogRules(
            controller_id=self.id,
            domain=self.domain,
            default_pattern=self.hostnames.default,
            instance_pattern=self.hostnames.instance,
            sources=tuple(source.name for source in self.sources),
            proxy=self.proxy.kind,
            tls=self.proxy.tls.mode != "off",
        )

    def policy_rules(self) -> PolicyRules:
        """What a container may have. What belongs to the controller itself is never bound into one."""
        sockets = (self.docker.host or "", self.proxy.admin)
        protected = [
            self._file,
            self.state.path,
            *self.policy.secret_roots,
            *([self.docker.config] if self.docker.config is not None else []),
            *(Path(url.removeprefix("unix://")) for url in sockets if url.startswith("unix://")),
        ]
        return PolicyRules(
            registries=tuple(self.policy.registries),
            bind_roots=tuple(str(root) for root in self.policy.bind_roots),
            capabilities=tuple(self.policy.capabilities),
            protected=tuple(str(path) for path in protected),
        )
