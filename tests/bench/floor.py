"""The least that the same work can cost: the Engine's and Caddy's HTTP from the standard library, nothing watched.

Threads, not asyncio: four in flight are the knee on two cores, and the client hardly counts (dockerd 20.10).
"""

import http.client
import json
import socket
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

IN_FLIGHT = 4
PROJECT = "bench.floor"
"""Label of every container made here."""


class UnixConnection(http.client.HTTPConnection):
    """HTTP over the Engine's socket."""

    def __init__(self, path: str) -> None:
        super().__init__("engine", timeout=60)
        self._path = path

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Floor:
    """`engine` is a path of a socket, `proxy` host:port of Caddy's admin API."""

    def __init__(self, engine: str, network: str, image: str, owner: str) -> None:
        self._engine = engine
        self._network = network
        self._image = image
        self._owner = owner

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """One call on a connection of its own. Raises `RuntimeError` for an answer that is no success."""
        connection = UnixConnection(self._engine)
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            data = answer.read()
            if answer.status >= 400:
                raise RuntimeError(f"{method} {path}: {answer.status} {data!r}")
            return json.loads(data) if data.strip() else None
        finally:
            connection.close()

    def up(self, tags: Sequence[str]) -> list[str]:
        """Create, start and probe one container per tag; returns their addresses."""
        with ThreadPoolExecutor(IN_FLIGHT) as pool:
            return list(pool.map(self._one, tags))

    def list(self) -> list[dict[str, Any]]:
        """One look at all containers of ours."""
        found: list[dict[str, Any]] = self.call("GET", "/containers/json?all=1")
        return found

    def down(self) -> None:
        """Remove what was made here."""
        mine = [item["Id"] for item in self.list() if item["Labels"].get(PROJECT) == self._owner]
        with ThreadPoolExecutor(IN_FLIGHT) as pool:
            list(pool.map(lambda number: self.call("DELETE", f"/containers/{number}?force=1&v=1"), mine))

    def _one(self, tag: str) -> str:
        made = self.call(
            "POST",
            "/containers/create",
            {
                "Image": f"{self._image}:{tag}",
                "Labels": {PROJECT: self._owner},
                "HostConfig": {"NetworkMode": self._network},
            },
        )
        self.call("POST", f"/containers/{made['Id']}/start")
        found = self.call("GET", f"/containers/{made['Id']}/json")
        address: str = found["NetworkSettings"]["Networks"][self._network]["IPAddress"]
        while not answers(address, 8080):
            time.sleep(0.005)
        return address


def answers(host: str, port: int, hostname: str = "", path: str = "/healthz") -> str:
    """Body of a 200; empty when there is none."""
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", path, headers={"Host": hostname} if hostname else {})
        answer = connection.getresponse()
        return answer.read().decode() or "ok" if answer.status == 200 else ""
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()


def patch(admin: str, path: str, body: object) -> None:
    """One change of Caddy's configuration. Raises `RuntimeError`."""
    host, _, port = admin.removeprefix("http://").rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=30)
    try:
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        data = answer.read()
        if answer.status >= 400:
            raise RuntimeError(f"{path}: {answer.status} {data!r}")
    finally:
        connection.close()
