"""What is stored on real proxies: routes of an earlier version are read as ours, and what is unsafe is refused."""

import json
from typing import Any

import pytest

from controller.clients import route_mark
from controller.clients.caddy import routes as caddy_routes
from controller.clients.npm import hosts
from controller.core.model import digests
from controller.core.model.desired import Options
from controller.core.model.errors import RevisionBad
from controller.core.model.observed import Route

ROUTE = digests.with_marker(
    Route("shop.test", "shop/dev", "1.0", "default", "a" * 64, "fd00::7", 80, Options(websockets=False, verify="/up"))
)
MARKER = "6d50b477986c47bb"
CADDY = """\
{"@id": "holdfast-home-1:shop.test", "match": [{"host": ["shop.test"]}], "handle": [{"handler": "vars", "holdfast": {\
"stage": "shop/dev", "tag": "1.0", "kind": "default", "container": "CONTAINER", "host": "fd00::7", "port": 80, \
"options": {"websockets": false, "verify": "/up"}}}, {"handler": "headers", "response": {"set": {"Holdfast-Route": [\
"MARKER"]}}, "request": {"delete": ["Upgrade"]}}, {"handler": "reverse_proxy", "upstreams": [{"dial": "[fd00::7]:80"}]\
, "headers": {"response": {"delete": ["Holdfast-Route"]}}}], "terminal": true}""".replace(
    "CONTAINER", "a" * 64
).replace("MARKER", MARKER)
NPM = """\
{"accesslist":["staff",3],"certificate":[null,0],"container":"CONTAINER","controller":"home-1","force":null,"host":\
"fd00::7","hostname":"shop.test","kind":"default","options":{"verify":"/up","websockets":false},"port":80,"stage":\
"shop/dev","tag":"1.0","websockets":false}""".replace("CONTAINER", "a" * 64)


def test_what_caddy_stores_stays_byte_for_byte() -> None:
    """One text for one route, in both directions."""
    assert json.dumps(caddy_routes.build("holdfast-home-1", ROUTE)) == CADDY
    assert caddy_routes.parse("holdfast-home-1", json.loads(CADDY)) == ROUTE


def test_what_npm_stores_stays_byte_for_byte() -> None:
    """One text for one route, in both directions."""
    site = hosts.Site("home-1", access_list="staff")
    fields = hosts.changes(None, ROUTE, site, hosts.Ids(access_list=3))
    assert fields["meta"] == {"holdfast": NPM}
    host = hosts.parse({"id": 7, **fields, "meta": {"holdfast": NPM, "nginx_online": True}}, site)
    assert host is not None
    assert (host.route, host.proof) == (ROUTE, MARKER)


@pytest.mark.parametrize(
    "fields",
    [
        {"hostname": "*.test"},
        {"hostname": "Shop.test"},
        {"hostname": "a..test"},
        {"hostname": "shop.test\n"},
        {"hostname": "{env.HOME}.test"},
        {"host": "$host"},
        {"host": "10.0.0.1; evil"},
        {"host": "10.0.0.1:80,evil"},
        {"host": "{env.HOME}"},
        {"host": ""},
        {"port": 0},
        {"port": 65536},
        {"tag": "{http.request.header.X}"},
        {"container": "a b"},
        {"options": Options(verify="/; evil")},
        {"options": Options(verify="/{env.HOME}")},
        {"options": Options(verify="healthz")},
    ],
    ids=str,
)
def test_no_text_becomes_configuration(fields: dict[str, Any]) -> None:
    """Neither proxy checks any of this: Caddy reads placeholders, NPM writes it into nginx's file."""
    with pytest.raises(RevisionBad) as refused:
        route_mark.check(Route(**{**vars(ROUTE), **fields}))
    assert refused.value.reason == "InvalidRoute"


@pytest.mark.parametrize("mark", [{}, {"stage": "a/b"}, "text", None, {**vars(ROUTE), "options": {"unknown": True}}])
def test_a_damaged_mark_leaves_the_hostname(mark: Any) -> None:
    """It is ours and to be written again, although nothing else of it can be read."""
    route = route_mark.parse("shop.test", mark, lambda _: True)
    assert route == Route("shop.test", "", "", "instance", "", "", 0)
