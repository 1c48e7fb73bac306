"""A controller's proxy on an NPM, fake or real, and the looks and hands of a person beside it.

The real one is used where HOLDFAST_TEST_NPM_URL, …_IDENTITY and …_SECRET name it with an administrator's login; its
public side is asked on ports 80 and 443 of that host, or where …_ADDRESS and …_TLS_ADDRESS say. Whatever a test made
there is removed at its end. Needed there: nothing else changes it at the same time.
"""

import asyncio
import contextlib
import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from controller.clients.clock import SystemClock
from controller.clients.npm import hosts
from controller.clients.npm.proxy import NpmProxy
from controller.core.model.desired import Options
from controller.core.model.digests import with_marker
from controller.core.model.errors import WorldBad
from controller.core.model.observed import Route, RouteChange
from tests.contract.npm.certificate import make_certificate
from tests.contract.npm.fake import ADMIN, PASSWORD, FakeNpm
from tests.contract.npm.tap import Tap

DEFAULTS = Options()
PREFIX = "HOLDFAST_TEST_NPM_"
PACE = 0.06
"""How much shorter than for a real NPM a client waits for the fake, whose reloads are as much shorter."""
_serial = itertools.count(1)
_bots: dict[str, tuple[str, str]] = {}


def kinds() -> list[str]:
    """The NPMs of this run."""
    real = all(os.environ.get(PREFIX + name) for name in ("URL", "IDENTITY", "SECRET"))
    return ["fake", "real"] if real else ["fake"]


class StoppedClock(SystemClock):
    """Time that the client does not see pass unless it is told; waits last `pace` of what they are told to last."""

    def __init__(self, pace: float) -> None:
        self.passed = 0.0
        self.pace = pace

    def monotonic(self) -> float:
        """Seconds that the test let pass, and those that were slept."""
        return self.passed

    async def sleep(self, seconds: float) -> None:
        """Wait, and see it."""
        self.passed += seconds
        await asyncio.sleep(seconds * self.pace)


@dataclass
class Npm:
    """One NPM with an administrator's hands."""

    url: str
    address: str
    tls_address: str
    identity: str
    secret: str
    fake: FakeNpm | None = None

    def __post_init__(self) -> None:
        number = f"{os.getpid()}-{next(_serial)}"
        self.suffix, self.controller = f"{number}.hf.test", f"home-{number}"
        self.client = httpx.AsyncClient(trust_env=False, verify=False, timeout=60, headers={"Connection": "close"})
        self.made: list[tuple[str, int]] = []
        self.poll_s = 0.05 if self.fake is None else 0.005
        self._token = ""

    @property
    def server(self) -> FakeNpm:
        """The fake, in tests that are played on it alone."""
        assert self.fake is not None
        return self.fake

    def name(self, word: str = "shop") -> str:
        """A hostname of this test alone."""
        return f"{word}-{self.suffix}"

    async def call(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        """One call as administrator, whatever its outcome."""
        if not self._token:
            login = {"identity": self.identity, "secret": self.secret}
            self._token = (await self.client.post(f"{self.url}/api/tokens", json=login)).json()["token"]
        headers = {"Authorization": f"Bearer {self._token}"}
        return await self.client.request(method, f"{self.url}/api{path}", json=body, headers=headers, **more)

    async def do(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """One call as administrator that must work."""
        reply = await self.call(method, path, body, **more)
        assert reply.status_code < 300, (method, path, reply.status_code, reply.text[:300])
        made = reply.json() if reply.content else None
        if method == "POST" and isinstance(made, dict) and "id" in made and path.count("/") == 2:
            self.made.append((path, made["id"]))
        return made

    async def rows(self) -> dict[str, dict[str, Any]]:
        """The proxy hosts of this test, by first hostname in lower case."""
        rows = await self.do("GET", "/nginx/proxy-hosts")
        return {row["domain_names"][0].lower(): row for row in rows if self.suffix in row["domain_names"][0].lower()}

    async def host(self, hostname: str, port: int = 9, **fields: Any) -> dict[str, Any]:
        """A host that a person made."""
        target = {"forward_scheme": "http", "forward_host": "127.0.0.1", "forward_port": port}
        body = {"domain_names": [hostname], **target, **fields}
        return dict(await self.do("POST", "/nginx/proxy-hosts", body))

    async def edit(self, hostname: str, **fields: Any) -> dict[str, Any]:
        """A person's change of a host of this test."""
        number = (await self.rows())[hostname]["id"]
        return dict(await self.do("PUT", f"/nginx/proxy-hosts/{number}", fields))

    async def access_list(self, name: str = "") -> int:
        """An access list that nobody passes without a password."""
        items = [{"username": "u", "password": "the list's password"}]
        body = {"name": name or self.name("list"), "items": items, "clients": []}
        return int((await self.do("POST", "/nginx/access-lists", body))["id"])

    async def certificate(self, folder: Path, common_name: str, files: bool = True) -> int:
        """An uploaded certificate; without `files` a row that nginx cannot use."""
        body = {"provider": "other", "nice_name": self.name("certificate")}
        number = int((await self.do("POST", "/nginx/certificates", body))["id"])
        if files:
            key, pem = folder / f"{number}.key", folder / f"{number}.pem"
            await make_certificate(pem, key, common_name)
            sent = {"certificate": ("c.pem", pem.read_bytes()), "certificate_key": ("k.pem", key.read_bytes())}
            await self.do("POST", f"/nginx/certificates/{number}/upload", files=sent)
        return number

    @contextlib.asynccontextmanager
    async def broken(self) -> AsyncIterator[None]:
        """Break nginx's configuration by a file that goes away under another host, and mend it again."""
        number = await self.access_list(self.name("lock"))
        host = await self.host(self.name("broken"), advanced_config=f"ssl_password_file /data/access/{number};")
        await self.do("DELETE", f"/nginx/access-lists/{number}")
        self.made.remove(("/nginx/access-lists", number))
        try:
            yield
        finally:
            await self.call("PUT", f"/nginx/proxy-hosts/{host['id']}", {"advanced_config": ""})
            await self.call("DELETE", f"/nginx/proxy-hosts/{host['id']}")

    async def bot(self, **permissions: str) -> tuple[str, str]:
        """Identity and secret of a user without a role; the usual one is made once on a real NPM.

        A fake lives as long as one test, and a later one may get its port.
        """
        wanted = {"visibility": "all", "proxy_hosts": "manage", "certificates": "view", "access_lists": "view"}
        usual = not permissions and self.fake is None
        if usual and self.url in _bots:
            return _bots[self.url]
        email, secret = f"bot-{next(_serial)}-{os.getpid()}@example.com", "the bot's password"
        user = {"name": "Bot", "nickname": "Bot", "email": email, "roles": [], "is_disabled": False}
        made = await self.do("POST", "/users", {**user, "auth": {"type": "password", "secret": secret}})
        await self.do("PUT", f"/users/{made['id']}/permissions", {**wanted, **permissions})
        if usual:
            _bots[self.url] = (email, secret)
        return email, secret

    async def get(self, hostname: str, path: str = "/", tls: bool = False, method: str = "GET") -> httpx.Response:
        """One request through the public side, as a client makes it."""
        base = f"https://{self.tls_address}" if tls else f"http://{self.address}"
        more = {"sni_hostname": hostname} if tls else {}
        return await self.client.request(method, base + path, headers={"Host": hostname}, extensions=more)

    async def until(self, hostname: str, text: str, tls: bool = False) -> None:
        """Wait for a reload to take effect. Raises `AssertionError` after some seconds."""
        last = ""

        async def answers() -> bool:
            nonlocal last
            with contextlib.suppress(httpx.HTTPError):
                reply = await self.get(hostname, tls=tls)
                last = f"{reply.status_code} {reply.text}"
            return text in last

        assert await eventually(answers, self.poll_s), f"{hostname} does not answer {text!r}: {last}"

    async def reloaded(self) -> None:
        """Wait until the last reload has taken effect, in every worker of nginx."""
        if self.fake is None:
            await asyncio.sleep(0.4)
        else:
            await until(lambda: self.server.hosts.nginx.pending == 0)

    async def pass_seconds(self, seconds: float) -> None:
        """Let time pass for NPM: for real, or by its clock."""
        if self.fake is None:
            await asyncio.sleep(seconds)
        else:
            self.fake.clock_ahead_s += seconds

    async def clean(self) -> None:
        """Remove what the test made."""
        for row in (await self.do("GET", "/nginx/proxy-hosts")) if self.fake is None else []:
            if any(self.suffix in name.lower() for name in row["domain_names"]):
                await self.call("DELETE", f"/nginx/proxy-hosts/{row['id']}")
        for path, number in reversed(self.made if self.fake is None else []):
            if path != "/nginx/proxy-hosts":
                await self.call("DELETE", f"{path}/{number}")
        await self.client.aclose()


class Site:
    """One controller on one NPM, seen through a tap."""

    def __init__(self, npm: Npm, tap: Tap, bot: tuple[str, str], options: Mapping[str, Any], name: str) -> None:
        self.npm = npm
        self.tap = tap
        self.clock = StoppedClock(PACE if npm.fake is not None else 1.0)
        self.secret = bot[1]
        site = hosts.Site(name, **options)
        addresses = (npm.address, npm.tls_address)
        self.proxy = NpmProxy(tap.url, bot[0], self._password, addresses=addresses, site=site, clock=self.clock)

    async def _password(self) -> str:
        return self.secret

    async def set(self, *routes: Route) -> None:
        """Write these routes."""
        await self.proxy.write([RouteChange(route.hostname, route) for route in routes])

    async def delete(self, *hostnames: str) -> None:
        """Delete the routes of these hostnames."""
        await self.proxy.write([RouteChange(name, None) for name in hostnames])

    async def proven(self, route: Route, *, behind: bool = True) -> bool:
        """True when the route answers with its marker within some seconds; `behind` False: by nginx alone."""

        async def answers() -> bool:
            with contextlib.suppress(WorldBad):
                answer = await self.proxy.ask(route)
                return answer.marker == route.marker and not (behind and answer.status in range(502, 505))
            return False

        return await eventually(answers, self.npm.poll_s)


@contextlib.asynccontextmanager
async def opened(kind: str) -> AsyncIterator[Npm]:
    """The NPM of a test."""
    async with contextlib.AsyncExitStack() as stack:
        if kind == "fake":
            fake = await stack.enter_async_context(FakeNpm().running())
            npm = Npm(fake.url, fake.address, fake.tls_address, ADMIN, PASSWORD, fake)
        else:
            url, identity, secret = (os.environ[PREFIX + name] for name in ("URL", "IDENTITY", "SECRET"))
            host = urlsplit(url).hostname
            address = os.environ.get(PREFIX + "ADDRESS", f"{host}:80")
            npm = Npm(url, address, os.environ.get(PREFIX + "TLS_ADDRESS", f"{host}:443"), identity, secret)
        try:
            yield npm
        finally:
            await npm.clean()


@contextlib.asynccontextmanager
async def site(npm: Npm, bot: tuple[str, str] | None = None, **options: Any) -> AsyncIterator[Site]:
    """A controller on this NPM; `options` are those of the settings."""
    async with Tap(npm.url).running() as tap:
        name = options.pop("controller", npm.controller)
        home = Site(npm, tap, bot or await npm.bot(), options, name)
        try:
            yield home
        finally:
            await home.proxy.close()


async def eventually(true: Callable[[], Awaitable[bool]], pause: float, seconds: float = 5.0) -> bool:
    """Ask until it is so, for at most so long."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not await true():
        if loop.time() > end:
            return False
        await asyncio.sleep(pause)
    return True


async def until(true: Callable[[], bool]) -> None:
    """Wait until something is so. Raises `TimeoutError` after some seconds."""
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - it watches a fake, which tells nobody
            await asyncio.sleep(0.002)


def route(hostname: str, port: int, container: str = "a", options: Options = DEFAULTS, tag: str = "1.0") -> Route:
    """A route of stage shop/dev to a port of this machine."""
    return with_marker(Route(hostname, "shop/dev", tag, "default", container * 64, "127.0.0.1", port, options))
