"""Which stages get passes: the declared ones, and what is left of stages that no document declares any more."""

import asyncio
from collections.abc import Iterable

from controller.core.catalog.types import incumbents
from controller.core.model.desired import StageKey
from controller.core.model.errors import InvalidInput
from controller.core.model.observed import Container
from controller.intake.intake import Intake
from controller.interfaces import Store
from controller.work.container_snapshot import ContainerSnapshot
from controller.work.operations import Operations
from controller.work.queue import WorkQueue
from controller.work.route_writer import RouteWriter


class StageRegistry:
    """Makes the catalog anew from what was delivered and what runs, and asks for the passes that follow from it."""

    def __init__(
        self,
        intake: Intake,
        snapshot: ContainerSnapshot,
        route_writer: RouteWriter,
        operations: Operations,
        *,
        queue: WorkQueue,
        store: Store,
        prune: bool,
        earlier: Iterable[StageKey],
    ) -> None:
        """`prune` False: undeclared stages are left alone. `earlier`: stages that an earlier process reported."""
        self._intake = intake
        self._snapshot = snapshot
        self._route_writer = route_writer
        self._operations = operations
        self._queue = queue
        self._store = store
        self._prune = prune
        self._stored = set(earlier)
        """Stages of which the store remembers something."""
        self._left: set[StageKey] = set()
        """Undeclared stages of which something is there or remembered."""
        self._rebuilding = asyncio.Lock()
        self.news = asyncio.Event()
        """Set after each pass and each time the catalog was made."""
        self.seen = False
        """True once Docker, the proxy and the sources were all observed."""

    def stages(self) -> tuple[StageKey, ...]:
        """All declared stages, and undeclared ones that still have something of ours."""
        return tuple(sorted({*self._intake.catalog.stages, *self._left}))

    def managed(self) -> tuple[StageKey, ...]:
        """The stages that get passes: undeclared ones only when every source has said what it declares."""
        return tuple(key for key in self.stages() if self._is_managed(key))

    def enqueue(self, *keys: StageKey) -> None:
        """Ask for a pass of these stages, as far as they get passes."""
        for key in keys:
            if self._is_managed(key):
                self._queue.add(key)

    async def first_look(self, *, strict: bool) -> None:
        """Read the sources and observe everything. Raises `Unreachable`, and `InvalidInput` when `strict`."""
        await self._intake.restore()
        wrong = await self._intake.load_all()
        if strict and wrong:
            raise InvalidInput(list(wrong))
        await self.resync()

    async def resync(self) -> None:
        """List all containers and read the routes once, for the passes of all stages. Raises `WorldBad`."""
        self._route_writer.forget()
        try:
            await self.rebuild()
        finally:
            self.enqueue(*self.stages())

    async def rebuild(self) -> None:
        """Make the catalog anew, and ask for passes of the stages that it changed. Raises `WorldBad`."""
        async with self._rebuilding:
            containers = await self._snapshot.list_all()
            table = await self._route_writer.table()
            routes = table.routes.values()
            self._stored = set(await self._store.stages())
            memories = {key: await self._store.memory(key) for key in self._with_requests()}
            changed = await self._intake.rebuild(incumbents(containers, routes, memories), table)
            self._left = {container.stage for container in containers} | {route.stage for route in routes}
            self._left = (self._left | self._stored) - set(self._intake.catalog.stages)
            for key in sorted(changed):
                self._operations.cancel_waiting(key)
            self.enqueue(*sorted(changed))
            self.seen = True
            self.news.set()

    def note_event(self, key: StageKey) -> None:
        """Docker told of a container of this stage: it has something of ours, and its containers changed."""
        self._snapshot.mark_changed(key)
        if key not in self._intake.catalog.stages:
            self._left.add(key)
        self.enqueue(key)

    def note_pass(self, key: StageKey, *, gone: bool) -> None:
        """A pass has ended; `gone`: it found nothing left of the stage."""
        if gone and key not in self._intake.catalog.stages:
            self._left.discard(key)
            self._stored.discard(key)
        self.news.set()

    async def digests_in_use(self) -> frozenset[str]:
        """Digests of images that a container was made from, or that an instance is pinned to. Raises `WorldBad`."""
        containers: tuple[Container, ...] = await self._snapshot.list_all()
        digests = {container.digest for container in containers}
        for key in await self._store.stages():
            memory = await self._store.memory(key)
            digests.update(instance.digest for instance in memory.instances.values())
        return frozenset(digests)

    def _is_managed(self, key: StageKey) -> bool:
        return (self._prune and self._intake.complete) or key in self._intake.catalog.stages

    def _with_requests(self) -> list[StageKey]:
        """Stages for which it is remembered when a DeployRequest was first seen."""
        stages = self._intake.catalog.stages
        requested = {key for key, stage in stages.items() if any(entry.request for entry in stage.instances)}
        return sorted(requested if stages else self._stored)
