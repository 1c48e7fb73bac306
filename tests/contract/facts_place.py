"""What a fact about the Engine may do: set the stage, ask through the protocol, act as others, look from outside."""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Protocol

from controller.core.model import names
from controller.core.model.actions import ContainerSpec
from controller.core.model.observed import Container, Role
from controller.core.model.policy import PolicyRules
from controller.interfaces import Prober, Runtime, RuntimeEvent
from controller.work.housekeeping import Images
from tests.contract.facts import until
from tests.sim.apps import App

WORKS = App(ready=0.0, stops=0.0)
"""Answers 200 at once and ends at once when it is asked to."""
REVISION = "v1abcdef01"
LOOPED = 5
"""Restarts after which the next one is more than three seconds away."""


@dataclass(frozen=True)
class Seen:
    """A container as `docker inspect` shows it to a person."""

    name: str
    state: str
    started_at: float | None
    exit_code: int
    policy: str
    attached: bool
    """It is attached to the network of the settings."""
    restarts: int
    labels: tuple[tuple[str, str], ...]


class Engine(Runtime, Images, Protocol):
    """A Docker Engine as the controller uses it."""


class Place(ABC):
    """One Engine with a stage of its own for this fact."""

    runtime: Engine
    prober: Prober
    stage: str
    image: str
    """Repository of the images."""

    # The stage

    @abstractmethod
    def serve(self, tag: str, app: App) -> str:
        """Serve an application under a tag, or move the tag to it; returns the digest."""

    @abstractmethod
    def registry(self, status: int) -> None:
        """Have the registry answer every question for a manifest with this status; 0: as it should."""

    @abstractmethod
    async def here(self, app: App) -> str:
        """Digest of an image of this behaviour that the Engine has."""

    @abstractmethod
    def another(self, rules: PolicyRules | None = None) -> Engine:
        """A second connection of the same controller, by other rules where they are given."""

    async def spec(self, app: App = WORKS, **fields: object) -> ContainerSpec:
        """What a plan would ask for; `tag`, `attempt` and further fields of the spec as given."""
        digest = await self.here(app)
        tag, attempt = str(fields.pop("tag", "1.0")), int(str(fields.pop("attempt", 1)))
        role: Role = "preDeploy" if fields.get("role") == "preDeploy" else "app"
        labels = {
            names.STAGE: self.stage,
            names.TAG: tag,
            names.REVISION: REVISION,
            names.DIGEST: digest,
            names.ATTEMPT: str(attempt),
            names.BORN: "1700000000.5",
        }
        name = names.container_name(self.stage, tag, REVISION, attempt, role)
        made: dict[str, object] = {
            "name": name,
            "image": f"{self.image}@{digest}",
            "labels": tuple(sorted(labels.items())),
        }
        return ContainerSpec(**{**made, **fields})  # type: ignore[arg-type]

    async def made(self, app: App = WORKS, **fields: object) -> Container:
        """Create a container."""
        return await self.now(await self.runtime.create(await self.spec(app, **fields), {}))

    async def up(self, app: App = WORKS, **fields: object) -> Container:
        """Create and start a container."""
        container = await self.made(app, **fields)
        await self.runtime.start(container)
        return await self.now(container.id)

    async def now(self, container: str | Container) -> Container:
        """The container as it is now."""
        found = await self.runtime.inspect(container if isinstance(container, str) else container.id)
        assert found is not None
        return found

    async def becomes(self, container: Container, state: str, seconds: float = 30.0) -> Container:
        """Wait until it is in this state."""

        async def there() -> bool:
            return (await self.now(container)).state == state

        await until(there, seconds)
        return await self.now(container)

    async def waits(self, true: Callable[[Container], bool], container: Container, seconds: float = 30.0) -> Container:
        """Wait until something is true of it."""

        async def there() -> bool:
            return true(await self.now(container))

        await until(there, seconds)
        return await self.now(container)

    @contextlib.asynccontextmanager
    async def listening(self, container: Container) -> AsyncIterator["Ear"]:
        """Collect the events of a container from now on."""
        ear = Ear(self, container)
        task = asyncio.ensure_future(ear.listen())
        await ear.open.wait()
        try:
            yield ear
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @abstractmethod
    async def flush(self, heard: list[RuntimeEvent]) -> None:
        """Wait until everything that happened until now was heard."""

    async def in_state(self, state: str) -> Container:
        """A container brought into a state, as it was observed before others meddled with it."""
        return await self._makers[state]()

    @abstractmethod
    def keep(self, state: str, container: Container, before: Seen | None) -> None:
        """The fact is over: a container that nothing happened to may serve the next one."""

    # Others

    @abstractmethod
    def kill(self, container: Container) -> None:
        """`docker kill`."""

    @abstractmethod
    async def stop(self, container: Container) -> None:
        """`docker stop`."""

    @abstractmethod
    def pause(self, container: Container) -> None:
        """`docker pause`."""

    @abstractmethod
    def drop(self, container: Container) -> None:
        """`docker rm -f`."""

    @abstractmethod
    def disconnect(self, container: Container) -> None:
        """`docker network disconnect`."""

    @abstractmethod
    def rename(self, container: Container, name: str) -> None:
        """`docker rename`."""

    @abstractmethod
    async def foreign(self, name: str, labels: dict[str, str]) -> str:
        """`docker create` with this name by somebody else; returns the id."""

    @abstractmethod
    def prune(self, digest: str) -> bool:
        """`docker rmi`; False when the Engine refuses because a container uses the image."""

    @abstractmethod
    async def engine_ends(self, graceful: bool) -> None:
        """The Engine is stopped in order, or by SIGKILL."""

    @abstractmethod
    async def engine_begins(self) -> None:
        """It is started again, and answers."""

    # Looks from outside

    @abstractmethod
    def look(self, container_id: str) -> Seen | None:
        """One container, whoever made it."""

    @abstractmethod
    def has(self, digest: str) -> bool:
        """The Engine has this image of our repository."""

    @abstractmethod
    def volumes(self) -> set[str]:
        """Names of all volumes."""

    # Parts

    @property
    def _makers(self) -> dict[str, Callable[[], Awaitable[Container]]]:
        return {
            "created": self.made,
            "running": self.up,
            "paused": lambda: self._after(self.pause),
            "exited": self._exited,
            "restarting": self._restarting,
            "disconnected": lambda: self._after(self.disconnect),
            "renamed": lambda: self._after(lambda item: self.rename(item, f"{item.name}-x")),
            "gone": lambda: self._after(self.drop),
            "replaced": self._replaced,
        }

    async def _after(self, meddle: Callable[[Container], None]) -> Container:
        container = await self.up()
        meddle(container)
        return container

    async def _exited(self) -> Container:
        container = await self.up()
        await self.stop(container)
        return await self.now(container)

    async def _restarting(self) -> Container:
        """One whose pauses are long enough to act within them."""
        container = await self.made(replace(WORKS, exits=0.0, code=3))
        await self.runtime.mark(container, True)
        await self.runtime.start(container)
        return await self.waits(lambda item: item.state == "restarting" and item.restart_count >= LOOPED, container)

    async def _replaced(self) -> Container:
        """Another one has its name and its labels."""
        container = await self.up()
        self.drop(container)
        await self.up()
        return container


class Ear:
    """Hears the events of one container."""

    def __init__(self, place: Place, container: Container) -> None:
        self._place = place
        self._container = container
        self._heard: list[RuntimeEvent] = []
        self.open = asyncio.Event()

    async def listen(self) -> None:
        """Listen for ever."""
        async for event in self._place.runtime.events():
            self._heard.append(event)
            self.open.set()

    @property
    def begun(self) -> int:
        """How often the stream said to look at everything, as it does when it begins."""
        return sum(event.stage is None for event in self._heard)

    async def actions(self, container_id: str = "") -> list[str]:
        """What happened to the container, or to another one, until now, in order."""
        await self._place.flush(self._heard)
        return [event.action for event in self._heard if event.container == (container_id or self._container.id)]

    async def stages(self, container_id: str) -> set[str | None]:
        """The stages that the events of a container named."""
        await self._place.flush(self._heard)
        return {event.stage for event in self._heard if event.container == container_id}

    async def hears(self, wanted: list[str], beside: str = "") -> None:
        """Assert that these are all its events, in this order; the last may still be on its way.

        One named `beside` may come between them, or not: containerd tells it apart from the others.
        """
        for _ in range(200):
            if len(heard := await self._without(beside)) >= len(wanted):
                break
            await asyncio.sleep(0.05)
        assert heard == wanted, f"{heard} instead of {wanted}"

    async def _without(self, action: str) -> list[str]:
        return [found for found in await self.actions() if found != action]
