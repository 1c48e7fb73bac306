"""The work queue: which stages want a pass. One entry per key, one pass per key at a time, backoff per key.

The manager adds keys and gives the work; nothing here knows what a pass is.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from controller.core.model.backoff import delay
from controller.core.model.desired import StageKey
from controller.core.model.errors import HoldfastError, WorldBad
from controller.interfaces import Clock

Work = Callable[[StageKey], Awaitable[float | None]]
"""One pass; returns in how many seconds to come back, None when nothing is due. Raises an error of `core.errors`."""
Failed = Callable[[StageKey, HoldfastError, float], None]
"""Told of each failed pass: the error, and the seconds until the next try."""


class WorkQueue:
    """Keys in the order in which they came. `stop` ends it; passes that are running then are awaited by `run`."""

    def __init__(self, work: Work, clock: Clock, failed: Failed) -> None:
        self._work = work
        self._clock = clock
        self._failed = failed
        self._ready: dict[StageKey, None] = {}
        self._busy: set[StageKey] = set()
        self._again: set[StageKey] = set()
        self._later: dict[StageKey, tuple[float, asyncio.Task[None]]] = {}
        self._failures: dict[StageKey, int] = {}
        self._idle: deque[asyncio.Future[None]] = deque()
        """Workers that wait for a key; each new key wakes one of them."""
        self._stopped = False

    def add(self, key: StageKey) -> None:
        """Ask for a pass now; one that is running is followed by another."""
        if key in self._busy:
            self._again.add(key)
        elif not self._stopped:
            self._ready[key] = None
            self._wake(1)

    def add_after(self, key: StageKey, seconds: float) -> None:
        """Ask for a pass later; an earlier wish for the same key wins, and any pass in between fulfils it."""
        if seconds <= 0:
            self.add(key)
            return
        due = self._clock.monotonic() + seconds
        known = self._later.get(key)
        if self._stopped or (known is not None and known[0] <= due):
            return
        self._forget_later(key)
        self._later[key] = (due, asyncio.create_task(self._wait(key, seconds)))

    @property
    def idle(self) -> bool:
        """True when no pass runs and none is asked for now."""
        return not self._ready and not self._busy

    async def run(self, workers: int) -> None:
        """Work until `stop`, at most `workers` keys side by side."""
        tasks = [asyncio.create_task(self._worker()) for _ in range(workers)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            self.stop()

    def stop(self) -> None:
        """Begin no further pass."""
        self._stopped = True
        self._ready.clear()
        for key in list(self._later):
            self._forget_later(key)
        self._wake(len(self._idle))

    async def _worker(self) -> None:
        while not self._stopped:
            key = next(iter(self._ready), None)
            if key is None:
                idle = asyncio.get_running_loop().create_future()
                self._idle.append(idle)
                await idle
            else:
                del self._ready[key]
                await self._turn(key)

    def _wake(self, workers: int) -> None:
        for idle in [self._idle.popleft() for _ in range(min(workers, len(self._idle)))]:
            if not idle.done():
                idle.set_result(None)

    async def _turn(self, key: StageKey) -> None:
        self._busy.add(key)
        self._forget_later(key)
        try:
            seconds = await self._work(key)
        except HoldfastError as error:
            self._back_off(key, error)
        else:
            self._failures.pop(key, None)
            if seconds is not None:
                self.add_after(key, seconds)
        finally:
            self._busy.discard(key)
            if key in self._again:
                self._again.discard(key)
                self.add(key)

    def _back_off(self, key: StageKey, error: HoldfastError) -> None:
        self._failures[key] = self._failures.get(key, 0) + 1
        asked = (error.retry_after or 0.0) if isinstance(error, WorldBad) else 0.0
        seconds = max(delay(self._failures[key], key), asked)
        self._failed(key, error, seconds)
        self.add_after(key, seconds)

    async def _wait(self, key: StageKey, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._later.pop(key, None)
        self.add(key)

    def _forget_later(self, key: StageKey) -> None:
        known = self._later.pop(key, None)
        if known is not None:
            known[1].cancel()
