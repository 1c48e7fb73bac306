"""The facts about Nginx Proxy Manager from 2 on, each on the fake and, where it is named, on a real one.

Every test fails when what handles its fact is switched off.
"""

import asyncio
import dataclasses
import re
from pathlib import Path

import pytest

from controller.clients.clock import SystemClock
from controller.core.model.desired import Options
from controller.core.model.errors import Conflict, OutcomeUnknown, RevisionBad, WorldBad
from controller.core.model.observed import RouteChange
from controller.work.route_writer import RouteWriter
from tests.contract.npm.site import Npm, Site, route, site
from tests.contract.upstream import Upstream


async def test_fact_2_a_host_that_nginx_refused_is_not_taken_for_done(home: Site, tmp_path: Path) -> None:
    """A 201 with a host that is offline fails with nginx's words, and the route stays unproven."""
    number = await home.npm.certificate(tmp_path, "x", files=False)
    wanted = route(home.npm.name(), 9, options=Options(certificate=str(number)))
    with pytest.raises(WorldBad, match="cannot load certificate") as failed:
        await home.set(wanted)
    assert failed.value.reason == "ProxyRefused"
    assert (await home.proxy.read()).routes[wanted.hostname].marker == ""


async def test_fact_2_a_change_that_takes_a_host_offline_is_taken_back(home: Site, tmp_path: Path) -> None:
    """The host that worked works again before anybody is told, with nginx's words in the error."""
    async with Upstream("old") as old, Upstream("new") as new:
        before = route(home.npm.name(), old.port)
        await home.set(before)
        assert await home.proven(before)
        number = await home.npm.certificate(tmp_path, "x", files=False)
        with pytest.raises(WorldBad, match=r"cannot load certificate.*former configuration is back"):
            await home.set(route(before.hostname, new.port, "b", Options(certificate=str(number))))
        await home.npm.reloaded()
        assert (await home.npm.get(before.hostname)).text == "old\n"
        assert (await home.proxy.read()).routes[before.hostname] == before


async def test_fact_2_a_host_that_a_person_broke_is_seen_and_mended(home: Site) -> None:
    """NPM lists it as if nothing were; it reads without marker, and comes back as soon as the text is good."""
    async with Upstream("app") as app:
        wanted = route(home.npm.name(), app.port)
        await home.set(wanted)
        ours = (await home.npm.rows())[wanted.hostname]["advanced_config"]
        await home.npm.edit(wanted.hostname, advanced_config=ours + "bogus on;\n")
        assert (await home.proxy.read()).routes[wanted.hostname].marker == ""
        with pytest.raises(WorldBad, match='unknown directive "bogus"'):
            await home.set(wanted)
        number = (await home.npm.rows())[wanted.hostname]["id"]
        await home.npm.do("PUT", f"/nginx/proxy-hosts/{number}", {"enabled": False, "advanced_config": ours + "# x\n"})
        await home.set(wanted)
        assert await home.proven(wanted)
        assert (await home.npm.rows())[wanted.hostname]["advanced_config"] == ours + "# x\n"


async def test_fact_3_a_500_that_was_written_is_written_again(home: Site) -> None:
    """NPM's database says the new target from then on, nginx serves the old one: that is not taken for done."""
    async with Upstream("old") as old, Upstream("new") as new:
        before, wanted = route(home.npm.name(), old.port), route(home.npm.name(), new.port, "b")
        await home.set(before)
        assert await home.proven(before)
        async with home.npm.broken():
            with pytest.raises(WorldBad, match="NPM shows it, nginx does not serve it") as failed:
                await home.set(wanted)
            assert failed.value.reason == "ProxyBroken"
            assert (await home.npm.rows())[wanted.hostname]["forward_port"] == new.port
            assert (await home.npm.get(wanted.hostname)).text == "old\n"
            assert (await home.proxy.read()).routes[wanted.hostname].marker == ""
        await home.set(wanted)
        assert await home.proven(wanted)
        assert (await home.npm.get(wanted.hostname)).text == "new\n"
        assert (await home.proxy.read()).routes[wanted.hostname] == wanted


async def test_fact_3_a_500_to_a_new_host_leaves_one_host(home: Site) -> None:
    """It was made, and to make it again would be refused as taken."""
    async with Upstream("app") as app:
        wanted = route(home.npm.name(), app.port)
        async with home.npm.broken():
            with pytest.raises(WorldBad) as failed:
                await home.set(wanted)
            assert failed.value.reason == "ProxyBroken"
        await home.set(wanted)
        assert await home.proven(wanted)
        assert list(await home.npm.rows()) == [wanted.hostname]


async def test_fact_3_a_500_to_a_deletion_leaves_no_ghost(home: Site) -> None:
    """The host is gone from NPM and served all the same: it stays ours to delete until nobody answers."""
    async with Upstream("app") as app:
        wanted = route(home.npm.name(), app.port)
        await home.set(wanted)
        assert await home.proven(wanted)
        async with home.npm.broken():
            with pytest.raises(WorldBad, match="still served"):
                await home.delete(wanted.hostname)
            assert (await home.npm.get(wanted.hostname)).text == "app\n"
            assert (await home.proxy.read()).routes[wanted.hostname].marker == ""
            # Nothing else is changed when the break is mended by hand: here the deletion has to do it all.
            with pytest.raises(WorldBad):
                await home.delete(wanted.hostname)
        await home.delete(wanted.hostname)
        await home.npm.reloaded()
        assert "app" not in (await home.npm.get(wanted.hostname)).text
        assert wanted.hostname not in (await home.proxy.read()).routes
        assert wanted.hostname not in await home.npm.rows()


async def test_fact_3_a_controller_that_knows_nothing_finds_it_out(home: Site) -> None:
    """After a restart only the live route tells: one that stays silent is written once more, and only once."""
    async with Upstream("old") as old, Upstream("new") as new:
        before, wanted = route(home.npm.name(), old.port), route(home.npm.name(), new.port, "b")
        await home.set(before)
        assert await home.proven(before)
        async with home.npm.broken():
            with pytest.raises(WorldBad):
                await home.set(wanted)
        async with site(home.npm) as again:
            assert (await again.proxy.read()).routes[wanted.hostname] == wanted
            assert (await again.proxy.ask(wanted)).marker == ""
            again.clock.passed += 60
            assert (await again.proxy.ask(wanted)).marker == ""
            assert (await again.proxy.read()).routes[wanted.hostname].marker == ""
            again.tap.calls.clear()
            await again.set(wanted)
            assert [call.method for call in again.tap.changes()] == ["PUT"]
            assert await again.proven(wanted)
            assert (await again.proxy.read()).routes[wanted.hostname] == wanted


async def test_fact_3_a_wrong_address_is_not_answered_with_writes(home: Site) -> None:
    """Where nothing ever answers with its proof, one more write is made and then no other."""
    wanted = route(home.npm.name(), 9)
    async with Upstream("somebody else") as other:
        home.npm.address = f"127.0.0.1:{other.port}"
        async with site(home.npm) as lost:
            await lost.set(wanted)
            lost.tap.changes()
            for _ in range(5):
                await lost.proxy.ask(wanted)
                lost.clock.passed += 60
                if (await lost.proxy.read()).routes[wanted.hostname] != wanted:
                    await lost.set(wanted)
            assert len(lost.tap.changes()) == 1


async def test_fact_4_changes_go_one_by_one(home: Site) -> None:
    """Many stages at once are one change of NPM at a time, each of which is proven."""
    route_writer = RouteWriter(home.proxy, SystemClock())
    routes = [route(home.npm.name(f"h{number}"), 9000 + number) for number in range(8)]
    await asyncio.gather(*(route_writer.change(RouteChange(wanted.hostname, wanted)) for wanted in routes))
    assert home.tap.most == 1
    present = (await home.proxy.read()).routes
    assert [present[wanted.hostname] for wanted in routes] == routes


async def test_fact_4_what_nginx_refused_for_another_file_is_written_again(home: Site) -> None:
    """A host that is refused because of somebody else's is not at fault: nothing is taken back, and it ends online."""
    before, wanted = route(home.npm.name(), 8080), route(home.npm.name(), 8081, "b")
    await home.set(before)
    home.tap.changes()
    home.tap.faults = ["clash"]
    await home.set(wanted)
    assert [call.body["forward_port"] for call in home.tap.changes()] == [8081, 8081]
    assert (await home.proxy.read()).routes[wanted.hostname] == wanted


async def test_fact_4_a_clash_with_somebody_elses_bad_host_is_got_over(home: Site) -> None:
    """A person saves a broken host in the very moment of our change, again and again: we end as declared."""

    async def bad(number: int) -> None:
        base = {"domain_names": [home.npm.name(f"bad{number}")], "forward_scheme": "http", "forward_host": "x"}
        await home.npm.call("POST", "/nginx/proxy-hosts", {**base, "forward_port": 9, "advanced_config": "bogus on;"})

    async def ours(number: int) -> None:
        wanted = route(home.npm.name(f"h{number}"), 9000 + number)
        for _ in range(6):
            try:
                await home.set(wanted)
            except WorldBad:
                continue
            return
        raise AssertionError(f"{wanted.hostname} could not be set")

    await home.npm.rows()
    for number in range(8):
        await asyncio.gather(bad(number), ours(number))
    rows = await home.npm.rows()
    assert [row["meta"]["nginx_online"] for name, row in rows.items() if name.startswith("h")] == [True] * 8
    for number in range(8):
        assert await home.proven(route(home.npm.name(f"h{number}"), 9000 + number), behind=False)


async def test_fact_5_nothing_is_written_when_nothing_differs(home: Site) -> None:
    """A change is one write, the same change none, a read is one list: each write would reload nginx."""
    wanted = route(home.npm.name(), 8080)
    await home.proxy.read()
    home.tap.changes()
    await home.set(wanted)
    assert [call.method for call in home.tap.changes()] == ["POST"]
    assert (await home.proxy.read()).routes[wanted.hostname] == wanted
    assert [(call.method, call.path) for call in home.tap.calls] == [("GET", "/nginx/proxy-hosts")]
    home.tap.changes()
    await home.set(wanted)
    await home.delete(home.npm.name("unknown"))
    assert home.tap.changes() == []
    await home.set(route(wanted.hostname, 8081, "b"))
    assert [call.method for call in home.tap.changes()] == ["PUT"]
    await home.delete(wanted.hostname)
    assert [call.method for call in home.tap.changes()] == ["DELETE"]


async def test_fact_6_a_host_disabled_by_put_is_drift(home: Site) -> None:
    """NPM goes on serving it and says it is off, so it is brought into one state again, by PUT."""
    async with Upstream("app") as app:
        wanted = route(home.npm.name(), app.port)
        await home.set(wanted)
        assert await home.proven(wanted)
        await home.npm.edit(wanted.hostname, enabled=False)
        assert (await home.npm.get(wanted.hostname)).text == "app\n"
        assert (await home.proxy.read()).routes[wanted.hostname].marker == ""
        home.tap.changes()
        await home.set(wanted)
        assert [(call.method, call.body) for call in home.tap.changes()] == [("PUT", {"enabled": True})]
        assert (await home.npm.rows())[wanted.hostname]["enabled"] in (True, 1)
        assert (await home.proxy.read()).routes[wanted.hostname] == wanted


async def test_fact_7_enabling_keeps_the_access_list(home: Site) -> None:
    """NPM's own way to enable a host opens it to everybody; ours does not."""
    async with Upstream("app") as app:
        wanted = route(home.npm.name(), app.port)
        await home.set(wanted)
        number = (await home.npm.edit(wanted.hostname, access_list_id=await home.npm.access_list()))["id"]
        await home.npm.until(wanted.hostname, "401")
        await home.npm.do("POST", f"/nginx/proxy-hosts/{number}/disable")
        await home.npm.reloaded()
        await home.set(wanted)
        assert await home.proven(wanted)
        assert (await home.npm.get(wanted.hostname)).status_code == 401
        assert not any(call.path.endswith(("/enable", "/disable")) for call in home.tap.calls)


async def test_fact_8_tls_flags_come_with_a_certificate_only(home: Site, tmp_path: Path) -> None:
    """They hold from the first write on where there is one, and nobody asks for them where there is none."""
    number = await home.npm.certificate(tmp_path, "*.hf.test")
    async with Upstream("app") as app:
        wanted = route(home.npm.name(), app.port, options=Options(certificate=str(number), force_tls=True))
        await home.set(wanted)
        assert await home.proven(wanted)
        assert (await home.npm.get(wanted.hostname)).headers["Location"].startswith(f"https://{wanted.hostname}")
        assert (await home.npm.get(wanted.hostname, tls=True)).text == "app\n"
        home.tap.changes()
        plain = route(wanted.hostname, app.port)
        await home.set(plain)
        assert await home.proven(plain)
        row = (await home.npm.rows())[wanted.hostname]
        assert (row["certificate_id"], bool(row["ssl_forced"])) == (0, False)
        assert (await home.proxy.read()).routes[wanted.hostname] == plain
        with pytest.raises(RevisionBad, match="needs a certificate"):
            await home.set(route(wanted.hostname, app.port, options=Options(force_tls=True)))


async def test_fact_8_a_host_without_certificate_is_not_asked_to_force_tls(npm: Npm) -> None:
    """Settings that force TLS wait until a certificate is there: NPM would keep the flag or drop it, as it comes."""
    async with site(npm, force_tls=True) as home:
        for wanted in (route(npm.name(), 9), route(npm.name(), 10, "b")):
            await home.set(wanted)
            assert (await home.proxy.read()).routes[wanted.hostname] == wanted
            assert not (await npm.rows())[wanted.hostname]["ssl_forced"]
        home.tap.changes()
        await home.set(wanted)
        assert home.tap.changes() == []


async def test_fact_9_the_mark_survives_a_save_in_the_interface(home: Site) -> None:
    """NPM's page renames keys of `meta` and sends it whole: ours is not among those, and a person's stay in turn."""
    wanted = route(home.npm.name(), 8080)
    await home.set(wanted)
    meta = (await home.npm.rows())[wanted.hostname]["meta"]
    await home.npm.edit(wanted.hostname, meta=_saved({**meta, "colour": {"of": "a person"}}))
    assert (await home.proxy.read()).routes[wanted.hostname] == wanted
    after = route(wanted.hostname, 8081, "b")
    await home.set(after)
    assert (await home.npm.rows())[wanted.hostname]["meta"]["colour"] == {"of": "a person"}
    assert (await home.proxy.read()).routes[wanted.hostname] == after


async def test_fact_10_hostnames_are_compared_without_case_and_order(home: Site) -> None:
    """A person's host holds a name in whatever case, and that conflict names it; it is not touched."""
    name = home.npm.name()
    theirs = await home.npm.host(name.upper())
    held = (await home.proxy.read()).foreign
    assert f"proxy host {theirs['id']} " in held[name]
    with pytest.raises(Conflict, match=f"proxy host {theirs['id']} of Nginx Proxy Manager") as failed:
        await home.set(route(name, 9))
    assert failed.value.reason == "HostnameTaken"
    rows = await home.npm.rows()
    assert list(rows) == [name]
    assert rows[name]["forward_port"] == 9


async def test_fact_10_a_doubled_host_is_seen_and_mended(home: Site) -> None:
    """Where NPM's check let two through, or a person copied the mark, one stays."""
    wanted = route(home.npm.name(), 8080)
    await home.set(wanted)
    meta = (await home.npm.rows())[wanted.hostname]["meta"]
    await home.npm.host(home.npm.name("copy"), 8080, meta={"holdfast": meta["holdfast"]})
    assert (await home.proxy.read()).routes[wanted.hostname].marker == ""
    await home.set(wanted)
    assert list(await home.npm.rows()) == [wanted.hostname]
    assert (await home.proxy.read()).routes[wanted.hostname] == wanted


async def test_fact_10_a_lost_reply_to_a_creation_makes_no_second_host(home: Site) -> None:
    """What was made stands in the list, and that is looked at."""
    wanted = route(home.npm.name(), 8080)
    await home.proxy.read()
    home.tap.faults = ["reply"]
    await home.set(wanted)
    home.tap.faults = ["request"]
    with pytest.raises(OutcomeUnknown):
        await home.set(dataclasses.replace(route(home.npm.name("other"), 1)))
    assert list(await home.npm.rows()) == [wanted.hostname]
    assert (await home.proxy.read()).routes[wanted.hostname] == wanted


def _saved(value: object) -> object:
    """What NPM's page makes of an object: its keys to camel case when read, and to words with _ when sent."""
    if not isinstance(value, dict):
        return value
    saved = {}
    for key, inner in value.items():
        camel = re.sub(r"[-_\s]+(.)", lambda part: part[1].upper(), key)
        camel = camel[:1].lower() + camel[1:]
        saved[re.sub(r"(?<!^)([A-Z])", r"_\1", camel).lower()] = _saved(inner)
    return saved
