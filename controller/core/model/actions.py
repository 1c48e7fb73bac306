"""The closed set of things a plan may ask for. `apply` matches them all; a new one breaks the type check there.

Quick calls take milliseconds and are made in order. Operations are long and run beside the passes, once per key.
Each is safe by itself at the moment of the plan, whether or not an earlier one of the same plan succeeds.
Each action carries the reason a person reads in `plan`, `explain` and the log.
"""

from dataclasses import dataclass

from controller.core.model.desired import Check, Env, Mount
from controller.core.model.observed import Container, Key, Role, Route


@dataclass(frozen=True)
class ContainerSpec:
    """All that a container is made from; the final word that policy is asked about."""

    name: str
    image: str
    """repository@sha256:…"""
    labels: tuple[tuple[str, str], ...]
    env: tuple[Env, ...] = ()
    command: tuple[str, ...] | None = None
    args: tuple[str, ...] | None = None
    user: str | None = None
    memory: int | None = None
    cpus: float | None = None
    mounts: tuple[Mount, ...] = ()
    publish: int | None = None
    """Container port to publish on 127.0.0.1, where reach is published."""
    stop_grace: float = 10.0
    role: Role = "app"


@dataclass(frozen=True)
class Pull:
    """Operation: bring `image:tag` here, at `digest` when pinned; result: digest."""

    image: str
    tag: str
    digest: str
    reason: str
    key: Key


@dataclass(frozen=True)
class Create:
    """Quick call: create the container; a 409 on the name is resolved by inspecting its holder."""

    spec: ContainerSpec
    tag: str
    reason: str
    key: Key


@dataclass(frozen=True)
class Start:
    """Operation: start a created or exited container."""

    container: Container
    reason: str
    key: Key


@dataclass(frozen=True)
class RunPreDeploy:
    """Operation: create, start and await the one-off container; its exit code is read from the kept container."""

    spec: ContainerSpec
    timeout: float
    tag: str
    reason: str
    key: Key


@dataclass(frozen=True)
class Gate:
    """Operation: probe until the gate decides. `control` is the stable container, asked when the gate fails."""

    container: Container
    check: Check
    deadline: float
    """Unix seconds after which the gate fails."""
    control: Container | None
    reason: str
    key: Key


@dataclass(frozen=True)
class Watch:
    """Operation without end: probe a serving container every `check.liveness` seconds; its note is the last result."""

    container: Container
    check: Check
    reason: str
    key: Key


@dataclass(frozen=True)
class CheckDigest:
    """Operation: ask the registry which digest the tag has now; result: digest."""

    image: str
    tag: str
    reason: str
    key: Key


@dataclass(frozen=True)
class MarkPassed:
    """Quick call: restart policy unless-stopped (True) or no (False)."""

    container: Container
    passed: bool
    reason: str
    key: Key


@dataclass(frozen=True)
class Unpause:
    """Quick call: undo somebody's pause."""

    container: Container
    reason: str
    key: Key


@dataclass(frozen=True)
class Connect:
    """Quick call: attach a container to our network again."""

    container: Container
    reason: str
    key: Key


@dataclass(frozen=True)
class SetRoute:
    """Operation, through the one writer: the hostname points at the route's container."""

    route: Route
    reason: str
    key: Key


@dataclass(frozen=True)
class DeleteRoute:
    """Operation, through the one writer: the hostname is no longer routed by us."""

    hostname: str
    reason: str
    key: Key


@dataclass(frozen=True)
class Verify:
    """Operation: ask through the proxy until the route's marker answers without 502 to 504."""

    route: Route
    reason: str
    key: Key


@dataclass(frozen=True)
class Stop:
    """Operation: stop with `grace` seconds between SIGTERM and SIGKILL."""

    container: Container
    grace: float
    reason: str
    key: Key


@dataclass(frozen=True)
class Restart:
    """Operation: restart a container whose liveness failed, where the document asks for it."""

    container: Container
    grace: float
    reason: str
    key: Key


@dataclass(frozen=True)
class Remove:
    """Quick call: remove a container that does not run; 404 and "already in progress" are success (F18)."""

    container: Container
    reason: str
    key: Key


Action = (
    Pull
    | Create
    | Start
    | RunPreDeploy
    | Gate
    | Watch
    | CheckDigest
    | MarkPassed
    | Unpause
    | Connect
    | SetRoute
    | DeleteRoute
    | Verify
    | Stop
    | Restart
    | Remove
)
