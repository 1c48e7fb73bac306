"""The proxy `npm`: our proxy hosts in a running Nginx Proxy Manager, and questions through it.

NPM is started by somebody else and outlives us; its database is the home of our routes, each a host with our mark. One
change is one write, and none is made for nothing: each reloads nginx. Everything it answers is read back or proven on
the live route, because a 2xx may be a host that is offline and a 500 one that was written. What others made is never
touched.
"""

import dataclasses
from collections.abc import Awaitable, Callable, Sequence

from controller.clients.npm import hosts
from controller.clients.npm import rows as npm_rows
from controller.clients.npm.api import NpmApi
from controller.clients.npm.front import NpmFront
from controller.clients.npm.hosts import Host, Ids, Site
from controller.clients.npm.issuer import Issuer
from controller.clients.npm.session import NpmSession, Refused
from controller.clients.npm.writer import NpmWriter, Taken
from controller.core.model.errors import Conflict, Unreachable, WorldBad
from controller.core.model.observed import Route, RouteChange, RouteTable
from controller.interfaces import Answer, Clock

SILENT = 10.0
SILENT_PER_HOST = 0.002
"""Seconds for which a reload may take until the live route answers as NPM shows it, and more for each host."""


class NpmProxy:
    """One NPM, as one of its users. `addresses` are where clients of plain HTTP and of TLS connect."""

    batch = False

    def __init__(
        self,
        url: str,
        identity: str,
        password: Callable[[], Awaitable[str]],
        *,
        addresses: tuple[str, str],
        site: Site,
        clock: Clock,
    ) -> None:
        self.session = NpmSession(url, identity, password, clock)
        self._api = NpmApi(self.session)
        self._front = NpmFront(*addresses)
        self._site = site
        self._clock = clock
        self._writer = NpmWriter(self._api, self._front, site, clock)
        self._issuer = Issuer(self._api, clock)
        self._known: dict[str, list[Host]] | None = None
        self._silent: dict[str, tuple[str, float]] = {}
        self._nudged: dict[str, str] = {}

    async def close(self) -> None:
        """Free what the calls hold; a certificate that is being requested is left to NPM."""
        await self._issuer.close()
        await self._front.close()
        await self.session.close()

    async def read(self) -> RouteTable:
        """All our routes and the hostnames that others hold. Raises `Unreachable`, `WorldBad`.

        A route is without marker where somebody edited it, where nginx refused it, and where nginx may serve something
        else than NPM shows.
        """
        ours, foreign = await self._list()
        table = hosts.table(ours, foreign)
        routes = dict(table.routes)
        doubtful = [name for name, route in routes.items() if self._doubtful(route, ours[name][0])]
        for name in doubtful:
            routes[name] = dataclasses.replace(routes[name], marker="")
        for name, ghost in self._writer.ghosts.items():
            if name not in foreign:
                routes.setdefault(name, dataclasses.replace(ghost.route, marker=""))
        return RouteTable(routes, table.foreign)

    async def write(self, changes: Sequence[RouteChange]) -> None:
        """Make these changes one by one and read each back; nothing is written when nothing differs.

        Raises `RevisionBad` (UnsupportedOption, InvalidRoute) before anything is asked, `Conflict` (HostnameTaken),
        `Unreachable`, `OutcomeUnknown`, and `WorldBad`: ProxyRefused with nginx's words, ProxyBroken when nginx does
        not take what NPM has written down, CertificateMissing, AccessListMissing, ProxyLogin, ProxyForbidden.
        """
        for change in changes:
            try:
                if change.route is None:
                    await self._delete(change.hostname)
                else:
                    await self._set(change.route)
            except Refused as error:
                text = f"{change.hostname}: Nginx Proxy Manager refuses it: {error.message}"
                raise WorldBad(text, reason="ProxyRefused") from error

    async def ask(self, route: Route) -> Answer:
        """One question for the proof of the route, through the public side. Raises `WorldBad` (NoAnswer)."""
        found = (await self._hosts()).get(route.hostname)
        answer = await self.look(route)
        if found:
            self._heard(found[0], answer)
        return answer

    async def look(self, route: Route) -> Answer:
        """The same question from beside a running controller: nothing follows from the answer."""
        found = (await self._hosts()).get(route.hostname)
        if not found:
            return Answer("", 404, "Nginx Proxy Manager has no host for it")
        return await self._front.ask(route.hostname, found[0].path or "/", found[0].tls)

    async def _set(self, route: Route) -> None:
        hosts.check(route, self._site, None if self._known is None else self._row(route.hostname))
        wanted = hosts.wish(route, self._site)
        certificate = wanted.certificate if wanted.certificate != npm_rows.LETSENCRYPT else None
        ids = Ids(
            await self._api.named("certificate", certificate) if certificate else 0,
            await self._api.named("access list", wanted.access_list) if wanted.access_list else 0,
        )
        found = await self._ours(route.hostname)
        if not found:
            try:
                row = await self._writer.create(route, ids)
            except Taken:
                found = await self._taken(route.hostname)
        if found:
            for extra in found[1:]:
                await self._writer.delete(extra)
            row = await self._update(found[0], route, ids)
        host = hosts.host(row, self._site)
        if self._known is not None and host is not None:
            self._known[route.hostname] = [host]
        if self._uncertified(route, row) and self._issuer.due_again(route.hostname):
            self._issuer.start(route.hostname, int(row["id"]), bool(wanted.force_tls))

    async def _update(self, host: Host, route: Route, ids: Ids) -> npm_rows.Row:
        hosts.check(route, self._site, host.row)
        fields = hosts.changes(host.row, route, self._site, ids)
        if not fields:
            lost = npm_rows.lost(host.row)
            if lost:
                raise WorldBad(f"{route.hostname}: {lost}", reason="ProxyRefused")
            if not (npm_rows.failure(host.row) or route.hostname in self._writer.unproven):
                return host.row
            fields = npm_rows.same(host.row)
        return await self._writer.update(host.row, fields, route, ids)

    async def _delete(self, hostname: str) -> None:
        if hostname in self._writer.ghosts:
            await self._list()
        for host in await self._ours(hostname):
            await self._writer.delete(host)
        ghost = self._writer.ghosts.get(hostname)
        if ghost is not None:
            await self._writer.lay(ghost)
        if self._known is not None:
            self._known.pop(hostname, None)

    async def _ours(self, hostname: str) -> list[Host]:
        """Our hosts for the hostname as they are now: a person may have changed them since the last list."""
        if self._known is None:
            return (await self._list())[0].get(hostname, [])
        now: list[Host] = []
        for known in self._known.get(hostname, []):
            row = await self._api.row(known.id)
            host = hosts.host(row, self._site) if row is not None else None
            if host is None or host.route.hostname != hostname:
                return (await self._list())[0].get(hostname, [])
            now.append(host)
        return now

    async def _taken(self, hostname: str) -> list[Host]:
        """Our host that the hostname belongs to after all. Raises `Conflict` (HostnameTaken) where it is another's."""
        ours, foreign = await self._list()
        if ours.get(hostname):
            return ours[hostname]
        words = foreign.get(hostname) or await self._api.holder(hostname)
        who = words or f"a host of Nginx Proxy Manager that {self.session.identity} may not see"
        raise Conflict(f"{hostname} is held by {who}, which is not ours", reason="HostnameTaken")

    async def _list(self) -> tuple[dict[str, list[Host]], dict[str, str]]:
        try:
            rows = await self._api.rows()
        except Refused as error:
            raise Unreachable(f"Nginx Proxy Manager at {self.session.url} refuses a list: {error.message}") from error
        ours, foreign = hosts.hosts(rows, self._site)
        self._known = ours
        return ours, foreign

    async def _hosts(self) -> dict[str, list[Host]]:
        return self._known if self._known is not None else (await self._list())[0]

    def _row(self, hostname: str) -> npm_rows.Row | None:
        found = (self._known or {}).get(hostname)
        return found[0].row if found else None

    def _doubtful(self, route: Route, host: Host) -> bool:
        if route.hostname in self._writer.unproven:
            return True
        return self._uncertified(route, host.row) and self._issuer.due_again(route.hostname)

    def _uncertified(self, route: Route, row: npm_rows.Row) -> bool:
        """True when a certificate of Let's Encrypt is asked for and not there."""
        wanted = hosts.wish(route, self._site)
        return wanted.certificate == npm_rows.LETSENCRYPT and not npm_rows.issued(row)

    def _heard(self, host: Host, answer: Answer) -> None:
        """Draw what follows from an answer: a certificate may be asked for, or the host is to be doubted.

        It is doubted when its live route has not answered with its proof for long, once for each of its forms.

        Only once: where `proxy.address` leads elsewhere no write would ever help.
        """
        hostname, now = host.route.hostname, self._clock.monotonic()
        if answer.marker == host.proof or not host.path:
            self._silent.pop(hostname, None)
            self._nudged.pop(hostname, None)
            if host.route.marker and self._uncertified(host.route, host.row):
                # Only now: NPM takes the host offline meanwhile, and it had to prove itself first.
                self._issuer.start(hostname, host.id, bool(hosts.wish(host.route, self._site).force_tls))
            return
        form, since = self._silent.get(hostname, ("", 0.0))
        if form != host.path or self._issuer.under_way(hostname):
            self._silent[hostname] = (host.path, now)
        elif now - since >= SILENT + SILENT_PER_HOST * self._api.count and self._nudged.get(hostname) != host.path:
            self._nudged[hostname] = host.path
            self._writer.unproven.add(hostname)
