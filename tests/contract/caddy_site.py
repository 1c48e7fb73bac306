"""A controller's proxy on a real Caddy, and the looks at it that tests need."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Literal

import httpx

from controller.clients.caddy.proxy import CaddyProxy
from controller.core.model.desired import Options
from controller.core.model.digests import with_marker
from controller.core.model.observed import Route, RouteChange
from tests.contract.upstream import Upstream
from tests.parts.caddy import Caddy

DEFAULTS = Options()


@dataclass(frozen=True)
class Tls:
    """`proxy.tls` of the settings."""

    mode: Literal["off", "internal", "acme"] = "off"
    email: str | None = None


def client() -> httpx.AsyncClient:
    """A browser of the tests: no machine-wide proxy, no trust in certificates, no redirects."""
    return httpx.AsyncClient(trust_env=False, verify=False, timeout=15)


class Site:
    """One controller id on one Caddy."""

    def __init__(self, caddy: Caddy, name: str, listen: str, address: str, tls: Tls) -> None:
        self.caddy = caddy
        self.proxy = CaddyProxy(caddy.admin, listen, address, tls, name)
        self.client = client()
        self.address = address

    async def set(self, *routes: Route) -> None:
        """Write these routes in one go."""
        await self.proxy.write([RouteChange(route.hostname, route) for route in routes])

    async def delete(self, *hostnames: str) -> None:
        """Delete the routes of these hostnames in one go."""
        await self.proxy.write([RouteChange(name, None) for name in hostnames])

    async def get(self, hostname: str, path: str = "/", **headers: str) -> httpx.Response:
        """One request through the proxy, as a client makes it."""
        return await self.client.get(f"http://{self.address}{path}", headers={"Host": hostname, **headers})

    async def config(self, path: str = "") -> bytes:
        """Caddy's configuration at a path, byte by byte."""
        return (await self._admin("GET", f"config/{path}")).content

    async def load(self, config: dict[str, Any]) -> None:
        """Give Caddy a whole configuration, as its owner does; the admin address stays."""
        admin = {"listen": self.caddy.admin.removeprefix("http://")}
        await self._admin("POST", "load", {"admin": admin, **config})

    async def edit(self, method: str, path: str, body: Any = None) -> None:
        """Change the configuration by hand."""
        await self._admin(method, path, body)

    async def _admin(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """One call, again when Caddy cut its connection while it replaced its admin listener."""
        for _ in range(10):
            with contextlib.suppress(httpx.TransportError):
                answer = await self.client.request(method, f"{self.caddy.admin}/{path}", json=body)
                assert answer.status_code == 200, answer.text
                return answer
        raise AssertionError(f"Caddy's admin API does not answer {method} {path}")

    def writes(self) -> int:
        """How many changes of its configuration Caddy was asked for until now, by its own log."""
        lines = [json.loads(line) for line in self.caddy.log.read_text().splitlines() if line.startswith("{")]
        return sum(line.get("method") in {"PUT", "PATCH", "POST", "DELETE"} for line in lines)


class Wire:
    """Behaviour of an `Upstream` before Caddy's admin API: passes requests on and loses what a test wants lost.

    `faults` are used up one per change: its "request" or its "reply"; the last one stays when `for_ever`.
    """

    def __init__(self, caddy: Caddy, for_ever: bool = False) -> None:
        self.target = int(caddy.admin.rpartition(":")[2])
        self.faults: list[str] = []
        self.for_ever = for_ever

    async def __call__(self, app: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        body = await reader.readexactly(size)
        fault = self._fault() if not head.startswith(b"GET") else ""
        if fault == "request":
            return
        there, on = await asyncio.open_connection("127.0.0.1", self.target)
        on.write(head.replace(f":{app.port}".encode(), f":{self.target}".encode()) + body)
        reply = await there.read()
        on.close()
        if fault != "reply":
            writer.write(reply)
            await writer.drain()

    def _fault(self) -> str:
        return (self.faults[0] if self.for_ever else self.faults.pop(0)) if self.faults else ""


@contextlib.asynccontextmanager
async def site(
    caddy: Caddy, name: str = "home-1", *, listen: str = "", address: str = "", tls: Tls = Tls()
) -> AsyncIterator[Site]:
    """A controller's site, by default on the address that the test's Caddy is meant for."""
    home = Site(caddy, name, listen or caddy.listen, address or caddy.address, tls)
    try:
        yield home
    finally:
        await home.proxy.close()
        await home.client.aclose()


def route(hostname: str, port: int, container: str = "a", options: Options = DEFAULTS) -> Route:
    """A route of stage shop/dev, tag 1.0, to a port of this machine."""
    return with_marker(Route(hostname, "shop/dev", "1.0", "default", container * 64, "127.0.0.1", port, options))
