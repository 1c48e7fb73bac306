"""What Caddy's configuration says, pure: its servers, where our routes belong, which are ours, what others hold."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from controller.clients.caddy import listen, routes
from controller.core.model.errors import Conflict, WorldBad

Object = dict[str, Any]
Owned = tuple[str, Object]
"""A hostname and the JSON of our route for it."""


@dataclass(frozen=True)
class Site:
    """Who we are and where we listen."""

    name: str
    """`holdfast-ID`: name of our server, `@id` of our route in a foreign one, start of every other `@id`."""
    listen: str
    mode: Literal["off", "internal", "acme"]
    email: str | None = None


def home(config: Any, site: Site) -> str:
    """Name of the server that our routes belong into: a foreign one that listens on our address, else our own.

    Raises `Conflict` (ListenTaken), `WorldBad` (ProxyRefused) where our routes have no place.
    """
    http_port = _port(config, "http_port", 80)
    tls = site.mode != "off"
    ours = listen.address(site.listen)
    if tls and ours and ours[1] == range(http_port, http_port + 1):
        text = f"proxy.listen {site.listen}: Caddy never serves TLS on its port for plain HTTP; use :443 with proxy.tls"
        raise WorldBad(text, reason="ProxyRefused")
    for name, server in sorted(by_name(config).items()):
        if name == site.name or not any(listen.covers(theirs, site.listen) for theirs in list_in(server, "listen")):
            continue
        if _serves_tls(server, site, http_port) != tls:
            speaks, mode = ("plain HTTP", "off") if tls else ("TLS", "internal or acme")
            text = f"proxy.listen {site.listen} belongs to Caddy's server {name}, which serves {speaks}"
            raise Conflict(f"{text}: use another address, or proxy.tls.mode {mode}", reason="ListenTaken")
        return name
    return site.name


def owned(config: Any, site: Site) -> Iterator[Owned]:
    """Every route of ours that stands for a hostname, wherever it is; those in our own server come first."""
    for _, server in sorted(by_name(config).items(), key=lambda pair: pair[0] != site.name):
        for entry in list_in(server, "routes"):
            if isinstance(entry, dict) and entry.get("@id") == site.name:
                inside = [inner for handler in list_in(entry, "handle") for inner in list_in(handler, "routes")]
            else:
                inside = [entry]
            for inner in inside:
                if hostname := routes.hostname_of(site.name, inner):
                    yield hostname, inner


def foreign(config: Any, site: Site) -> Iterator[tuple[str, str]]:
    """Hostnames in routes that are not ours, on servers that share a port with us, and words for their holder.

    Caddy's two standard ports count as one: whoever has a hostname on the one gets its redirect on the other.
    """
    our_ports = listen.ports([site.listen])
    standard = {_port(config, "http_port", 80), _port(config, "https_port", 443)}
    if our_ports & standard:
        our_ports |= standard
    for name, server in sorted(by_name(config).items()):
        if not our_ports & listen.ports(list_in(server, "listen")):
            continue
        for entry in list_in(server, "routes"):
            if not isinstance(entry, dict) or is_ours(site, entry):
                continue
            holder = f"a route {entry['@id']!r}" if entry.get("@id") else "a route"
            for hostname in _hostnames(entry):
                yield hostname, f"{holder} in Caddy's server {name}"


def is_ours(site: Site, entry: Any) -> bool:
    """True for a route that this controller wrote, by its `@id`."""
    name = entry.get("@id") if isinstance(entry, dict) else None
    return isinstance(name, str) and (name == site.name or name.startswith(f"{site.name}:"))


def by_name(config: Any) -> Object:
    """All servers, by name."""
    return object_at(config, "apps", "http", "servers")


def object_at(config: Any, *path: str) -> Object:
    """The object at the path; empty when there is none."""
    for key in path:
        config = config.get(key) if isinstance(config, dict) else None
    return config if isinstance(config, dict) else {}


def list_in(parent: Any, key: str) -> list[Any]:
    """The list of that key; empty when there is none."""
    value = parent.get(key) if isinstance(parent, dict) else None
    return value if isinstance(value, list) else []


def _serves_tls(server: Object, site: Site, http_port: int) -> bool:
    """True when a foreign server has TLS set up, or gets it from Caddy because its outer routes name hosts."""
    if server.get("tls_connection_policies"):
        return True
    if object_at(server, "automatic_https").get("disable"):
        return False
    addresses = [listen.address(str(text)) for text in list_in(server, "listen")]
    if all(address is not None and address[1] == range(http_port, http_port + 1) for address in addresses):
        return False
    outer = (entry for entry in list_in(server, "routes") if not is_ours(site, entry))
    return any(list_in(match, "host") for entry in outer for match in list_in(entry, "match"))


def _hostnames(entry: Any) -> Iterator[str]:
    """Hostnames that a route or one inside it matches, in lower case."""
    for match in list_in(entry, "match"):
        yield from (str(hostname).lower() for hostname in list_in(match, "host"))
    for handler in list_in(entry, "handle"):
        for inner in list_in(handler, "routes"):
            yield from _hostnames(inner)


def _port(config: Any, name: str, default: int) -> int:
    port = object_at(config, "apps", "http").get(name)
    return port if isinstance(port, int) and port else default
