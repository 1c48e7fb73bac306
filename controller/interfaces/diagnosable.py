"""What `doctor` and `logs --app` ask of a runtime beyond what a pass needs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from controller.core.model.observed import Container
from controller.interfaces.runtime import Runtime


@dataclass(frozen=True)
class EngineInfo:
    """What `doctor` shows of an engine."""

    version: str
    api: str
    name: str
    root_dir: str
    clock_skew: float
    """Seconds that the engine's clock is ahead of ours."""
    disk_free: int | None = None
    """Bytes free below root_dir; None when it is not on this machine."""
    apart: str = ""
    """Why this machine cannot reach container addresses, such as a rootless engine; empty when it may."""


@dataclass(frozen=True)
class NetworkInfo:
    """The network that containers join."""

    driver: str
    gateways: tuple[str, ...]
    """Its addresses on the engine's machine."""
    attachable: bool
    others: int
    """Running containers in it that are not ours."""


@dataclass(frozen=True)
class OwnedContainer:
    """A container that carries our controller's id, as its labels say."""

    name: str
    stage: str
    tag: str
    revision: str
    attempt: int
    created: float
    """Unix seconds by the engine's clock."""


@runtime_checkable
class Diagnosable(Runtime, Protocol):
    """A runtime that can be examined. Its questions change nothing and raise `Unreachable`."""

    async def engine_info(self) -> EngineInfo:
        """Version, clock, disk and drivers of the engine."""

    async def network_info(self, name: str = "") -> NetworkInfo | None:
        """The network of this name, else the one of the settings; None when there is none."""

    async def owned_containers(self) -> tuple[OwnedContainer, ...]:
        """Every container that carries our controller's id, whoever made it."""

    def lookalikes(self) -> tuple[tuple[str, str], ...]:
        """(id, name) of containers that the last list left out: our labels, but not the name that these give."""

    def follow_logs(self, container: Container, tail: int) -> Iterator[str]:
        """Its last lines and those that come, until it ends; blocks."""

    async def close(self) -> None:
        """Drop the connections."""
