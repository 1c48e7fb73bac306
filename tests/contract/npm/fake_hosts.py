"""Proxy hosts, certificates and access lists of the fake NPM, in the order in which NPM's own code does things."""

import asyncio
import copy
import json
import time
from typing import Any

from tests.contract.npm.certificate import common_name
from tests.contract.npm.fake_nginx import Bad, Nginx, Server

Row = dict[str, Any]

STEP = 0.003
"""Seconds between the steps of one change: changes that come together get in each other's way."""
DEFAULTS: Row = {
    "access_list_id": 0,
    "certificate_id": 0,
    "ssl_forced": False,
    "caching_enabled": False,
    "block_exploits": False,
    "advanced_config": "",
    "meta": {},
    "allow_websocket_upgrade": False,
    "http2_support": False,
    "enabled": True,
    "locations": None,
    "hsts_enabled": False,
    "hsts_subdomains": False,
    "trust_forwarded_proto": False,
}


class Failed(Exception):
    """An error answer of NPM."""

    def __init__(self, status: int, message: str = "Internal Error") -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Hosts:
    """The database and what it makes of nginx. `certbot_…`: seconds that it takes, whether it fails or is running."""

    def __init__(self) -> None:
        self.rows: dict[int, Row] = {}
        self.certificates: dict[int, Row] = {}
        self.access: dict[int, Row] = {}
        self.redirections: dict[int, Row] = {}
        self.audit: list[Row] = []
        self.gone: set[str] = set()
        self.certbot_seconds = 0.1
        self.certbot_fails = False
        self.certbot_runs = 0
        self.certbot_busy = False
        self.nginx = Nginx(self._exists)
        self._serial = 0

    async def create(self, user: Row, data: Row, may_certify: bool) -> Row:
        """POST: the answer is the row of before nginx was asked."""
        new = data.get("certificate_id") == "new"
        data = {key: value for key, value in data.items() if not (new and key == "certificate_id")}
        self._free(data["domain_names"], 0)
        data = {**data, "owner_user_id": user["id"]}
        row = self._stored({**copy.deepcopy(DEFAULTS), **_clean(data, {})})
        if new:
            number = await self._issue(row, user, may_certify)
            await self.update(row["id"], {"certificate_id": number}, user, may_certify)
        reply = self.expanded(row, "owner,certificate,access_list")
        await self._configure(row)
        self._log("created", row)
        return reply

    async def update(self, number: int, data: Row, user: Row, may_certify: bool) -> Row:
        """PUT: merges, writes the configuration unless the host is disabled, and tells nginx's verdict."""
        if "domain_names" in data:
            self._free(data["domain_names"], number)
        row = self.rows[number]
        data = dict(data)
        if data.get("certificate_id") == "new":
            del data["certificate_id"]
            data["certificate_id"] = await self._issue(row, user, may_certify)
        row.update(_clean(data, row))
        row["domain_names"] = sorted(row["domain_names"])
        row["modified_on"] = _now()
        self._log("updated", row)
        if row["enabled"]:
            await self._configure(row)
        return self.expanded(row, "owner,certificate,access_list")

    async def delete(self, number: int) -> None:
        """DELETE: the row first, then the file, then a reload that may fail."""
        row = self.rows.pop(number)
        self.nginx.files.pop(number, None)
        await self._reload()
        self._log("deleted", row)

    async def switch(self, number: int, on: bool) -> None:
        """POST enable and disable. Enabling forgets the access list."""
        row = self.rows[number]
        if row["enabled"] == on:
            raise Failed(400, f"Host is already {'enabled' if on else 'disabled'}")
        row["enabled"] = on
        if on:
            await self._configure(row, open_to_all=True)
        else:
            self.nginx.files.pop(number, None)
            await self._reload()
        self._log("enabled" if on else "disabled", row)

    async def delete_access(self, number: int) -> None:
        """DELETE of an access list: hosts that use it become public, its file goes after the reload."""
        del self.access[number]
        for row in self.rows.values():
            if row["access_list_id"] == number:
                row["access_list_id"] = 0
                self._generate(row)
        await self._reload()
        self.gone.add(f"/data/access/{number}")

    def add_access(self, data: Row) -> Row:
        """POST of an access list."""
        if "items" not in data:
            raise Failed(500)
        number = self._next()
        self.access[number] = {"id": number, "satisfy_any": False, "pass_auth": False, **data}
        return {**self.access[number], "items": [{**pair, "password": ""} for pair in data["items"]]}

    def add_certificate(self, data: Row) -> Row:
        """POST of a certificate of one's own: a row without files."""
        number = self._next()
        self.certificates[number] = {
            "id": number,
            "provider": "other",
            "nice_name": "",
            "domain_names": [],
            "expires_on": _now(),
            "meta": {},
            "owner_user_id": 1,
            **data,
        }
        self.gone.add(f"/data/custom_ssl/npm-{number}")
        return self.certificates[number]

    async def upload(self, number: int, body: bytes) -> None:
        """POST of its files: of the names in it only CN is kept."""
        name = await common_name(body[body.index(b"-----BEGIN CERTIFICATE") :])
        key = body[body.index(b"-----BEGIN PRIVATE KEY") :].decode("latin-1").partition("-----END")[0]
        row = self.certificates[number]
        row.update(domain_names=[name], meta={"certificate_key": key})
        self.gone.discard(f"/data/custom_ssl/npm-{number}")

    def expanded(self, row: Row, expand: str) -> Row:
        """A row as an answer shows it."""
        reply = {key: copy.deepcopy(value) for key, value in row.items()}
        wanted = expand.split(",") if expand else []
        if "owner" in wanted:
            reply["owner"] = {"id": row["owner_user_id"]}
        if "certificate" in wanted:
            certificate = self.certificates.get(row["certificate_id"])
            reply["certificate"] = {**certificate, "meta": {}} if certificate else None
        if "access_list" in wanted:
            access = self.access.get(row["access_list_id"]) or {}
            reply["access_list"] = {k: v for k, v in access.items() if k not in ("items", "clients")} or None
        return reply

    def redirect(self, data: Row) -> Row:
        """POST of a redirection host."""
        self._free(data["domain_names"], 0)
        number = self._next()
        self.redirections[number] = {"id": number, **data}
        return self.redirections[number]

    def _stored(self, row: Row) -> Row:
        number = self._next()
        row = {"id": number, "created_on": _now(), "modified_on": _now(), **row}
        row["domain_names"] = sorted(row["domain_names"])
        row["advanced_config"] = row["advanced_config"] or ""
        self.rows[number] = row
        return row

    def _free(self, names: list[str], ignored: int) -> None:
        for name in names:
            for number, row in [*self.rows.items(), *((0, row) for row in self.redirections.values())]:
                if (number != ignored or not ignored) and name.lower() in [
                    taken.lower() for taken in row["domain_names"]
                ]:
                    raise Failed(400, f"{name} is already in use")

    async def _configure(self, row: Row, open_to_all: bool = False) -> None:
        """Test, write, test again; what is bad is removed; then reload, which tests once more."""
        await self._test()
        await asyncio.sleep(STEP)
        self.nginx.files.pop(row["id"], None)
        self._generate(row, open_to_all)
        await asyncio.sleep(STEP)
        try:
            self.nginx.test()
        except Bad as error:
            row["meta"] = {**row["meta"], "nginx_online": False, "nginx_err": str(error)}
            self.nginx.files.pop(row["id"], None)
        else:
            row["meta"] = {**row["meta"], "nginx_online": True, "nginx_err": None}
        await asyncio.sleep(STEP)
        await self._reload()

    def _generate(self, row: Row, open_to_all: bool = False) -> None:
        if not row["enabled"]:
            return
        access = None if open_to_all else self.access.get(row["access_list_id"])
        tls = row["certificate_id"] in self.certificates
        self.nginx.files[row["id"]] = Server(row["id"], copy.deepcopy(row), row["advanced_config"], access, tls)

    async def _test(self) -> None:
        try:
            self.nginx.test()
        except Bad as error:
            raise Failed(500) from error

    async def _reload(self) -> None:
        await self._test()
        self.nginx.reload()

    async def _issue(self, row: Row, user: Row, may_certify: bool) -> int:
        """A certificate of Let's Encrypt: the host is offline while certbot runs, and served again after it."""
        if not may_certify:
            raise Failed(500)
        self.nginx.files.pop(row["id"], None)
        await self._reload()
        self.certbot_runs += 1
        locked, self.certbot_busy = self.certbot_busy, True
        if not locked:
            await asyncio.sleep(self.certbot_seconds)
            self.certbot_busy = False
        if self.certbot_fails or locked:
            self._generate(row)
            await self._reload()
            raise Failed(500)
        made = self.add_certificate({"provider": "letsencrypt", "domain_names": list(row["domain_names"])})
        made["nice_name"] = ", ".join(row["domain_names"])
        self.gone.discard(f"/data/custom_ssl/npm-{made['id']}")
        self._generate(row)
        return int(made["id"])

    def _exists(self, path: str) -> bool:
        return path not in self.gone

    def _log(self, action: str, row: Row) -> None:
        entry = {"id": len(self.audit) + 1, "object_type": "proxy-host", "object_id": row["id"], "action": action}
        self.audit.append(entry)

    def _next(self) -> int:
        self._serial += 1
        return self._serial


def _clean(data: Row, row: Row) -> Row:
    """NPM's rules for TLS flags; a 0 of the request counts as a certificate, because validation made it a text."""
    fields = {**data}
    both = {**row, **data}
    if not both.get("certificate_id") and "certificate_id" not in data:
        fields.update(ssl_forced=False, http2_support=False)
    if not {**both, **fields}.get("ssl_forced"):
        fields["hsts_enabled"] = False
    if not {**both, **fields}.get("hsts_enabled"):
        fields["hsts_subdomains"] = False
    copied: dict[str, Any] = json.loads(json.dumps(fields))
    return copied


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
