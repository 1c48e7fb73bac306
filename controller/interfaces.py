"""The seams: what the core's shell needs of the world. Production clients and the test world both implement these.

Rules for every implementation: a call either has its effect, raises an error of `core.errors`, or raises
`OutcomeUnknown`; effects are repeatable (already done is success); destructive calls are given the `Container` that was
observed, check again that it is ours (same 64-hex id, labels, name), and do nothing when it is gone.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from controller.core.catalog.types import Sourced
from controller.core.model.actions import ContainerSpec
from controller.core.model.desired import Check, SecretRef, StageKey
from controller.core.model.errors import Diagnostic
from controller.core.model.inventory import EngineInfo, NetworkInfo, OwnedContainer
from controller.core.model.memory import StageMemory
from controller.core.model.observed import Container, Route, RouteChange, RouteTable, SecretsSeen
from controller.core.model.status import StageStatus, Transition


@dataclass(frozen=True)
class RuntimeEvent:
    """A hint that something happened to a container of a stage; `stage` None: look at everything."""

    stage: StageKey | None
    container: str = ""
    action: str = ""


@dataclass(frozen=True)
class Probe:
    """Result of one check. `refused`: nothing listens yet, ask again soon inside the same attempt."""

    ok: bool
    detail: str
    refused: bool = False


@dataclass(frozen=True)
class Answer:
    """What came back through the proxy: the marker of the configuration that answered, and the status code."""

    marker: str
    status: int
    detail: str = ""


class Clock(Protocol):
    """Time as a dependency."""

    def now(self) -> float:
        """Wall clock, Unix seconds; for records and deadlines that survive a restart."""
        ...

    def monotonic(self) -> float:
        """Seconds that never jump; for durations inside one process."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class Runtime(Protocol):
    """One Docker Engine."""

    async def list(self, stage: StageKey | None = None) -> tuple[Container, ...]:
        """Our containers in one filtered look, of one stage or of all. Raises `Unreachable`.

        Of all, one that Docker tells nothing of may be there as `unseen`: it holds up its own stage only.
        """
        ...

    async def inspect(self, container_id: str) -> Container | None:
        """One container now; None when it is gone or not ours."""
        ...

    async def pull(self, image: str, tag: str, digest: str, progress: Callable[[str], None]) -> str:
        """Make the image available and return its digest (sha256:…).

        With `digest` nothing is asked of the registry when it is already here. Raises `RevisionBad` (ManifestMissing,
        ImageDenied, PolicyDenied) or `WorldBad` (RegistryError, PullTimeout, DiskFull …).
        """
        ...

    async def resolve(self, image: str, tag: str) -> str:
        """Digest that the registry serves under the tag now. Raises `RevisionBad` (PolicyDenied) and as `pull`."""
        ...

    async def create(self, spec: ContainerSpec, values: Mapping[SecretRef, str]) -> str:
        """Create a container and return its 64-hex id.

        When the name is taken: the id of the holder if it is ours with the same labels, else `Conflict`.
        Raises `RevisionBad` for a configuration that Docker or the policy refuses.
        """
        ...

    async def start(self, container: Container) -> None:
        """Start it; already running is success. `RevisionBad` for a command that does not exist (F25)."""
        ...

    async def stop(self, container: Container, grace: float) -> None:
        """Stop it, SIGKILL after `grace` seconds; already stopped or gone is success."""
        ...

    async def restart(self, container: Container, grace: float) -> None:
        """Stop and start it again."""
        ...

    async def remove(self, container: Container) -> None:
        """Remove a stopped container and its anonymous volumes; gone is success; never a named volume."""
        ...

    async def unpause(self, container: Container) -> None:
        """Undo a pause; not paused is success."""
        ...

    async def connect(self, container: Container) -> None:
        """Attach it to the network of the settings; attached is success."""
        ...

    async def mark(self, container: Container, passed: bool) -> None:
        """Restart policy: unless-stopped when passed, else no."""
        ...

    async def logs(self, container: Container, tail: int) -> tuple[str, ...]:
        """Last lines of its output, control characters replaced; empty when it is gone."""
        ...

    def events(self) -> AsyncIterator[RuntimeEvent]:
        """Hints, for ever; yields `stage=None` after every (re)connection."""
        ...


@runtime_checkable
class Diagnosable(Runtime, Protocol):
    """A runtime that `doctor` and `logs --app` can examine. Its questions change nothing and raise `Unreachable`."""

    async def engine_info(self) -> EngineInfo:
        """Version, clock, disk and drivers of the engine."""
        ...

    async def network_info(self, name: str = "") -> NetworkInfo | None:
        """The network of this name, else the one of the settings; None when there is none."""
        ...

    async def owned_containers(self) -> tuple[OwnedContainer, ...]:
        """Every container that carries our controller's id, whoever made it."""
        ...

    def impostors(self) -> tuple[tuple[str, str], ...]:
        """(id, name) of containers that the last list left out: our labels, but not the name that these give."""
        ...

    def follow_logs(self, container: Container, tail: int) -> Iterator[str]:
        """Its last lines and those that come, until it ends; blocks."""
        ...

    async def close(self) -> None:
        """Drop the connections."""
        ...


class Proxy(Protocol):
    """One reverse proxy. Only `routing` calls `write`, one call at a time."""

    batch: bool
    """True when many changes can be written in one go (Caddy); else they are written one by one (NPM)."""

    async def read(self) -> RouteTable:
        """All our routes and the hostnames that others hold. Raises `Unreachable`."""
        ...

    async def write(self, changes: Sequence[RouteChange]) -> None:
        """Make these changes and read them back; nothing is written when nothing differs.

        Raises `WorldBad` when refused or unproven, `Conflict` when a hostname is held by somebody else; then the
        whole batch counts as not done (the caller retries singly).
        """
        ...

    async def ask(self, route: Route) -> Answer:
        """One request to the hostname through the proxy's public side, as a client would. Raises `WorldBad`."""
        ...


class Prober(Protocol):
    """Asks a container directly, never through the proxy."""

    async def probe(self, check: Check, container: Container) -> Probe:
        """One request; bounded by `check.timeout`; follows no redirect; never raises."""
        ...


class Secrets(Protocol):
    """Resolves references below `policy.secretRoots` and from HOLDFAST_SECRET_*."""

    async def look(self, refs: Sequence[SecretRef]) -> SecretsSeen:
        """Keyed digests now; missing ones are reported, never raised."""
        ...

    async def resolve(self, refs: Sequence[SecretRef]) -> Mapping[SecretRef, str]:
        """Values, for a create call only. Raises `WorldBad` (SecretMissing)."""
        ...


@dataclass(frozen=True)
class Delivery:
    """What a source delivered: every document it holds now, and what is wrong with the rest."""

    source: str
    documents: tuple[Sourced, ...]
    diagnostics: tuple[Diagnostic, ...] = ()
    complete: bool = True
    """False: the source could not be read as a whole; what is missing in it must not be read as deleted."""
    detail: str = ""
    unread: tuple[str, ...] = ()
    """Files or objects with errors: their last good documents stay."""


class Source(Protocol):
    """Something that holds documents."""

    name: str

    async def load(self) -> Delivery:
        """Read everything now."""
        ...

    def changes(self) -> AsyncIterator[None]:
        """Yields when something may have changed."""
        ...


class Store(Protocol):
    """The state folder: one writer, everything in it may be lost without harm to what runs."""

    async def memory(self, stage: StageKey) -> StageMemory:
        """What is remembered of a stage; blank when nothing is."""
        ...

    async def stages(self) -> tuple[StageKey, ...]:
        """Names of all stages of which something is remembered or reported."""
        ...

    async def record(self, stage: StageKey, memory: StageMemory, transitions: Sequence[Transition], now: float) -> None:
        """Memory, history rows, log lines and outgoing notifications in one durable transaction."""
        ...

    async def report(self, status: StageStatus) -> None:
        """The newest status of a stage, for reading commands; written only when it differs."""
        ...

    async def forget(self, stage: StageKey) -> None:
        """Memory and status of a stage that is neither declared nor running any more; history stays."""
        ...

    async def last_good(self, source: str) -> tuple[Sourced, ...] | None:
        """Documents that the guard last accepted from a source; None when nothing is known."""
        ...

    async def keep_good(self, source: str, documents: Sequence[Sourced]) -> None:
        """Remember what the guard accepted from a source."""
        ...


@dataclass(frozen=True)
class Hold:
    """A mass change that the guard holds back until `holdfast confirm DIGEST`."""

    digest: str
    losses: tuple[str, ...]
    """One sentence per instance or hostname that would be lost."""
    message: str


class Control(Protocol):
    """What a running controller offers on its unix socket; implemented by the manager."""

    async def reload(self) -> tuple[Diagnostic, ...]:
        """Read every source now, enqueue all stages, and return what is wrong with the documents."""
        ...

    async def reconcile(self, keys: Sequence[StageKey]) -> tuple[StageKey, ...]:
        """Ask for a pass of these stages (empty: all); returns those that exist."""
        ...

    async def retry(self, key: str) -> tuple[str, ...]:
        """Forget quarantines below a project, project/stage or project/stage/tag; returns project/stage/tag keys."""
        ...

    async def suspend(self, stage: StageKey, on: bool) -> None:
        """Suspend or resume a stage by hand. Raises `KeyError` for an unknown stage."""
        ...

    async def confirm(self, digest: str) -> bool:
        """Allow exactly the held change with this digest; False when there is none."""
        ...

    def holds(self) -> tuple[Hold, ...]:
        """What the guard holds back now."""
        ...

    def notices(self) -> tuple[str, ...]:
        """What was refused and belongs to no stage, such as a DeployRequest for an unknown project."""
        ...

    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What was wrong with the documents when the sources were last read."""
        ...

    def statuses(self) -> Mapping[StageKey, StageStatus]:
        """Newest status of each stage; a stage without a pass yet is missing."""
        ...

    def stages(self) -> tuple[StageKey, ...]:
        """All declared stages, and undeclared ones that still have something running."""
        ...
