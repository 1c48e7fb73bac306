"""The mark by which a route is known on every proxy: what may be put into one, and the route that one stands for.

The proxy is the only home of routes, so what it stores of ours carries the whole `Route`
(`controller.core.model.digests.route_fields`). Where that is stored, and what else belongs to it, each proxy says.
"""

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any

from controller.core.catalog.route_options import VERIFY_GRAMMAR
from controller.core.model import digests
from controller.core.model.desired import Options
from controller.core.model.errors import RevisionBad
from controller.core.model.observed import Route

HEADER = "Holdfast-Route"
"""Response header that carries the marker, also on errors such as 502; the application's own is dropped."""

_HOSTNAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*\Z")
_TARGET = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?\Z|[0-9A-Fa-f:.]{2,45}\Z")
_WORD = re.compile(r"[A-Za-z0-9_./-]{1,255}\Z")


def check(route: Route) -> None:
    """Refuse text that could become a placeholder or a directive. Raises `RevisionBad` (InvalidRoute)."""
    for field, text, grammar in (
        ("hostname", route.hostname, _HOSTNAME),
        ("target", route.host, _TARGET),
        ("path", route.options.verify, VERIFY_GRAMMAR),
        ("stage", route.stage, _WORD),
        ("tag", route.tag, _WORD),
        ("container", route.container, _WORD),
    ):
        if not grammar.match(text):
            raise RevisionBad(f"{route.hostname!r}: {field} {text!r} cannot be put into a route", reason="InvalidRoute")
    if not 1 <= route.port <= 65535:
        raise RevisionBad(f"{route.hostname}: port {route.port} does not exist", reason="InvalidRoute")


def parse(hostname: str, mark: Mapping[str, Any], is_intact: Callable[[Route], bool]) -> Route:
    """The route that a mark stands for; without marker unless `is_intact` says that all else is as we would make it.

    Where the mark cannot be read any more, only the hostname is known.
    """
    try:
        route = digests.with_marker(
            Route(
                hostname=hostname,
                stage=str(mark["stage"]),
                tag=str(mark["tag"]),
                kind="default" if mark["kind"] == "default" else "instance",
                container=str(mark["container"]),
                host=str(mark["host"]),
                port=int(mark["port"]),
                options=Options(**mark.get("options", {})),
            )
        )
        return route if is_intact(route) else unproven(route)
    except (LookupError, TypeError, ValueError):
        return Route(hostname, "", "", "instance", "", "", 0)


def unproven(route: Route) -> Route:
    """The route without its marker, so that it differs from every desired one and is written again."""
    return dataclasses.replace(route, marker="")


def target(route: Route) -> str:
    """The host that the proxy connects to, an IPv6 address in brackets."""
    return f"[{route.host}]" if ":" in route.host else route.host
