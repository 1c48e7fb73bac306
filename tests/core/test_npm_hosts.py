"""Proxy hosts of NPM as routes and back, and our lines among a person's: pure."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.clients.npm import block, hosts, rows
from controller.clients.npm.hosts import Ids, Site
from controller.clients.npm.rows import Row
from controller.clients.npm.session import lifetime, missing_permission
from controller.core.model.desired import Options
from controller.core.model.digests import with_marker
from controller.core.model.observed import Route

SITE = Site("home-1")
ROW: Row = {"id": 7, "created_on": "x", "modified_on": "x", "owner_user_id": 2, "locations": None, "certificate": None}
CERTIFICATE = {"id": 5, "provider": "other"}
TEXT = st.text(st.sampled_from("ab{};# \n\t"), max_size=60)

routes = st.builds(
    lambda **fields: with_marker(Route(hostname="shop.test", stage="shop/dev", container="a" * 64, **fields)),
    tag=st.sampled_from(["1.0", "v1_A.b-c"]),
    kind=st.sampled_from(["default", "instance"]),
    host=st.sampled_from(["10.1.2.3", "fd00::7", "shop-dev-1.0_x"]),
    port=st.integers(1, 65535),
    options=st.builds(
        Options,
        websockets=st.booleans(),
        force_tls=st.sampled_from([None, False, True]),
        certificate=st.sampled_from([None, "wild", "letsencrypt"]),
        access_list=st.sampled_from([None, "staff"]),
        verify=st.sampled_from(["/", "/healthz?deep=1"]),
    ),
)
sites = st.builds(
    Site,
    st.just("home-1"),
    st.sampled_from([None, "main", "letsencrypt"]),
    st.booleans(),
    st.sampled_from([None, "all"]),
    st.booleans(),
)


def ids(route: Route, site: Site) -> Ids:
    """What NPM has behind the names."""
    wanted = hosts.extras(route, site)
    certificate = {None: 0, "letsencrypt": 0, "wild": 5, "main": 6}[wanted.certificate]
    return Ids(certificate, {None: 0, "staff": 3, "all": 4}[wanted.access_list])


def merged(row: Row, fields: Row, served: bool = True) -> Row:
    """The host as NPM has it after these fields were sent."""
    after = {**row, **copy.deepcopy(fields)}
    after["meta"] = {**after.get("meta", {}), "nginx_online": served, "nginx_err": None if served else "bad"}
    number = after["certificate_id"]
    after["certificate"] = {"id": number, "provider": "other"} if number else None
    if not number:
        after.update(ssl_forced=False, http2_support=False, hsts_enabled=False, hsts_subdomains=False)
    after["access_list"] = {"id": after["access_list_id"]} if after["access_list_id"] else None
    return after


def made(route: Route, site: Site = SITE) -> Row:
    """A host that was just made."""
    return merged(ROW, hosts.changes(None, route, site, ids(route, site)))


def route_of(row: Row, site: Site = SITE) -> Route:
    """The route that the host stands for."""
    host = hosts.parse(row, site)
    assert host is not None
    return host.route


PLAIN = with_marker(Route("shop.test", "shop/dev", "1.0", "default", "a" * 64, "10.0.0.1", 80))


@given(routes, sites)
def test_a_new_host_reads_back_as_its_route(route: Route, site: Site) -> None:
    """Everything that a later pass needs is known from NPM alone, and nothing differs."""
    row = made(route, site)
    assert hosts.changes(row, route, site, ids(route, site)) == {}
    assert route_of(row, site) == route


@given(routes, routes, sites, sites)
def test_one_write_leads_from_any_route_to_any_other(first: Route, second: Route, before: Site, after: Site) -> None:
    """After it nothing differs, whatever was asked for before, by a document or by the settings."""
    row = made(first, before)
    fields = hosts.changes(row, second, after, ids(second, after))
    row = merged(row, fields)
    assert hosts.changes(row, second, after, ids(second, after)) == {}
    assert route_of(row, after) == second
    assert not set(fields) - {*ALLOWED}


ALLOWED = {
    *("domain_names", "forward_scheme", "forward_host", "forward_port", "certificate_id", "ssl_forced", "hsts_enabled"),
    *("hsts_subdomains", "http2_support", "allow_websocket_upgrade", "access_list_id", "advanced_config", "enabled"),
    "meta",
}
"""What we ever send: never locations, never a field that NPM may not know."""


@given(routes, sites)
def test_what_is_asked_for_no_more_is_taken_back(route: Route, site: Site) -> None:
    """Certificate, flags and access list that we had put there go with the wish, so that nothing of ours is left."""
    row = made(route, site)
    row = merged(row, hosts.changes(row, PLAIN, SITE, Ids()))
    assert (row["certificate_id"], row["access_list_id"], row["ssl_forced"]) == (0, 0, False)


@given(routes, TEXT)
def test_a_persons_settings_stay(route: Route, text: str) -> None:
    """Text around our lines, and what no document asks for, go through any change as they are."""
    plain = with_marker(Route(**{**vars(route), "options": Options()}))
    row = made(PLAIN)
    theirs = {"certificate_id": 9, "access_list_id": 8, "ssl_forced": True, "caching_enabled": True, "unheard_of": [1]}
    row = merged({**row, **theirs, "locations": [{"path": "/x"}]}, {"advanced_config": text + row["advanced_config"]})
    row["meta"]["colour"] = "blue"
    assert route_of(row) == PLAIN
    row = merged(row, hosts.changes(row, plain, SITE, Ids()))
    assert {key: row[key] for key in theirs} == theirs
    assert row["locations"] == [{"path": "/x"}]
    assert row["meta"]["colour"] == "blue"
    assert block.without(row["advanced_config"]) == text
    assert route_of(row) == plain


@pytest.mark.parametrize(
    "edit",
    [
        {"domain_names": ["shop.test", "www.test"]},
        {"domain_names": ["other.test"]},
        {"forward_host": "10.0.0.2"},
        {"forward_port": 81},
        {"forward_scheme": "https"},
        {"enabled": False},
        {"enabled": 0},
        {"allow_websocket_upgrade": False},
        {"advanced_config": ""},
    ],
)
def test_an_edit_of_what_is_ours_is_drift(edit: Row) -> None:
    """It reads without a marker, and one write of exactly these fields mends it."""
    row = {**made(PLAIN), **edit}
    assert route_of(row).marker == ""
    assert list(hosts.changes(row, PLAIN, SITE, Ids())) == list(edit)


@pytest.mark.parametrize(
    "edit",
    [
        {"forward_port": "80"},
        {"enabled": 1, "allow_websocket_upgrade": 1, "ssl_forced": 0},
        {"domain_names": ["SHOP.test"]},
        {"certificate_id": None, "access_list_id": None, "locations": []},
    ],
)
def test_other_ways_to_write_the_same_are_no_drift(edit: Row) -> None:
    """Versions of NPM differ in how they write yes, no and nothing."""
    assert route_of({**made(PLAIN), **edit}) == PLAIN


@pytest.mark.parametrize(
    "meta",
    [
        {},
        None,
        {"holdfast": "{"},
        {"holdfast": "[]"},
        {"holdfast": {"controller": "home-1"}},
        {"holdfast": '{"controller":"x"}'},
    ],
)
def test_a_host_without_our_mark_is_somebody_elses(meta: Any) -> None:
    """Whatever its hostname; it is listed with words that lead to it."""
    ours, foreign = hosts.by_owner([{**made(PLAIN), "meta": meta}, None, "x"], SITE)
    assert ours == {}
    assert list(foreign) == ["shop.test"]
    assert "proxy host 7" in foreign["shop.test"]


def test_a_damaged_mark_leaves_the_hostname() -> None:
    """It is ours and to be written again, although nothing else of it can be read."""
    mark = json.dumps({"controller": "home-1", "hostname": "shop.test"})
    host = hosts.parse({**made(PLAIN), "meta": {"holdfast": mark}}, SITE)
    assert host is not None
    assert host.route == Route("shop.test", "", "", "instance", "", "", 0)


def test_a_lost_access_list_of_ours_is_drift_and_a_persons_is_not() -> None:
    """A host whose list was deleted is open to everybody; where we had put it there we say so."""
    closed = with_marker(Route(**{**vars(PLAIN), "options": Options(access_list="staff")}))
    row = {**made(closed), "access_list": None}
    assert route_of(row).marker == ""
    assert "access list does not exist" in rows.missing(row)
    theirs = {**made(PLAIN), "access_list_id": 4, "access_list": None}
    assert route_of(theirs) == PLAIN


def test_a_certificate_of_lets_encrypt_that_came_is_no_drift() -> None:
    """It came by itself, beside every write."""
    route = with_marker(Route(**{**vars(PLAIN), "options": Options(certificate="letsencrypt")}))
    row = made(route)
    assert route_of(row) == route
    row.update(certificate_id=12, certificate={"id": 12, "provider": "letsencrypt"})
    assert route_of(row) == route
    assert rows.has_letsencrypt(row)
    assert hosts.changes(row, PLAIN, SITE, Ids())["certificate_id"] == 0


@given(TEXT, TEXT)
def test_our_lines_are_found_again(before: str, after: str) -> None:
    """Spliced twice is spliced once; a new proof takes the old one's place."""
    first = block.spliced(before, "ab12", "cd34")
    start = first.removesuffix(block.spliced("", "ab12", "cd34"))
    assert start in (before, before + "\n")
    text = first + after
    assert block.proof(text) == ("/.well-known/holdfast/ab12", "cd34")
    again = block.spliced(text, "ef56", "0789")
    assert block.proof(again) == ("/.well-known/holdfast/ef56", "0789")
    assert block.spliced(again, "ab12", "cd34") == text
    assert block.without(text) == start + after


@pytest.mark.parametrize("path", ["/", "/healthz?deep=1"])
@pytest.mark.parametrize("left", [6, -2])
def test_our_lines_with_their_end_cut_off_are_made_whole(path: str, left: int) -> None:
    """What a person left of them is replaced, and what stands below is kept."""
    whole = block.spliced("", "ab12", "cd34", path)
    cut = "\n".join(whole.split("\n")[:left]) + "\nclient_max_body_size 5m;\n"
    assert block.spliced(cut, "ab12", "cd34", path) == whole + "client_max_body_size 5m;\n"
    assert block.spliced(whole + whole, "ab12", "cd34", path) == whole


def test_the_life_of_a_token_is_its_own_word() -> None:
    """NPM's `expires` may say a month where the token dies in a minute."""
    assert lifetime("x.eyJpYXQiOjEwMCwiZXhwIjoxNjB9.y") == 60
    assert lifetime("no token") == 86_400


@pytest.mark.parametrize(
    ("me", "words"),
    [
        ({"roles": ["admin"], "permissions": {"proxy_hosts": "hidden"}}, ""),
        ({"roles": [], "permissions": {"proxy_hosts": "manage"}}, ""),
        ({"roles": [], "permissions": {"proxy_hosts": "view"}}, "view"),
        ({"roles": []}, "hidden"),
    ],
)
def test_a_missing_permission_has_words(me: Any, words: str) -> None:
    """What to set is in them."""
    assert words in missing_permission(me)
    assert bool(missing_permission(me)) is bool(words)
