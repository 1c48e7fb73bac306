"""Virtual time: an event loop that jumps to its next timer when it is idle, and the clock that reads it.

Nothing here waits. A day of the world takes as long as the code that runs in it.
"""

import asyncio
import contextvars
import gc
import heapq
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from tests.sim.suspendable_tasks import Suspendable

T = TypeVar("T")

EPOCH = 1_700_000_000.0
"""Wall clock at the beginning of every world, Unix seconds."""
IDLE_TURNS = 100_000
"""Turns of the loop without any progress of time after which something is going in circles."""
TIMERS_BEFORE_CLEANUP = 100
"""Timers from which on the cancelled ones among them are thrown out when they are most, as asyncio does."""
GC_THRESHOLD = 200_000
"""Objects after which a world looks for garbage in circles: most worlds end before, and looking costs a tenth."""

owner: contextvars.ContextVar[list["asyncio.Task[Any]"] | None] = contextvars.ContextVar("owner", default=None)
"""Collects the tasks of one life of the controller, so that a crash can end exactly those."""


class NoProgress(BaseException):
    """The code under test runs for ever without letting time pass, or waits for what can never happen."""


class _VirtualSelector:
    """Stands where a loop has its selector: instead of waiting it moves the time."""

    def __init__(self) -> None:
        self.time = 0.0
        self._turns = 0

    def select(self, timeout: float | None) -> list[Any]:
        """Let `timeout` seconds pass at once."""
        if timeout is None:
            raise NoProgress("everything waits for something that will never happen")
        if timeout > 0:
            self.time += timeout
            self._turns = 0
        else:
            self._turns += 1
            if self._turns > IDLE_TURNS:
                raise NoProgress(f"{IDLE_TURNS} turns of the event loop without any time passing")
        return []

    def close(self) -> None:
        """Nothing to close."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Single-threaded; starts at 0 seconds."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = _VirtualSelector()
        self._clock_resolution = 1e-6
        self.complaints: list[str] = []
        """What the loop's exception handler was told: exceptions that nobody retrieved."""
        self.set_exception_handler(self._complain)
        self.set_task_factory(self._make)  # type: ignore[arg-type]

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._selector.time

    def _run_once(self) -> None:
        """One turn, as asyncio's own one but for what a real selector, debugging and slow callbacks take."""
        scheduled, ready = self._scheduled, self._ready
        if len(scheduled) > TIMERS_BEFORE_CLEANUP and self._timer_cancelled_count / len(scheduled) > 0.5:
            for handle in scheduled:
                handle._scheduled = not handle._cancelled
            scheduled[:] = [handle for handle in scheduled if handle._scheduled]
            heapq.heapify(scheduled)
            self._timer_cancelled_count = 0
        while scheduled and scheduled[0]._cancelled:
            self._timer_cancelled_count -= 1
            heapq.heappop(scheduled)._scheduled = False
        if ready or self._stopping:
            self._selector.select(0)
        else:
            self._selector.select(max(0, scheduled[0]._when - self._selector.time) if scheduled else None)
        end = self._selector.time + self._clock_resolution
        while scheduled and scheduled[0]._when < end:
            handle = heapq.heappop(scheduled)
            handle._scheduled = False
            ready.append(handle)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:
        """As asyncio's own one, without its checks; so are the next two."""
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_later(self, delay: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:
        """In so many virtual seconds."""
        return self.call_at(self._selector.time + delay, callback, *args, context=context)

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:
        """At a virtual second."""
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._scheduled, timer)
        timer._scheduled = True
        return timer

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        """Refuse: a thread would run in real time."""
        raise AssertionError(f"{func} wants a thread inside the simulated world")

    def _process_events(self, event_list: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    def _complain(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not isinstance(error, asyncio.CancelledError) and type(error).__name__ != "Crash":
            self.complaints.append(f"{context.get('message')}: {error!r}")

    @staticmethod
    def _make(loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], **more: Any) -> "asyncio.Task[Any]":
        tasks = owner.get()
        if isinstance(tasks, Suspendable):
            coro = tasks.wrapped(coro)
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=loop, **more)
        if tasks is not None:
            tasks.append(task)
            if len(tasks) > 5000:
                tasks[:] = [item for item in tasks if not item.done()]
        return task


async def later(seconds: float) -> None:
    """Let so many virtual seconds pass. Raises `RuntimeError` where seconds are real, so that no test waits."""
    if not isinstance(asyncio.get_running_loop(), VirtualLoop):
        raise RuntimeError("only in virtual time: see run_virtual")
    await asyncio.sleep(seconds)


class SimClock:
    """`controller.interfaces.Clock` on the running virtual loop; `skew` moves the wall clock, not the monotonic one."""

    def __init__(self) -> None:
        self.skew = 0.0
        self._loop = asyncio.get_running_loop()

    def now(self) -> float:
        """Wall clock, Unix seconds."""
        return EPOCH + self.skew + self._loop.time()

    def monotonic(self) -> float:
        """Seconds since the world began."""
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        """Let virtual seconds pass."""
        await later(seconds)


class VirtualWorld:
    """A world of its own that is driven from outside: time passes only while `run` does."""

    def __init__(self) -> None:
        self._loop = VirtualLoop()

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Let it go on until this is done."""
        thresholds = gc.get_threshold()
        gc.set_threshold(GC_THRESHOLD, *thresholds[1:])
        try:
            return self._loop.run_until_complete(main)
        finally:
            gc.set_threshold(*thresholds)

    def close(self) -> None:
        """End everything that is left running."""
        _end_all(self._loop)
        asyncio.set_event_loop(None)
        self._loop.close()


def run_virtual(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine in a world of its own and end everything that it left running."""
    world = VirtualWorld()
    try:
        return world.run(main())
    finally:
        world.close()


def _end_all(loop: VirtualLoop) -> None:
    for _ in range(10):
        left = [task for task in asyncio.all_tasks(loop) if not task.done()]
        if not left:
            return
        for task in left:
            task.cancel()
        waiting = asyncio.wait(left, timeout=1.0)
        try:
            loop.run_until_complete(waiting)
        except NoProgress:
            waiting.close()
            return
