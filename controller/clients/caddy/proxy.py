"""The proxy `caddy`: reads and writes our part of a running Caddy, and asks through it.

Caddy is started by somebody else and outlives us. It provisions everything anew with each change, so all changes go
into one write of the narrowest place, an equal configuration is never written, and every write is read back. Nothing
is remembered between calls: a Caddy that lost its configuration is a Caddy without routes.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from controller.clients.caddy import config, routes
from controller.clients.caddy.admin import AdminRefused, CaddyAdmin, ConfigMoved, ConnectionBroke, ReplyLost, smallest
from controller.clients.caddy.servers import Site
from controller.clients.proxy_question import PublicSide
from controller.core.model import digests
from controller.core.model.errors import OutcomeUnknown, WorldBad
from controller.core.model.observed import Route, RouteChange, RouteTable
from controller.interfaces import Answer

ATTEMPTS = 20
"""Tries of one write while others change Caddy's configuration at the same time."""
RETRY_PAUSE_S = 0.01
"""Seconds that each further try waits longer, so that one of several writers comes through."""


class Tls(Protocol):
    """`proxy.tls` of the settings."""

    @property
    def mode(self) -> Literal["off", "internal", "acme"]:
        """off: plain HTTP; internal: certificates of Caddy's own authority; acme: of a public one."""
        ...

    @property
    def email(self) -> str | None:
        """Address for the ACME account."""
        ...


class CaddyProxy:
    """One Caddy. `listen` is where our routes are served, `address` where a client of them connects."""

    batch = True

    def __init__(self, admin: str, listen: str, address: str, tls: Tls, controller_id: str) -> None:
        self._admin = CaddyAdmin(admin)
        self._site = Site(f"holdfast-{controller_id}", listen, tls.mode, tls.email or None)
        self._base = f"{'http' if tls.mode == 'off' else 'https'}://{address}"
        self._public = PublicSide()

    async def close(self) -> None:
        """Close the HTTP client."""
        await self._public.close()

    async def read(self) -> RouteTable:
        """All our routes and the hostnames that others hold. Raises `Unreachable`, `WorldBad` (ProxyRefused)."""
        try:
            current, _ = await self._admin.get()
        except AdminRefused as error:
            raise self._refused(error) from error
        return config.table(current, self._site)

    async def write(self, changes: Sequence[RouteChange]) -> None:
        """Make these changes in one write and read them back; nothing is written when nothing differs.

        Raises `RevisionBad` (UnsupportedOption, InvalidRoute) before anything is asked, `Conflict` (HostnameTaken,
        ListenTaken), `Unreachable`, `OutcomeUnknown`, `WorldBad` (ProxyRefused, ProxyBusy, ProxyUnproven).
        """
        wanted = {change.hostname: digests.with_marker(change.route) if change.route else None for change in changes}
        for route in wanted.values():
            if route is not None:
                routes.check(route, self._site.mode != "off")
        lost: ReplyLost | None = None
        for attempt in range(ATTEMPTS):
            await asyncio.sleep(attempt * RETRY_PAUSE_S)
            try:
                current, etag = await self._admin.get()
                edit = smallest(current, config.changed(current, self._site, wanted))
                if edit is None:
                    return
                await self._admin.send(edit, etag)
            except ConfigMoved:
                continue
            except ConnectionBroke as error:
                # The next read shows what it asked for, or its old ETag is refused.
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
        """One GET to the hostname through the proxy. Raises `WorldBad` (NoAnswer)."""
        return await self._public.ask("GET", self._base, route.options.verify, route.hostname)

    async def _prove(self, wanted: Mapping[str, Route | None]) -> None:
        """Raise `WorldBad` (ProxyUnproven) unless Caddy now says what was written."""
        table = await self.read()
        wrong = sorted(name for name, route in wanted.items() if table.routes.get(name) != route)
        if wrong:
            text = f"Caddy at {self._admin.address} took the change but does not show it for {', '.join(wrong[:5])}"
            raise WorldBad(text, reason="ProxyUnproven")

    def _refused(self, error: AdminRefused) -> WorldBad:
        return WorldBad(f"Caddy at {self._admin.address} refused: {error}", reason="ProxyRefused")
