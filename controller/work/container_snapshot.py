"""Looks at Docker: one list of everything serves all passes of a resync; otherwise each pass lists its own stage."""

from collections.abc import Iterable

from controller.core.model.desired import StageKey
from controller.core.model.observed import Container
from controller.interfaces import Clock, Runtime

FRESH = 5.0
"""Seconds for which a list of everything stands for a stage that nothing was heard of since."""


class ContainerSnapshot:
    """`touched` must be told of every write and every event, so that no pass decides on what was before it."""

    def __init__(self, runtime: Runtime, clock: Clock) -> None:
        self._runtime = runtime
        self._clock = clock
        self._taken = float("-inf")
        self._seen: dict[StageKey, list[Container]] = {}
        self._touched: set[StageKey] = set()

    def mark_changed(self, stage: StageKey | None) -> None:
        """Something changed in this stage; None: anywhere."""
        if stage is None:
            self._taken = float("-inf")
        else:
            self._touched.add(stage)

    async def list_all(self) -> tuple[Container, ...]:
        """One list of all our containers, kept for the passes that follow. Raises `Unreachable`."""
        begun = self._clock.monotonic()
        self._taken = float("-inf")
        self._touched.clear()  # what is touched while the list is on its way stays touched
        found = await self._runtime.list()
        self._touched |= {item.stage for item in found if item.unseen}  # they are listed anew, each on its own account
        self._seen = _by_stage(found)
        self._taken = begun
        return found

    async def of_stage(self, key: StageKey) -> tuple[Container, ...]:
        """The containers of a stage: from the last list of everything while that is true, else listed now."""
        if key not in self._touched and self._clock.monotonic() - self._taken <= FRESH:
            return tuple(self._seen.get(key, ()))
        return await self._runtime.list(key)


def _by_stage(found: Iterable[Container]) -> dict[StageKey, list[Container]]:
    stages: dict[StageKey, list[Container]] = {}
    for item in found:
        stages.setdefault(item.stage, []).append(item)
    return stages
