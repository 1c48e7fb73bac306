"""One list of all containers that serves the passes of a resync; otherwise each pass lists its own stage."""

from collections.abc import Iterable

from controller.core.model.desired import StageKey
from controller.core.model.observed import Container
from controller.interfaces import Clock, Runtime

MAX_AGE_S = 5.0
"""Seconds for which the list of all containers stands for a stage without changes."""


class ContainerSnapshot:
    """The last list. `mark_changed` must follow every write and every event, so that no pass decides on an old list."""

    def __init__(self, runtime: Runtime, clock: Clock) -> None:
        self._runtime = runtime
        self._clock = clock
        self._taken_at = float("-inf")
        self._stages: dict[StageKey, list[Container]] = {}
        self._changed: set[StageKey] = set()

    def mark_changed(self, key: StageKey) -> None:
        """Something changed in this stage: its next pass lists it anew."""
        self._changed.add(key)

    async def list_all(self) -> tuple[Container, ...]:
        """List all our containers, and keep the list for the passes that follow. Raises `Unreachable`."""
        begun = self._clock.monotonic()
        self._taken_at = float("-inf")
        self._changed.clear()  # a stage that changes while the list is being made stays marked
        containers = await self._runtime.list()
        # a stage with a container that Docker told nothing of is listed anew, so that it holds up no other
        self._changed |= {container.stage for container in containers if container.unseen}
        self._stages = _by_stage(containers)
        self._taken_at = begun
        return containers

    async def of_stage(self, key: StageKey) -> tuple[Container, ...]:
        """The containers of a stage: from the list of all while that is true, else listed now."""
        if key not in self._changed and self._clock.monotonic() - self._taken_at <= MAX_AGE_S:
            return tuple(self._stages.get(key, ()))
        return await self._runtime.list(key)


def _by_stage(containers: Iterable[Container]) -> dict[StageKey, list[Container]]:
    stages: dict[StageKey, list[Container]] = {}
    for container in containers:
        stages.setdefault(container.stage, []).append(container)
    return stages
