"""One route as Caddy's JSON, and back: pure, no I/O.

The JSON carries the whole `Route` in a `vars` handler that serves nothing else. It is made from the route alone, so
whatever differs from that was edited by somebody and reads without a marker. `route_mark.check` keeps placeholders
such as `{env.SECRET}` out.
"""

from typing import Any

from controller.clients import route_mark
from controller.clients.route_mark import HEADER
from controller.core.catalog import route_options
from controller.core.model import digests
from controller.core.model.errors import RevisionBad
from controller.core.model.observed import Route

VARS = "holdfast"
"""Name of the variable that carries the mark."""


def check(route: Route, tls: bool) -> None:
    """Refuse what Caddy cannot be asked for. Raises `RevisionBad` (UnsupportedOption, InvalidRoute)."""
    if refusal := route_options.refusal(route.options, "caddy", tls):
        raise RevisionBad(f"{route.hostname}: {refusal}", reason="UnsupportedOption")
    route_mark.check(route)


def build(prefix: str, route: Route) -> dict[str, Any]:
    """The JSON of one route; `prefix` is what every `@id` of this controller starts with."""
    route = digests.with_marker(route)
    headers: dict[str, Any] = {"handler": "headers", "response": {"set": {HEADER: [route.marker]}}}
    if not route.options.websockets:
        headers["request"] = {"delete": ["Upgrade"]}
    return {
        "@id": route_id(prefix, route.hostname),
        "match": [{"host": [route.hostname]}],
        "handle": [
            {"handler": "vars", VARS: _mark(route)},
            headers,
            {
                "handler": "reverse_proxy",
                "upstreams": [{"dial": f"{route_mark.target(route)}:{route.port}"}],
                "headers": {"response": {"delete": [HEADER]}},
            },
        ],
        "terminal": True,
    }


def parse(prefix: str, entry: dict[str, Any]) -> Route:
    """The route that JSON of ours stands for; without a marker when it is not what `build` makes."""
    return route_mark.parse(hostname_of(prefix, entry), _mark_in(entry), lambda route: build(prefix, route) == entry)


def route_id(prefix: str, hostname: str) -> str:
    """The `@id` of a hostname's route. A colon is in no controller id and no hostname, so it separates them."""
    return f"{prefix}:{hostname}"


def hostname_of(prefix: str, entry: Any) -> str:
    """The hostname of a route of ours, by its `@id`; empty for anything else."""
    name = entry.get("@id") if isinstance(entry, dict) else None
    start = route_id(prefix, "")
    if not isinstance(name, str) or not name.startswith(start) or name.startswith(start + "_"):
        return ""
    return name.removeprefix(start)


def _mark(route: Route) -> dict[str, Any]:
    """The route's fields; the hostname stands in the `@id`, and options are left out when all have their default."""
    return {name: value for name, value in digests.route_fields(route).items() if name != "hostname" and value != {}}


def _mark_in(entry: dict[str, Any]) -> Any:
    """The mark that the JSON carries, whatever somebody made of it; empty when there is none."""
    handlers = entry.get("handle")
    for handler in handlers if isinstance(handlers, list) else []:
        if isinstance(handler, dict) and handler.get("handler") == "vars" and VARS in handler:
            return handler[VARS]
    return {}
