"""The Docker Engine, and the hints that it gives."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from controller.core.model.actions import ContainerSpec
from controller.core.model.desired import SecretRef, StageKey
from controller.core.model.observed import Container


@dataclass(frozen=True)
class RuntimeEvent:
    """A hint that something happened to a container of a stage; `stage` None: look at everything."""

    stage: StageKey | None
    container: str = ""
    action: str = ""


class Runtime(Protocol):
    """One Docker Engine."""

    async def list(self, stage: StageKey | None = None) -> tuple[Container, ...]:
        """Our containers in one filtered look, of one stage or of all. Raises `Unreachable`.

        Of all, one that Docker tells nothing of may be there as `unseen`: it holds up its own stage only.
        """

    async def inspect(self, container_id: str) -> Container | None:
        """One container now; None when it is gone or not ours."""

    async def pull(self, image: str, tag: str, digest: str, progress: Callable[[str], None]) -> str:
        """Make the image available and return its digest (sha256:…).

        With `digest` nothing is asked of the registry when it is already here. Raises `RevisionBad` (ManifestMissing,
        ImageDenied, PolicyDenied) or `WorldBad` (RegistryError, PullTimeout, DiskFull …).
        """

    async def resolve(self, image: str, tag: str) -> str:
        """Digest that the registry serves under the tag now. Raises `RevisionBad` (PolicyDenied) and as `pull`."""

    async def create(self, spec: ContainerSpec, values: Mapping[SecretRef, str]) -> str:
        """Create a container and return its 64-hex id.

        When the name is taken: the id of the holder if it is ours with the same labels, else `Conflict`.
        Raises `RevisionBad` for a configuration that Docker or the policy refuses.
        """

    async def start(self, container: Container) -> None:
        """Start it; already running is success. `RevisionBad` for a command that does not exist (F25)."""

    async def stop(self, container: Container, grace: float) -> None:
        """Stop it, SIGKILL after `grace` seconds; already stopped or gone is success."""

    async def restart(self, container: Container, grace: float) -> None:
        """Stop and start it again."""

    async def remove(self, container: Container) -> None:
        """Remove a stopped container and its anonymous volumes; gone is success; never a named volume."""

    async def unpause(self, container: Container) -> None:
        """Undo a pause; not paused is success."""

    async def connect(self, container: Container) -> None:
        """Attach it to the network of the settings; attached is success."""

    async def mark(self, container: Container, passed: bool) -> None:
        """Restart policy: unless-stopped when passed, else no."""

    async def logs(self, container: Container, tail: int) -> tuple[str, ...]:
        """Last lines of its output, control characters replaced; empty when it is gone."""

    def events(self) -> AsyncIterator[RuntimeEvent]:
        """Hints, for ever; yields `stage=None` after every (re)connection."""
