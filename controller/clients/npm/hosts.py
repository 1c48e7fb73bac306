"""One proxy host of NPM as a route, and back: pure, no I/O.

The host's `meta.holdfast` carries the whole `Route`, as one string: NPM's own interface rewrites the keys of `meta`
but no values. A host is ours when that mark names this controller; its hostname never makes it ours. What a person
sets on our host and no document asks for stays: access list, certificate, TLS flags, custom locations, advanced
configuration around our lines, and every field that this version does not know. What a document or the settings ask
for is ours; when nobody asks any more, only what we had set is taken back.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from controller.clients import route_mark
from controller.clients.npm import block, rows
from controller.clients.npm.rows import LETSENCRYPT, META_KEY, TLS_FLAGS, Row
from controller.core.model import digests
from controller.core.model.errors import RevisionBad
from controller.core.model.observed import Route, RouteTable


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
class Extras:
    """What is asked of NPM for one route beyond its target; None: whatever a person set stays."""

    certificate: str | None
    force_tls: bool | None
    access_list: str | None
    websockets: bool


@dataclass(frozen=True)
class Ids:
    """The ids behind the names of the extras; 0: not asked for, or not there yet."""

    certificate: int = 0
    access_list: int = 0


@dataclass(frozen=True)
class Host:
    """One proxy host of ours."""

    id: int
    route: Route
    """The route of its mark; without marker where the host is not as we would make it."""
    path: str
    """The path that it answers with its proof; empty where our lines are missing."""
    proof: str
    """The marker that comes back from there."""
    tls: bool
    """It has a certificate, so that clients are to use TLS."""
    row: Row


def extras(route: Route, site: Site) -> Extras:
    """What the route's options and the settings ask for; the route comes first."""
    options = route.options
    return Extras(
        certificate=options.certificate or site.certificate,
        force_tls=options.force_tls if options.force_tls is not None else (site.force_tls or None),
        access_list=options.access_list or site.access_list,
        websockets=options.websockets and site.websockets,
    )


def check(route: Route, site: Site, row: Row | None) -> None:
    """Refuse what cannot become a proxy host. Raises `RevisionBad` (InvalidRoute, UnsupportedOption)."""
    route_mark.check(route)
    has_certificate = row is not None and rows.certificate(row) is not None
    if route.options.force_tls and extras(route, site).certificate is None and not has_certificate:
        text = f"{route.hostname}: route.forceTLS needs a certificate: name one in route.certificate"
        raise RevisionBad(text, reason="UnsupportedOption")


def by_owner(listed: Iterable[Any], site: Site) -> tuple[dict[str, list[Host]], dict[str, str]]:
    """Our hosts by hostname, more than one where somebody doubled it, and the hostnames that others hold."""
    ours: dict[str, list[Host]] = {}
    foreign: dict[str, str] = {}
    for row in listed:
        if not isinstance(row, dict):
            continue
        host = parse(row, site)
        if host is not None:
            ours.setdefault(host.route.hostname, []).append(host)
            continue
        for hostname in rows.domain_names(row):
            foreign.setdefault(hostname, rows.holder(row))
    for doubled in ours.values():
        doubled.sort(key=lambda host: host.id)
    return ours, foreign


def table(ours: Mapping[str, list[Host]], foreign: Mapping[str, str]) -> RouteTable:
    """The routes; a doubled one has no marker."""
    routes = {
        hostname: hosts[0].route if len(hosts) == 1 else route_mark.unproven(hosts[0].route)
        for hostname, hosts in ours.items()
    }
    return RouteTable(routes, {hostname: holder for hostname, holder in foreign.items() if hostname not in routes})


def parse(row: Row, site: Site) -> Host | None:
    """The host when it is ours; its route has no marker when somebody edited it or nginx does not serve it."""
    mark = rows.mark(row)
    if mark.get("controller") != site.controller_id:
        return None

    def is_intact(route: Route) -> bool:
        ids = Ids(int(mark["certificate"][1]), int(mark["accesslist"][1]))
        return not (changes(row, route, site, ids) or rows.nginx_error(row) or rows.missing(row))

    route = route_mark.parse(str(mark.get("hostname", "")), mark, is_intact)
    path, proof = block.proof(rows.advanced_config(row))
    return Host(int(row["id"]), route, path, proof, rows.certificate(row) is not None, row)


def changes(row: Row | None, route: Route, site: Site, ids: Ids) -> Row:
    """The fields to send so that the host is as the route asks; empty when it is. Without a row: of a new host."""
    before = row or {}
    asked = extras(route, site)
    mark = json.dumps(_mark(route, asked, ids, site.controller_id), sort_keys=True, separators=(",", ":"))
    token = hashlib.sha256(mark.encode()).hexdigest()[:32]
    text = block.spliced(rows.advanced_config(before), token, digests.with_marker(route).marker, route.options.verify)
    fields: Row = {
        "domain_names": [route.hostname],
        "forward_scheme": "http",
        "forward_host": route_mark.target(route),
        "forward_port": route.port,
        "allow_websocket_upgrade": asked.websockets,
        "enabled": True,
        "advanced_config": text,
        "meta": {**rows.meta(before), META_KEY: mark},
        **_access_list(before, asked, ids),
        **_certificate(before, asked, ids),
    }
    if row is None:
        # NPM keeps flags that come with certificate 0, so both are always sent.
        return {"certificate_id": 0, "access_list_id": 0, **dict.fromkeys(TLS_FLAGS, False), **fields}
    return {name: value for name, value in fields.items() if rows.field(name, row) != value}


def _certificate(before: Row, asked: Extras, ids: Ids) -> Row:
    """Certificate and flags as far as they are ours to set."""
    fields: Row = {}
    here, number = rows.certificate(before), int(before.get("certificate_id") or 0)
    last_set = rows.last_set(before, "certificate")
    if asked.certificate == LETSENCRYPT:
        if before and here is None:
            number = fields["certificate_id"] = 0
    elif asked.certificate is not None:
        number = fields["certificate_id"] = ids.certificate
    elif last_set and _was_ours(number, last_set, here):
        number = fields["certificate_id"] = 0
    if number and asked.force_tls is not None:
        fields["ssl_forced"] = asked.force_tls
    elif number and rows.mark(before).get("force") is True:
        fields["ssl_forced"] = False
    if fields.get("certificate_id") == 0:
        fields.update(dict.fromkeys(TLS_FLAGS, False))
    return fields


def _was_ours(number: int, last_set: tuple[str, int], here: Row | None) -> bool:
    """True when the host still has the certificate that we had put there."""
    if last_set[0] == LETSENCRYPT:
        return here is not None and here.get("provider") == LETSENCRYPT
    return number == last_set[1] != 0


def _access_list(before: Row, asked: Extras, ids: Ids) -> Row:
    if asked.access_list is not None:
        return {"access_list_id": ids.access_list}
    last_set = rows.last_set(before, "accesslist")
    if last_set and last_set[1] and int(before.get("access_list_id") or 0) == last_set[1]:
        return {"access_list_id": 0}
    return {}


def _mark(route: Route, asked: Extras, ids: Ids, controller_id: str) -> Row:
    """The mark: whose the host is, its route, and which ids were put there for which names."""
    return {
        "controller": controller_id,
        **digests.route_fields(route),
        "certificate": [asked.certificate, ids.certificate],
        "accesslist": [asked.access_list, ids.access_list],
        "force": asked.force_tls,
        "websockets": asked.websockets,
    }
