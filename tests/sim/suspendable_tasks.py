"""SIGSTOP for the tasks of one life: none of them takes a step until they go on, whatever comes meanwhile."""

import asyncio
from collections.abc import Coroutine
from typing import Any


class Suspendable(list["asyncio.Task[Any]"]):
    """The tasks of a life that can be stopped; `clock` has each of them made of a `wrapped` coroutine."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: list[asyncio.Future[None]] = []
        self.frozen = False

    def freeze(self) -> None:
        """From now on no task takes a step."""
        self.frozen = True

    def thaw(self) -> None:
        """Let all of them go on."""
        self.frozen = False
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def wrapped(self, coro: Coroutine[Any, Any, Any]) -> Coroutine[Any, Any, Any]:
        """The same coroutine, which stands still while everything does."""
        return _Stoppable(coro, self)

    def pause(self) -> "asyncio.Future[None]":
        """What a task waits for meanwhile."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future._asyncio_future_blocking = True
        self._waiting.append(future)
        return future


class _Stoppable(Coroutine[Any, Any, Any]):
    """Hands each step on, or keeps it until the tasks go on. A cancellation that came meanwhile is not lost."""

    def __init__(self, coro: Coroutine[Any, Any, Any], tasks: Suspendable) -> None:
        self._coro = coro
        self._tasks = tasks
        self._kept: BaseException | None = None

    def send(self, value: Any) -> Any:
        """A step."""
        if self._tasks.frozen:
            return self._tasks.pause()
        kept, self._kept = self._kept, None
        return self._coro.send(value) if kept is None else self._coro.throw(kept)

    def throw(self, error: Any, value: Any = None, traceback: Any = None) -> Any:
        """A step that begins with an error."""
        if self._tasks.frozen:
            self._kept = error
            return self._tasks.pause()
        self._kept = None
        return self._coro.throw(error)

    def close(self) -> None:
        """End it."""
        self._coro.close()

    def __await__(self) -> Any:
        """Only tasks drive it."""
        raise TypeError("a task's own coroutine is not awaited")
