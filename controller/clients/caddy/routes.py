"""One route as Caddy's JSON, and back: pure, no I/O.

Caddy is the only home of routes (design §6), so the object carries the whole `Route` in a `vars` handler that serves
nothing else. It is built from the route alone; what differs from that was edited by somebody and reads with an empty
marker. Only names of a strict grammar get in, so that no text of a document becomes a placeholder (`{env.SECRET}`).
"""

import dataclasses
import re
from typing import Any

from controller.core.catalog.route_options import VERIFY_GRAMMAR, refusal
from controller.core.model.desired import Options
from controller.core.model.digests import with_marker
from controller.core.model.errors import RevisionBad
from controller.core.model.observed import Route

HEADER = "Holdfast-Route"
"""Response header that carries the marker, also on errors such as 502; the application's own is dropped."""
VARS = "holdfast"

_HOSTNAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*\Z")
_UPSTREAM = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?\Z|[0-9A-Fa-f:.]{2,45}\Z")
_WORD = re.compile(r"[A-Za-z0-9_./-]{1,255}\Z")


def check(route: Route, tls: bool) -> None:
    """Refuse what Caddy cannot be asked for. Raises `RevisionBad` (UnsupportedOption, InvalidRoute)."""
    if refused := refusal(route.options, "caddy", tls):
        raise RevisionBad(f"{route.hostname}: {refused}", reason="UnsupportedOption")
    named = {"hostname": (route.hostname, _HOSTNAME), "target": (route.host, _UPSTREAM)}
    asked = {"path": (route.options.verify, VERIFY_GRAMMAR)}
    words = {"stage": (route.stage, _WORD), "tag": (route.tag, _WORD), "container": (route.container, _WORD)}
    for what, (text, grammar) in {**named, **asked, **words}.items():
        if not grammar.match(text):
            raise RevisionBad(f"{route.hostname!r}: {what} {text!r} cannot be put into a route", reason="InvalidRoute")
    if not 1 <= route.port <= 65535:
        raise RevisionBad(f"{route.hostname}: port {route.port} does not exist", reason="InvalidRoute")


def build(mark: str, route: Route) -> dict[str, Any]:
    """The object of one route; `mark` is the controller's `@id`."""
    route = with_marker(route)
    headers: dict[str, Any] = {"handler": "headers", "response": {"set": {HEADER: [route.marker]}}}
    if not route.options.websockets:
        headers["request"] = {"delete": ["Upgrade"]}
    host = f"[{route.host}]" if ":" in route.host else route.host
    return {
        "@id": route_id(mark, route.hostname),
        "match": [{"host": [route.hostname]}],
        "handle": [
            {"handler": "vars", VARS: _told(route)},
            headers,
            {
                "handler": "reverse_proxy",
                "upstreams": [{"dial": f"{host}:{route.port}"}],
                "headers": {"response": {"delete": [HEADER]}},
            },
        ],
        "terminal": True,
    }


def parse(mark: str, found: Any) -> Route:
    """The route that an object of ours stands for; its marker is empty when the object is not what `build` makes.

    Where nothing can be read any more, only the hostname is known, from the `@id`.
    """
    blank = Route(hostname_of(mark, found), "", "", "instance", "", "", 0)
    try:
        told = next(item[VARS] for item in found["handle"] if item["handler"] == "vars" and VARS in item)
        route = with_marker(
            Route(
                hostname=blank.hostname,
                stage=str(told["stage"]),
                tag=str(told["tag"]),
                kind="default" if told["kind"] == "default" else "instance",
                container=str(told["container"]),
                host=str(told["host"]),
                port=int(told["port"]),
                options=Options(**told.get("options", {})),
            )
        )
        intact = build(mark, route) == found
    except (LookupError, TypeError, ValueError, StopIteration):
        return blank
    return route if intact else dataclasses.replace(route, marker="")


def route_id(mark: str, hostname: str) -> str:
    """The `@id` of a hostname's route. A colon is in no controller id and no hostname, so it parts them for certain."""
    return f"{mark}:{hostname}"


def hostname_of(mark: str, found: Any) -> str:
    """The hostname of an object of ours, by its `@id`; empty when the object is not one of our routes."""
    name = found.get("@id") if isinstance(found, dict) else None
    prefix = route_id(mark, "")
    if not isinstance(name, str) or not name.startswith(prefix) or name.startswith(prefix + "_"):
        return ""
    return name.removeprefix(prefix)


def _told(route: Route) -> dict[str, Any]:
    told: dict[str, Any] = {
        "stage": route.stage,
        "tag": route.tag,
        "kind": route.kind,
        "container": route.container,
        "host": route.host,
        "port": route.port,
    }
    options = {
        field.name: getattr(route.options, field.name)
        for field in dataclasses.fields(Options)
        if getattr(route.options, field.name) != field.default
    }
    return {**told, "options": options} if options else told
