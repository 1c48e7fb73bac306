"""Which stages get passes: the declared ones, and what is left of stages that no document declares any more."""

import asyncio
from dataclasses import dataclass, field

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


@dataclass(kw_only=True, eq=False)
class StageRegistry:
    """Makes the catalog anew from what was delivered and what runs, and asks for the passes that follow from it."""

    intake: Intake
    snapshot: ContainerSnapshot
    route_writer: RouteWriter
    operations: Operations
    queue: WorkQueue
    store: Store
    prune: bool
    """False: undeclared stages are left alone."""
    stored: set[StageKey]
    """Stages of which the store remembers something; at first those that an earlier process reported."""
    news: asyncio.Event = field(default_factory=asyncio.Event)
    """Set after each pass and each time the catalog was made."""
    seen: bool = False
    """True once Docker, the proxy and the sources were all observed."""
    _left: set[StageKey] = field(default_factory=set)
    """Undeclared stages of which something is there or remembered."""
    _rebuilding: asyncio.Lock = field(default_factory=asyncio.Lock)

    def stages(self) -> tuple[StageKey, ...]:
        """All declared stages, and undeclared ones that still have something of ours."""
        return tuple(sorted({*self.intake.catalog.stages, *self._left}))

    def managed(self) -> tuple[StageKey, ...]:
        """The stages that get passes: undeclared ones only when every source has said what it declares."""
        return tuple(key for key in self.stages() if self._is_managed(key))

    def enqueue(self, *keys: StageKey) -> None:
        """Ask for a pass of these stages, as far as they get passes."""
        for key in keys:
            if self._is_managed(key):
                self.queue.add(key)

    async def first_look(self, *, strict: bool) -> None:
        """Read the sources and observe everything. Raises `Unreachable`, and `InvalidInput` when `strict`."""
        await self.intake.restore()
        wrong = await self.intake.load_all()
        if strict and wrong:
            raise InvalidInput(list(wrong))
        await self.resync()

    async def resync(self) -> None:
        """List all containers and read the routes once, for the passes of all stages. Raises `WorldBad`."""
        self.route_writer.forget()
        try:
            await self.rebuild()
        finally:
            self.enqueue(*self.stages())

    async def rebuild(self) -> None:
        """Make the catalog anew, and ask for passes of the stages that it changed. Raises `WorldBad`."""
        async with self._rebuilding:
            containers = await self.snapshot.list_all()
            table = await self.route_writer.table()
            routes = table.routes.values()
            self.stored = set(await self.store.stages())
            memories = {key: await self.store.memory(key) for key in self._with_requests()}
            changed = await self.intake.rebuild(incumbents(containers, routes, memories), table)
            self._left = {container.stage for container in containers} | {route.stage for route in routes}
            self._left = (self._left | self.stored) - set(self.intake.catalog.stages)
            for key in sorted(changed):
                self.operations.cancel_waiting(key)
            self.enqueue(*sorted(changed))
            self.seen = True
            self.news.set()

    def note_event(self, key: StageKey) -> None:
        """Docker told of a container of this stage: it has something of ours, and its containers changed."""
        self.snapshot.mark_changed(key)
        if key not in self.intake.catalog.stages:
            self._left.add(key)
        self.enqueue(key)

    def note_pass(self, key: StageKey, *, gone: bool) -> None:
        """A pass has ended; `gone`: it found nothing left of the stage."""
        if gone and key not in self.intake.catalog.stages:
            self._left.discard(key)
            self.stored.discard(key)
        self.news.set()

    async def digests_in_use(self) -> frozenset[str]:
        """Digests of images that a container was made from, or that an instance is pinned to. Raises `WorldBad`."""
        containers: tuple[Container, ...] = await self.snapshot.list_all()
        digests = {container.digest for container in containers}
        for key in await self.store.stages():
            memory = await self.store.memory(key)
            digests.update(instance.digest for instance in memory.instances.values())
        return frozenset(digests)

    def _is_managed(self, key: StageKey) -> bool:
        return (self.prune and self.intake.complete) or key in self.intake.catalog.stages

    def _with_requests(self) -> list[StageKey]:
        """Stages for which it is remembered when a DeployRequest was first seen."""
        stages = self.intake.catalog.stages
        requested = {key for key, stage in stages.items() if any(entry.request for entry in stage.instances)}
        return sorted(requested if stages else self.stored)
