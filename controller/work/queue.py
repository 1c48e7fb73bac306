"""The work queue: which stages want a pass. One entry per key, one pass per key at a time, backoff per key.

The loop gives the work; nothing here knows what a pass is.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from controller.core.model.backoff import delay
from controller.core.model.desired import StageKey
from controller.core.model.errors import HoldfastError, WorldBad
from controller.interfaces import Clock

FREE_REPEATS = 10
"""Passes of a stage that may follow each other at once; then they are slowed down, whatever the reason."""

Work = Callable[[StageKey], Awaitable[float | None]]
"""One pass; returns in how many seconds to come back, None when nothing is due.

Raises an error of `core.model.errors`.
"""
Failed = Callable[[StageKey, HoldfastError, float], None]
"""Told of each failed pass: the error, and the seconds until the next try."""


class WorkQueue:
    """Keys in the order in which they were added. `stop` ends it; `run` awaits the passes that are running then."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ready: dict[StageKey, None] = {}
        self._busy: set[StageKey] = set()
        self._again: set[StageKey] = set()
        self._later: dict[StageKey, tuple[float, asyncio.Task[None]]] = {}
        self._failures: dict[StageKey, int] = {}
        self._repeats: dict[StageKey, int] = {}
        """Passes in a row that asked for another one at once."""
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
        """Ask for a pass later; an earlier request for the same key wins, and any pass in between fulfils it."""
        if seconds <= 0:
            self.add(key)
            return
        due = self._clock.monotonic() + seconds
        later = self._later.get(key)
        if self._stopped or (later is not None and later[0] <= due):
            return
        self._forget_later(key)
        self._later[key] = (due, asyncio.create_task(self._wait(key, seconds)))

    @property
    def is_stopped(self) -> bool:
        """True when no further pass begins."""
        return self._stopped

    async def run(self, work: Work, failed: Failed, workers: int) -> None:
        """Work until `stop`, at most `workers` keys side by side."""
        tasks = [asyncio.create_task(self._worker(work, failed)) for _ in range(workers)]
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

    async def _worker(self, work: Work, failed: Failed) -> None:
        while not self._stopped:
            key = next(iter(self._ready), None)
            if key is None:
                idle = asyncio.get_running_loop().create_future()
                self._idle.append(idle)
                await idle
            else:
                del self._ready[key]
                await self._turn(key, work, failed)

    def _wake(self, workers: int) -> None:
        for idle in [self._idle.popleft() for _ in range(min(workers, len(self._idle)))]:
            if not idle.done():
                idle.set_result(None)

    async def _turn(self, key: StageKey, work: Work, failed: Failed) -> None:
        self._busy.add(key)
        self._forget_later(key)
        try:
            seconds = await work(key)
        except HoldfastError as error:
            failed(key, error, self._back_off(key, error))
        else:
            self._failures.pop(key, None)
            self._come_back(key, seconds)
        finally:
            self._busy.discard(key)
            if key in self._again:
                self._again.discard(key)
                self.add(key)

    def _come_back(self, key: StageKey, seconds: float | None) -> None:
        """Ask for the pass that a pass asked for; one that always asks for another at once is slowed down."""
        if seconds == 0.0:
            self._repeats[key] = self._repeats.get(key, 0) + 1
            seconds = delay(self._repeats[key] - FREE_REPEATS, key)
        else:
            self._repeats.pop(key, None)
        if seconds is not None:
            self.add_after(key, seconds)

    def _back_off(self, key: StageKey, error: HoldfastError) -> float:
        """Ask for another try after a failure; returns in how many seconds."""
        self._failures[key] = self._failures.get(key, 0) + 1
        retry_after = (error.retry_after or 0.0) if isinstance(error, WorldBad) else 0.0
        seconds = max(delay(self._failures[key], key), retry_after)
        self.add_after(key, seconds)
        return seconds

    async def _wait(self, key: StageKey, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._later.pop(key, None)
        self.add(key)

    def _forget_later(self, key: StageKey) -> None:
        later = self._later.pop(key, None)
        if later is not None:
            later[1].cancel()
