"""The marker of a route: what the proxy answers with, to prove which configuration serves.

It is a digest over everything else in the route, so equal markers mean equal routes. It says nothing to an outsider.
Options that have their default value are left out, so that an option added later changes no marker.
"""

import dataclasses
import hashlib
import json
from functools import lru_cache

from controller.core.observed import Route

DIGITS = 16
"""64 bits: two routes of one hostname never meet by chance."""


def marker(route: Route) -> str:
    """The marker that belongs to the route, whatever its own `marker` field says: 16 hex digits."""
    options = {
        field.name: getattr(route.options, field.name)
        for field in dataclasses.fields(route.options)
        if getattr(route.options, field.name) != field.default
    }
    words = {
        "hostname": route.hostname,
        "stage": route.stage,
        "tag": route.tag,
        "kind": route.kind,
        "container": route.container,
        "host": route.host,
        "port": route.port,
        "options": options,
    }
    text = json.dumps(words, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


@lru_cache(maxsize=4096)
def with_marker(route: Route) -> Route:
    """The same route with the marker that belongs to it."""
    return dataclasses.replace(route, marker=marker(route))
