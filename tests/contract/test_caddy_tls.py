"""TLS on the real Caddy: certificates of its own authority are served, those of a public one only configured."""

import asyncio
import contextlib
import json
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from controller.clients.caddy import config as caddy_config
from controller.clients.caddy import servers
from controller.clients.clock import SystemClock
from controller.core.model.desired import Options
from controller.core.model.errors import RevisionBad, WorldBad
from controller.core.model.observed import RouteChange
from controller.work.route_writer import RouteWriter
from tests.contract.caddy_site import Site, Tls, client, route, site
from tests.contract.upstream import Upstream
from tests.parts.caddy import Caddy, find_caddy
from tests.parts.process import free_port

PKI = {"certificate_authorities": {"local": {"install_trust": False}}}
"""Keeps Caddy's own authority out of the trust store of the machine that tests."""


@pytest.fixture
async def home(caddy: Caddy) -> AsyncIterator[Site]:
    """A controller with `proxy.tls.mode: internal`; Caddy's two standard ports are free ones."""
    async with site(caddy, tls=Tls("internal")) as home:
        ports = {"http_port": free_port(), "https_port": caddy.port}
        policies = [{"subjects": ["theirs.test"], "issuers": [{"module": "internal", "lifetime": 86400000000000}]}]
        apps = {"http": ports, "pki": PKI, "tls": {"automation": {"policies": policies}}}
        await home.load({"apps": apps})
        yield home


async def certificate(where: Site, hostname: str) -> httpx.Response:
    """One request over a TLS connection of its own that names the host in its handshake."""
    url = f"https://{where.address}/"
    async with client() as fresh:
        return await fresh.get(url, headers={"Host": hostname}, extensions={"sni_hostname": hostname})


async def issued(where: Site, hostname: str) -> None:
    """Wait until Caddy has made the certificate of somebody else's hostname."""
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(httpx.ConnectError):
                await certificate(where, hostname)
                return
            await asyncio.sleep(0.02)


async def test_internal_certificates_are_served(home: Site) -> None:
    """Each hostname answers over TLS as soon as its certificate is there; a stranger's handshake fails."""
    async with Upstream("app") as app:
        wanted = route("shop.test", app.port)
        route_writer = RouteWriter(home.proxy, SystemClock())
        await route_writer.change(RouteChange("shop.test", wanted))
        await route_writer.verify(wanted, 20)
        assert (await certificate(home, "shop.test")).text == "app\n"
        assert "X-Forwarded-Proto: https" in app.heads[-1]
    assert (await home.proxy.read()).routes == {"shop.test": wanted}
    with pytest.raises(httpx.ConnectError):
        await certificate(home, "nobody.test")


async def test_plain_requests_are_sent_to_tls(home: Site) -> None:
    """Caddy redirects on its port for plain HTTP, as `forceTLS: true` asks for too."""
    await home.set(route("shop.test", 1, options=Options(force_tls=True)))
    plain = json.loads(await home.config("apps/http/http_port"))
    reply = await home.client.get(f"http://127.0.0.1:{plain}/x", headers={"Host": "shop.test"})
    assert (reply.status_code, reply.headers["Location"]) == (308, "https://shop.test/x")


async def test_with_tls_the_rest_stays_byte_by_byte(home: Site) -> None:
    """Our policy stands in front of theirs, names our hostnames only, and goes with the last of them."""
    whole = json.loads(await home.config())
    theirs = await home.config("apps/tls/automation/policies/0")
    await home.set(route("shop.test", 1))
    await home.set(route("a.test", 2))
    ours = json.loads(await home.config("apps/tls/automation/policies/0"))
    assert (ours["subjects"], ours["issuers"]) == (["a.test", "shop.test"], [{"module": "internal"}])
    assert await home.config("apps/tls/automation/policies/1") == theirs
    assert home.writes() == 3
    await home.set(route("a.test", 3))
    assert home.writes() == 4
    await home.delete("shop.test", "a.test")
    assert json.loads(await home.config()) == {
        **whole,
        "apps": {**whole["apps"], "http": {**whole["apps"]["http"], "servers": {}}},
    }


async def test_an_edited_policy_is_drift(home: Site) -> None:
    """Whoever changes how our certificates come about is seen."""
    await home.set(route("shop.test", 1))
    await home.edit("PATCH", "id/holdfast-home-1:_tls/subjects", ["else.test"])
    assert (await home.proxy.read()).routes["shop.test"].marker == ""
    await home.set(route("shop.test", 1))
    assert (await home.proxy.read()).routes == {"shop.test": route("shop.test", 1)}


async def test_a_tls_server_of_others_is_shared(home: Site) -> None:
    """Their site keeps its certificate, ours gets one, and both answer on the one address."""
    server: dict[str, Any] = {
        "listen": [home.caddy.listen],
        "routes": [
            {"match": [{"host": ["theirs.test"]}], "handle": [{"handler": "static_response", "body": "theirs"}]}
        ],
    }
    await home.edit("POST", "config/apps/http/servers", {"theirs": server})
    await issued(home, "theirs.test")
    async with Upstream("app") as app:
        wanted = route("shop.test", app.port)
        await home.set(wanted)
        await RouteWriter(home.proxy, SystemClock()).verify(wanted, 20)
        assert (await certificate(home, "shop.test")).text == "app\n"
    assert (await certificate(home, "theirs.test")).text == "theirs"
    assert (await home.proxy.read()).routes == {"shop.test": wanted}


async def test_turning_tls_off_takes_the_policy_away(home: Site) -> None:
    """After a change of the settings the old arrangement reads as drift and is replaced."""
    async with Upstream("app") as app, site(home.caddy) as plain:
        wanted = route("shop.test", app.port)
        await home.set(wanted)
        assert (await plain.proxy.read()).routes["shop.test"].marker == ""
        await plain.set(wanted)
        assert (await plain.get("shop.test")).text == "app\n"
        assert b"_tls" not in await home.config()


async def test_tls_needs_a_port_that_can_carry_it(caddy: Caddy) -> None:
    """Caddy never serves TLS on its port for plain HTTP, and says nothing about it: we do."""
    async with site(caddy, tls=Tls("internal"), listen=":80") as home:
        with pytest.raises(WorldBad, match=r"proxy\.listen :80: .* use :443"):
            await home.set(route("shop.test", 1))


async def test_without_redirects_is_refused(home: Site) -> None:
    """`forceTLS: false` cannot be had per hostname, and is not left out in silence."""
    with pytest.raises(RevisionBad, match="leave out forceTLS: false"):
        await home.set(route("shop.test", 1, options=Options(force_tls=False)))


@pytest.mark.parametrize("email", ["ops@example.com", None])
def test_the_configuration_for_a_public_authority_is_valid(tmp_path: Path, email: str | None) -> None:
    """Caddy itself says so, without asking any authority for anything."""
    program = find_caddy()
    if program is None:
        pytest.skip("caddy is not installed (Debian: apt-get install caddy)")
    acme = servers.Site("holdfast-home-1", ":443", "acme", email)
    config = caddy_config.changed(None, acme, {"shop.example.com": route("shop.example.com", 1)})
    [policy] = config["apps"]["tls"]["automation"]["policies"]
    assert policy["issuers"] == [{"module": "acme", "email": email} if email else {"module": "acme"}]
    path = tmp_path / "caddy.json"
    path.write_text(json.dumps(config))
    home = {**os.environ, "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    done = subprocess.run([program, "validate", "--config", str(path)], env=home, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
