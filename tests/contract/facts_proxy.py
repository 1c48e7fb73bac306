"""Four proxies as places for facts: the simulated Caddy and NPM, the real Caddy, and the NPM fake.

The NPM fake is itself held to a real NPM by the tests of `npm_site`.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from controller.clients.caddy.proxy import CaddyProxy
from controller.clients.npm import hosts
from controller.clients.npm.proxy import NpmProxy
from controller.core.model.desired import Options
from controller.core.model.digests import with_marker
from controller.core.model.observed import Route, RouteChange
from tests.contract import caddy_site
from tests.contract.facts_front import Front, SimulatedFront, Target
from tests.contract.npm import site as npm_site
from tests.contract.upstream import Upstream
from tests.parts.caddy import Caddy
from tests.sim.clock import run_virtual


class RealFront(Front):
    """What the real proxies have in common."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self.stack = stack

    async def app(self, status: int = 200) -> Target:
        """A server in this process."""
        app = await self.stack.enter_async_context(Upstream("app", f"{status} X", "Location: /elsewhere\r\n"))
        return Target("127.0.0.1", app.port, "a" * 64, lambda: len(app.heads))


class CaddyFront(RealFront):
    """The real Caddy, with its admin API behind a wire that can lose a reply."""

    keeps = False

    def __init__(self, stack: AsyncExitStack, home: caddy_site.Site, wire: caddy_site.Wire, url: str) -> None:
        super().__init__(stack)
        self.home = home
        self.wire = wire
        self.url = url
        self._by_hand = 0
        self.proxy = self.another()

    def writes(self) -> int:
        """By its own log."""
        return self.home.writes() - self._by_hand

    def another(self) -> CaddyProxy:
        """Another one through the wire."""
        caddy = self.home.caddy
        proxy = CaddyProxy(self.url, caddy.listen, caddy.address, caddy_site.Tls(), "home-1")
        self.stack.push_async_callback(proxy.close)
        return proxy

    async def theirs(self, hostname: str) -> None:
        """A route of theirs in a server of theirs at our address, behind what is there."""
        route = {
            "match": [{"host": [hostname]}],
            "handle": [{"handler": "static_response", "body": "their site"}],
            "terminal": True,
        }
        server = {"listen": [self.home.caddy.listen], "routes": [route], "automatic_https": {"disable": True}}
        await self._hand("PUT", "config/apps", {"http": {"servers": {"theirs": server}}})

    async def their_state(self) -> object:
        """Their routes."""
        entries = json.loads(await self.home.config("apps/http/servers/theirs/routes"))
        return [entry for entry in entries if "holdfast" not in str(entry.get("@id"))]

    async def edit(self, hostname: str) -> None:
        """Another target."""
        await self._hand("PATCH", f"id/holdfast-home-1:{hostname}/handle/2/upstreams/0/dial", "127.0.0.1:9")

    async def take_away(self, hostname: str) -> None:
        """Gone."""
        await self._hand("DELETE", f"id/holdfast-home-1:{hostname}", None)

    async def away(self) -> None:
        """Stop it."""
        await asyncio.to_thread(self.home.caddy.kill)

    async def back(self) -> None:
        """Start it with what it was started with."""
        await asyncio.to_thread(self.home.caddy.start)

    async def refused(self, wanted: Route) -> None:
        """It is to listen where somebody else does."""
        caddy = self.home.caddy
        app = await self.app()
        proxy = CaddyProxy(self.url, f"127.0.0.1:{app.port}", caddy.address, caddy_site.Tls(), "home-1")
        self.stack.push_async_callback(proxy.close)
        await proxy.write([RouteChange(wanted.hostname, wanted)])

    def stumble(self) -> None:
        """Lose a reply."""
        self.wire.faults = ["reply"]

    async def _hand(self, method: str, path: str, body: Any) -> None:
        await self.home.edit(method, path, body)
        self._by_hand += 1


class NpmFront(RealFront):
    """The NPM fake, seen through a tap."""

    keeps = True

    def __init__(self, stack: AsyncExitStack, npm: npm_site.Npm, home: npm_site.Site, folder: Path) -> None:
        super().__init__(stack)
        self.folder = folder
        self.npm = npm
        self.home = home
        self.proxy = home.proxy

    def name(self, word: str = "shop") -> str:
        """One of this test alone."""
        return self.npm.name(word)

    def writes(self) -> int:
        """What came by the tap."""
        return sum(call.changes for call in self.home.tap.calls)

    def another(self) -> NpmProxy:
        """Another one of the same user."""
        site = hosts.Site(self.npm.controller)
        addresses = (self.npm.address, self.npm.tls_address)
        bot = self.home.proxy.session.identity
        found = NpmProxy(
            self.home.tap.url, bot, self.home._password, addresses=addresses, site=site, clock=self.home.clock
        )
        self.stack.push_async_callback(found.close)
        return found

    async def theirs(self, hostname: str) -> None:
        """A host of theirs."""
        await self.npm.host(hostname)

    async def their_state(self) -> object:
        """Rows without our mark."""
        return [row for row in (await self.npm.rows()).values() if "holdfast" not in row["meta"]]

    async def edit(self, hostname: str) -> None:
        """Another target."""
        await self.npm.edit(hostname, forward_port=9)

    async def take_away(self, hostname: str) -> None:
        """Gone."""
        await self.npm.do("DELETE", f"/nginx/proxy-hosts/{(await self.npm.rows())[hostname]['id']}")

    async def away(self) -> None:
        """Its backend is down, and nobody is at its public address."""
        self.npm.server.down = True
        self.home.clock.pace = 0.0  # nobody comes back while a client waits
        self.home.proxy._front = type(self.home.proxy._front)("127.0.0.1:1", "127.0.0.1:1")

    async def back(self) -> None:
        """Up again."""
        self.npm.server.down = False
        self.home.clock.pace = npm_site.PACE
        self.home.proxy._front = type(self.home.proxy._front)(self.npm.address, self.npm.tls_address)

    async def refused(self, wanted: Route) -> None:
        """It is to use a certificate that nginx cannot load."""
        number = await self.npm.certificate(self.folder, "x", files=False)
        await self.set(with_marker(replace(wanted, options=Options(certificate=str(number)))))

    def stumble(self) -> None:
        """Lose a reply."""
        self.home.tap.faults = ["reply"]


@contextlib.asynccontextmanager
async def caddy_front(caddy: Caddy) -> AsyncIterator[CaddyFront]:
    """The real Caddy."""
    wire = caddy_site.Wire(caddy)
    async with AsyncExitStack() as stack:
        home = await stack.enter_async_context(caddy_site.site(caddy))
        between = await stack.enter_async_context(Upstream("wire", behaviour=wire))
        yield CaddyFront(stack, home, wire, f"http://127.0.0.1:{between.port}")


@contextlib.asynccontextmanager
async def npm_front(folder: Path) -> AsyncIterator[NpmFront]:
    """The NPM fake."""
    async with AsyncExitStack() as stack:
        npm = await stack.enter_async_context(npm_site.opened("fake"))
        home = await stack.enter_async_context(npm_site.site(npm))
        yield NpmFront(stack, npm, home, folder)


class FrontSide:
    """Plays a fact on one of them."""

    def __init__(self, kind: str, caddy: Caddy | None, folder: Path) -> None:
        self.kind = kind
        self.caddy = caddy
        self.folder = folder

    def play(self, body: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
        """Run one fact."""

        async def simulated() -> None:
            await body(SimulatedFront(self.kind == "simulated npm"))

        async def real() -> None:
            made = caddy_front(self.caddy) if self.caddy is not None else npm_front(self.folder)
            async with asyncio.timeout(60), made as front:
                await body(front)

        if self.kind.startswith("simulated"):
            run_virtual(simulated)
        else:
            asyncio.run(real())
