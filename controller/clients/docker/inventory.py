"""Facts about the Engine for `doctor`: itself, its clock and disk, the network of the settings, who made what."""

import os
from collections.abc import Callable, Mapping
from typing import Any

from controller.clients.docker.engine import Engine
from controller.clients.docker.network import networks_named
from controller.clients.docker.ownership import Document, is_our_network, list_params, shown
from controller.clients.docker.view import timestamp
from controller.interfaces import EngineInfo, NetworkInfo, OwnedContainer


def engine_info(engine: Engine, now: Callable[[], float]) -> EngineInfo:
    """Ask the Engine about itself. Raises `Unreachable`."""
    version = engine.read("/version", "tell its version") or {}
    info = engine.read("/info", "tell its settings") or {}
    root = str(info.get("DockerRootDir") or "")
    free = None
    if engine.socket_path and os.path.isdir(root):
        disk = os.statvfs(root)
        free = disk.f_bavail * disk.f_frsize
    return EngineInfo(
        version=str(version.get("Version") or ""),
        api=str(version.get("ApiVersion") or ""),
        name=str(info.get("Name") or ""),
        root_dir=root,
        clock_skew=_skew(str(info.get("SystemTime") or ""), now()),
        disk_free=free,
        apart=_apart(engine, info),
    )


def network_info(engine: Engine, name: str, controller_id: str) -> NetworkInfo | None:
    """The network of this name that containers would join; None when there is none yet. Raises `Unreachable`."""
    named = networks_named(engine, name)
    if not named:
        return None
    ours = [network for network in named if is_our_network(network, controller_id)]
    network = engine.read(f"/networks/{(ours or named)[0]['Id']}", f"inspect network {name}") or {}
    configs = (network.get("IPAM") or {}).get("Config") or ()
    labelled = {row["Id"] for row in _labelled(engine, controller_id)}
    return NetworkInfo(
        driver=str(network.get("Driver") or ""),
        gateways=tuple(str(config["Gateway"]) for config in configs if config.get("Gateway")),
        attachable=network.get("Scope") != "swarm" or bool(network.get("Attachable")),
        others=len(set(network.get("Containers") or ()) - labelled),
    )


def owned_containers(engine: Engine, controller_id: str) -> tuple[OwnedContainer, ...]:
    """Every container whose labels and name say that this controller made it. Raises `Unreachable`."""
    owned = []
    for row in _labelled(engine, controller_id):
        identity = shown(row).identity(controller_id)
        if identity is not None:
            made_for = (identity.name, identity.stage, identity.tag, identity.revision, identity.attempt)
            owned.append(OwnedContainer(*made_for, float(row.get("Created") or 0)))
    return tuple(sorted(owned, key=lambda container: container.name))


def _labelled(engine: Engine, controller_id: str) -> list[Document]:
    return list(engine.read("/containers/json", "list containers", list_params(controller_id)) or ())


def _apart(engine: Engine, info: Mapping[str, Any]) -> str:
    if "name=rootless" in (info.get("SecurityOptions") or ()):
        return "the Engine is rootless"
    if "Docker Desktop" in str(info.get("OperatingSystem") or ""):
        return "Docker Desktop runs containers in a virtual machine"
    return "" if engine.socket_path else f"the Engine at {engine.host} is on another machine"


def _skew(text: str, now: float) -> float:
    engine_time = timestamp(text)
    return engine_time - now if engine_time is not None else 0.0
