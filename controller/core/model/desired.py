"""What should run, expanded: the documents of all sources merged into stages.

Built by `catalog.build`, read by `plan`. Durations are seconds (float), sizes are bytes, hostnames are lower case.
Everything is frozen and hashable, so that equal desired states are equal values.
"""

from dataclasses import dataclass, replace
from typing import Literal

StageKey = str
"""`project/stage`."""

Strategy = Literal["BlueGreen", "Recreate"]
RouteKind = Literal["default", "instance"]

SECRET_VARIABLE_PREFIX = "HOLDFAST_SECRET_"
"""Secrets come only from variables named so: whoever may write a document cannot read the controller's own secrets."""


@dataclass(frozen=True)
class SecretRef:
    """A reference to a secret; never its value."""

    kind: Literal["file", "env"]
    name: str


@dataclass(frozen=True)
class Env:
    """One environment variable: a literal, or a reference resolved when a container is created."""

    name: str
    value: str | SecretRef


@dataclass(frozen=True)
class Mount:
    """One volume of a container; `source` is the volume's full name, or a path of the host when `bind`."""

    source: str
    target: str
    read_only: bool = False
    bind: bool = False


@dataclass(frozen=True)
class Template:
    """The part of the spec that a container is made from. A change of it is a new revision."""

    image: str
    command: tuple[str, ...] | None = None
    args: tuple[str, ...] | None = None
    user: str | None = None
    labels: tuple[tuple[str, str], ...] = ()
    env: tuple[Env, ...] = ()
    memory: int | None = None
    """Bytes."""
    cpus: float | None = None
    mounts: tuple[Mount, ...] = ()

    @property
    def secrets(self) -> tuple[SecretRef, ...]:
        """References that must be resolved to create a container, sorted."""
        refs = {env.value for env in self.env if isinstance(env.value, SecretRef)}
        return tuple(sorted(refs, key=lambda ref: (ref.kind, ref.name)))


@dataclass(frozen=True)
class Check:
    """The health check with defaults applied; `port` is set for http and tcp."""

    type: Literal["http", "tcp", "docker", "none"] = "http"
    port: int | None = None
    path: str = "/"
    statuses: tuple[tuple[int, int], ...] = ((200, 399),)
    """Closed ranges."""
    retries: int = 3
    interval: float = 5.0
    timeout: float = 10.0
    success_threshold: int = 1
    start_period: float = 0.0
    liveness: float = 30.0
    """0: never."""
    restart_on_failure: bool = False


@dataclass(frozen=True)
class PreDeployStep:
    """The one-off container before the gate."""

    command: tuple[str, ...]
    timeout: float = 300.0


@dataclass(frozen=True)
class Options:
    """How the proxy treats a route; None: the proxy's own setting."""

    websockets: bool = True
    force_tls: bool | None = None
    certificate: str | None = None
    access_list: str | None = None
    verify: str = "/"
    """Path that the proof through the proxy asks the application for."""


@dataclass(frozen=True)
class Origin:
    """Which document declared something, and where it stands: for conflicts, messages and the document's own status."""

    source: str
    """Source as in the settings, such as files:./desired."""
    path: str
    """File, or namespace/name of a resource."""
    line: int = 0
    """Line of the file, counted from 1; 0: it has none."""
    kind: str = ""
    """Project or DeployRequest."""
    namespace: str = ""
    name: str = ""
    generation: int = 0
    """Generation of a resource, which Kubernetes counts up with each edit of its spec; 0: the source has none."""
    revision: str = ""
    """Commit or resourceVersion that was read; empty: the source has none."""
    author: str = ""
    """Who wrote it, where the source knows."""

    @property
    def document(self) -> tuple[str, str, str, str]:
        """Names the document, whatever is written in it."""
        return (self.source, self.path, self.kind, self.name)

    @property
    def place(self) -> str:
        """`file:line`, or `namespace/name` of a resource."""
        return f"{self.path}:{self.line}" if self.line else self.path


@dataclass(frozen=True)
class DesiredInstance:
    """One declared tag of a stage."""

    tag: str
    ttl: float | None
    origin: Origin
    request: str | None = None
    """Name of the DeployRequest; None when listed in the project."""
    hostname: str | None = None
    """The instance route granted to it; None: no port, tagRoutes off, or refused."""


@dataclass(frozen=True)
class Notice:
    """Something the catalog refused or wants a person to see; becomes a condition."""

    reason: str
    """CamelCase, such as HostnameConflict, UnknownProject, UnknownStage, DuplicateProject, TagCollision."""
    message: str
    tag: str | None = None
    origin: Origin | None = None
    """The document that it is about; None: it is about the settings or what runs."""


@dataclass(frozen=True)
class DesiredStage:
    """One stage as it should be. `declared` False: the stage is gone and everything of it is to be removed."""

    key: StageKey
    project: str
    stage: str
    declared: bool = True
    template: Template = Template(image="")
    port: int | None = None
    check: Check = Check(type="none")
    pre_deploy: PreDeployStep | None = None
    strategy: Strategy = "BlueGreen"
    strategy_why: str = "default"
    stop_grace: float = 10.0
    drain: float = 10.0
    bake: float = 0.0
    progress_deadline: float = 600.0
    suspend: bool = False
    tag_routes: bool = True
    track_digest: bool = False
    max_instances: int | None = None
    default_tag: str | None = None
    instances: tuple[DesiredInstance, ...] = ()
    """Oldest first; unique tags."""
    default_hostnames: tuple[str, ...] = ()
    """Hostnames of the default route that this stage was granted; the stage's own first, then its domains."""
    options: Options = Options()
    claimed_elsewhere: frozenset[str] = frozenset()
    """Hostnames granted to other stages: if we hold one it stays until its claimant moves it."""
    notices: tuple[Notice, ...] = ()
    origin: Origin = Origin("", "")
    prune: bool = True
    """False: what is not declared here is left alone, because a source has not delivered since the start."""

    @property
    def recreate(self) -> bool:
        """True when containers of this stage must never overlap."""
        return self.strategy == "Recreate"

    def left_alone(self, notice: Notice) -> "DesiredStage":
        """The stage suspended, with a notice that says why."""
        return replace(self, suspend=True, notices=(*self.notices, notice))

    def instance(self, tag: str) -> DesiredInstance | None:
        """The declared instance of this tag, if any."""
        return next((instance for instance in self.instances if instance.tag == tag), None)
