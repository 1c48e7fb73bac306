"""Facts about the Engine for `doctor`: itself, its clock and disk, the network of the settings, who made what."""

import json
import os
from collections.abc import Callable, Mapping
from typing import Any

from controller.clients.docker.engine import Engine
from controller.clients.docker.errors import EngineError
from controller.clients.docker.network import NETWORK_LABEL
from controller.clients.docker.view import number, timestamp
from controller.core.model import identity, names
from controller.core.model.errors import Unreachable
from controller.interfaces import EngineInfo, NetworkInfo, OwnedContainer


def engine_info(engine: Engine, now: Callable[[], float]) -> EngineInfo:
    """Ask the Engine about itself. Raises `Unreachable`."""
    version = _ask(engine, "/version") or {}
    info = _ask(engine, "/info") or {}
    root = str(info.get("DockerRootDir") or "")
    free = total = None
    if engine.socket_path and os.path.isdir(root):
        disk = os.statvfs(root)
        free, total = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
    return EngineInfo(
        version=str(version.get("Version") or ""),
        api=str(version.get("ApiVersion") or ""),
        name=str(info.get("Name") or ""),
        root_dir=root,
        cgroup=str(info.get("CgroupVersion") or ""),
        logging_driver=str(info.get("LoggingDriver") or ""),
        clock_skew=_skew(str(info.get("SystemTime") or ""), now()),
        disk_free=free,
        disk_total=total,
        apart=_apart(engine, info),
    )


def network_info(engine: Engine, name: str, controller_id: str) -> NetworkInfo | None:
    """The network of this name that containers would join; None when there is none yet. Raises `Unreachable`."""
    found = _ask(engine, "/networks", {"filters": json.dumps({"name": [name]})}) or ()
    mine = [item for item in found if item.get("Name") == name]
    if not mine:
        return None
    ours = [item for item in mine if (item.get("Labels") or {}).get(NETWORK_LABEL) == controller_id]
    network = _ask(engine, f"/networks/{(ours or mine)[0]['Id']}") or {}
    configs = (network.get("IPAM") or {}).get("Config") or ()
    known = {item["Id"] for item in _labelled(engine, controller_id)}
    return NetworkInfo(
        driver=str(network.get("Driver") or ""),
        gateways=tuple(str(item["Gateway"]) for item in configs if item.get("Gateway")),
        attachable=network.get("Scope") != "swarm" or bool(network.get("Attachable")),
        others=len(set(network.get("Containers") or ()) - known),
    )


def owned_containers(engine: Engine, controller_id: str) -> tuple[OwnedContainer, ...]:
    """Every container whose labels and name say that this controller made it. Raises `Unreachable`."""
    found = []
    for item in _labelled(engine, controller_id):
        labels = item.get("Labels") or {}
        name = next((text[1:] for text in item.get("Names") or () if text.count("/") == 1), "")
        if identity.agrees(name, labels):
            created = float(item.get("Created") or 0)
            attempt = int(number(labels[names.ATTEMPT]))
            found.append(
                OwnedContainer(name, labels[names.STAGE], labels[names.TAG], labels[names.REVISION], attempt, created)
            )
    return tuple(sorted(found, key=lambda item: item.name))


def _labelled(engine: Engine, controller_id: str) -> list[dict[str, Any]]:
    filters = json.dumps({"label": [f"{names.CONTROLLER}={controller_id}"]})
    return list(_ask(engine, "/containers/json", {"all": "1", "filters": filters}) or ())


def _ask(engine: Engine, path: str, params: Mapping[str, str] | None = None) -> Any:
    try:
        return engine.json("GET", path, params=params)
    except EngineError as error:
        raise Unreachable(f"Docker Engine at {engine.host}: {error.message}") from error


def _apart(engine: Engine, info: Mapping[str, Any]) -> str:
    if "name=rootless" in (info.get("SecurityOptions") or ()):
        return "the Engine is rootless"
    if "Docker Desktop" in str(info.get("OperatingSystem") or ""):
        return "Docker Desktop runs containers in a virtual machine"
    return "" if engine.socket_path else f"the Engine at {engine.host} is on another machine"


def _skew(text: str, now: float) -> float:
    found = timestamp(text)
    return found - now if found is not None else 0.0
