"""What is seen from outside: Docker's events, what an app wrote down, what comes back through the proxy."""

import json
import socket
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.parts.sandbox import Sandbox


@dataclass(frozen=True)
class Event:
    """One event of Docker: Unix seconds, what happened, to which stage, tag and container; `signal` of a kill."""

    at: float
    action: str
    stage: str
    tag: str
    role: str
    container: str
    signal: str = ""


def events(box: Sandbox, since: float) -> list[Event]:
    """Docker's events of this controller's containers since a Unix time until now, oldest first."""
    label = f"holdfast.dev/controller={box.id}"
    url = "/events?" + urlencode(
        {
            "since": f"{since:.9f}",
            "until": f"{time.time():.9f}",
            "filters": json.dumps({"type": ["container"], "label": [label]}),
        }
    )
    api = box.engine.client.api
    reply = api.get(api.base_url + url)
    reply.raise_for_status()
    return [_event(json.loads(line)) for line in reply.text.splitlines() if line]


def _event(line: dict[str, Any]) -> Event:
    attributes = line["Actor"]["Attributes"]
    return Event(
        line["timeNano"] / 1e9,
        line["Action"],
        attributes["holdfast.dev/stage"],
        attributes["holdfast.dev/tag"],
        attributes["holdfast.dev/role"],
        line["Actor"]["ID"],
        attributes.get("signal", ""),
    )


@dataclass(frozen=True)
class Request:
    """One request that an app got: Unix seconds, the container's short id, the path, whether by way of the proxy."""

    at: float
    container: str
    path: str
    proxied: bool = False


class Record:
    """A folder of the host that apps write each request to, through a bind mount."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True)
        self.folder.chmod(0o777)

    @property
    def spec(self) -> dict[str, Any]:
        """Fields of a project that record into the folder; side by side, because no app minds another one's lines."""
        return {
            "volumes": [{"name": "record", "mountPath": "/record", "hostPath": str(self.folder)}],
            "strategy": "BlueGreen",
            "env": [{"name": "RECORD", "value": "/record"}],
        }

    def requests(self, path: str = "", *, direct: bool = False) -> list[Request]:
        """The requests so far, or those to one path, oldest first; `direct`: without those through the proxy."""
        file = self.folder / "requests"
        boot = time.time() - float(Path("/proc/uptime").read_text().split()[0])
        lines = [line.split(" ") for line in file.read_text().splitlines()] if file.exists() else []
        found = [Request(boot + float(at), container, target, bool(way)) for at, container, target, *way in lines]
        return [item for item in found if path in ("", item.path) and not (direct and item.proxied)]


def recorder(box: Sandbox, *names: str) -> list[Record]:
    """A record per name, below a folder that documents may bind."""
    root = box.folder / "records"
    box.configure(policy={"bindRoots": [str(root)]})
    return [Record(root / name) for name in names]


def container(box: Sandbox, project: str, stage: str = "dev") -> dict[str, Any]:
    """`docker inspect` of the only container of a stage."""
    found = box.containers(stage=f"{project}/{stage}")
    assert len(found) == 1, [item["Name"] for item in found]
    return found[0]


def started(document: dict[str, Any]) -> float:
    """When an inspected container was started last, Unix seconds."""
    return datetime.fromisoformat(document["State"]["StartedAt"][:26].rstrip("Z") + "+00:00").timestamp()


def environment(document: dict[str, Any]) -> dict[str, str]:
    """The variables of an inspected container."""
    return dict(item.split("=", 1) for item in document["Config"]["Env"])


def upgraded(box: Sandbox, hostname: str) -> tuple[int, str]:
    """Ask the app's /socket for a WebSocket through the proxy: the status, and what comes back for one line."""
    address, _, port = box.caddy.address.rpartition(":")
    head = f"GET /socket HTTP/1.1\r\nHost: {hostname}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    with socket.create_connection((address, int(port)), timeout=10) as wire, wire.makefile("rwb") as file:
        file.write(f"{head}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZQ==\r\n\r\n".encode())
        file.flush()
        status = int(file.readline().split()[1])
        while file.readline().strip():
            pass
        if status != 101:
            return status, ""
        file.write(b"hello\n")
        file.flush()
        return status, file.readline().decode().strip()
