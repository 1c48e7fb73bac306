"""Caddy's whole configuration, pure: the table of our routes in it, and what a change makes of it.

Ours are, by name or `@id`: the server `holdfast-ID` on `proxy.listen`, with one route per hostname and a 404 for every
other one (Caddy itself answers an empty 200); or, where a server that is not ours listens there already, one route in
front of that server's own, with our routes inside and everything else passed on; and with TLS one automation policy.
All else keeps its value and its place.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from controller.clients import route_mark
from controller.clients.caddy import routes, servers
from controller.clients.caddy.servers import Object, Owned, Site, list_in, object_at
from controller.core.model.errors import Conflict, HoldfastError
from controller.core.model.observed import Route, RouteTable


def table(config: Any, site: Site) -> RouteTable:
    """Our routes and the hostnames that others hold where we listen.

    A route that somebody edited, doubled or put elsewhere has no marker, nor has any of them while what surrounds them
    is not as `changed` makes it.
    """
    try:
        intact = changed(config, site, {}) == config
    except HoldfastError:
        intact = False
    ours: dict[str, Route] = {}
    for hostname, entry in servers.owned(config, site):
        route = routes.parse(site.name, entry)
        ours[hostname] = route if intact and hostname not in ours else route_mark.unproven(route)
    foreign = {hostname: holder for hostname, holder in servers.foreign(config, site) if hostname not in ours}
    return RouteTable(routes=ours, foreign=foreign)


def changed(config: Any, site: Site, wanted: Mapping[str, Route | None]) -> Any:
    """The configuration with these hostnames routed so, or no longer (None); our other routes stay as they are.

    Returns an equal value when nothing differs. Raises `Conflict` (HostnameTaken) where somebody else holds a hostname
    that we do not hold yet, and `Conflict` (ListenTaken) or `WorldBad` (ProxyRefused) where our routes have no place.
    """
    held = list(servers.owned(config, site))
    _refuse_taken(config, site, {name for name, route in wanted.items() if route} - {name for name, _ in held})
    entries = [(name, entry) for name, entry in held if name not in wanted]
    entries += [(name, routes.build(site.name, route)) for name, route in wanted.items() if route is not None]
    entries.sort(key=lambda pair: pair[0])
    present = servers.by_name(config)
    arranged = _arranged(present, site, entries, servers.home(config, site) if entries else "")
    if arranged != present:
        config = _put(config, ("apps", "http", "servers"), arranged)
    place = ("apps", "tls", "automation", "policies")
    policies = list_in(object_at(config, *place[:-1]), place[-1])
    issued = _replaced(policies, f"{site.name}:_tls", _policy(site, entries))
    return _put(config, place, issued) if issued != policies else config


def _refuse_taken(config: Any, site: Site, hostnames: set[str]) -> None:
    if hostnames:
        for hostname, holder in servers.foreign(config, site):
            if hostname in hostnames:
                raise Conflict(f"{hostname} is held by {holder}, which is not ours", reason="HostnameTaken")


def _arranged(present: Object, site: Site, entries: Sequence[Owned], home: str) -> Object:
    """All servers, with our routes in the server `home` and nowhere else."""
    arranged = dict(present)
    for name, server in present.items():
        if name == site.name:
            continue
        listed = list_in(server, "routes")
        theirs = [entry for entry in listed if not routes.hostname_of(site.name, entry)]
        after = _replaced(theirs, site.name, _wrapper(site, entries) if name == home else None)
        if after != listed:
            arranged[name] = {**server, "routes": after}
    own: Object = present.get(site.name) or {}
    others = [entry for entry in list_in(own, "routes") if not servers.is_ours(site, entry)]
    if home == site.name:
        arranged[site.name] = _server(site, own, [*others, *(entry for _, entry in entries)])
    elif others:
        arranged[site.name] = _server(site, own, others)
    else:
        arranged.pop(site.name, None)
    return arranged


def _server(site: Site, own: Object, entries: Sequence[Object]) -> Object:
    """Our own server; settings that somebody added beside ours, such as access logs, stay."""
    last = {
        "@id": f"{site.name}:_404",
        "handle": [{"handler": "static_response", "status_code": 404, "body": "No route for this hostname.\n"}],
    }
    server = {**own, "listen": [site.listen], "routes": [*entries, last]}
    automatic = dict(object_at(server.pop("automatic_https", None)))
    automatic.pop("disable", None)
    if site.mode == "off":
        automatic["disable"] = True
    return {**server, "automatic_https": automatic} if automatic else server


def _wrapper(site: Site, entries: Sequence[Owned]) -> Object:
    """Our one route in a foreign server.

    Only with TLS it names its hostnames: Caddy turns on TLS for a server whose outer routes name any, and that would
    take a plain server away from its owner.
    """
    inside = {"handler": "subroute", "routes": [entry for _, entry in entries]}
    match: Object = {"match": [{"host": sorted({name for name, _ in entries})}]} if site.mode != "off" else {}
    return {"@id": site.name, "handle": [inside], **match}


def _policy(site: Site, entries: Sequence[Owned]) -> Object | None:
    if site.mode == "off" or not entries:
        return None
    issuer: Object = {"module": site.mode}
    if site.mode == "acme" and site.email:
        issuer["email"] = site.email
    subjects = sorted({name for name, _ in entries})
    return {"@id": f"{site.name}:_tls", "subjects": subjects, "issuers": [issuer]}


def _replaced(objects: list[Any], name: str, ours: Object | None) -> list[Any]:
    """The list with our one object at the place where it was, else in front; without it where there is none."""
    places = [n for n, entry in enumerate(objects) if isinstance(entry, dict) and entry.get("@id") == name]
    kept = [entry for n, entry in enumerate(objects) if n not in places]
    if ours is not None:
        kept.insert(places[0] if places else 0, ours)
    return kept


def _put(parent: Any, path: Sequence[str], value: Any) -> Any:
    """A copy with another value at the path; only the objects on the path are new."""
    if not path:
        return value
    base = parent if isinstance(parent, dict) else {}
    return {**base, path[0]: _put(base.get(path[0]), path[1:], value)}
