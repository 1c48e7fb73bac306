"""Routes on the real Caddy: written in one go, read back whole, proven through the proxy."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller.clients.caddy import proxy as caddy_proxy
from controller.clients.caddy.proxy import CaddyProxy
from controller.core.model.desired import Options
from controller.core.model.errors import OutcomeUnknown, Unreachable, WorldBad
from controller.core.model.observed import Route, RouteChange, RouteTable
from tests.contract.caddy_site import Site, Tls, Wire, route, site
from tests.contract.upstream import Upstream
from tests.parts.caddy import Caddy

TOLD = {
    "stage": "shop/dev",
    "tag": "1.0",
    "kind": "default",
    "container": "a" * 64,
    "host": "127.0.0.1",
    "port": 8080,
}
"""What the route of shop.test carries of itself in `test_an_edited_route_is_seen_and_mended`."""


@pytest.fixture
async def home(caddy: Caddy) -> AsyncIterator[Site]:
    """One controller on a Caddy without any configuration."""
    async with site(caddy) as home:
        yield home


async def test_the_proof_asks_the_path_of_the_route(home: Site) -> None:
    """Where the health check has a path it is asked through the proxy too."""
    async with Upstream("app") as app:
        wanted = route("shop.test", app.port, options=Options(verify="/healthz?deep=1"))
        await home.set(wanted)
        assert (await home.proxy.ask(wanted)).marker == wanted.marker
    assert app.heads[0].startswith("GET /healthz?deep=1 HTTP/1.1\r\n")


async def test_an_application_cannot_forge_a_marker(home: Site) -> None:
    """A header of that name from behind is dropped."""
    async with Upstream("app", headers="Holdfast-Route: forged\r\n") as app:
        wanted = route("shop.test", app.port)
        await home.set(wanted)
        reply = await home.get("shop.test")
    assert reply.headers.get_list("Holdfast-Route") == [wanted.marker]


async def test_a_batch_is_one_write_and_an_equal_one_is_none(home: Site) -> None:
    """Caddy provisions everything anew at each change, so it is asked once, and never for nothing."""
    routes = [route(f"h{number}.test", 8000 + number) for number in range(60)]
    await home.set(*routes)
    assert home.writes() == 1
    await home.set(*routes)
    await home.set(routes[7])
    await home.delete("unknown.test")
    assert home.writes() == 1
    mixed = [RouteChange("h3.test", None), RouteChange("h4.test", route("h4.test", 9)), RouteChange("z.test", None)]
    await home.proxy.write([*mixed, RouteChange("new.test", route("new.test", 10))])
    assert home.writes() == 2
    expected = {wanted.hostname: wanted for wanted in routes if wanted.hostname not in {"h3.test", "h4.test"}}
    table = await home.proxy.read()
    assert table.routes == {**expected, "h4.test": route("h4.test", 9), "new.test": route("new.test", 10)}


async def test_a_switch_moves_every_later_request(home: Site) -> None:
    """A client that keeps its connection is served by the new container as soon as the write is done."""
    async with Upstream("old") as old, Upstream("new") as new:
        await home.set(route("shop.test", old.port))
        assert (await home.get("shop.test")).text == "old\n"
        await home.set(route("shop.test", new.port, "b"))
        assert {(await home.get("shop.test")).text for _ in range(20)} == {"new\n"}
    assert len(old.heads) == 1


async def test_a_request_in_flight_survives_two_changes(home: Site) -> None:
    """What the old container is still answering arrives, although its route is gone."""
    async with Upstream("old") as old, Upstream("new") as new:
        await home.set(route("shop.test", old.port))
        flying = asyncio.create_task(home.get("shop.test", "/held"))
        await old.arrived.wait()
        await home.set(route("shop.test", new.port, "b"))
        await home.set(route("other.test", new.port))
        assert (await home.get("shop.test")).text == "new\n"
        old.release.set()
        reply = await flying
    assert (reply.status_code, reply.text) == (200, "old\n")


async def test_the_last_route_takes_the_server_with_it(home: Site) -> None:
    """Nothing of ours is left when nothing is routed."""
    await home.set(route("a.test", 1), route("b.test", 1))
    await home.delete("a.test")
    assert list((await home.proxy.read()).routes) == ["b.test"]
    await home.delete("b.test")
    assert b"holdfast" not in await home.config()
    assert (await home.proxy.read()) == RouteTable()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("id/home:shop.test/handle/2/upstreams/0/dial", "127.0.0.1:9"),
        ("id/home:shop.test/match/0/host", ["shop.test", "more.test"]),
        ("id/home:shop.test/handle/0/holdfast/tag", "9.9"),
        ("id/home:shop.test/handle/0/holdfast", "text"),
        ("id/home:shop.test/handle/0/holdfast", {**TOLD, "options": {"unheard": True}}),
        ("id/home:shop.test/handle/1/response/set/Holdfast-Route", ["x"]),
        ("id/home:shop.test/terminal", False),
        ("config/apps/http/servers/home/routes/2/handle/0/status_code", 200),
        ("config/apps/http/servers/home/automatic_https", {"disable": False}),
    ],
)
async def test_an_edited_route_is_seen_and_mended(home: Site, path: str, value: object) -> None:
    """Whatever a person changes in what is ours, the route reads without a marker until it is written again."""
    wanted, other = route("shop.test", 8080), route("other.test", 8081)
    await home.set(wanted, other)
    await home.edit("PATCH", path.replace("home", "holdfast-home-1"), value)
    assert (await home.proxy.read()).routes["shop.test"].marker == ""
    await home.set(wanted)
    assert (await home.proxy.read()).routes == {"shop.test": wanted, "other.test": other}


async def test_a_change_of_one_route_leaves_an_edited_other_alone(home: Site) -> None:
    """The edited one may belong to a suspended stage: only its own stage may mend it."""
    await home.set(route("a.test", 1), route("b.test", 2))
    await home.edit("PATCH", "id/holdfast-home-1:a.test/handle", [{"handler": "static_response", "body": "by hand"}])
    await home.set(route("b.test", 3))
    assert (await home.get("a.test")).text == "by hand"
    assert (await home.proxy.read()).routes["a.test"] == Route("a.test", "", "", "instance", "", "", 0)


async def test_settings_that_a_person_added_to_our_server_stay(home: Site) -> None:
    """Access logs are nobody's business but the owner's (S25)."""
    await home.set(route("a.test", 1))
    await home.edit("POST", "config/apps/http/servers/holdfast-home-1/logs", {})
    await home.set(route("b.test", 2))
    assert await home.config("apps/http/servers/holdfast-home-1/logs") == b"{}\n"
    assert all(present.marker for present in (await home.proxy.read()).routes.values())


async def test_a_doubled_route_is_seen_and_mended(home: Site) -> None:
    """A copy of a route is drift."""
    wanted = route("shop.test", 8080)
    await home.set(wanted)
    await home.edit("PUT", "config/apps/http/servers/holdfast-home-1/routes/0", {"@id": "holdfast-home-1:shop.test"})
    assert (await home.proxy.read()).routes["shop.test"].marker == ""
    await home.set(wanted)
    assert (await home.proxy.read()).routes == {"shop.test": wanted}


async def test_what_caddy_refuses_changes_nothing(home: Site) -> None:
    """Its own words are in the error, and it goes on as before."""
    async with Upstream("other") as other, site(home.caddy, listen=f"127.0.0.1:{other.port}") as taken:
        before = await home.config()
        with pytest.raises(WorldBad, match="address already in use") as failed:
            await taken.set(route("shop.test", 1))
        assert failed.value.reason == "ProxyRefused"
        assert await home.config() == before


@pytest.mark.parametrize(("websockets", "passed"), [(True, True), (False, False)])
async def test_websockets_are_passed_on_unless_turned_off(home: Site, websockets: bool, passed: bool) -> None:
    """Without them the application sees an ordinary request, as behind Nginx Proxy Manager."""
    async with Upstream("app") as app:
        await home.set(route("shop.test", app.port, options=Options(websockets=websockets)))
        await home.get("shop.test", Connection="Upgrade", Upgrade="websocket")
    assert ("\r\nUpgrade: websocket\r\n" in app.heads[0]) is passed
    assert "\r\nX-Forwarded-For: 127.0.0.1\r\n" in app.heads[0]


async def test_the_admin_api_may_be_a_unix_socket(home: Site, tmp_path: Path) -> None:
    """Where only the owner of a file may change the proxy."""
    socket = tmp_path / "admin.sock"
    await home.edit("POST", "config/admin", {"listen": f"unix/{socket}"})
    proxy = CaddyProxy(f"unix://{socket}", home.caddy.listen, home.caddy.address, Tls(), "home-1")
    wanted = route("shop.test", 1)
    await proxy.write([RouteChange("shop.test", wanted)])
    assert (await proxy.read()).routes == {"shop.test": wanted}
    await proxy.close()
    with pytest.raises(Unreachable, match="no such file"):
        await CaddyProxy(f"unix://{socket}.no", ":1", ":1", Tls(), "x").read()


async def test_after_a_lost_reply_the_world_decides(home: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change that took effect is done; one that cannot be seen may still come."""
    monkeypatch.setattr(caddy_proxy, "RETRY_PAUSE_S", 0.0001)
    wire = Wire(home.caddy, for_ever=True)
    async with Upstream("wire", behaviour=wire) as between:
        proxy = CaddyProxy(f"http://127.0.0.1:{between.port}", home.caddy.listen, home.caddy.address, Tls(), "home-1")
        wire.faults = ["reply"]
        wanted = route("shop.test", 1)
        await proxy.write([RouteChange("shop.test", wanted)])
        assert (await home.proxy.read()).routes == {"shop.test": wanted}
        wire.faults = ["request"]
        with pytest.raises(OutcomeUnknown):
            await proxy.write([RouteChange("shop.test", route("shop.test", 2))])
        assert (await home.proxy.read()).routes == {"shop.test": wanted}
        await proxy.close()


async def test_a_frozen_caddy_is_given_up(home: Site) -> None:
    """A process that accepts and never answers is as good as away."""
    proxy = home.proxy
    proxy._admin._deadline = 0.3
    os.kill(home.caddy.pid, signal.SIGSTOP)
    try:
        with pytest.raises(Unreachable):
            await proxy.read()
    finally:
        os.kill(home.caddy.pid, signal.SIGCONT)
    assert (await proxy.read()) == RouteTable()
