"""A Caddy that serves others too: theirs stays byte by byte, and what they hold is theirs."""

import asyncio
import json
from typing import Any

import pytest

from controller.core.model.errors import Conflict
from controller.core.model.observed import RouteChange
from tests.contract.caddy_site import Site, Tls, route, site
from tests.contract.upstream import Upstream
from tests.parts.caddy import Caddy
from tests.parts.process import free_port

ODD: dict[str, Any] = {
    "listen": [f"127.0.0.1:{free_port()}"],
    "idle_timeout": 90_000_000_000,
    "automatic_https": {"disable": True},
    "routes": [
        {
            "match": [{"host": ["zz.test"], "path": ["/ä<&>*"]}],
            "handle": [{"handler": "vars", "big": 1e30, "small": 1e-9}],
        },
        {"@id": "theirs", "handle": [{"handler": "static_response", "body": "theirs 🐟", "status_code": "200"}]},
    ],
}
"""A server of somebody else on another address, with everything that is easily lost on the way through JSON."""


def answering(body: str, *hosts: str) -> dict[str, Any]:
    """A route of somebody else."""
    made: dict[str, Any] = {"handle": [{"handler": "static_response", "body": body}], "terminal": True}
    return {"match": [{"host": list(hosts)}], **made} if hosts else made


async def shared(home: Site, *routes: dict[str, Any], **more: Any) -> None:
    """Let somebody else's server listen on our address."""
    server = {"listen": [home.caddy.listen], "routes": list(routes), "automatic_https": {"disable": True}, **more}
    await home.load({"apps": {"http": {"servers": {"theirs": server, "odd": ODD}}}})


async def test_what_others_configured_stays_byte_by_byte(caddy: Caddy) -> None:
    """Writing, switching and deleting routes leaves the rest of the configuration as it was."""
    async with site(caddy) as home:
        await home.load(
            {"apps": {"http": {"servers": {"odd": ODD}}}, "logging": {"logs": {"default": {"level": "DEBUG"}}}}
        )
        before = [await home.config(path) for path in ("apps/http/servers/odd", "logging", "admin")]
        whole = await home.config()
        await home.set(route("a.test", 1), route("b.test", 2))
        await home.set(route("a.test", 3, "b"))
        assert [await home.config(path) for path in ("apps/http/servers/odd", "logging", "admin")] == before
        await home.delete("a.test", "b.test")
        assert await home.config() == whole


async def test_a_server_of_others_on_our_address_is_shared(caddy: Caddy) -> None:
    """Ours is one route in front of theirs; their sites, their order and their answer for strangers stay."""
    async with Upstream("app") as app, site(caddy) as home:
        await shared(home, answering("their site", "theirs.test"), answering("their answer for strangers"))
        before = json.loads(await home.config("apps/http/servers/theirs"))
        wanted = route("shop.test", app.port)
        await home.set(wanted, route("other.test", 1))
        assert (await home.get("shop.test")).text == "app\n"
        assert (await home.get("theirs.test")).text == "their site"
        assert (await home.get("nobody.test")).text == "their answer for strangers"
        assert (await home.proxy.ask(wanted)).marker == wanted.marker
        assert set((await home.proxy.read()).routes.values()) == {wanted, route("other.test", 1)}
        after = json.loads(await home.config("apps/http/servers/theirs"))
        assert after["routes"][1:] == before["routes"]
        await home.delete("shop.test", "other.test")
        assert json.loads(await home.config("apps/http/servers/theirs")) == before
        assert list(json.loads(await home.config("apps/http/servers"))) == ["odd", "theirs"]


async def test_a_switch_in_a_shared_server_sends_only_our_route(caddy: Caddy) -> None:
    """A person's place for our route is kept, and a change is written inside it."""
    async with Upstream("old") as old, Upstream("new") as new, site(caddy) as home:
        await shared(home, answering("their site", "theirs.test"))
        await home.set(route("shop.test", old.port))
        routes = json.loads(await home.config("apps/http/servers/theirs/routes"))
        await home.edit("PATCH", "config/apps/http/servers/theirs/routes", list(reversed(routes)))
        wanted = route("shop.test", new.port, "b")
        await home.set(wanted)
        assert (await home.proxy.read()).routes == {"shop.test": wanted}
        entries = json.loads(await home.config("apps/http/servers/theirs/routes"))
        assert [entry.get("@id", "") for entry in entries] == ["", "holdfast-home-1"]
        assert (await home.get("shop.test")).text == "new\n"


@pytest.mark.parametrize("nested", [False, True])
async def test_a_hostname_of_others_is_theirs(caddy: Caddy, nested: bool) -> None:
    """The read names its holder, a batch that wants it is refused as a whole, and nothing is written."""
    async with site(caddy) as home:
        theirs = answering("their site", "Theirs.test")
        await shared(home, {"handle": [{"handler": "subroute", "routes": [theirs]}]} if nested else theirs)
        before = await home.config()
        assert (await home.proxy.read()).foreign == {"theirs.test": "a route in Caddy's server theirs"}
        with pytest.raises(Conflict, match=r"theirs\.test is held by a route in Caddy's server theirs") as failed:
            await home.set(route("shop.test", 1), route("theirs.test", 2))
        assert failed.value.reason == "HostnameTaken"
        await home.delete("theirs.test")
        assert await home.config() == before


async def test_a_hostname_that_we_hold_stays_ours(caddy: Caddy) -> None:
    """Who adds it later is the newcomer: the old container must be replaceable."""
    async with site(caddy) as home:
        await home.set(route("shop.test", 1))
        routes = "config/apps/http/servers/holdfast-home-1/routes"
        await home.edit("POST", routes, answering("late", "shop.test", "late.test"))
        await home.set(route("shop.test", 2))
        table = await home.proxy.read()
        assert table.routes == {"shop.test": route("shop.test", 2)}
        assert table.foreign == {"late.test": "a route in Caddy's server holdfast-home-1"}
        await home.delete("shop.test")
        left = json.loads(await home.config("apps/http/servers/holdfast-home-1/routes"))
        assert answering("late", "shop.test", "late.test") in left


async def test_the_same_hostname_on_another_port_is_another_thing(caddy: Caddy) -> None:
    """A server of others elsewhere holds nothing where we listen."""
    async with site(caddy) as home:
        await home.load({"apps": {"http": {"servers": {"odd": ODD}}}})
        await home.set(route("zz.test", 1))
        assert (await home.proxy.read()).routes == {"zz.test": route("zz.test", 1)}


@pytest.mark.parametrize(
    ("mode", "server", "words"),
    [
        ("off", {"automatic_https": {"disable": True}, "tls_connection_policies": [{}]}, "serves TLS"),
        ("off", {"automatic_https": {"disable_redirects": True}}, "serves TLS"),
        ("internal", {"automatic_https": {"disable": True}}, "serves plain HTTP"),
    ],
)
async def test_a_shared_server_must_speak_as_we_do(caddy: Caddy, mode: Any, server: dict[str, Any], words: str) -> None:
    """Our hostnames would turn a plain server into one with TLS, or be served as nobody declared."""
    async with site(caddy, tls=Tls(mode)) as home:
        pki = {"certificate_authorities": {"local": {"install_trust": False}}}
        policies = [{"issuers": [{"module": "internal"}]}]
        shared_server = {"listen": [caddy.listen], "routes": [answering("x", "theirs.test")], **server}
        apps = {
            "http": {"servers": {"theirs": shared_server}},
            "tls": {"automation": {"policies": policies}},
            "pki": pki,
        }
        await home.load({"apps": apps})
        before = await home.config()
        with pytest.raises(Conflict, match=words) as failed:
            await home.set(route("shop.test", 1))
        assert failed.value.reason == "ListenTaken"
        assert await home.config() == before


async def test_our_hostnames_leave_a_plain_server_plain(caddy: Caddy) -> None:
    """Caddy would give TLS to a server whose outer routes name hosts: theirs names none, and stays as it is."""
    async with site(caddy) as home:
        await home.load(
            {"apps": {"http": {"servers": {"theirs": {"listen": [caddy.listen], "routes": [answering("x")]}}}}}
        )
        async with Upstream("app") as app:
            await home.set(route("shop.test", app.port))
            assert (await home.get("shop.test")).text == "app\n"
        assert (await home.get("nobody.test")).text == "x"


async def test_two_controllers_share_one_address_in_peace(caddy: Caddy) -> None:
    """The second lives in the first one's server; neither sees drift, and each removes only its own."""
    async with Upstream("app") as app, site(caddy, "a") as one, site(caddy, "a-b") as two:
        first, second = route("one.test", app.port), route("two.test", app.port)
        await one.set(first)
        await two.set(second)
        for _ in range(2):
            await one.set(first)
            await two.set(second)
        assert one.writes() == 2
        assert (await one.proxy.read()).routes == {"one.test": first}
        assert (await two.proxy.read()).routes == {"two.test": second}
        assert list((await two.proxy.read()).foreign) == ["one.test"]
        await one.delete("one.test")
        assert (await two.get("two.test")).text == "app\n"
        assert (await two.get("one.test")).status_code == 404
        await two.delete("two.test")
        assert (await two.proxy.read()).routes == {}


async def test_writers_at_the_same_time_lose_nothing(caddy: Caddy) -> None:
    """Who was overtaken between reading and writing reads again (F45)."""
    async with site(caddy) as home, site(caddy, "home-2", listen=f":{free_port()}") as other:

        async def by_hand() -> None:
            for number in range(15):
                await home.edit("PUT", f"config/apps/http/servers/s{number}", {"listen": [f"127.0.0.1:{free_port()}"]})

        async def ours(where: Site) -> None:
            for number in range(15):
                name = f"h{number}.test"
                await where.proxy.write([RouteChange(name, route(name, 80))])

        await asyncio.gather(ours(home), ours(other), by_hand())
        expected = {f"h{number}.test": route(f"h{number}.test", 80) for number in range(15)}
        assert (await home.proxy.read()).routes == expected
        assert (await other.proxy.read()).routes == expected
        servers = json.loads(await home.config("apps/http/servers"))
        assert {f"s{number}" for number in range(15)} <= set(servers)


async def test_our_server_moves_into_one_that_came_later(caddy: Caddy) -> None:
    """When the settings move us to an address where others listen, the old server of ours goes."""
    async with Upstream("app") as app, site(caddy, listen=f":{free_port()}") as before, site(caddy) as home:
        await shared(home, answering("their site", "theirs.test"))
        wanted = route("shop.test", app.port)
        await before.set(wanted)
        assert (await home.proxy.read()).routes["shop.test"].marker == ""
        await home.set(wanted)
        assert (await home.proxy.read()).routes == {"shop.test": wanted}
        assert list(json.loads(await home.config("apps/http/servers"))) == ["odd", "theirs"]
        assert (await home.get("shop.test")).text == "app\n"
