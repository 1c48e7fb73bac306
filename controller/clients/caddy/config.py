"""Caddy's whole configuration, pure: what of it is ours, which hostnames others hold, and what a change makes of it.

Ours are, marked by name or `@id`: the server `holdfast-ID` on `proxy.listen`, with one route per hostname and a 404
for every other one (Caddy itself answers an empty 200); or, where a server that is not ours listens there already, one
route in front of that server's own, with our routes inside and everything else passed on; and with TLS one automation
policy. All else keeps its value and its place.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from controller.clients.caddy import listen as caddy_listen
from controller.clients.caddy import routes as caddy_routes
from controller.core.model.errors import Conflict, HoldfastError, WorldBad
from controller.core.model.observed import Route, RouteTable

Object = dict[str, Any]
Entry = tuple[str, Object]
"""A hostname and the object of its route."""


class Tls(Protocol):
    """`proxy.tls` of the settings."""

    @property
    def mode(self) -> Literal["off", "internal", "acme"]:
        """off: plain HTTP; internal: certificates of Caddy's own authority; acme: of a public one."""
        ...

    @property
    def email(self) -> str | None:
        """Address for the ACME account."""
        ...


@dataclass(frozen=True)
class Site:
    """Who we are and where we listen."""

    mark: str
    """`holdfast-ID`: name of our server, `@id` of our route in a foreign one, start of every other `@id`."""
    listen: str
    mode: Literal["off", "internal", "acme"]
    email: str | None = None


def table(config: Any, site: Site) -> RouteTable:
    """Our routes and the hostnames that others hold where we listen.

    A route that somebody edited, doubled or put elsewhere has no marker, nor has any of them while what surrounds them
    is not as `changed` makes it.
    """
    try:
        intact = changed(config, site, {}) == config
    except HoldfastError:
        intact = False
    routes: dict[str, Route] = {}
    for hostname, found in _entries(config, site):
        route = caddy_routes.parse(site.mark, found)
        if not intact or hostname in routes:
            route = dataclasses.replace(route, marker="")
        routes[hostname] = route
    foreign = {name: words for name, words in _foreign(config, site) if name not in routes}
    return RouteTable(routes=routes, foreign=foreign)


def changed(config: Any, site: Site, wanted: Mapping[str, Route | None]) -> Any:
    """The configuration with these hostnames routed so, or no longer (None); our other routes stay as they are found.

    Returns an equal value when nothing differs. Raises `Conflict` (HostnameTaken) where somebody else holds a hostname
    that we do not hold yet, and `Conflict` (ListenTaken) or `WorldBad` (ProxyRefused) where our routes have no place.
    """
    held = list(_entries(config, site))
    _refuse_taken(config, site, {name for name, route in wanted.items() if route} - {name for name, _ in held})
    entries = [entry for entry in held if entry[0] not in wanted]
    entries += [(name, caddy_routes.build(site.mark, route)) for name, route in wanted.items() if route is not None]
    entries.sort(key=lambda entry: entry[0])
    servers = _servers(config)
    arranged = _arranged(servers, site, entries, _home(config, site) if entries else "")
    if arranged != servers:
        config = _put(config, ("apps", "http", "servers"), arranged)
    place = ("apps", "tls", "automation", "policies")
    policies = _list(_at(config, *place[:-1]), place[-1])
    issued = _replaced(policies, f"{site.mark}:_tls", _policy(site, entries))
    return _put(config, place, issued) if issued != policies else config


def _refuse_taken(config: Any, site: Site, hostnames: set[str]) -> None:
    if hostnames:
        for name, words in _foreign(config, site):
            if name in hostnames:
                raise Conflict(f"{name} is held by {words}, which is not ours", reason="HostnameTaken")


def _arranged(servers: Object, site: Site, entries: Sequence[Entry], home: str) -> Object:
    """All servers, with our routes in the server `home` and nowhere else."""
    arranged = dict(servers)
    for name, server in servers.items():
        routes = _list(server, "routes")
        if name == site.mark:
            continue
        wrapper = _wrapper(site, entries) if name == home else None
        strays = [item for item in routes if caddy_routes.hostname_of(site.mark, item)]
        rest = _replaced([item for item in routes if item not in strays] if strays else routes, site.mark, wrapper)
        if rest != routes:
            arranged[name] = {**server, "routes": rest}
    own: Object = servers.get(site.mark) or {}
    others = [item for item in _list(own, "routes") if not _ours(site, item)]
    if home == site.mark:
        arranged[site.mark] = _server(site, own, [*others, *(item for _, item in entries)])
    elif others:
        arranged[site.mark] = _server(site, own, others)
    else:
        arranged.pop(site.mark, None)
    return arranged


def _server(site: Site, found: Object, routes: Sequence[Object]) -> Object:
    """Our own server; settings that somebody added beside ours, such as access logs, stay."""
    last = {
        "@id": f"{site.mark}:_404",
        "handle": [{"handler": "static_response", "status_code": 404, "body": "No route for this hostname.\n"}],
    }
    server = {**found, "listen": [site.listen], "routes": [*routes, last]}
    automatic = {key: value for key, value in _at(server.pop("automatic_https", None)).items() if key != "disable"}
    if site.mode == "off":
        automatic["disable"] = True
    return {**server, "automatic_https": automatic} if automatic else server


def _wrapper(site: Site, entries: Sequence[Entry]) -> Object:
    """Our one route in a foreign server.

    Only with TLS it names its hostnames: Caddy turns on TLS for a server whose outer routes name any, and that would
    take a plain server away from its owner.
    """
    inside = {"handler": "subroute", "routes": [item for _, item in entries]}
    match: Object = {"match": [{"host": sorted({name for name, _ in entries})}]} if site.mode != "off" else {}
    return {"@id": site.mark, "handle": [inside], **match}


def _policy(site: Site, entries: Sequence[Entry]) -> Object | None:
    if site.mode == "off" or not entries:
        return None
    issuer: Object = {"module": site.mode}
    if site.mode == "acme" and site.email:
        issuer["email"] = site.email
    subjects = sorted({name for name, _ in entries})
    return {"@id": f"{site.mark}:_tls", "subjects": subjects, "issuers": [issuer]}


def _replaced(items: list[Any], name: str, ours: Object | None) -> list[Any]:
    """The list with our one object at the place where it was, else in front; without it where there is none."""
    places = [place for place, item in enumerate(items) if isinstance(item, dict) and item.get("@id") == name]
    kept = list(items)
    for place in reversed(places):
        del kept[place]
    if ours is not None:
        kept.insert(places[0] if places else 0, ours)
    return kept


def _home(config: Any, site: Site) -> str:
    """Name of the server that our routes belong into: a foreign one that listens on our address, else our own."""
    plain = _port(config, "http_port", 80)
    tls = site.mode != "off"
    ours = caddy_listen.address(site.listen)
    if tls and ours and ours[1] == range(plain, plain + 1):
        text = f"proxy.listen {site.listen}: Caddy never serves TLS on its port for plain HTTP; use :443 with proxy.tls"
        raise WorldBad(text, reason="ProxyRefused")
    for name, server in sorted(_servers(config).items()):
        if name == site.mark or not any(caddy_listen.covers(text, site.listen) for text in _list(server, "listen")):
            continue
        if _serves_tls(server, site, plain) != tls:
            speaks, mode = ("plain HTTP", "off") if tls else ("TLS", "internal or acme")
            text = f"proxy.listen {site.listen} belongs to Caddy's server {name}, which serves {speaks}"
            raise Conflict(f"{text}: use another address, or proxy.tls.mode {mode}", reason="ListenTaken")
        return name
    return site.mark


def _serves_tls(server: Object, site: Site, plain: int) -> bool:
    """True when a foreign server has TLS set up, or gets it from Caddy because its outer routes name hosts."""
    if server.get("tls_connection_policies"):
        return True
    if _at(server, "automatic_https").get("disable"):
        return False
    places = [caddy_listen.address(text) for text in _list(server, "listen")]
    if all(place is not None and place[1] == range(plain, plain + 1) for place in places):
        return False
    return any(
        True for item in _list(server, "routes") if not _ours(site, item) for _ in _hosts({"match": item.get("match")})
    )


def _entries(config: Any, site: Site) -> Iterator[Entry]:
    """Every object of ours that stands for a hostname, wherever it is, those at their right place first."""
    for _, server in sorted(_servers(config).items(), key=lambda pair: pair[0] != site.mark):
        for item in _list(server, "routes"):
            if isinstance(item, dict) and item.get("@id") == site.mark:
                inside = [found for handler in _list(item, "handle") for found in _list(handler, "routes")]
            else:
                inside = [item]
            for found in inside:
                if name := caddy_routes.hostname_of(site.mark, found):
                    yield name, found


def _foreign(config: Any, site: Site) -> Iterator[tuple[str, str]]:
    """Hostnames in routes that are not ours, on servers that share an address with us.

    Caddy's two standard ports count as one: whoever has a hostname on the one gets its redirect on the other.
    """
    ports = caddy_listen.ports([site.listen])
    pair = {_port(config, "http_port", 80), _port(config, "https_port", 443)}
    if ports & pair:
        ports |= pair
    for name, server in sorted(_servers(config).items()):
        if not ports & caddy_listen.ports(_list(server, "listen")):
            continue
        for item in _list(server, "routes"):
            if not isinstance(item, dict) or _ours(site, item):
                continue
            holder = f"a route {item['@id']!r}" if item.get("@id") else "a route"
            for host in _hosts(item):
                yield host, f"{holder} in Caddy's server {name}"


def _hosts(item: Any) -> Iterator[str]:
    """Hostnames that a route or one inside it matches, lower case."""
    for match in _list(item, "match"):
        yield from (str(host).lower() for host in _list(match, "host"))
    for handler in _list(item, "handle"):
        for inner in _list(handler, "routes"):
            yield from _hosts(inner)


def _ours(site: Site, item: Any) -> bool:
    name = item.get("@id") if isinstance(item, dict) else None
    return isinstance(name, str) and (name == site.mark or name.startswith(f"{site.mark}:"))


def _port(config: Any, name: str, usual: int) -> int:
    found = _at(config, "apps", "http").get(name)
    return found if isinstance(found, int) and found else usual


def _servers(config: Any) -> Object:
    return _at(config, "apps", "http", "servers")


def _at(found: Any, *path: str) -> Object:
    """The object at the path; empty when there is none."""
    for part in path:
        found = found.get(part) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _list(found: Any, key: str) -> list[Any]:
    value = found.get(key) if isinstance(found, dict) else None
    return value if isinstance(value, list) else []


def _put(found: Any, path: Sequence[str], value: Any) -> Any:
    """A copy with another value at the path; only the objects on the path are new."""
    if not path:
        return value
    base = found if isinstance(found, dict) else {}
    return {**base, path[0]: _put(base.get(path[0]), path[1:], value)}
