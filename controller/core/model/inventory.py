"""What a container engine tells about itself, for `doctor`: the engine, one network, the containers that are ours."""

from dataclasses import dataclass


@dataclass(frozen=True)
class EngineInfo:
    """What `doctor` shows of an engine."""

    version: str
    api: str
    name: str
    root_dir: str
    cgroup: str
    """Version of control groups: 1 or 2."""
    logging_driver: str
    clock_skew: float
    """Seconds that the engine's clock is ahead of ours."""
    disk_free: int | None = None
    """Bytes free below root_dir; None when it is not on this machine."""
    disk_total: int | None = None
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
