"""What reading, writing and asking a proxy comes to: Caddy and Nginx Proxy Manager, real and simulated (F40 to F48)."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from controller.core.model.desired import Options
from controller.core.model.errors import Conflict, OutcomeUnknown, Unreachable, WorldBad
from controller.core.model.observed import RouteChange, RouteTable
from tests.contract.facts import fact, raised
from tests.contract.facts_front import Front
from tests.contract.facts_proxy import FrontSide

KINDS = ("simulated caddy", "real caddy", "simulated npm", "npm fake")


@pytest.fixture(params=KINDS)
def side(request: pytest.FixtureRequest, tmp_path: Path) -> FrontSide:
    """Where a fact about a proxy is played."""
    caddy = request.getfixturevalue("caddy") if request.param == "real caddy" else None
    return FrontSide(request.param, caddy, tmp_path)


@fact
async def test_a_proxy_without_anything_of_ours_has_no_routes(front: Front) -> None:
    """And nothing foreign."""
    assert await front.proxy.read() == RouteTable()


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"kind": "instance", "tag": "v1_A.b-c", "stage": "a/b"},
        {"host": "fd00::7", "port": 65535},
        {"host": "shop-dev-1.0_x"},
        {"options": Options(websockets=False)},
        {"options": Options(verify="/healthz?deep=1")},
    ],
    ids=["plain", "instance", "IPv6", "name", "options", "path"],
)
@fact
async def test_a_route_reads_back_as_it_was_written(front: Front, fields: dict[str, Any]) -> None:
    """Every field, with the marker that belongs to it."""
    wanted = front.route(**fields)
    await front.set(wanted)
    assert await front.routes() == {wanted.hostname: wanted}


@fact
async def test_a_route_gets_the_marker_that_belongs_to_it(front: Front) -> None:
    """Whatever the caller says."""
    wanted = front.route()
    await front.set(replace(wanted, marker="m1"))
    assert await front.routes() == {wanted.hostname: wanted}


@fact
async def test_another_connection_reads_the_same(front: Front) -> None:
    """The proxy is the only home of routes: after a restart of ours everything is known from it."""
    await front.set(front.route(), front.route(word="other"))
    assert await front.another().read() == await front.proxy.read()


@fact
async def test_what_is_there_is_not_written(front: Front) -> None:
    """The same once more, alone or beside others, and the removal of what is not there."""
    one, two = front.route(), front.route(word="two")
    await front.set(one, two)
    before = front.writes()
    await front.set(one, two)
    await front.set(two)
    await front.delete(front.name("unknown"))
    await front.proxy.write([])
    assert front.writes() == before


@fact
async def test_a_change_is_one_write(front: Front) -> None:
    """To make a route, to move it, to remove it."""
    for number, change in enumerate((front.route(), front.route(port=2), None)):
        await front.proxy.write([RouteChange(front.name(), change)])
        assert front.writes() == number + 1


@fact
async def test_many_changes_are_one_write_where_the_proxy_takes_them_so(front: Front) -> None:
    """`batch` says whether: else each is one."""
    await front.set(*(front.route(word=f"h{number}") for number in range(4)))
    assert front.writes() == (1 if front.proxy.batch else 4)
    assert len(await front.routes()) == 4


@fact
async def test_a_mixed_call_makes_all_its_changes(front: Front) -> None:
    """A new route, a moved one and one that goes."""
    await front.set(front.route(word="a"), front.route(word="b"))
    moved, new = front.route(word="b", port=2), front.route(word="c")
    changes = [RouteChange(front.name("a"), None), RouteChange(moved.hostname, moved), RouteChange(new.hostname, new)]
    await front.proxy.write(changes)
    assert await front.routes() == {moved.hostname: moved, new.hostname: new}


@fact
async def test_the_last_route_that_goes_leaves_nothing(front: Front) -> None:
    """As before the first."""
    await front.set(front.route())
    await front.delete(front.name())
    assert await front.proxy.read() == RouteTable()


@pytest.mark.parametrize("status", [200, 302, 404, 500, 503])
@fact
async def test_a_question_tells_the_status_and_the_proof(front: Front, status: int) -> None:
    """The application's own status, and no redirect is followed."""
    route = front.route(await front.app(status))
    await front.set(route)
    await front.serves(route)
    answer = await front.proxy.ask(route)
    assert (answer.marker, answer.status) == (route.marker, status)


@fact
async def test_a_question_to_a_dead_target_is_answered_by_the_proxy(front: Front) -> None:
    """502, with the proof that this configuration serves."""
    route = front.route()
    await front.set(route)
    await front.serves(route)
    answer = await front.proxy.ask(route)
    assert (answer.marker, answer.status) == (route.marker, 502)


@fact
async def test_a_question_for_an_unknown_hostname_has_no_proof(front: Front) -> None:
    """404."""
    await front.set(front.route())
    answer = await front.proxy.ask(front.route(word="nobody"))
    assert (answer.marker, answer.status) == ("", 404)


@fact
async def test_a_proxy_without_any_route_is_not_asked_in_vain(front: Front) -> None:
    """Caddy listens for its routes alone, NPM always."""
    outcome = await raised(front.proxy.ask(front.route()))
    assert outcome == ("WorldBad NoAnswer" if front.proxy.batch else "")


@fact
async def test_a_question_about_an_older_route_is_answered_by_the_newer(front: Front) -> None:
    """Its marker tells which one serves."""
    old, new = front.route(await front.app()), front.route(await front.app(), tag="2.0")
    await front.set(old)
    await front.serves(old)
    await front.set(new)
    await front.serves(new)
    assert (await front.proxy.ask(old)).marker == new.marker


@fact
async def test_a_switch_moves_every_later_request(front: Front) -> None:
    """As soon as the new configuration has proven itself."""
    first, second = await front.app(), await front.app(201)
    await front.set(front.route(first))
    await front.serves(front.route(first))
    await front.set(front.route(second, tag="2.0"))
    await front.serves(front.route(second, tag="2.0"))
    before = first.asked()
    assert {(await front.proxy.ask(front.route(second, tag="2.0"))).status for _ in range(5)} == {201}
    assert first.asked() == before


@fact
async def test_a_change_leaves_the_other_routes_alone(front: Front) -> None:
    """Also one that somebody edited, which may belong to a suspended stage."""
    first, second = front.route(word="a"), front.route(word="b")
    await front.set(first, second)
    await front.edit(first.hostname)
    before = (await front.routes())[first.hostname]
    await front.set(front.route(word="b", port=2))
    assert (await front.routes())[first.hostname] == before


@fact
async def test_an_edited_route_is_without_proof_until_it_is_written_again(front: Front) -> None:
    """It differs from whatever is wanted (F47)."""
    wanted = front.route()
    await front.set(wanted)
    await front.edit(wanted.hostname)
    assert (await front.routes())[wanted.hostname].marker == ""
    await front.set(wanted)
    assert await front.routes() == {wanted.hostname: wanted}


@fact
async def test_a_removed_route_is_missed_until_it_is_written_again(front: Front) -> None:
    """The others stay (F47)."""
    wanted, other = front.route(), front.route(word="other")
    await front.set(wanted, other)
    await front.take_away(wanted.hostname)
    assert await front.routes() == {other.hostname: other}
    await front.set(wanted)
    assert await front.routes() == {wanted.hostname: wanted, other.hostname: other}


@fact
async def test_a_hostname_of_others_is_told(front: Front) -> None:
    """With words for the holder, and not among ours."""
    await front.theirs(front.name("theirs"))
    table = await front.proxy.read()
    assert (list(table.routes), list(table.foreign)) == ([], [front.name("theirs")])
    assert table.foreign[front.name("theirs")] != ""


@fact
async def test_a_hostname_of_others_is_not_taken(front: Front) -> None:
    """The conflict names it, and theirs stays as it is."""
    name = front.name("theirs")
    await front.theirs(name)
    before = await front.their_state()
    with pytest.raises(Conflict, match=name) as failed:
        await front.set(front.route(word="theirs"))
    assert failed.value.reason == "HostnameTaken"
    assert await front.their_state() == before
    assert await front.routes() == {}


@fact
async def test_a_conflict_in_a_batch_leaves_the_rest_undone(front: Front) -> None:
    """Where many changes are one write; else what came before it is done."""
    await front.theirs(front.name("theirs"))
    failed = await raised(front.set(front.route(), front.route(word="theirs"), front.route(word="later")))
    assert failed == "Conflict HostnameTaken"
    assert list(await front.routes()) == ([] if front.proxy.batch else [front.name()])


@fact
async def test_a_hostname_of_others_is_not_removed(front: Front) -> None:
    """To remove it is to find nothing of ours."""
    await front.theirs(front.name("theirs"))
    before = await front.their_state()
    await front.delete(front.name("theirs"))
    await front.set(front.route())
    await front.proxy.write([RouteChange(front.name("theirs"), None), RouteChange(front.name(), front.route(port=2))])
    assert await front.their_state() == before


@fact
async def test_what_others_have_outlives_what_we_do(front: Front) -> None:
    """A route made, moved and removed."""
    await front.theirs(front.name("theirs"))
    before = await front.their_state()
    await front.set(front.route())
    await front.set(front.route(port=2))
    await front.delete(front.name())
    assert await front.their_state() == before


@pytest.mark.parametrize("call", ["read", "write", "delete", "ask"])
@fact
async def test_a_proxy_that_is_away_is_not_guessed_about(front: Front, call: str) -> None:
    """Nothing is known; a question says that there was no answer (F48)."""
    route = front.route()
    await front.set(route)
    await front.away()
    calls: dict[str, Callable[[], Any]] = {
        "read": front.proxy.read,
        "write": lambda: front.set(front.route(port=2)),
        "delete": lambda: front.delete(route.hostname),
        "ask": lambda: front.proxy.ask(route),
    }
    assert await raised(calls[call]()) == ("WorldBad NoAnswer" if call == "ask" else "Unreachable Unreachable")


@fact
async def test_a_write_to_a_proxy_that_was_away_was_not_made(front: Front) -> None:
    """Nor is it made later."""
    await front.set(front.route())
    await front.away()
    with pytest.raises((Unreachable, OutcomeUnknown)):
        await front.set(front.route(word="new"))
    await front.back()
    assert front.name("new") not in await front.routes()


@fact
async def test_a_restart_keeps_routes_or_forgets_them_all(front: Front) -> None:
    """Caddy forgets what it was told, NPM does not (F46)."""
    routes = {route.hostname: route for route in (front.route(), front.route(word="other"))}
    await front.set(*routes.values())
    await front.away()
    await front.back()
    assert await front.routes() == (routes if front.keeps else {})


@fact
async def test_after_a_restart_the_same_write_ends_the_same(front: Front) -> None:
    """Nothing of before gets in the way (F46)."""
    route = front.route(await front.app())
    await front.set(route)
    await front.away()
    await front.back()
    await front.set(route)
    await front.serves(route)
    assert await front.routes() == {route.hostname: route}


@pytest.mark.parametrize("moved", [False, True])
@fact
async def test_a_write_whose_answer_was_lost_is_there_once(front: Front, moved: bool) -> None:
    """It is told as done or as unknown, is seen, and its repetition changes nothing (F41, F44)."""
    if moved:
        await front.set(front.route(await front.app()))
    wanted = front.route(await front.app(), tag="2.0")
    front.stumble()
    with contextlib.suppress(WorldBad):
        await front.set(wanted)
    assert await front.routes() == {wanted.hostname: wanted}
    before = front.writes()
    await front.set(wanted)
    assert front.writes() == before


@fact
async def test_a_change_that_is_refused_leaves_what_was_there(front: Front) -> None:
    """It serves on, and the next change works (F40)."""
    before = front.route(await front.app())
    await front.set(before)
    await front.serves(before)
    assert await raised(front.refused(front.route(await front.app(), tag="2.0"))) == "WorldBad ProxyRefused"
    assert await front.routes() == {before.hostname: before}
    await front.serves(before)
    after = front.route(await front.app(), tag="3.0")
    await front.set(after)
    await front.serves(after)


@pytest.mark.parametrize("then", ["write", "delete"])
@fact
async def test_a_new_route_that_is_refused_proves_nothing(front: Front, then: str) -> None:
    """NPM has it in its list all the same, without proof; it is mended and removed like any other (F40)."""
    wanted = front.route(await front.app())
    assert await raised(front.refused(wanted)) == "WorldBad ProxyRefused"
    left = {name: route.marker for name, route in (await front.routes()).items()}
    assert left == ({} if front.proxy.batch else {wanted.hostname: ""})
    with contextlib.suppress(WorldBad):
        assert (await front.proxy.ask(wanted)).marker == ""
    if then == "write":
        await front.set(wanted)
        await front.serves(wanted)
    else:
        await front.delete(wanted.hostname)
    assert await front.routes() == ({wanted.hostname: wanted} if then == "write" else {})


@fact
async def test_two_writers_at_once_lose_nothing(front: Front) -> None:
    """Who was overtaken reads again (F45)."""
    other = front.another()
    routes = [front.route(word=f"h{number}") for number in range(4)]
    await asyncio.gather(
        front.set(*routes[:2]), other.write([RouteChange(route.hostname, route) for route in routes[2:]])
    )
    assert (await other.read()).routes == {route.hostname: route for route in routes}


@pytest.mark.parametrize(
    "fields",
    [
        {"hostname": "*.hf.test"},
        {"hostname": "{env.HOME}.test"},
        {"hostname": "$host.test"},
        {"host": ""},
        {"host": "x; evil"},
        {"port": 0},
        {"port": 65536},
    ],
    ids=lambda fields: " ".join(f"{key} {value}" for key, value in fields.items()),
)
@fact
async def test_what_cannot_be_a_route_is_refused_before_anything_is_asked(front: Front, fields: dict[str, Any]) -> None:
    """It is the revision's fault."""
    assert await raised(front.set(front.route(**fields))) == "RevisionBad InvalidRoute"
    assert front.writes() == 0


@fact
async def test_an_option_that_cannot_be_had_is_refused(front: Front) -> None:
    """Without a certificate nothing is forced to TLS; nothing is left out in silence."""
    wanted = front.route(options=Options(force_tls=True))
    assert await raised(front.set(wanted)) == "RevisionBad UnsupportedOption"
    assert front.writes() == 0
