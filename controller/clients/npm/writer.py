"""One change of one proxy host, made and settled: NPM's answer alone proves nothing.

A 2xx may leave the host offline: then what it was before is put back. A 500 may have changed the database and not
nginx: then the live route is asked and the same is written once more. What is still unproven is remembered, because
NPM's own API shows no difference from then on.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from controller.clients.npm import hosts, rows
from controller.clients.npm.api import NpmApi
from controller.clients.npm.front import NpmFront
from controller.clients.npm.hosts import Host, Ids, Site
from controller.clients.npm.rows import Row
from controller.clients.npm.session import Refused, Uncertain
from controller.core.model.errors import OutcomeUnknown, Unreachable, WorldBad
from controller.core.model.observed import Route
from controller.interfaces import Clock

SETTLE_S = 3.0
SETTLE_PER_HOST_S = 0.002
"""Seconds for which the live route is asked after an answer that proves nothing: a reload takes effect later."""
NPM_AWAY_S = 20.0
"""Seconds for which NPM is waited for when it went away in the middle of a change."""
PAUSE_S = 0.25
TRIES = 3
"""Writes of one change whose host was refused for the file of another."""


T = TypeVar("T")


class Taken(Exception):
    """The hostname belongs to a host already."""


class NpmWriter:
    """Changes of hosts, one at a time. `unproven`: hostnames that NPM may show otherwise than nginx serves them."""

    def __init__(self, api: NpmApi, front: NpmFront, site: Site, clock: Clock) -> None:
        self._api = api
        self._front = front
        self._site = site
        self._clock = clock
        self.unproven: set[str] = set()
        self.deleted_but_served: dict[str, Host] = {}
        """Hosts that NPM deleted and nginx may still serve, by hostname."""

    async def create(self, route: Route, ids: Ids) -> Row:
        """Make a host. Raises `Taken`, `WorldBad` (ProxyRefused, ProxyBroken), `OutcomeUnknown`."""
        fields = hosts.changes(None, route, self._site, ids)
        try:
            row = await self._created(await self._api.create(fields), route.hostname)
            if rows.is_anothers_fault(row):
                row = await self._put(row, rows.rewriting(row))
        except Refused as error:
            if error.status == 400 and error.message.endswith("is already in use"):
                raise Taken from error
            raise self._refused(route.hostname, error.message) from error
        except Uncertain as error:
            listed = await self._when_back(self._api.rows, error)
            ours = hosts.by_owner(listed, self._site)[0].get(route.hostname)
            if not ours:
                raise self._not_made(route.hostname, error) from error
            return await self._settle(ours[0].row, route, ids, error)
        self._accept(row, route, ids)
        return row

    async def update(self, row: Row, fields: Row, route: Route, ids: Ids) -> Row:
        """Change these fields of a host; what nginx refuses is taken back.

        Raises `WorldBad` (ProxyRefused, ProxyBroken, HostGone), `OutcomeUnknown`.
        """
        try:
            after = await self._put(row, fields)
        except Refused as error:
            raise self._refused(route.hostname, error.message) from error
        except Uncertain as error:
            current = await self._when_back(lambda: self._api.row(int(row["id"])), error)
            if current is None or hosts.changes(current, route, self._site, ids):
                raise self._not_made(route.hostname, error) from error
            return await self._settle(current, route, ids, error)
        why = rows.nginx_error(after) or rows.missing(after)
        if why:
            raise self._refused(route.hostname, f"{why}; {await self._put_back(row, fields)}")
        self._accept(after, route, ids)
        return after

    async def delete(self, host: Host) -> None:
        """Remove a host. Raises `WorldBad` (ProxyBroken), `OutcomeUnknown`."""
        hostname = host.route.hostname
        try:
            await self._api.delete(host.id)
        except Refused as error:
            raise self._refused(hostname, error.message) from error
        except Uncertain as error:
            if await self._when_back(lambda: self._api.row(host.id), error) is not None:
                raise self._not_made(hostname, error) from error
            if hostname in self.deleted_but_served or await self._served(host, expected=False):
                self.deleted_but_served.setdefault(hostname, host)
                raise self._broken(hostname, error, "it is deleted, but still served") from error
        else:
            self.deleted_but_served.clear()  # nginx has read all its files anew
        self.unproven.discard(hostname)

    async def make_nginx_drop(self, host: Host) -> None:
        """Have nginx drop a host that is gone from NPM: only a change makes it read its files anew.

        Raises as `delete` does.
        """
        hostname = host.route.hostname
        if await self._served(host, expected=False):
            names = ("domain_names", "forward_scheme", "forward_host", "forward_port", "meta")
            fields = {name: host.row[name] for name in names}
            try:
                number = await self._api.create({**fields, "enabled": False})
                await self._api.delete(number)
            except Refused as error:
                raise self._refused(hostname, error.message) from error
            except Uncertain as error:
                raise self._broken(hostname, error, "it is deleted, but still served") from error
        self.deleted_but_served.pop(hostname, None)

    async def _put(self, row: Row, fields: Row) -> Row:
        """Change a host; again when nginx refused it because of another change under way."""
        number = int(row["id"])
        for _ in range(TRIES - 1):
            after = await self._api.update(number, fields)
            if not rows.is_anothers_fault(after):
                return after
            await self._clock.sleep(PAUSE_S)
        return await self._api.update(number, fields)

    async def _settle(self, row: Row, route: Route, ids: Ids, error: Uncertain) -> Row:
        """Prove what NPM's database says, or have it written to nginx again. Raises `WorldBad` (ProxyBroken)."""
        host = hosts.parse(row, self._site)
        if host is not None and await self._served(host, expected=True):
            self._accept(row, route, ids)
            return row
        try:
            after = await self._api.update(int(row["id"]), rows.rewriting(row))
        except (Uncertain, Refused) as again:
            self.unproven.add(route.hostname)
            raise self._broken(route.hostname, again, "NPM shows it, nginx does not serve it") from error
        self._accept(after, route, ids)
        return after

    def _accept(self, row: Row, route: Route, ids: Ids) -> None:
        """Believe the host as it was read back. Raises `WorldBad` (ProxyRefused, ProxyUnproven)."""
        why = rows.nginx_error(row) or rows.missing(row)
        if why:
            raise self._refused(route.hostname, why)
        differing = hosts.changes(row, route, self._site, ids)
        if differing:
            names = ", ".join(sorted(differing))
            text = f"{route.hostname}: Nginx Proxy Manager took the change but shows another {names}"
            raise WorldBad(text, reason="ProxyUnproven")
        self.unproven.discard(route.hostname)
        self.deleted_but_served.clear()  # nginx has read all its files anew

    async def _put_back(self, row: Row, fields: Row) -> str:
        """Undo a change that took a host offline; returns in words how it stands now."""
        if rows.nginx_error(row) or not row.get("enabled"):
            return "it was not served before either"
        try:
            after = await self._api.update(int(row["id"]), rows.restoring(row, fields))
        except (Refused, Uncertain, WorldBad):
            return "it is offline, and its former configuration could not be put back"
        return "it is offline" if rows.nginx_error(after) else "its former configuration is back"

    async def _created(self, number: int, hostname: str) -> Row:
        row = await self._api.row(number)
        if row is None:
            raise WorldBad(f"{hostname}: Nginx Proxy Manager made host {number}, and it is gone", reason="HostGone")
        return row

    async def _served(self, host: Host, *, expected: bool) -> bool:
        """True when the live route answers with its marker: asked for a few seconds, until it is as expected."""
        end = self._clock.monotonic() + SETTLE_S + SETTLE_PER_HOST_S * self._api.count
        while host.path:
            served = False
            with suppress(WorldBad):
                served = (await self._front.ask(host.route.hostname, host.path, host.tls)).marker == host.proof
            if served == expected or self._clock.monotonic() + PAUSE_S > end:
                return served
            await self._clock.sleep(PAUSE_S)
        return False

    async def _when_back(self, read: Callable[[], Awaitable[T]], error: Uncertain) -> T:
        """Read once NPM is back. Raises `OutcomeUnknown` when it stays away."""
        end = self._clock.monotonic() + NPM_AWAY_S
        while True:
            try:
                return await read()
            except Unreachable as away:
                if self._clock.monotonic() + PAUSE_S > end:
                    raise OutcomeUnknown(f"{error.message}; then: {away.message}") from away
                await self._clock.sleep(PAUSE_S)

    def _not_made(self, hostname: str, error: Uncertain) -> WorldBad:
        text = f"{hostname}: {error.message}, and the change is not there"
        return OutcomeUnknown(text) if error.lost else WorldBad(text, reason="ProxyBroken")

    def _refused(self, hostname: str, words: str) -> WorldBad:
        return WorldBad(f"{hostname}: Nginx Proxy Manager refuses it: {words}", reason="ProxyRefused")

    def _broken(self, hostname: str, error: Uncertain | Refused, words: str) -> WorldBad:
        cause = "another host or a custom file probably breaks nginx's configuration; `nginx -t` beside NPM names it"
        return WorldBad(f"{hostname}: {words} ({error.message}): {cause}", reason="ProxyBroken")
