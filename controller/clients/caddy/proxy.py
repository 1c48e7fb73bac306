"""The proxy `caddy`: reads and writes our part of a running Caddy, and asks through it.

Caddy is started by somebody else and outlives us. It provisions everything anew with each change, so all changes go
into one write of the narrowest place, an equal configuration is never written, and every write is read back. Nothing
is remembered between calls: a Caddy that lost its configuration is a Caddy without routes.
"""

import asyncio
from collections.abc import Sequence

import httpx

from controller.clients.caddy import config as caddy_config
from controller.clients.caddy import routes
from controller.clients.caddy.admin import AdminRefused, CaddyAdmin, ConfigMoved, ConnectionBroke, ReplyLost, smallest
from controller.clients.caddy.config import Site, Tls
from controller.core.model.digests import with_marker
from controller.core.model.errors import OutcomeUnknown, WorldBad
from controller.core.model.observed import Route, RouteChange, RouteTable
from controller.interfaces import Answer

ATTEMPTS = 20
"""Tries of one write while others change Caddy's configuration at the same time."""
PAUSE = 0.01
"""Seconds that each further try waits longer, so that one of several writers comes through."""
ASK = 10.0
"""Seconds for one question through the proxy; only the head of the answer is waited for."""


class CaddyProxy:
    """One Caddy. `listen` is where our routes are served, `address` where a client of them connects."""

    batch = True

    def __init__(self, admin: str, listen: str, address: str, tls: Tls, controller_id: str) -> None:
        self._admin = CaddyAdmin(admin)
        self._site = Site(f"holdfast-{controller_id}", listen, tls.mode, tls.email or None)
        self._base = f"{'http' if tls.mode == 'off' else 'https'}://{address}"
        # Certificates are not what is asked about, and one of Caddy's own authority proves nothing to us.
        self._client = httpx.AsyncClient(
            verify=False,
            trust_env=False,
            timeout=httpx.Timeout(ASK),
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    async def close(self) -> None:
        """Free what the questions hold."""
        await self._client.aclose()

    async def read(self) -> RouteTable:
        """All our routes and the hostnames that others hold. Raises `Unreachable`, `WorldBad` (ProxyRefused)."""
        try:
            config, _ = await self._admin.get()
        except AdminRefused as error:
            raise self._refused(error) from error
        return caddy_config.table(config, self._site)

    async def write(self, changes: Sequence[RouteChange]) -> None:
        """Make these changes in one write and read them back; nothing is written when nothing differs.

        Raises `RevisionBad` (UnsupportedOption, InvalidRoute) before anything is asked, `Conflict` (HostnameTaken,
        ListenTaken), `Unreachable`, `OutcomeUnknown`, `WorldBad` (ProxyRefused, ProxyBusy, ProxyUnproven).
        """
        wanted = {item.hostname: with_marker(item.route) if item.route else None for item in changes}
        for route in wanted.values():
            if route is not None:
                routes.check(route, self._site.mode != "off")
        lost: ReplyLost | None = None
        for number in range(ATTEMPTS):
            await asyncio.sleep(number * PAUSE)
            try:
                config, etag = await self._admin.get()
                edit = smallest(config, caddy_config.changed(config, self._site, wanted))
                if edit is None:
                    return
                await self._admin.send(edit, etag)
            except ConfigMoved:
                continue
            except ConnectionBroke as error:
                # What it asked for is either there when everything is read again, or refused by its old ETag.
                lost = error
                continue
            except ReplyLost as error:
                lost = error
                break
            except AdminRefused as error:
                raise self._refused(error) from error
            await self._prove(wanted)
            return
        if lost is not None:
            raise OutcomeUnknown(f"Caddy at {self._admin.address}: reply to a change lost: {lost}") from lost
        text = f"Caddy at {self._admin.address}: others change its configuration all the time, {ATTEMPTS} tries failed"
        raise WorldBad(text, reason="ProxyBusy")

    async def ask(self, route: Route) -> Answer:
        """One GET to the hostname through the proxy, on a connection of its own. Raises `WorldBad` (NoAnswer)."""
        request = self._client.build_request(
            "GET",
            self._base + route.options.verify,
            headers={"Host": route.hostname, "User-Agent": "Holdfast", "Connection": "close"},
            extensions={"sni_hostname": route.hostname},
        )
        try:
            async with asyncio.timeout(ASK):
                reply = await self._client.send(request, stream=True)
                await reply.aclose()
        except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError) as error:
            why = str(error) or type(error).__name__
            raise WorldBad(f"no answer from {self._base} for {route.hostname}: {why}", reason="NoAnswer") from error
        return Answer(reply.headers.get(routes.HEADER, ""), reply.status_code, f"status {reply.status_code}")

    async def _prove(self, wanted: dict[str, Route | None]) -> None:
        """Raise `WorldBad` (ProxyUnproven) unless Caddy now says what was written."""
        table = await self.read()
        wrong = sorted(name for name, route in wanted.items() if table.routes.get(name) != route)
        if wrong:
            text = f"Caddy at {self._admin.address} took the change but does not show it for {', '.join(wrong[:5])}"
            raise WorldBad(text, reason="ProxyUnproven")

    def _refused(self, error: AdminRefused) -> WorldBad:
        return WorldBad(f"Caddy at {self._admin.address} refused: {error}", reason="ProxyRefused")
