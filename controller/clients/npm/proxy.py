"""The proxy `npm`: our proxy hosts in a running Nginx Proxy Manager, and questions through it.

NPM is started by somebody else and outlives us; its database is the home of our routes, each a host with our mark. One
change is one write, and none is made for nothing: each reloads nginx. Every answer is read back or proven on the live
route, because a 2xx may be a host that is offline and a 500 one that was written. What others made is never touched.
"""

from collections.abc import Awaitable, Callable, Sequence

from controller.clients import route_mark
from controller.clients.npm import hosts, rows
from controller.clients.npm.api import NpmApi
from controller.clients.npm.front import NpmFront
from controller.clients.npm.hosts import Host, Ids, Site
from controller.clients.npm.issuer import Issuer
from controller.clients.npm.rows import Row
from controller.clients.npm.session import NpmSession, Refused
from controller.clients.npm.writer import NpmWriter, Taken
from controller.core.model.errors import Conflict, Unreachable, WorldBad
from controller.core.model.observed import Route, RouteChange, RouteTable
from controller.interfaces import Answer, Clock

RELOAD_LIMIT_S = 10.0
RELOAD_LIMIT_PER_HOST_S = 0.002
"""Seconds that a reload may take until the live route answers as NPM shows it, and more for each host."""


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
        self._ours: dict[str, list[Host]] | None = None
        """Our hosts by hostname, as of the last list and our writes since; None before the first list."""
        self._silent: dict[str, tuple[str, float]] = {}
        """Hostnames whose live route does not answer with its proof: the path asked, and since when."""
        self._doubted: dict[str, str] = {}
        """The path for which a silent hostname was doubted last."""

    async def close(self) -> None:
        """Close the HTTP clients; a certificate that is being requested is left to NPM."""
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
        routes = {
            hostname: route_mark.unproven(route) if self._is_doubtful(route, ours[hostname][0]) else route
            for hostname, route in table.routes.items()
        }
        for hostname, host in self._writer.deleted_but_served.items():
            if hostname not in foreign:
                routes.setdefault(hostname, route_mark.unproven(host.route))
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
        host = await self._listed(route.hostname)
        answer = await self._ask(route, host)
        if host is not None:
            self._note_answer(host, answer)
        return answer

    async def ask_only(self, route: Route) -> Answer:
        """The same question from beside a running controller: nothing follows from the answer."""
        return await self._ask(route, await self._listed(route.hostname))

    async def _ask(self, route: Route, host: Host | None) -> Answer:
        if host is None:
            return Answer("", 404, "Nginx Proxy Manager has no host for it")
        return await self._front.ask(route.hostname, host.path or "/", host.tls)

    async def _set(self, route: Route) -> None:
        remembered = self._remembered(route.hostname)
        hosts.check(route, self._site, remembered.row if remembered else None)
        extras = hosts.extras(route, self._site)
        certificate = extras.certificate if extras.certificate != rows.LETSENCRYPT else None
        ids = Ids(
            await self._api.id_of("certificate", certificate) if certificate else 0,
            await self._api.id_of("access list", extras.access_list) if extras.access_list else 0,
        )
        present = await self._present(route.hostname)
        if not present:
            try:
                row = await self._writer.create(route, ids)
            except Taken:
                present = await self._taken(route.hostname)
        if present:
            for extra in present[1:]:
                await self._writer.delete(extra)
            row = await self._update(present[0], route, ids)
        host = hosts.parse(row, self._site)
        if self._ours is not None and host is not None:
            self._ours[route.hostname] = [host]
        if self._lacks_certificate(route, row) and self._issuer.is_due_again(route.hostname):
            self._issuer.start(route.hostname, int(row["id"]), bool(extras.force_tls))

    async def _update(self, host: Host, route: Route, ids: Ids) -> Row:
        hosts.check(route, self._site, host.row)
        fields = hosts.changes(host.row, route, self._site, ids)
        if not fields:
            missing = rows.missing(host.row)
            if missing:
                raise WorldBad(f"{route.hostname}: {missing}", reason="ProxyRefused")
            if not (rows.nginx_error(host.row) or route.hostname in self._writer.unproven):
                return host.row
            fields = rows.rewriting(host.row)
        return await self._writer.update(host.row, fields, route, ids)

    async def _delete(self, hostname: str) -> None:
        if hostname in self._writer.deleted_but_served:
            await self._list()
        for host in await self._present(hostname):
            await self._writer.delete(host)
        deleted = self._writer.deleted_but_served.get(hostname)
        if deleted is not None:
            await self._writer.make_nginx_drop(deleted)
        if self._ours is not None:
            self._ours.pop(hostname, None)

    async def _present(self, hostname: str) -> list[Host]:
        """Our hosts for the hostname as they are now: a person may have changed them since the last list."""
        if self._ours is None:
            return (await self._list())[0].get(hostname, [])
        present: list[Host] = []
        for listed in self._ours.get(hostname, []):
            row = await self._api.row(listed.id)
            host = hosts.parse(row, self._site) if row is not None else None
            if host is None or host.route.hostname != hostname:
                return (await self._list())[0].get(hostname, [])
            present.append(host)
        return present

    async def _taken(self, hostname: str) -> list[Host]:
        """Our host that the hostname belongs to after all. Raises `Conflict` (HostnameTaken) where it is another's."""
        ours, foreign = await self._list()
        if ours.get(hostname):
            return ours[hostname]
        words = foreign.get(hostname) or await self._api.holder(hostname)
        holder = words or f"a host of Nginx Proxy Manager that {self.session.identity} may not see"
        raise Conflict(f"{hostname} is held by {holder}, which is not ours", reason="HostnameTaken")

    async def _list(self) -> tuple[dict[str, list[Host]], dict[str, str]]:
        try:
            listed = await self._api.rows()
        except Refused as error:
            raise Unreachable(f"Nginx Proxy Manager at {self.session.url} refuses a list: {error.message}") from error
        ours, foreign = hosts.by_owner(listed, self._site)
        self._ours = ours
        return ours, foreign

    async def _listed(self, hostname: str) -> Host | None:
        """Our first host for the hostname, as remembered; listed first where nothing is remembered yet."""
        if self._ours is None:
            await self._list()
        return self._remembered(hostname)

    def _remembered(self, hostname: str) -> Host | None:
        present = (self._ours or {}).get(hostname)
        return present[0] if present else None

    def _is_doubtful(self, route: Route, host: Host) -> bool:
        if route.hostname in self._writer.unproven:
            return True
        return self._lacks_certificate(route, host.row) and self._issuer.is_due_again(route.hostname)

    def _lacks_certificate(self, route: Route, row: Row) -> bool:
        """True when a certificate of Let's Encrypt is asked for and not there."""
        return hosts.extras(route, self._site).certificate == rows.LETSENCRYPT and not rows.has_letsencrypt(row)

    def _note_answer(self, host: Host, answer: Answer) -> None:
        """Request a certificate for a host that has proven itself; doubt one that has been silent for too long.

        A host is doubted once for each of its paths: where `proxy.address` leads elsewhere no write would ever help.
        """
        hostname, now = host.route.hostname, self._clock.monotonic()
        if answer.marker == host.proof or not host.path:
            self._silent.pop(hostname, None)
            self._doubted.pop(hostname, None)
            if host.route.marker and self._lacks_certificate(host.route, host.row):
                # Not earlier: NPM takes the host offline meanwhile.
                self._issuer.start(hostname, host.id, bool(hosts.extras(host.route, self._site).force_tls))
            return
        path, since = self._silent.get(hostname, ("", 0.0))
        limit = RELOAD_LIMIT_S + RELOAD_LIMIT_PER_HOST_S * self._api.count
        if path != host.path or self._issuer.is_under_way(hostname):
            self._silent[hostname] = (host.path, now)
        elif now - since >= limit and self._doubted.get(hostname) != host.path:
            self._doubted[hostname] = host.path
            self._writer.unproven.add(hostname)
