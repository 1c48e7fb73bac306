"""The closed set of things a plan may ask for. `work` matches them all; a new one breaks the type check there.

A `QuickCall` takes milliseconds; they are made in order. An `Operation` is long, runs beside the passes, once per key.
Each is safe by itself at the moment of the plan, whether or not an earlier one of the same plan succeeds.
Each action carries the reason a person reads in `plan`, `explain` and the log; `subject` names what it is done to.
"""

from dataclasses import dataclass
from typing import ClassVar

from controller.core.model.desired import Check, Env, Mount
from controller.core.model.observed import Container, Key, Role, Route


@dataclass(frozen=True)
class ContainerSpec:
    """All that a container is made from; the policy judges the create body that is built from it."""

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


class _Action:
    """What holds for every action of a class."""

    cancellable: ClassVar[bool] = False
    """An operation that may be called off at any moment; every other one runs to its end once it has begun."""
    only_looks: ClassVar[bool] = False
    """It changes nothing: a stage with only such actions going on is at rest."""


@dataclass(frozen=True)
class Pull(_Action):
    """Bring `image:tag` here, at `digest` when pinned; result: digest."""

    cancellable: ClassVar[bool] = True

    image: str
    tag: str
    digest: str
    reason: str
    key: Key


@dataclass(frozen=True)
class Create(_Action):
    """Create the container; a 409 on the name is resolved by inspecting its holder."""

    spec: ContainerSpec
    tag: str
    reason: str
    key: Key


@dataclass(frozen=True)
class Start(_Action):
    """Start a created or exited container."""

    container: Container
    reason: str
    key: Key


@dataclass(frozen=True)
class RunPreDeploy(_Action):
    """Create, start and await the one-off container; its exit code is read from the kept container."""

    spec: ContainerSpec
    timeout: float
    tag: str
    reason: str
    key: Key


@dataclass(frozen=True)
class Gate(_Action):
    """Probe until the gate decides. `control` is the stable container, asked when the gate fails."""

    cancellable: ClassVar[bool] = True

    container: Container
    check: Check
    deadline: float
    """Unix seconds after which the gate fails."""
    control: Container | None
    reason: str
    key: Key


@dataclass(frozen=True)
class Watch(_Action):
    """Without end: probe a serving container every `check.liveness` seconds; its note is the last result."""

    cancellable: ClassVar[bool] = True
    only_looks: ClassVar[bool] = True

    container: Container
    check: Check
    reason: str
    key: Key


@dataclass(frozen=True)
class CheckDigest(_Action):
    """Ask the registry which digest the tag has now; result: digest."""

    cancellable: ClassVar[bool] = True
    only_looks: ClassVar[bool] = True

    image: str
    tag: str
    reason: str
    key: Key


@dataclass(frozen=True)
class MarkPassed(_Action):
    """Restart policy unless-stopped (True) or no (False)."""

    container: Container
    passed: bool
    reason: str
    key: Key


@dataclass(frozen=True)
class Unpause(_Action):
    """Unpause a container that somebody paused."""

    container: Container
    reason: str
    key: Key


@dataclass(frozen=True)
class Connect(_Action):
    """Attach a container to our network again."""

    container: Container
    reason: str
    key: Key


@dataclass(frozen=True)
class SetRoute(_Action):
    """Through the one writer: the hostname points at the route's container."""

    route: Route
    reason: str
    key: Key


@dataclass(frozen=True)
class DeleteRoute(_Action):
    """Through the one writer: the hostname is no longer routed by us."""

    hostname: str
    reason: str
    key: Key


@dataclass(frozen=True)
class Verify(_Action):
    """Ask through the proxy until the route's marker answers without 502 to 504."""

    cancellable: ClassVar[bool] = True

    route: Route
    reason: str
    key: Key


@dataclass(frozen=True)
class Stop(_Action):
    """Stop with `grace` seconds between SIGTERM and SIGKILL."""

    container: Container
    grace: float
    reason: str
    key: Key


@dataclass(frozen=True)
class Restart(_Action):
    """Restart a container whose liveness failed, where the document asks for it."""

    container: Container
    grace: float
    reason: str
    key: Key


@dataclass(frozen=True)
class Remove(_Action):
    """Remove a container that does not run; 404 and "already in progress" are success (F18)."""

    container: Container
    reason: str
    key: Key


QuickCall = Create | MarkPassed | Unpause | Connect | Remove
Operation = Pull | Start | RunPreDeploy | Gate | Watch | CheckDigest | SetRoute | DeleteRoute | Verify | Stop | Restart
Action = QuickCall | Operation


def subject(action: Action) -> str:
    """What an action is done to, as people name it: a tag, a container or a hostname."""
    match action:
        case Pull() | CheckDigest():
            return action.tag
        case Create() | RunPreDeploy():
            return action.spec.name
        case SetRoute() | Verify():
            return action.route.hostname
        case DeleteRoute():
            return action.hostname
        case _:
            return action.container.name
