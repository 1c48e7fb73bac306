"""What clients of Nginx Proxy Manager fall over, each on the fake and, where it is named, on a real one.

Numbers are those of the list that was gathered from NPM's issues; 1 and 2 are facts 2 and 3, 4 to 6 are facts 6 to 8.
"""

import asyncio
import json
from pathlib import Path

import pytest

from controller.clients.npm.session import MAX_BODY_BYTES
from controller.core.model.desired import Options
from controller.core.model.errors import Conflict, Unreachable, WorldBad
from controller.telemetry import configure
from tests.contract.npm.schemas import HOST
from tests.contract.npm.site import Npm, Site, route, site, until
from tests.contract.upstream import Upstream


async def test_pitfall_3_locations_are_a_persons(home: Site) -> None:
    """One name in a location that resolves no more stops every change of NPM: none is sent, and none taken away."""
    wanted = route(home.npm.name(), 8080)
    await home.set(wanted)
    theirs = {"path": "/api", "forward_scheme": "http", "forward_host": "127.0.0.1", "forward_port": 9, "id": None}
    await home.npm.edit(wanted.hostname, locations=[theirs])
    await home.set(route(wanted.hostname, 8081, "b"))
    assert [location["path"] for location in (await home.npm.rows())[wanted.hostname]["locations"]] == ["/api"]
    sent = [call.body for call in home.tap.calls if call.changes]
    assert len(sent) == 2
    assert not any("locations" in body for body in sent)


async def test_pitfall_8_only_fields_that_every_release_knows_are_sent(home: Site) -> None:
    """What NPM adds by itself, and answers with, is never sent back."""
    wanted = route(home.npm.name(), 8080, options=Options(websockets=False))
    await home.set(wanted)
    await home.set(route(wanted.hostname, 8081, "b"))
    bodies = [call.body for call in home.tap.changes()]
    assert len(bodies) == 2
    assert not any(set(body) - set(HOST) for body in bodies)
    assert not any(key.startswith("nginx_") for body in bodies for key in body["meta"])


async def test_pitfall_9_names_in_another_order_are_no_difference(home: Site) -> None:
    """NPM sorts hostnames; a person's host with several holds each of them."""
    names = [home.npm.name("z"), home.npm.name("b"), home.npm.name("m")]
    host = await home.npm.host(names[0])
    await home.npm.do("PUT", f"/nginx/proxy-hosts/{host['id']}", {"domain_names": names})
    held = (await home.proxy.read()).foreign
    assert set(names) <= set(held)
    for name in names:
        with pytest.raises(Conflict):
            await home.set(route(name, 9))


async def test_pitfall_10_a_certificate_deleted_under_a_host_is_seen(home: Site, tmp_path: Path) -> None:
    """NPM keeps the number of one that is gone: the host loses TLS at its next change, so it is drift at once."""
    first = await home.npm.certificate(tmp_path, "*.hf.test")
    name = home.npm.name("certificate")
    wanted = route(home.npm.name(), 9, options=Options(certificate=name, force_tls=True))
    await home.set(wanted)
    assert (await home.proxy.read()).routes[wanted.hostname] == wanted
    await home.npm.do("DELETE", f"/nginx/certificates/{first}")
    assert (await home.proxy.read()).routes[wanted.hostname].marker == ""
    with pytest.raises(WorldBad, match="no certificate") as failed:
        await home.set(wanted)
    assert failed.value.reason == "CertificateMissing"
    second = await home.npm.certificate(tmp_path, "*.hf.test")
    await home.set(wanted)
    assert (await home.npm.rows())[wanted.hostname]["certificate_id"] == second
    assert (await home.proxy.read()).routes[wanted.hostname] == wanted


async def test_pitfall_10_an_access_list_deleted_under_a_host_is_seen(home: Site) -> None:
    """NPM opens the host to everybody; it is closed again as soon as there is a list of that name."""
    async with Upstream("app") as app:
        name = home.npm.name("list")
        first = await home.npm.access_list(name)
        wanted = route(home.npm.name(), app.port, options=Options(access_list=name))
        await home.set(wanted)
        assert await home.proven(wanted)
        assert (await home.npm.get(wanted.hostname)).status_code == 401
        await home.npm.do("DELETE", f"/nginx/access-lists/{first}")
        assert (await home.proxy.read()).routes[wanted.hostname].marker == ""
        with pytest.raises(WorldBad, match="no access list"):
            await home.set(wanted)
        await home.npm.access_list(name)
        await home.set(wanted)
        await home.npm.until(wanted.hostname, "401")


async def test_a_conflict_with_another_kind_of_host_is_named(home: Site) -> None:
    """Redirection hosts take hostnames too; who may not see them is told so."""
    body = {"domain_names": [home.npm.name()], "forward_domain_name": "x.test", "forward_http_code": 301}
    made = await home.npm.do("POST", "/nginx/redirection-hosts", {**body, "forward_scheme": "auto"})
    async with site(home.npm, await home.npm.bot(redirection_hosts="view")) as seeing:
        with pytest.raises(Conflict, match=f"redirection host {made['id']} of") as failed:
            await seeing.set(route(home.npm.name(), 9))
        assert failed.value.reason == "HostnameTaken"
    async with site(home.npm, await home.npm.bot(redirection_hosts="hidden")) as blind:
        with pytest.raises(Conflict, match="may not see"):
            await blind.set(route(home.npm.name(), 9))


async def test_foreign_hosts_stay_byte_for_byte(home: Site) -> None:
    """Another controller's and a person's, through everything that we do beside them."""
    await home.npm.host(home.npm.name("person"), 9, advanced_config="# mine\n", meta={"x": 1})
    async with site(home.npm, controller=home.npm.controller + "-other") as other:
        await other.set(route(home.npm.name("other"), 9))
        before = await home.npm.rows()
        wanted = route(home.npm.name(), 8080)
        assert home.npm.name("other") in (await home.proxy.read()).foreign
        await home.set(wanted, route(home.npm.name("two"), 1))
        await home.set(route(wanted.hostname, 8081, "b"))
        await home.delete(wanted.hostname, home.npm.name("two"), home.npm.name("other"), home.npm.name("person"))
        for name in ("other", "person"):
            with pytest.raises(Conflict):
                await home.set(route(home.npm.name(name), 9))
        assert await home.npm.rows() == before


async def test_html_while_npm_starts_is_nobody_there(home: Site) -> None:
    """Its nginx answers 502 with a page: nothing is known, and a change counts as unknown until NPM is back."""
    wanted = route(home.npm.name(), 8080)
    await home.proxy.read()
    home.tap.faults = ["html"]
    with pytest.raises(WorldBad, match="the change is not there"):
        await home.set(wanted)
    await home.set(wanted)
    assert (await home.proxy.read()).routes[wanted.hostname] == wanted
    if home.npm.fake is not None:
        home.npm.fake.down = True
        with pytest.raises(Unreachable):
            await home.proxy.read()


async def test_npm_may_restart_in_the_middle_of_a_change(fake: Npm) -> None:
    """It is waited for, and then the world decides."""
    async with site(fake) as home:
        wanted = route(fake.name(), 8080)
        await home.proxy.read()
        home.tap.faults = ["reply"]
        writing = asyncio.create_task(home.set(wanted))
        await until(lambda: bool(fake.server.hosts.rows))
        fake.server.down = True
        before = home.clock.passed
        await until(lambda: home.clock.passed >= before + 5)
        assert not writing.done()
        fake.server.down = False
        await writing
        assert (await home.proxy.read()).routes[wanted.hostname] == wanted


async def test_after_a_lost_reply_the_world_decides(home: Site) -> None:
    """A change that took effect is done, once it is proven or written again; one that did not may be made again."""
    async with Upstream("app") as app:
        wanted = route(home.npm.name(), app.port)
        await home.set(route(wanted.hostname, 1, "b"))
        home.tap.faults = ["reply"]
        await home.set(wanted)
        assert await home.proven(wanted)
        home.tap.faults = ["reply"]
        await home.delete(wanted.hostname)
        assert wanted.hostname not in await home.npm.rows()


async def test_a_body_that_npm_would_refuse_is_not_sent(home: Site) -> None:
    """A person's text may leave no room for ours."""
    wanted = route(home.npm.name(), 8080)
    await home.set(wanted)
    text = (await home.npm.rows())[wanted.hostname]["advanced_config"]
    room = MAX_BODY_BYTES - len(json.dumps({"advanced_config": text})) - 100
    await home.npm.edit(wanted.hostname, advanced_config="#" * room + "\n" + text)
    home.tap.changes()
    with pytest.raises(WorldBad, match="100 kB") as failed:
        await home.set(route(wanted.hostname, 8081, "b"))
    assert failed.value.reason == "ProxyRefused"
    assert home.tap.changes() == []


async def test_secrets_in_answers_are_told_to_nobody(
    npm: Npm, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Private keys and passwords come with NPM's answers; neither log nor errors have a word of them."""
    configure(json=False, level="debug")
    async with site(npm) as home:
        number = await npm.certificate(tmp_path, "*.hf.test")
        key = "".join((tmp_path / f"{number}.key").read_text().splitlines()[1:3])
        listed = await npm.access_list()
        options = Options(certificate=npm.name("certificate"), access_list=str(listed), force_tls=True)
        wanted = route(npm.name(), 9, options=options)
        await home.set(wanted)
        errors = []
        await npm.edit(wanted.hostname, advanced_config="bogus on;\n")
        for again in (wanted, route(npm.name("x"), 9, options=Options(certificate="none such"))):
            with pytest.raises(WorldBad) as failed:
                await home.set(again)
            errors.append(failed.value.message)
        shown = capfd.readouterr()
        output = json.dumps([*errors, shown.out, shown.err, repr(home.proxy), repr(home.proxy.session)])
        for secret in (key[:40], "the list's password", home.secret, home.proxy.session._token):
            assert secret not in output


async def test_a_person_may_edit_our_hosts(home: Site, tmp_path: Path) -> None:
    """Access list, certificate with its flags and text of their own go through a change of the target."""
    async with Upstream("old") as old, Upstream("new") as new:
        before, after = route(home.npm.name(), old.port), route(home.npm.name(), new.port, "b")
        await home.set(before)
        listed, number = await home.npm.access_list(), await home.npm.certificate(tmp_path, "*.hf.test")
        text = (await home.npm.rows())[before.hostname]["advanced_config"]
        theirs = {"access_list_id": listed, "certificate_id": number, "ssl_forced": True, "caching_enabled": True}
        await home.npm.edit(before.hostname, advanced_config="# above\n" + text + "# below\n", **theirs)
        assert (await home.proxy.read()).routes[before.hostname] == before
        await home.set(after)
        assert await home.proven(after)
        row = (await home.npm.rows())[before.hostname]
        assert {key: int(row[key]) for key in theirs} == {key: int(value) for key, value in theirs.items()}
        assert row["advanced_config"].startswith("# above\n")
        assert row["advanced_config"].endswith("# below\n")
        assert (await home.npm.get(before.hostname, tls=True)).status_code == 401


async def test_deadlines_grow_with_the_number_of_hosts(npm: Npm) -> None:
    """NPM tests the whole of nginx's configuration at each change: with thousands of hosts that takes its time."""
    async with site(npm) as home:
        api = home.proxy._api
        few = api.write_deadline
        api.count = 2000
        assert few >= 60
        assert api.write_deadline >= few + 60
