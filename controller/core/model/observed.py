"""What is observed of a stage before a pass: containers, routes, operations, secrets, and its memory in the store.

All times are Unix seconds. A container in here is ours: its labels agree with its name and with this controller's id
(labels alone prove nothing, a container inherits those of its image).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from controller.core.model.desired import Options, RouteKind, StageKey
from controller.core.model.errors import Failure
from controller.core.model.memory import StageMemory

ContainerState = Literal["created", "running", "paused", "restarting", "exited", "dead", "removing"]
Role = Literal["app", "preDeploy"]
KeyKind = Literal[
    "pull", "digest", "create", "pre", "start", "stop", "halt", "restart", "gate", "watch", "unpause", "connect",
    "mark", "remove", "route", "unroute", "verify",
]  # fmt: skip


@dataclass(frozen=True)
class Container:
    """One container of ours."""

    id: str
    """64 hex digits; the only thing destructive calls are given."""
    name: str
    stage: StageKey
    tag: str
    revision: str
    """Short revision it was made from (label)."""
    template: str
    """Hash of the template without secrets and digest (label)."""
    secrets: str
    """`keyid:digest` of the secret values it was created with; empty without secrets (label)."""
    digest: str
    """Image digest it runs, sha256:… (label)."""
    attempt: int
    born: float
    """Birth of the instance, not of this container (label)."""
    role: Role = "app"
    image: str = ""
    """Repository it was made from, without tag or digest; empty when Docker does not tell."""
    seen: float = 0.0
    """When its DeployRequest was first seen; 0 for listed instances (label)."""
    source: str = ""
    """Source that declared it (label)."""
    state: ContainerState = "created"
    started_at: float | None = None
    exit_code: int | None = None
    """Only when state is exited or dead."""
    oom_killed: bool = False
    error: str = ""
    """Docker's State.Error, such as a command that does not exist."""
    restart_count: int = 0
    passed: bool = False
    """Restart policy unless-stopped: it has passed its gate. Set back to `no` before draining."""
    health: Literal["starting", "healthy", "unhealthy"] | None = None
    """Docker's own health; None: the image has no HEALTHCHECK (F28)."""
    connected: bool = True
    """It is attached to the network of the settings."""
    address: str | None = None
    """IP on that network; only while running (F12: an exited container still shows its old one)."""
    published: int | None = None
    """Port of the host, where reach is published."""
    unseen: bool = False
    """Docker lists it and does not tell more; only in a list of everything, and taken for one that has passed."""

    @property
    def running(self) -> bool:
        """True only in state running: `State.Running` is also true while restarting (F27)."""
        return self.state == "running"

    @property
    def alive(self) -> bool:
        """True while a process of the container may be there."""
        return self.state in ("running", "paused", "restarting")


@dataclass(frozen=True)
class Route:
    """One hostname on the proxy that points at one container. The same value is desired and observed."""

    hostname: str
    stage: StageKey
    tag: str
    kind: RouteKind
    container: str
    """64-hex id of the container it points at."""
    host: str
    """IP, name or published address, by `proxy.reach`."""
    port: int
    options: Options = Options()
    marker: str = ""
    """Digest of everything above. What the proxy answers with to prove which configuration serves.
    Read back as "" when somebody edited the route, so that it differs from any desired one."""


@dataclass(frozen=True)
class RouteTable:
    """One read of the proxy."""

    routes: Mapping[str, Route] = field(default_factory=dict)
    """Ours, of all stages, by hostname."""
    foreign: Mapping[str, str] = field(default_factory=dict)
    """Hostnames that are not ours, with a description of the holder."""


@dataclass(frozen=True)
class RouteChange:
    """One change for the proxy's one writer: a route to set, or None to delete the hostname's route."""

    hostname: str
    route: Route | None


class Key(NamedTuple):
    """Names one operation or quick call; `model.keys` builds them."""

    kind: KeyKind
    subject: str
    """What it is done to: a container's id or name, a hostname, an image."""
    version: str = ""
    """Which start, check or marker it is done for; empty where there is one for ever."""

    def __str__(self) -> str:
        return ":".join(part for part in self if part)


@dataclass(frozen=True)
class Fact:
    """What is known of one operation or quick call, kept in memory until its stage forgets it."""

    key: Key
    status: Literal["running", "succeeded", "failed"]
    started_at: float
    ended_at: float | None = None
    failures: int = 0
    """Consecutive failures of this key up to now."""
    failure: Failure | None = None
    retry_after: float = 0.0
    """Seconds that the other side asked us to wait after the failure."""
    note: str = ""
    """Progress or result for a person, such as "attempt 2 of 3: status 503"."""
    data: Mapping[str, str] = field(default_factory=dict)
    """Results: digest of a pull or a look at a tag, ok of a liveness probe; the last ones while it runs again."""


@dataclass(frozen=True)
class SecretsSeen:
    """Keyed digests of the secrets that a stage's template names; never the values."""

    key_id: str = ""
    digest: str = ""
    """HMAC over all values; empty without secrets or while one is missing."""
    missing: tuple[str, ...] = ()
    """Sentences that say which reference cannot be resolved and why."""

    @property
    def label(self) -> str:
        """Value of the container label."""
        return f"{self.key_id}:{self.digest}" if self.digest else ""


@dataclass(frozen=True)
class Observed:
    """Everything one pass of one stage decides on."""

    containers: tuple[Container, ...] = ()
    routes: RouteTable = RouteTable()
    facts: Mapping[Key, Fact] = field(default_factory=dict)
    secrets: SecretsSeen = SecretsSeen()
    memory: StageMemory = StageMemory()

    def container(self, container_id: str) -> Container | None:
        """The container with this id, if it is ours and still there."""
        return next((container for container in self.containers if container.id == container_id), None)
