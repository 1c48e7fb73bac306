"""Calls to Nginx Proxy Manager's API as one user: login, renewal of the token, and the meaning of each answer.

NPM never answers 401: an expired token is a 400, a damaged one a 500, a missing permission a 404 that names the path
(releases after 2.15.1: 403). So each such answer is checked by asking who we are. A 500 does not mean that nothing
happened: it becomes `Uncertain`, and only another read settles it. Bodies hold passwords and private keys, so
neither they nor what was sent is ever logged or put into an error; NPM's own one-line message is.
"""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx

from controller.core.model.errors import Unreachable, WorldBad
from controller.interfaces import Clock

CONNECT_DEADLINE_S = 10.0
READ_DEADLINE_S = 30.0
"""Seconds for a connection and for a call that only reads."""
MAX_BODY_BYTES = 100_000
"""Bytes that NPM accepts in one request."""
LOGIN_PAUSE_S = 10.0
"""Seconds in which a refused login is not tried again: each one costs NPM half a second of work."""
TOKEN_LIFE_S = 86_400.0
"""Seconds that a token is good for when it does not say so itself."""
RENEW_AT = 0.75
"""Share of a token's life after which it is exchanged for a new one."""
PERMISSIONS = "/users/me?expand=permissions"
GATEWAY_STATUSES = range(502, 505)
"""What nginx answers with, in HTML, while NPM itself (re)starts behind it."""


class Refused(Exception):
    """NPM said no and did nothing: a 4xx that has nothing to do with the login."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Uncertain(Exception):
    """A changing call may have happened: NPM answered 5xx, or its reply was lost."""

    def __init__(self, message: str, *, lost: bool) -> None:
        super().__init__(message)
        self.message = message
        self.lost = lost
        """True when there was no answer at all, so that NPM may still be at work on it."""


class NpmSession:
    """One user of one NPM. `password` is asked for at each login, so that a changed secret needs no restart."""

    def __init__(self, url: str, identity: str, password: Callable[[], Awaitable[str]], clock: Clock) -> None:
        self.url = url.rstrip("/")
        self.identity = identity
        self._password = password
        self._clock = clock
        self._token = ""
        self._renew_at = 0.0
        self._login = asyncio.Lock()
        self._refused: tuple[float, WorldBad] | None = None
        # Every change makes NPM reload the nginx that this very connection goes through, and cut it: none is kept.
        self._client = httpx.AsyncClient(
            verify=not self.url.lower().startswith("http:"),  # plain HTTP need not load the trusted authorities
            trust_env=False,
            follow_redirects=False,
            limits=httpx.Limits(max_keepalive_connections=0),
            headers={"User-Agent": "Holdfast", "Connection": "close"},
        )

    async def close(self) -> None:
        """Close the HTTP client."""
        await self._client.aclose()

    async def call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, deadline: float = READ_DEADLINE_S
    ) -> Any:
        """Make one call and return its decoded answer; after a new login once more where the token was at fault.

        Raises `Refused`, `Uncertain` (changing calls only), `Unreachable`, `WorldBad` (ProxyLogin, ProxyForbidden,
        ProxyRefused).
        """
        content = None if body is None else json.dumps(body).encode()
        if content is not None and len(content) > MAX_BODY_BYTES:
            limit = f"Nginx Proxy Manager takes at most {MAX_BODY_BYTES // 1000} kB per host"
            raise WorldBad(f"{limit}: shorten its advanced configuration", reason="ProxyRefused")
        for is_last in (False, True):
            token = await self._valid_token()
            status, answer = await self._send(method, path, content, token, deadline)
            if status < 400:
                return answer
            message = _message(answer)
            if not _may_be_login(status, message):
                raise Refused(status, message)
            if is_last or not await self._forget_if_outdated(token, status, message):
                break
        await self._check_permission(token)
        if status < 500:
            raise Refused(status, message)
        text = f"Nginx Proxy Manager at {self.url} answered {status}: {message}"
        raise Unreachable(text) if method == "GET" else Uncertain(text, lost=status in GATEWAY_STATUSES)

    async def me(self) -> dict[str, Any]:
        """Who we are, with permissions. Raises `Unreachable`, `WorldBad`, `Refused`."""
        user = await self.call("GET", PERMISSIONS)
        return user if isinstance(user, dict) else {}

    async def _forget_if_outdated(self, token: str, status: int, message: str) -> bool:
        """Forget the token when NPM does not accept it; True when it was so."""
        if status in GATEWAY_STATUSES:
            return False
        if not _says_expired(status, message):
            user_status, _ = await self._user_of(token)
            if user_status == 200 or user_status in GATEWAY_STATUSES:
                return False
        if self._token == token:
            self._token = ""
        return True

    async def _check_permission(self, token: str) -> None:
        """Raise `WorldBad` (ProxyForbidden) when our user may not do what failed."""
        status, user = await self._user_of(token)
        missing = missing_permission(user) if status == 200 else ""
        if missing:
            raise WorldBad(f"{self.identity} at {self.url}: {missing}", reason="ProxyForbidden")

    async def _user_of(self, token: str) -> tuple[int, Any]:
        try:
            return await self._send("GET", PERMISSIONS, None, token, READ_DEADLINE_S)
        except Unreachable:
            return 502, None

    async def _valid_token(self) -> str:
        async with self._login:
            if self._token and self._clock.monotonic() >= self._renew_at:
                status, answer = await self._send("GET", "/tokens", None, self._token, READ_DEADLINE_S)
                self._token = ""
                if status == 200:
                    self._keep(answer)
            if not self._token:
                await self._log_in()
            return self._token

    async def _log_in(self) -> None:
        if self._refused is not None and self._clock.monotonic() < self._refused[0]:
            raise WorldBad(self._refused[1].message, reason=self._refused[1].reason)
        secret = await self._password()
        content = json.dumps({"identity": self.identity, "secret": secret}).encode()
        status, answer = await self._send("POST", "/tokens", content, "", READ_DEADLINE_S)
        if status == 200 and isinstance(answer, dict) and answer.get("requires_2fa"):
            text = "asks for a second factor: give Holdfast a user without one"
        elif status == 200:
            self._refused = None
            self._keep(answer)
            return
        elif status >= 500:
            raise Unreachable(f"Nginx Proxy Manager at {self.url} answered {status} to a login: {_message(answer)}")
        else:
            text = f"refuses proxy.identity or proxy.secret: {_message(answer)}"
        error = WorldBad(f"Nginx Proxy Manager at {self.url} {text} ({self.identity})", reason="ProxyLogin")
        self._refused = (self._clock.monotonic() + LOGIN_PAUSE_S, error)
        raise error

    def _keep(self, answer: Any) -> None:
        token = answer.get("token") if isinstance(answer, dict) else None
        if not isinstance(token, str) or not token:
            raise Unreachable(f"Nginx Proxy Manager at {self.url} gave no token")
        self._token = token
        self._renew_at = self._clock.monotonic() + RENEW_AT * lifetime(token)

    async def _send(
        self, method: str, path: str, content: bytes | None, token: str, deadline: float
    ) -> tuple[int, Any]:
        """One request; the answer is None where it is no JSON. Raises `Unreachable`, `Uncertain`."""
        headers = {"Content-Type": "application/json"} if content is not None else {}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        url = f"{self.url}/api{path}"
        try:
            async with asyncio.timeout(deadline):
                timeout = httpx.Timeout(deadline, connect=min(CONNECT_DEADLINE_S, deadline))
                reply = await self._client.request(method, url, content=content, headers=headers, timeout=timeout)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError) as error:
            text = f"Nginx Proxy Manager at {self.url}: {_words(error)}"
            sent = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.InvalidURL)
            if sent and method != "GET" and path != "/tokens":
                raise Uncertain(text, lost=True) from error
            raise Unreachable(text) from error
        try:
            return reply.status_code, reply.json()
        except ValueError:
            # A 2xx without JSON comes from something else that listens there.
            return (reply.status_code if reply.status_code >= 400 else 502), None


def lifetime(token: str) -> float:
    """Seconds from the issue of a token to its end, as the token itself says; NPM's `expires` beside it may be wrong.

    A difference, so that a wrong clock of NPM does not matter.
    """
    try:
        part = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        return max(0.0, float(claims["exp"]) - float(claims["iat"]))
    except (LookupError, TypeError, ValueError):
        return TOKEN_LIFE_S


def missing_permission(user: Any) -> str:
    """What a user lacks to manage proxy hosts, as a sentence; empty when nothing."""
    if not isinstance(user, dict) or "admin" in (user.get("roles") or ()):
        return ""
    permissions = user.get("permissions")
    level = permissions.get("proxy_hosts") if isinstance(permissions, dict) else None
    if level == "manage":
        return ""
    return f"its permission for proxy hosts is {level or 'hidden'}; set it to manage"


def _may_be_login(status: int, message: str) -> bool:
    names_path = status == 404 and message.startswith("Not Found - /")
    return status in (401, 403) or status >= 500 or names_path or _says_expired(status, message)


def _says_expired(status: int, message: str) -> bool:
    return status == 400 and message == "Token has expired"


def _message(answer: Any) -> str:
    """NPM's sentence about an error; the rest of the answer is not read."""
    error = answer.get("error") if isinstance(answer, dict) else None
    message = error.get("message") if isinstance(error, dict) else None
    return " ".join(message.split())[:500] if isinstance(message, str) else "no answer of its API"


def _words(error: BaseException) -> str:
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return "no answer in time"
    return str(error) or type(error).__name__
