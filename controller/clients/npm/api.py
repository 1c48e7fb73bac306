"""The few calls of NPM's API that are used, with deadlines that grow with the number of hosts.

NPM tests and reloads nginx's whole configuration at each change, so a change among thousands of hosts takes ten seconds
and more. `locations` is never sent, and no call that enables or disables: enabling that way opens a host to everybody.
"""

from typing import Any, Literal

from controller.clients.npm.rows import Row
from controller.clients.npm.session import NpmSession, Refused
from controller.core.model.errors import WorldBad

WRITE_DEADLINE_S = 60.0
READ_DEADLINE_S = 30.0
WRITE_PER_HOST_S = 0.05
READ_PER_HOST_S = 0.01
"""Seconds that a change and a list may take: at least, and more for each host."""
EXPAND = "?expand=certificate,access_list"
HOSTS = "/nginx/proxy-hosts"
OTHER_KINDS = {"redirection host": "/nginx/redirection-hosts", "404 host": "/nginx/dead-hosts"}

Kind = Literal["certificate", "access list"]


class NpmApi:
    """Proxy hosts, and the names of certificates and access lists. Raises what `NpmSession.call` raises."""

    def __init__(self, session: NpmSession) -> None:
        self.session = session
        self.count = 0
        """Hosts in the last list."""

    @property
    def write_deadline(self) -> float:
        """Seconds that one change may take."""
        return WRITE_DEADLINE_S + WRITE_PER_HOST_S * self.count

    async def rows(self) -> list[Any]:
        """All proxy hosts that our user sees."""
        deadline = READ_DEADLINE_S + READ_PER_HOST_S * self.count
        rows = await self._list(HOSTS + EXPAND, deadline)
        self.count = len(rows)
        return rows

    async def row(self, number: int) -> Row | None:
        """One host as it is now; None when it is gone."""
        try:
            row = await self.session.call("GET", f"{HOSTS}/{number}{EXPAND}")
        except Refused as error:
            if error.status == 404:
                return None
            raise
        return row if isinstance(row, dict) else None

    async def create(self, fields: Row) -> int:
        """Make a host and return its id. Only a later read shows whether nginx took it."""
        row = await self.session.call("POST", HOSTS, fields, self.write_deadline)
        return int(row["id"])

    async def update(self, number: int, fields: Row, deadline: float = 0.0) -> Row:
        """Change these fields of a host and return it with nginx's verdict; always reloads nginx."""
        row = await self.session.call("PUT", f"{HOSTS}/{number}", fields, deadline or self.write_deadline)
        return dict(row)

    async def delete(self, number: int) -> None:
        """Remove a host; gone is success."""
        try:
            await self.session.call("DELETE", f"{HOSTS}/{number}", deadline=self.write_deadline)
        except Refused as error:
            if error.status != 404:
                raise

    async def holder(self, hostname: str) -> str:
        """Words that name the host of another kind that holds a hostname; empty when our user sees none."""
        for kind, path in OTHER_KINDS.items():
            try:
                rows = await self._list(path)
            except Refused:
                continue
            for row in rows:
                if hostname in [str(name).lower() for name in row.get("domain_names", ())]:
                    return f"{kind} {row.get('id')} of Nginx Proxy Manager"
        return ""

    async def id_of(self, kind: Kind, name: str) -> int:
        """The id behind the name of a certificate or an access list; digits are an id already.

        A certificate is also found by a hostname of its own, such as *.example.com; of several the one that is valid
        longest. Raises `WorldBad` (CertificateMissing, AccessListMissing, ProxyForbidden).
        """
        if name.isdecimal():
            return int(name)
        path = "/nginx/certificates" if kind == "certificate" else "/nginx/access-lists"
        try:
            rows = await self._list(path)
        except Refused as error:
            text = f"{self.session.identity} may not list {path.rpartition('/')[2]}"
            remedy = "give it the permission view, or write the id instead of the name"
            raise WorldBad(f"{text}: {remedy}", reason="ProxyForbidden") from error
        # The list holds private keys: nothing of it is kept but these words.
        candidates = [
            (str(row.get("expires_on") or ""), int(row["id"]))
            for row in rows
            if name.casefold() in [str(word).casefold() for word in _names(row)]
        ]
        if not candidates:
            reason = "CertificateMissing" if kind == "certificate" else "AccessListMissing"
            raise WorldBad(f"Nginx Proxy Manager has no {kind} {name!r} that we may see", reason=reason)
        return max(candidates)[1]

    async def _list(self, path: str, deadline: float = READ_DEADLINE_S) -> list[Any]:
        rows = await self.session.call("GET", path, deadline=deadline)
        return rows if isinstance(rows, list) else []


def _names(row: Row) -> list[Any]:
    return [row.get("nice_name"), row.get("name"), *(row.get("domain_names") or ())]
