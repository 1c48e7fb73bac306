"""The few of NPM's calls that are used, with deadlines that grow with the number of hosts.

NPM tests and reloads nginx's whole configuration at each change, so a change among thousands of hosts takes ten seconds
and more. `locations` is never sent, and no call that enables or disables: enabling that way opens a host to everybody.
"""

from typing import Any, Literal

from controller.clients.npm.rows import Row
from controller.clients.npm.session import NpmSession, Refused
from controller.core.model.errors import WorldBad

WRITE = 60.0
READ = 30.0
WRITE_PER_HOST = 0.05
READ_PER_HOST = 0.01
"""Seconds that a change and a list may take: at least, and more for each host."""
EXPAND = "?expand=certificate,access_list"
HOSTS = "/nginx/proxy-hosts"
OTHERS = {"redirection host": "/nginx/redirection-hosts", "404 host": "/nginx/dead-hosts"}

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
        return WRITE + WRITE_PER_HOST * self.count

    async def rows(self) -> list[Any]:
        """All proxy hosts that our user sees."""
        found = await self.session.call("GET", HOSTS + EXPAND, deadline=READ + READ_PER_HOST * self.count)
        rows = found if isinstance(found, list) else []
        self.count = len(rows)
        return rows

    async def row(self, number: int) -> Row | None:
        """One host as it is now; None when it is gone."""
        try:
            found = await self.session.call("GET", f"{HOSTS}/{number}{EXPAND}")
        except Refused as error:
            if error.status == 404:
                return None
            raise
        return found if isinstance(found, dict) else None

    async def create(self, fields: Row) -> int:
        """Make a host and return its id. Whether nginx took it stands only in a later look."""
        made = await self.session.call("POST", HOSTS, fields, self.write_deadline)
        return int(made["id"])

    async def update(self, number: int, fields: Row, deadline: float = 0.0) -> Row:
        """Change these fields of a host and return it with nginx's verdict; always reloads nginx."""
        found = await self.session.call("PUT", f"{HOSTS}/{number}", fields, deadline or self.write_deadline)
        return dict(found)

    async def delete(self, number: int) -> None:
        """Remove a host; gone is success."""
        try:
            await self.session.call("DELETE", f"{HOSTS}/{number}", deadline=self.write_deadline)
        except Refused as error:
            if error.status != 404:
                raise

    async def holder(self, hostname: str) -> str:
        """Words that name the host that is no proxy host and holds a hostname; empty when our user sees none."""
        for words, path in OTHERS.items():
            try:
                rows = await self.session.call("GET", path)
            except Refused:
                continue
            for row in rows if isinstance(rows, list) else []:
                if hostname in [str(name).lower() for name in row.get("domain_names", ())]:
                    return f"{words} {row.get('id')} of Nginx Proxy Manager"
        return ""

    async def named(self, kind: Kind, name: str) -> int:
        """The id behind the name of a certificate or an access list; digits are an id already.

        A certificate is also found by a hostname of its own, such as *.example.com; of several the one that is valid
        longest. Raises `WorldBad` (CertificateMissing, AccessListMissing, ProxyForbidden).
        """
        if name.isdecimal():
            return int(name)
        path = "/nginx/certificates" if kind == "certificate" else "/nginx/access-lists"
        try:
            rows = await self.session.call("GET", path)
        except Refused as error:
            text = f"{self.session.identity} may not list what {path.rpartition('/')[2]} there are"
            remedy = "give it the permission view, or write the id instead of the name"
            raise WorldBad(f"{text}: {remedy}", reason="ProxyForbidden") from error
        # The list holds private keys: nothing of it is kept but these words.
        found = [
            (str(row.get("expires_on") or ""), int(row["id"]))
            for row in (rows if isinstance(rows, list) else [])
            if name.casefold() in [str(word).casefold() for word in _names(row)]
        ]
        if not found:
            reason = "CertificateMissing" if kind == "certificate" else "AccessListMissing"
            raise WorldBad(f"Nginx Proxy Manager has no {kind} {name!r} that we may see", reason=reason)
        return max(found)[1]


def _names(row: Row) -> list[Any]:
    return [row.get("nice_name"), row.get("name"), *(row.get("domain_names") or ())]
