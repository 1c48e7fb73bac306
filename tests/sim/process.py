"""A controller as its host sees it: a process that is started, killed, ended, stopped for a while and started again.

Each life takes the lock of its state folder first, as `wiring.opened` does, and a life that ended has given it back.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from controller.core.model.errors import Locked
from controller.manager import Manager
from controller.wiring import compose
from tests.sim.call_border import Life
from tests.sim.clock import owner
from tests.sim.faults import Crash
from tests.sim.simulated_clients import clients, config
from tests.sim.suspendable_tasks import Suspendable

if TYPE_CHECKING:
    from tests.world import Simulation

T = TypeVar("T")

RESTART_AFTER_S = 1.0
"""Seconds until a controller that died is started again, as systemd does."""
ORDERLY_END_MAX_S = 10.0
"""Seconds in which an orderly end must be over (L10)."""


class Process:
    """One controller and its lives. `name` is what the trace calls it; `suspendable` ones know `freeze`."""

    def __init__(self, sim: "Simulation", name: str = "controller", suspendable: bool = False) -> None:
        self._sim = sim
        self._name = name
        self._suspendable = suspendable
        self._stop = asyncio.Event()
        self._warden: asyncio.Task[None] | None = None
        self._running: asyncio.Task[None] | None = None
        self.life: Life | None = None
        self.lives = 0
        self.manager: Manager | None = None
        """The running controller, for what a person asks of it."""

    async def start(self) -> None:
        """Begin a life. Raises `Locked` while another process has the state folder."""
        self.lives += 1
        tasks = Suspendable() if self._suspendable else []
        life = Life(self.lives, tasks, actor=self._name, controller=self._sim.id)
        self._sim.disk.lock(life)
        self._stop = asyncio.Event()
        self.life = life
        token = owner.set(life.tasks)
        try:
            self.manager = Manager(compose(clients(self._sim, life), config(self._sim)))
            self._running = asyncio.ensure_future(self.manager.run(self._stop))
        finally:
            owner.reset(token)
        if self._warden is None:
            self._warden = asyncio.ensure_future(self._watch())

    async def crash(self) -> None:
        """Kill it now; it is started again soon."""
        assert self.life is not None
        self._sim.border.note("user", "kill -9", "" if self._name == "controller" else self._name)
        self.life.end()
        await asyncio.sleep(RESTART_AFTER_S + 0.1)

    async def kill(self) -> None:
        """Kill it now, for good."""
        assert self.life is not None
        life, self.life = self.life, None
        self._sim.border.note("user", "kill -9", f"{self._name}, for good")
        life.end()
        await _bury(life)

    async def end(self) -> None:
        """End it in order; it is not started again by itself."""
        assert self._running is not None
        assert self.life is not None
        life, self.life = self.life, None
        self._stop.set()
        if isinstance(life.tasks, Suspendable):
            life.tasks.thaw()  # systemd sends SIGCONT with SIGTERM
        done, _ = await asyncio.wait([self._running], timeout=ORDERLY_END_MAX_S)
        assert done, "the controller did not end within 10 seconds of SIGTERM (L10)"
        life.end()
        await _bury(life)

    def freeze(self) -> None:
        """SIGSTOP: nothing of it runs; what it asked for goes on, and answers wait for it."""
        self._sim.border.note("user", "SIGSTOP", self._name)
        self._tasks.freeze()

    def thaw(self) -> None:
        """SIGCONT: it goes on where it was, and its clocks have moved on."""
        self._sim.border.note("user", "SIGCONT", self._name)
        self._tasks.thaw()

    def alive(self) -> None:
        """Raise what ended the controller, if something did that it should have survived."""
        if self._running is not None and self._running.done() and self.life is not None and not self.life.dead:
            self._running.result()
            raise AssertionError("the controller ended by itself")

    async def ask(self, what: Callable[[Manager], Awaitable[T]]) -> T:
        """Ask something of the running controller, as the API does; again, when it died before its answer."""
        while True:
            manager, life = self.manager, self.life
            if manager is None or life is None or life.dead or not manager.ready:
                await asyncio.sleep(0.05)
                continue
            token = owner.set(life.tasks)
            try:
                asking = asyncio.ensure_future(what(manager))
            finally:
                owner.reset(token)
            await asyncio.wait([asking])
            if not asking.cancelled() and not isinstance(asking.exception(), Crash):
                return asking.result()

    @property
    def _tasks(self) -> Suspendable:
        assert self.life is not None
        assert isinstance(self.life.tasks, Suspendable), "it was not made to be frozen"
        return self.life.tasks

    async def _watch(self) -> None:
        """Start a controller that died again."""
        while True:
            life = self.life
            if life is None:
                await asyncio.sleep(0.01)
                continue
            await life.ended.wait()
            if life is not self.life:
                continue
            await _bury(life)
            await asyncio.sleep(RESTART_AFTER_S)
            while life is self.life:
                with contextlib.suppress(Locked):
                    await self.start()
                    break
                await asyncio.sleep(RESTART_AFTER_S)


async def _bury(life: Life) -> None:
    """End every task of a life, as the end of a process would."""
    if isinstance(life.tasks, Suspendable):
        life.tasks.thaw()
    for _ in range(200):
        left = [task for task in life.tasks if not task.done()]
        if not left:
            return
        for task in left:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
    raise AssertionError(f"tasks that do not end: {left}")
