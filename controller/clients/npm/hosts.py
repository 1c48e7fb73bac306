"""One proxy host of NPM as a route, and back: pure, no I/O.

The proxy is the only home of routes, so the host's `meta.holdfast` carries the whole `Route`, as one string: NPM's own
interface rewrites the keys of `meta` but no values. A host is ours when that mark names this controller; it is never
its hostname. What a person sets on our host and no document asks for stays: access list, certificate, TLS flags,
custom locations, advanced configuration around our lines, and every field that this version does not know. What a
document, or the settings, ask for is ours; and when nobody asks any more, only what we had set is taken back.
"""

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from controller.clients.npm import block
from controller.clients.npm import rows as npm_rows
from controller.clients.npm.rows import FLAGS, KEY, LETSENCRYPT, Row
from controller.core.catalog.route_options import VERIFY_GRAMMAR
from controller.core.model.desired import Options
from controller.core.model.digests import with_marker
from controller.core.model.errors import RevisionBad
from controller.core.model.observed import Route, RouteTable

_HOSTNAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*\Z")
_UPSTREAM = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?\Z|[0-9A-Fa-f:.]{2,45}\Z")


@dataclass(frozen=True)
class Site:
    """Who we are, and what the settings say of all routes."""

    controller_id: str
    certificate: str | None = None
    """Name or id of a certificate, or `letsencrypt`; None: none of ours."""
    force_tls: bool = False
    access_list: str | None = None
    websockets: bool = True


@dataclass(frozen=True)
class Wish:
    """What is asked of NPM for one route beyond its target; None: whatever a person set stays."""

    certificate: str | None
    force_tls: bool | None
    access_list: str | None
    websockets: bool


@dataclass(frozen=True)
class Ids:
    """The ids behind the names of a wish; 0: not asked for, or not there yet."""

    certificate: int = 0
    access_list: int = 0


@dataclass(frozen=True)
class Host:
    """One proxy host of ours."""

    id: int
    route: Route
    """As its mark tells it; without marker where the host is not as we would make it."""
    path: str
    """Where it proves itself; empty where our lines are missing."""
    proof: str
    """The marker that comes back from there."""
    tls: bool
    """It has a certificate, so that clients are to use TLS."""
    row: Row


def wish(route: Route, site: Site) -> Wish:
    """What the route's options and the settings ask for; the route comes first."""
    options = route.options
    return Wish(
        certificate=options.certificate or site.certificate,
        force_tls=options.force_tls if options.force_tls is not None else (site.force_tls or None),
        access_list=options.access_list or site.access_list,
        websockets=options.websockets and site.websockets,
    )


def check(route: Route, site: Site, row: Row | None) -> None:
    """Refuse what cannot become a proxy host. Raises `RevisionBad` (InvalidRoute, UnsupportedOption)."""
    names = (("hostname", route.hostname, _HOSTNAME), ("target", route.host, _UPSTREAM))
    for what, text, grammar in (*names, ("path", route.options.verify, VERIFY_GRAMMAR)):
        if not grammar.match(text):
            raise RevisionBad(f"{route.hostname!r}: {what} {text!r} cannot be put into a route", reason="InvalidRoute")
    if not 1 <= route.port <= 65535:
        raise RevisionBad(f"{route.hostname}: port {route.port} does not exist", reason="InvalidRoute")
    wanted = wish(route, site)
    has = wanted.certificate is not None or (row is not None and npm_rows.certificate(row) is not None)
    if route.options.force_tls and not has:
        text = f"{route.hostname}: route.forceTLS needs a certificate: name one in route.certificate"
        raise RevisionBad(text, reason="UnsupportedOption")


def hosts(rows: Iterable[Any], site: Site) -> tuple[dict[str, list[Host]], dict[str, str]]:
    """Our hosts by hostname, more than one where somebody doubled it, and the hostnames that others hold."""
    ours: dict[str, list[Host]] = {}
    foreign: dict[str, str] = {}
    for row in rows:
        if not isinstance(row, dict):
            continue
        found = host(row, site)
        if found is not None:
            ours.setdefault(found.route.hostname, []).append(found)
            continue
        for name in npm_rows.domain_names(row):
            foreign.setdefault(name, npm_rows.holder(row))
    for found_hosts in ours.values():
        found_hosts.sort(key=lambda item: item.id)
    return ours, foreign


def table(ours: Mapping[str, list[Host]], foreign: Mapping[str, str]) -> RouteTable:
    """The routes; a doubled one has no marker."""
    routes = {
        name: found[0].route if len(found) == 1 else dataclasses.replace(found[0].route, marker="")
        for name, found in ours.items()
    }
    return RouteTable(routes=routes, foreign={name: words for name, words in foreign.items() if name not in routes})


def host(row: Row, site: Site) -> Host | None:
    """The host when it is ours; its route has no marker when somebody edited it or nginx does not serve it."""
    mark = npm_rows.mark(row)
    if mark.get("controller") != site.controller_id:
        return None
    hostname = str(mark.get("hostname", ""))
    try:
        route = with_marker(
            Route(
                hostname=hostname,
                stage=str(mark["stage"]),
                tag=str(mark["tag"]),
                kind="default" if mark["kind"] == "default" else "instance",
                container=str(mark["container"]),
                host=str(mark["host"]),
                port=int(mark["port"]),
                options=Options(**mark["options"]),
            )
        )
        ids = Ids(int(mark["certificate"][1]), int(mark["accesslist"][1]))
        intact = not (changes(row, route, site, ids) or npm_rows.failure(row) or npm_rows.lost(row))
    except (LookupError, TypeError, ValueError):
        route, intact = Route(hostname, "", "", "instance", "", "", 0), False
    if not intact:
        route = dataclasses.replace(route, marker="")
    return Host(int(row["id"]), route, *block.proof(npm_rows.text(row)), npm_rows.certificate(row) is not None, row)


def changes(row: Row | None, route: Route, site: Site, ids: Ids) -> Row:
    """The fields to send so that the host is as the route asks; empty when it is. Without a row: of a new host."""
    found = row or {}
    wanted = wish(route, site)
    marked = with_marker(route)
    mark = json.dumps(_told(marked, wanted, ids, site.controller_id), sort_keys=True, separators=(",", ":"))
    token = hashlib.sha256(mark.encode()).hexdigest()[:32]
    fields: Row = {
        "domain_names": [route.hostname],
        "forward_scheme": "http",
        "forward_host": f"[{route.host}]" if ":" in route.host else route.host,
        "forward_port": route.port,
        "allow_websocket_upgrade": wanted.websockets,
        "enabled": True,
        "advanced_config": block.spliced(npm_rows.text(found), token, marked.marker, route.options.verify),
        "meta": {**npm_rows.meta(found), KEY: mark},
        **_access(found, wanted, ids),
        **_certificate(found, wanted, ids),
    }
    if row is None:
        # NPM keeps flags that come with certificate 0, so both are always said.
        return {"certificate_id": 0, "access_list_id": 0, **dict.fromkeys(FLAGS, False), **fields}
    return {name: value for name, value in fields.items() if npm_rows.plain(name, found) != value}


def _certificate(found: Row, wanted: Wish, ids: Ids) -> Row:
    """Certificate and flags as far as they are ours to say."""
    fields: Row = {}
    here, number = npm_rows.certificate(found), int(found.get("certificate_id") or 0)
    told = npm_rows.set_before(found, "certificate")
    if wanted.certificate == LETSENCRYPT:
        if found and here is None:
            number = fields["certificate_id"] = 0
    elif wanted.certificate is not None:
        number = fields["certificate_id"] = ids.certificate
    elif told and _was_ours(number, told, here):
        number = fields["certificate_id"] = 0
    if number and wanted.force_tls is not None:
        fields["ssl_forced"] = wanted.force_tls
    elif number and npm_rows.mark(found).get("force") is True:
        fields["ssl_forced"] = False
    if fields.get("certificate_id") == 0:
        fields.update(dict.fromkeys(FLAGS, False))
    return fields


def _was_ours(number: int, told: tuple[str, int], here: Row | None) -> bool:
    """True when the host still has the certificate that we had put there."""
    if told[0] == LETSENCRYPT:
        return here is not None and here.get("provider") == LETSENCRYPT
    return number == told[1] != 0


def _access(found: Row, wanted: Wish, ids: Ids) -> Row:
    if wanted.access_list is not None:
        return {"access_list_id": ids.access_list}
    told = npm_rows.set_before(found, "accesslist")
    if told and told[1] and int(found.get("access_list_id") or 0) == told[1]:
        return {"access_list_id": 0}
    return {}


def _told(route: Route, wanted: Wish, ids: Ids, controller_id: str) -> Row:
    """The mark: whose the host is, its route, and what was put there for which words."""
    options = {
        field.name: getattr(route.options, field.name)
        for field in dataclasses.fields(Options)
        if getattr(route.options, field.name) != field.default
    }
    return {
        "controller": controller_id,
        "hostname": route.hostname,
        "stage": route.stage,
        "tag": route.tag,
        "kind": route.kind,
        "container": route.container,
        "host": route.host,
        "port": route.port,
        "options": options,
        "certificate": [wanted.certificate, ids.certificate],
        "accesslist": [wanted.access_list, ids.access_list],
        "force": wanted.force_tls,
        "websockets": wanted.websockets,
    }
