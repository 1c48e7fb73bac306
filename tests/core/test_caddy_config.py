"""What of a Caddy configuration is ours, and the narrowest write that changes it: pure, without a Caddy."""

import copy
import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.clients.caddy import config as caddy_config
from controller.clients.caddy import routes
from controller.clients.caddy.admin import Edit, smallest
from controller.clients.caddy.servers import Site
from controller.core.model.desired import Options
from controller.core.model.digests import with_marker
from controller.core.model.errors import Conflict, RevisionBad
from controller.core.model.observed import Route, RouteTable

SITE = Site("holdfast-home-1", ":80", "off")


def route(hostname: str, port: int = 8080) -> Route:
    """A route of stage shop/dev."""
    return with_marker(Route(hostname, "shop/dev", "1.0", "default", "a" * 64, "10.0.0.2", port))


def apply(config: Any, edit: Edit) -> Any:
    """What Caddy makes of one write, in a few lines."""
    if edit.path == "/config":
        return edit.body
    *parents, last = edit.path.removeprefix("/config/").split("/")
    config = copy.deepcopy(config) or {}
    place = config
    for part in parents:
        place = place[int(part)] if isinstance(place, list) else place[part]
    key: Any = int(last) if isinstance(place, list) else last
    match edit.method, place:
        case "PUT", list():
            place.insert(key, edit.body)
        case "PUT", _:
            assert key not in place
            place[key] = edit.body
        case "PATCH", _:
            assert isinstance(place, list) or key in place
            place[key] = edit.body
        case "DELETE", _:
            del place[key]
    return config


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(2, 8) | st.sampled_from(["a", "b"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=12,
)
"""Small values that often resemble each other; no field of Caddy takes both true and 1, which Python calls equal."""


def alike(one: Any, two: Any) -> bool:
    """Equal as JSON: True is not 1."""
    return json.dumps(one, sort_keys=True) == json.dumps(two, sort_keys=True)


@given(st.dictionaries(st.sampled_from("abcd"), JSON, max_size=3), st.dictionaries(st.sampled_from("abcd"), JSON))
def test_the_smallest_edit_leads_from_one_to_the_other(old: Any, new: Any) -> None:
    """For any two configurations one write turns the first into the second, and equal ones need none."""
    edit = smallest(old, new)
    if edit is None:
        assert alike(old, new)
    else:
        assert alike(apply(old, edit), new)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({}, {"apps": {"x": 1}}, Edit("PUT", "/config/apps", {"x": 1})),
        (None, {"apps": {"x": 1}}, Edit("PUT", "/config/apps", {"x": 1})),
        ({"a": {"b": 1, "c": 2}}, {"a": {"c": 2}}, Edit("DELETE", "/config/a/b")),
        ({"a": [1, 3]}, {"a": [1, 2, 3]}, Edit("PUT", "/config/a/1", 2)),
        ({"a": [1, 2, 3]}, {"a": [1, 3]}, Edit("DELETE", "/config/a/1")),
        ({"a": [{"x": 1}, 3]}, {"a": [{"x": 2}, 3]}, Edit("PATCH", "/config/a/0/x", 2)),
        ({"a": {"b/c": 1, "d": 1}}, {"a": {"b/c": 2, "d": 1}}, Edit("PATCH", "/config/a", {"b/c": 2, "d": 1})),
        ({"a": {"b c": 1}}, {"a": {"b c": 2}}, Edit("PATCH", "/config/a/b%20c", 2)),
    ],
)
def test_an_edit_is_narrow(old: Any, new: Any, expected: Edit) -> None:
    """What did not change is not sent, save where a name cannot stand in a path."""
    assert smallest(old, new) == expected


@pytest.mark.parametrize(
    "config", [None, {}, {"apps": None}, {"apps": {"http": None}}, {"apps": {"http": {"servers": None}}}]
)
def test_any_emptiness_is_an_empty_table(config: Any) -> None:
    """And can be written to."""
    assert caddy_config.table(config, SITE) == RouteTable()
    assert caddy_config.changed(config, SITE, {}) == config
    after = caddy_config.changed(config, SITE, {"a.test": route("a.test")})
    assert caddy_config.table(after, SITE).routes == {"a.test": route("a.test")}


NAMES = [f"{letter}.test" for letter in "abcde"]
CHANGES = st.lists(
    st.dictionaries(st.sampled_from(NAMES), st.none() | st.integers(1, 3), min_size=1), min_size=1, max_size=6
)


@given(CHANGES, st.sampled_from(["off", "internal"]), st.booleans())
def test_any_way_of_changes_ends_where_the_last_one_says(changes: Any, mode: Any, shared: bool) -> None:
    """The table is what was asked for, nothing drifts, and the same routes are the same configuration."""
    site = Site("holdfast-home-1", ":443", mode)
    policies: list[dict[str, Any]] | None = [{}] if mode == "internal" else None
    theirs = {"listen": [":443"], "routes": [{"handle": []}], "tls_connection_policies": policies}
    start: Any = {"apps": {"http": {"servers": {"theirs": theirs} if shared else {}}}}
    config = start
    wanted: dict[str, Any] = {}
    for change in changes:
        changed = {name: route(name, port) if port else None for name, port in change.items()}
        config = caddy_config.changed(config, site, changed)
        wanted = {name: value for name, value in {**wanted, **changed}.items() if value is not None}
        assert caddy_config.table(config, site).routes == wanted
        assert caddy_config.changed(config, site, changed) == config
    at_once = caddy_config.changed(start, site, wanted)
    if wanted:
        assert alike(config, at_once)
    assert config["apps"]["http"]["servers"].get("theirs", theirs)["routes"][-1] == {"handle": []}


@pytest.mark.parametrize(
    ("theirs", "shared"),
    [
        (":80", True),
        ("tcp/:80", True),
        ("0.0.0.0:80", True),
        ("[::]:80", True),
        (":79-81", True),
        (":81", False),
        ("127.0.0.1:80", False),
        ("udp/:80", False),
        ("unix//run/x.sock", False),
        ("{env.ADDRESS}", False),
    ],
)
def test_whose_server_is_on_our_address(theirs: str, shared: bool) -> None:
    """A server of others is shared when it takes what comes to our address; one of its corners is left to Caddy."""
    config = {"apps": {"http": {"servers": {"theirs": {"listen": [theirs], "routes": []}}}}}
    after = caddy_config.changed(config, SITE, {"a.test": route("a.test")})
    assert ("holdfast-home-1" not in after["apps"]["http"]["servers"]) is shared


def test_the_standard_ports_count_as_one() -> None:
    """Who has a hostname with TLS gets its redirect on port 80: it is not ours to take."""
    theirs = {"listen": [":443"], "routes": [{"match": [{"host": ["theirs.test"]}], "handle": []}]}
    config = {"apps": {"http": {"servers": {"theirs": theirs}}}}
    assert caddy_config.table(config, SITE).foreign == {"theirs.test": "a route in Caddy's server theirs"}
    with pytest.raises(Conflict):
        caddy_config.changed(config, SITE, {"theirs.test": route("theirs.test")})
    assert caddy_config.table(config, Site("holdfast-home-1", ":8080", "off")).foreign == {}


@given(JSON)
def test_any_configuration_can_be_read(anything: Any) -> None:
    """Whatever stands where a server, a route or a handler is expected, the read does not fail."""
    route = {"match": anything, "handle": anything}
    for servers in (
        anything,
        {"x": anything},
        {"holdfast-home-1": {"listen": anything, "routes": anything}},
        {"x": {"listen": [":80"], "routes": [route]}},
        {"x": {"listen": [":80"], "routes": [{"@id": "holdfast-home-1:a", **route}]}},
    ):
        config = {"apps": {"http": {"servers": servers}}}
        assert caddy_config.table({"apps": anything}, SITE).routes == {}
        assert isinstance(caddy_config.table(config, SITE), RouteTable)


@pytest.mark.parametrize(
    "options", [Options(certificate="wild"), Options(access_list="staff"), Options(force_tls=True)]
)
def test_options_of_other_proxies_are_refused_in_words(options: Options) -> None:
    """Nothing is left out in silence."""
    with pytest.raises(RevisionBad, match=r"a\.test: .*proxy\.") as refused:
        routes.check(dataclasses.replace(route("a.test"), options=options), tls=False)
    assert refused.value.reason == "UnsupportedOption"
