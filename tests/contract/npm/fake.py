"""A fake Nginx Proxy Manager that is no kinder than the real one: same answers, same lies, a public side to ask.

What it does is measured on a running 2.15.1. The same tests run on both, so what they rely on here holds there.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import re
import ssl
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

import jsonschema

from tests.contract.npm import http, schemas
from tests.contract.npm.certificate import any_certificate
from tests.contract.npm.fake_hosts import Failed, Hosts, Row
from tests.contract.npm.http import Request

ADMIN = "admin@example.com"
PASSWORD = "admin's password"
KEY = b"fake"
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
HTML = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n</html>"


class FakeNpm:
    """`down`: its backend restarts and nginx answers for it. `newer`: says 403 where 2.15.1 says 404 and 500."""

    def __init__(self) -> None:
        self.hosts = Hosts()
        self.users: list[Row] = []
        self.down = False
        self.newer = False
        self.clock_ahead_s = 0.0
        """Seconds that its clock is ahead of the machine's."""
        self.url = self.address = self.tls_address = ""
        permissions = dict.fromkeys(("proxy_hosts", "certificates", "access_lists", "redirection_hosts"), "manage")
        self._user(ADMIN, ["admin"], PASSWORD, {"visibility": "all", "dead_hosts": "manage", **permissions})

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["FakeNpm"]:
        """Listen on free ports until the end."""
        secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        secure.load_cert_chain(*await any_certificate())
        secure.sni_callback = self._known_to_tls
        async with contextlib.AsyncExitStack() as stack:
            api = await stack.enter_async_context(http.serving(self._api))
            nginx = self.hosts.nginx
            front = await stack.enter_async_context(http.serving(lambda request: nginx.serve(request, False)))
            tls = await stack.enter_async_context(http.serving(lambda request: nginx.serve(request, True), secure))
            self.url, self.address, self.tls_address = (
                f"http://127.0.0.1:{api}",
                f"127.0.0.1:{front}",
                f"127.0.0.1:{tls}",
            )
            yield self

    def token(self, user: Row, seconds: float) -> str:
        """A token as NPM makes them, of this lifetime."""
        now = self._now()
        parts = [_part({"alg": "RS256"}), _part({"attrs": {"id": user["id"]}, "iat": now, "exp": now + seconds})]
        return ".".join([*parts, _signature(parts)])

    def _now(self) -> float:
        return time.time() + self.clock_ahead_s

    def _known_to_tls(self, _: Any, name: str | None, __: Any) -> int | None:
        server = self.hosts.nginx.find(name or "", tls=True)
        return None if server else ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    async def _api(self, request: Request) -> bytes:
        if self.down:
            return http.answer(502, HTML)
        path = request.path.removeprefix("/api")
        try:
            if len(request.body) > 102_400:
                raise Failed(413)
            status, body = await self._route(request, path)
        except Failed as error:
            reply: Row = {"code": error.status, "message": error.message}
            if error.message == "Token has expired":
                reply["message_i18n"] = {"name": "TokenExpiredError"}
            status, body = error.status, {"error": reply}
        return http.answer(status, body)

    async def _route(self, request: Request, path: str) -> tuple[int, Any]:
        data = self._json(request)
        if path == "/":
            return 200, {"status": "OK", "setup": True, "version": {"major": 2, "minor": 15, "revision": 1}}
        if (request.method, path) == ("POST", "/tokens"):
            self._valid(data, schemas.TOKEN)
            return 200, await self._login(data)
        user = self._bearer(request)
        if path == "/tokens":
            return 200, {"token": self.token(user or self._denied(request, path), _seconds(request.query))}
        if path.startswith("/nginx/proxy-hosts"):
            return await self._proxy_hosts(request, path, data, user)
        if path.startswith("/nginx/"):
            return await self._others(request, path, data, user)
        return self._people(request, path, data, user)

    async def _proxy_hosts(self, request: Request, path: str, data: Any, bearer: Row | None) -> tuple[int, Any]:
        number, _, action = path.removeprefix("/nginx/proxy-hosts").strip("/").partition("/")
        if request.method == "POST" and not action:
            self._valid(data, schemas.CREATE)
        if request.method == "PUT":
            self._valid(data, schemas.UPDATE)
        user = self._may(bearer, "proxy_hosts", request, path)
        expand = parse_qs(request.query).get("expand", [""])[0]
        if set(expand.split(",")) - {"", "owner", "certificate", "access_list"}:
            raise Failed(500)
        certify = self._permission(user, "certificates") == "manage"
        if not number:
            if request.method == "POST":
                return 201, await self.hosts.create(user, data, certify)
            rows = [row for row in self.hosts.rows.values() if self._sees(user, row)]
            rows.sort(key=lambda row: json.dumps(row["domain_names"]))
            return 200, [self.hosts.expanded(row, expand) for row in rows]
        row = self.hosts.rows.get(int(number))
        if row is None or not self._sees(user, row):
            raise Failed(404, f"Not Found - {number}")
        if action:
            await self.hosts.switch(int(number), action == "enable")
            return 200, True
        if request.method == "PUT":
            return 200, await self.hosts.update(int(number), data, user, certify)
        if request.method == "DELETE":
            await self.hosts.delete(int(number))
            return 200, True
        return 200, self.hosts.expanded(row, expand)

    async def _others(self, request: Request, path: str, data: Any, bearer: Row | None) -> tuple[int, Any]:
        _, _, kind, *rest = path.split("/")
        user = self._may(bearer, kind.replace("-", "_"), request, path)
        number = int(rest[0]) if rest else 0
        hosts, status = self.hosts, 200
        reply: Any = None
        match request.method, kind:
            case "GET", "certificates":
                reply = list(hosts.certificates.values())
            case "POST", "certificates" if not rest:
                status, reply = 201, hosts.add_certificate(data)
            case "POST", "certificates":
                await hosts.upload(number, request.body)
            case "DELETE", "certificates":
                del hosts.certificates[number]
            case "GET", "access-lists":
                reply = [{"id": row["id"], "name": row["name"]} for row in hosts.access.values()]
            case "POST", "access-lists":
                status, reply = 201, hosts.add_access({**data, "owner_user_id": user["id"]})
            case "DELETE", "access-lists":
                await hosts.delete_access(number)
            case "POST", "redirection-hosts":
                status, reply = 201, hosts.redirect(data)
            case "DELETE", "redirection-hosts":
                del hosts.redirections[number]
            case "GET", "redirection-hosts":
                reply = list(hosts.redirections.values())
            case "GET", "dead-hosts":
                reply = []
            case _:
                raise Failed(404, f"Not Found - {path}")
        return status, reply if reply is not None else True

    def _people(self, request: Request, path: str, data: Any, user: Row | None) -> tuple[int, Any]:
        if path == "/users/me":
            known = user or self._denied(request, path)
            return 200, {key: known[key] for key in ("id", "email", "roles", "permissions")}
        if user is None or "admin" not in user["roles"]:
            self._denied(request, path)
        if path == "/audit-log":
            return 200, self.hosts.audit[-100:][::-1]
        if (request.method, path) == ("POST", "/users"):
            return 201, self._user(data["email"], data["roles"], data["auth"]["secret"], {"visibility": "user"})
        if match := re.fullmatch(r"/users/(\d+)/permissions", path):
            self.users[int(match[1]) - 1]["permissions"].update(data)
            return 200, True
        if match := re.fullmatch(r"/users/(\d+)", path):
            row = self.users[int(match[1]) - 1]
            row["is_disabled"] = request.method == "DELETE" or data.get("is_disabled", row["is_disabled"])
            return 200, True
        raise Failed(404, f"Not Found - {path}")

    async def _login(self, data: Row) -> Row:
        await asyncio.sleep(0.01)
        for user in self.users:
            same = user["email"] == data["identity"].lower().strip() and user["secret"] == data["secret"]
            if same and not user["is_disabled"]:
                if user.get("two_factor"):
                    return {"requires_2fa": True, "challenge_token": "x.y.z"}
                return {"token": self.token(user, 86400), "expires": "2099-01-01T00:00:00.000Z"}
        raise Failed(400, "Invalid email or password")

    def _bearer(self, request: Request) -> Row | None:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind != "Bearer" or not token:
            return None
        *parts, signature = token.split(".")
        if len(parts) != 2 or signature != _signature(parts):
            raise Failed(500)
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        if claims["exp"] < self._now():
            raise Failed(400, "Token has expired")
        user = self.users[claims["attrs"]["id"] - 1]
        return None if user["is_disabled"] else user

    def _may(self, user: Row | None, what: str, request: Request, path: str) -> Row:
        has = self._permission(user, what) if user else ""
        if user is None or has not in (("manage",) if request.method != "GET" else ("view", "manage")):
            self._denied(request, path)
        assert user is not None
        return user

    def _permission(self, user: Row, what: str) -> str:
        return "manage" if "admin" in user["roles"] else str(user["permissions"].get(what, "manage"))

    def _sees(self, user: Row, row: Row) -> bool:
        everything: bool = user["permissions"]["visibility"] == "all"
        return everything or bool(row["owner_user_id"] == user["id"])

    def _denied(self, request: Request, path: str) -> Any:
        if self.newer:
            raise Failed(403, "Permission Denied")
        raise Failed(500) if request.method == "POST" or path == "/tokens" else Failed(404, f"Not Found - {path}")

    def _json(self, request: Request) -> Any:
        if request.method == "GET" or "json" not in request.headers.get("content-type", ""):
            return {}
        return json.loads(request.body or b"{}")

    def _valid(self, data: Any, schema: Row) -> None:
        errors = list(jsonschema.Draft202012Validator(schema).iter_errors(data))
        if errors:
            where = "/".join(["data", *map(str, errors[0].absolute_path)])
            raise Failed(400, f"{where} {errors[0].message}")

    def _user(self, email: str, roles: list[str], secret: str, permissions: Row) -> Row:
        user = {"id": len(self.users) + 1, "email": email.lower(), "roles": roles, "secret": secret}
        self.users.append({**user, "permissions": permissions, "is_disabled": False})
        return {"id": user["id"], "email": email, "roles": roles}


def _part(data: Row) -> str:
    return base64.urlsafe_b64encode(json.dumps(data).encode()).rstrip(b"=").decode()


def _signature(parts: list[str]) -> str:
    return hmac.new(KEY, ".".join(parts).encode(), hashlib.sha256).hexdigest()


def _seconds(query: str) -> float:
    text = parse_qs(query).get("expiry", ["1d"])[0]
    if not re.fullmatch(r"\d+[smhd]", text):
        raise Failed(400, f"Invalid expiry time: {text}")
    return int(text[:-1]) * SECONDS[text[-1]]
