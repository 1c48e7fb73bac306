"""The simulated Engine as a place for facts, in virtual time."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from controller.core.model import names
from controller.core.model.observed import Container
from controller.core.model.policy import PolicyRules
from controller.interfaces import RuntimeEvent
from tests.contract.facts_place import Place, Seen
from tests.sim.apps import App
from tests.sim.call_border import Border, Life
from tests.sim.clock import SimClock, run_virtual
from tests.sim.engine import Box, Engine
from tests.sim.faults import NoFaults
from tests.sim.proxy import SimProber
from tests.sim.runtime import SimRuntime
from tests.sim.sources import IMAGE

CONTROLLER = "sim-1"
AWAY = 10.0


class Simulated(Place):
    """A world with nothing but an Engine and a registry."""

    def __init__(self) -> None:
        self.border = Border(SimClock(), NoFaults())
        self.engine = Engine(self.border)
        self.life = Life(1)
        self.runtime = SimRuntime(self.border, self.life, self.engine, CONTROLLER)
        self.prober = SimProber(self.border, self.life, self.engine)
        self.stage = "facts/s1"
        self.image = IMAGE
        self.images: dict[App, str] = {}

    def serve(self, tag: str, app: App) -> str:
        """Serve it."""
        return self.engine.registry.push(IMAGE, tag, app)

    def registry(self, status: int) -> None:
        """Answer so."""
        self.engine.registry.status = status

    async def here(self, app: App) -> str:
        """Pull it once."""
        digest = self.images.get(app)
        if digest is None or not self.has(digest):
            digest = self.images[app] = await self.runtime.pull(IMAGE, "here", self.serve("here", app), lambda _: None)
        return digest

    def another(self, rules: PolicyRules | None = None) -> SimRuntime:
        """Another one."""
        return SimRuntime(self.border, self.life, self.engine, CONTROLLER, rules or PolicyRules())

    def keep(self, state: str, container: Container, before: Seen | None) -> None:
        """The next fact has a world of its own."""

    async def flush(self, heard: list[RuntimeEvent]) -> None:
        """Let the events arrive."""
        await asyncio.sleep(0.05)

    def kill(self, container: Container) -> None:
        """Kill it."""
        self.engine.kill(self._box(container))

    async def stop(self, container: Container) -> None:
        """Stop it."""
        await self.engine.stop(self._box(container), 10.0)

    def pause(self, container: Container) -> None:
        """Pause it."""
        self.engine.pause(self._box(container))

    def drop(self, container: Container) -> None:
        """Remove it."""
        self.engine.drop(self._box(container))

    def disconnect(self, container: Container) -> None:
        """Disconnect it."""
        self.engine.disconnect(self._box(container))

    def rename(self, container: Container, name: str) -> None:
        """Rename it."""
        self.engine.rename(self._box(container), name)

    async def foreign(self, name: str, labels: dict[str, str]) -> str:
        """Create one."""
        return self.engine.add(name, f"{IMAGE}@sha256:0", labels, None, App()).id

    def prune(self, digest: str) -> bool:
        """Remove it."""
        return self.engine.prune(digest)

    async def engine_ends(self, graceful: bool) -> None:
        """For ten seconds."""
        self.engine.reboot(AWAY, graceful)
        self._back = self.border.clock.monotonic() + AWAY

    async def engine_begins(self) -> None:
        """Let the rest of them pass."""
        await asyncio.sleep(self._back - self.border.clock.monotonic() + 0.1)

    def look(self, container_id: str) -> Seen | None:
        """Look at its box."""
        box = self.engine.boxes.get(container_id) or self.engine.by_name(container_id)
        if box is None:
            return None
        return Seen(
            box.name,
            box.state,
            box.started_at,
            box.exit_code or 0,
            box.policy,
            box.connected,
            box.restart_count,
            tuple(sorted((key, value) for key, value in box.labels.items() if key.startswith(names.PREFIX))),
        )

    def has(self, digest: str) -> bool:
        """It is among the images."""
        return digest in self.engine.images

    def volumes(self) -> set[str]:
        """Those of the Engine."""
        return set(self.engine.volumes)

    def _box(self, container: Container) -> Box:
        return self.engine.boxes[container.id]


class SimulatedSide:
    """Plays each fact in a world of its own."""

    def play(self, body: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
        """Run one fact."""

        async def main() -> None:
            await body(Simulated())

        run_virtual(main)
