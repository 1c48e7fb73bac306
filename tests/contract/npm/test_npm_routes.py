"""Routes on Nginx Proxy Manager: proven on the live route, certificates requested, and the fake held to the schema."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from controller.clients.npm import issuer
from controller.core.model.desired import Options
from controller.core.model.errors import WorldBad
from controller.core.model.observed import Route
from controller.interfaces import Answer
from tests.contract.npm import schemas
from tests.contract.npm.site import PREFIX, Npm, Site, route, site, until
from tests.contract.upstream import Upstream


async def test_a_route_reads_back_as_it_was_written(home: Site) -> None:
    """After a restart with an empty store every field of every route is known from NPM alone."""
    routes = [
        route(home.npm.name(), 8080),
        Route(home.npm.name("i"), "shop/prod", "v1_A.b-c", "instance", "b" * 64, "10.1.2.3", 65535),
        Route(home.npm.name("six"), "a/b", "1", "default", "c" * 64, "fd00::7", 1, Options(websockets=False)),
        Route(home.npm.name("name"), "a/b", "1", "default", "d" * 64, "shop-1.0_x", 80, Options(verify="/up?deep=1")),
    ]
    await home.set(*routes)
    async with site(home.npm) as again:
        table = await again.proxy.read()
    for wanted in routes:
        present = table.routes[wanted.hostname]
        assert present.marker != ""
        assert present == Route(**{**vars(wanted), "marker": present.marker})


async def test_the_marker_proves_which_configuration_answers(home: Site) -> None:
    """It comes with the application's status and with nginx's own 502; nginx's reload is not taken for done before."""
    async with Upstream("old", "500 Broken") as old, Upstream("new") as new:
        before, after = route(home.npm.name(), old.port), route(home.npm.name(), new.port, "b")
        await home.set(before)
        assert await home.proven(before)
        assert (await answered(home, before)).status == 500
        await home.set(after)
        assert (await answered(home, after)).status == 200
        await home.npm.reloaded()
        assert {(await home.npm.get(after.hostname)).text for _ in range(20)} == {"new\n"}
    gone = await home.proxy.ask(after)
    assert (gone.marker, gone.status) == (after.marker, 502)
    assert (await home.proxy.ask(route(home.npm.name("nobody"), 1))).marker == ""


async def answered(home: Site, wanted: Route) -> Answer:
    """The first answer with this marker: a worker of nginx that ends may answer after a new one."""
    for _ in range(200):
        answer = await home.proxy.ask(wanted)
        if answer.marker == wanted.marker:
            return answer
        await asyncio.sleep(0.01)
    raise AssertionError(f"never {wanted.marker}: {answer}")


async def test_the_proof_asks_the_path_of_the_route(home: Site) -> None:
    """Where the health check has a path it is asked through the proxy too, also after it changed."""
    async with Upstream("app") as app:
        name = home.npm.name()
        for path in ("/", "/healthz?deep=1"):
            wanted = route(name, app.port, options=Options(verify=path))
            await home.set(wanted)
            assert await home.proven(wanted)
            assert app.heads[-1].startswith(f"GET {path} HTTP/1.")


async def test_a_header_of_the_whole_host_would_prove_nothing(home: Site) -> None:
    """NPM's `location /` has a header of its own, so nginx drops those of the server: hence a location of ours."""
    async with Upstream("app") as app:
        wanted = route(home.npm.name(), app.port)
        await home.set(wanted)
        text = (await home.npm.rows())[wanted.hostname]["advanced_config"]
        await home.npm.edit(wanted.hostname, advanced_config="add_header Of-The-Server x always;\n" + text)
        assert await home.proven(wanted)
        await home.npm.reloaded()
        reply = await home.npm.get(wanted.hostname)
        assert reply.text == "app\n"
        assert "X-Served-By" in reply.headers
        assert "Of-The-Server" not in reply.headers


async def test_an_application_cannot_forge_a_marker(home: Site) -> None:
    """A header of that name from behind is dropped, everywhere on the host."""
    async with Upstream("app", headers="Holdfast-Route: forged\r\n") as app:
        wanted = route(home.npm.name(), app.port)
        await home.set(wanted)
        assert await home.proven(wanted)
        host = (await home.proxy._list())[0][wanted.hostname][0]
        asked = await home.npm.get(wanted.hostname, host.path, method="HEAD")
        assert asked.headers.get_list("Holdfast-Route") == [wanted.marker]
        assert "Holdfast-Route" not in (await home.npm.get(wanted.hostname)).headers


async def test_the_proof_opens_nothing_that_an_access_list_closes(home: Site) -> None:
    """It goes through where everybody else is turned away, gives no content, and cannot be guessed."""
    async with Upstream("secret") as app:
        wanted = route(home.npm.name(), app.port, options=Options(access_list=str(await home.npm.access_list())))
        await home.set(wanted)
        assert await home.proven(wanted)
        host = (await home.proxy._list())[0][wanted.hostname][0]
        assert (await home.npm.get(wanted.hostname)).status_code == 401
        assert (await home.npm.get(wanted.hostname, host.path)).status_code == 403
        assert (await home.npm.get(wanted.hostname, host.path, method="HEAD")).content == b""
        assert (await home.npm.get(wanted.hostname, "/.well-known/holdfast/" + "0" * 32)).status_code == 401
        assert all(head.startswith("GET / ") for head in app.heads)


async def test_a_route_with_a_certificate_is_asked_by_tls(home: Site, tmp_path: Path) -> None:
    """Its plain side only redirects; a wildcard certificate is found by its hostname."""
    wild = f"*.{home.npm.suffix}"
    number = await home.npm.certificate(tmp_path, wild)
    async with Upstream("app") as app:
        wanted = route(home.npm.name(), app.port, options=Options(certificate=wild, force_tls=True))
        await home.set(wanted)
        assert await home.proven(wanted)
        assert (await home.npm.rows())[wanted.hostname]["certificate_id"] == number
        assert (await home.npm.get(wanted.hostname)).status_code == 301


async def test_settings_speak_for_every_route(npm: Npm, tmp_path: Path) -> None:
    """Certificate, access list and websockets of the settings; a route's own options come first."""
    number, listed = await npm.certificate(tmp_path, "*.hf.test"), await npm.access_list()
    async with site(
        npm, certificate=npm.name("certificate"), force_tls=True, access_list=npm.name("list"), websockets=False
    ) as home:
        await home.set(route(npm.name("a"), 9), route(npm.name("b"), 9, options=Options(force_tls=False)))
        rows = await npm.rows()
        assert [rows[npm.name("a")][key] for key in ("certificate_id", "access_list_id")] == [number, listed]
        forced = [bool(rows[npm.name(name)]["ssl_forced"]) for name in "ab"]
        assert forced == [True, False]
        assert not rows[npm.name("a")]["allow_websocket_upgrade"]
    async with site(npm) as bare:
        assert (await bare.proxy.read()).routes[npm.name("a")].marker == ""
        await bare.set(route(npm.name("a"), 9))
        row = (await npm.rows())[npm.name("a")]
        assert (row["certificate_id"], row["access_list_id"]) == (0, 0)


@pytest.mark.parametrize("permission", ["hidden", "view"])
async def test_names_need_the_permission_to_list_them(npm: Npm, tmp_path: Path, permission: str) -> None:
    """Without it there are words for what to do, and the id always works."""
    number = await npm.certificate(tmp_path, "*.hf.test")
    async with site(npm, await npm.bot(certificates=permission, visibility="all")) as home:
        by_id = route(npm.name("id"), 9, options=Options(certificate=str(number)))
        await home.set(by_id)
        by_name = route(npm.name(), 9, options=Options(certificate=npm.name("certificate")))
        if permission == "hidden":
            with pytest.raises(WorldBad, match="give it the permission view, or write the id") as failed:
                await home.set(by_name)
            assert failed.value.reason == "ProxyForbidden"
        else:
            await home.set(by_name)
        assert (await home.proxy.read()).routes[by_id.hostname] == by_id


async def test_a_user_that_sees_only_its_own_is_enough(npm: Npm) -> None:
    """Least privilege: visibility `user`, certificates and access lists hidden."""
    await npm.host(npm.name("person"))
    bot = await npm.bot(visibility="user", certificates="hidden", access_lists="hidden")
    async with site(npm, bot) as home:
        wanted = route(npm.name(), 8080)
        await home.set(wanted)
        await home.set(route(wanted.hostname, 8081, "b"))
        table = await home.proxy.read()
        assert list(table.routes) == [wanted.hostname]
        assert table.foreign == {}
        await home.delete(wanted.hostname)
        assert list(await npm.rows()) == [npm.name("person")]


async def test_a_certificate_is_requested_on_a_host_that_serves(certifying: Site) -> None:
    """It takes its time beside everything else, comes in one call with its flags, and is asked for once."""
    hosts = certifying.npm.server.hosts
    hosts.certbot_seconds = 0.6
    options = Options(certificate="letsencrypt", force_tls=True)
    async with Upstream("app") as app:
        wanted, other = (
            route(certifying.npm.name(), app.port, options=options),
            route(certifying.npm.name("other"), app.port),
        )
        await certifying.set(wanted)
        assert await certifying.proven(wanted)
        assert (await certifying.proxy.read()).routes[wanted.hostname] == wanted
        await asyncio.wait_for(certifying.set(other), 0.5)
        assert hosts.certbot_runs == 1
        for _ in range(3):
            await certifying.proxy.ask(wanted)
            certifying.clock.passed += 60
        assert (await certifying.proxy.read()).routes[wanted.hostname] == wanted
        assert hosts.certificates == {}
        await until(lambda: any(row["ssl_forced"] for row in hosts.rows.values()))
        assert (await certifying.proxy.read()).routes[wanted.hostname] == wanted
        assert await certifying.proven(wanted)
        assert (await certifying.npm.get(wanted.hostname, tls=True)).text == "app\n"
        await certifying.set(wanted)
        assert await certifying.proven(wanted)
        await _idle(certifying)
        assert hosts.certbot_runs == 1


async def test_a_certificate_that_is_refused_leaves_the_host_as_it_was(certifying: Site) -> None:
    """It serves on; the next try comes late, after a restart at once, and each is one request."""
    hosts = certifying.npm.server.hosts
    hosts.certbot_fails, hosts.certbot_seconds = True, 0.05
    async with Upstream("app") as app:
        wanted = route(certifying.npm.name(), app.port, options=Options(certificate="letsencrypt"))
        await certifying.set(wanted)
        assert await certifying.proven(wanted)
        assert (await certifying.proxy.read()).routes[wanted.hostname] == wanted
        await _idle(certifying)
        await until(lambda: hosts.nginx.live == hosts.nginx.files)
        assert await certifying.proven(wanted)
        assert (await certifying.npm.get(wanted.hostname)).text == "app\n"
        for _ in range(3):
            assert (await certifying.proxy.read()).routes[wanted.hostname] == wanted
            await certifying.set(wanted)
        assert hosts.certbot_runs == 1
        certifying.clock.passed += issuer.FIRST_PAUSE_S + 1
        assert (await certifying.proxy.read()).routes[wanted.hostname].marker == ""
        certifying.tap.changes()
        hosts.certbot_fails = False
        await certifying.set(wanted)
        await _idle(certifying)
        assert [call.body["certificate_id"] for call in certifying.tap.changes()] == ["new"]
        assert (await certifying.proxy.read()).routes[wanted.hostname] == wanted
        assert hosts.certbot_runs == 2


async def test_certificates_are_requested_one_at_a_time(certifying: Site) -> None:
    """NPM runs one certbot; a second would fail on its lock."""
    hosts = certifying.npm.server.hosts
    options = Options(certificate="letsencrypt")
    routes = [route(certifying.npm.name(f"h{number}"), 9, options=options) for number in range(3)]
    await certifying.set(*routes)
    await certifying.npm.reloaded()
    assert hosts.certbot_runs == 0
    for wanted in routes:
        await certifying.proxy.ask(wanted)
    await until(lambda: hosts.certbot_runs > 0)
    assert hosts.certbot_runs == 1
    await _idle(certifying)
    assert len(hosts.certificates) == 3


async def _idle(home: Site) -> None:
    """Wait until no request for a certificate is under way."""
    await until(lambda: not home.proxy._issuer._tasks)


async def test_the_fake_refuses_what_the_schema_refuses(npm: Npm) -> None:
    """Both say no to the same bodies, before anything is stored."""
    base = {"domain_names": [npm.name()], "forward_scheme": "http", "forward_host": "x", "forward_port": 9}
    wrong: dict[str, Any]
    for wrong in ({"id": 1}, {"forward_port": 0}, {"domain_names": []}, {"locations": None}, {"certificate": None}):
        assert (await npm.call("POST", "/nginx/proxy-hosts", {**base, **wrong})).status_code == 400, wrong
    assert (await npm.call("POST", "/nginx/proxy-hosts", {**base, "advanced_config": "#" * 110_000})).status_code == 413
    assert await npm.rows() == {}


async def test_what_npm_answers_has_the_form_of_its_schema(npm: Npm) -> None:
    """Every proxy host in a list, in an answer to PUT and by itself; our short schemas are those of the document."""
    await npm.host(npm.name())
    row = await npm.edit(npm.name(), forward_port=10)
    rows = [row, *(await npm.rows()).values(), await npm.do("GET", f"/nginx/proxy-hosts/{row['id']}")]
    forms: list[Any] = [schemas.ROW]
    if path := os.environ.get(PREFIX + "OPENAPI"):
        paths = json.loads(await asyncio.to_thread(Path(path).read_text))["paths"]
        forms.append(_answer(paths["/nginx/proxy-hosts"]["get"], "200")["items"])
        for (method, name), ours in schemas.REQUESTS.items():
            theirs = paths[name][method.lower()]["requestBody"]["content"]["application/json"]["schema"]
            assert _bare(theirs) == ours, name
    for form in forms:
        for row in rows:
            # Real ones have `locations: null`, which their own document does not allow.
            body = {key: [] if key == "locations" else value for key, value in row.items() if key != "owner"}
            jsonschema.validate(body, form)


def _answer(operation: Any, status: str) -> Any:
    return operation["responses"][status]["content"]["application/json"]["schema"]


def _bare(schema: Any) -> Any:
    """A schema without what is only for people."""
    if isinstance(schema, list):
        return [_bare(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: _bare(value) for key, value in schema.items() if key not in ("description", "example", "default")}
