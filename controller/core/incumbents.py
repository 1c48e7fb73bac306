"""What runs and is routed now, in the form in which the catalog and the guard ask for it."""

from collections.abc import Iterable, Mapping

from controller.core.catalog_types import Incumbents
from controller.core.desired import StageKey
from controller.core.memory import StageMemory
from controller.core.observed import Container, Route


def incumbents(
    containers: Iterable[Container], routes: Iterable[Route], memories: Mapping[StageKey, StageMemory]
) -> Incumbents:
    """Gather it from one look at Docker, one at the proxy, and what is remembered."""
    items = [item for item in containers if item.role == "app" and item.state not in ("removing", "dead")]
    table = list(routes)
    running: dict[StageKey, set[str]] = {}
    routed = {route.container for route in table}
    for item in items:
        if item.passed or item.id in routed:
            running.setdefault(item.stage, set()).add(item.tag)
    newest = sorted(items, key=lambda item: (item.born, item.attempt, item.id))
    seen = {(item.stage, item.tag): item.seen for item in newest if item.seen}
    seen |= {
        (key, tag): one.seen for key, memory in memories.items() for tag, one in memory.instances.items() if one.seen
    }
    return Incumbents(
        running={key: frozenset(tags) for key, tags in running.items()},
        sources={item.stage: item.source for item in newest if item.source},
        hostnames={route.hostname: (route.stage, route.tag) for route in table},
        seen=seen,
    )
