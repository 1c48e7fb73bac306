"""The threads in which the blocking calls run, in bounded pools by how long their calls last."""

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

QUICK_THREADS = 8
SLOW_THREADS = 32
PULL_THREADS = 8
RESOLVE_THREADS = 8

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """Four pools. A slow stop delays no look, and a registry that hangs delays no pull from elsewhere."""

    def __init__(self) -> None:
        self._quick = ThreadPoolExecutor(QUICK_THREADS, "docker-quick")
        self._slow = ThreadPoolExecutor(SLOW_THREADS, "docker-slow")
        self._pulls = ThreadPoolExecutor(PULL_THREADS, "docker-pull")
        self._resolves = ThreadPoolExecutor(RESOLVE_THREADS, "docker-resolve")

    def close(self) -> None:
        """Take no more calls; those in flight end by themselves."""
        for pool in (self._quick, self._slow, self._pulls, self._resolves):
            pool.shutdown(wait=False, cancel_futures=True)

    async def quick(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a look or a short write."""
        return await _run(self._quick, functools.partial(call, *args, **kwargs))

    async def slow(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a start, a stop or a removal."""
        return await _run(self._slow, functools.partial(call, *args, **kwargs))

    async def pull(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a pull."""
        return await _run(self._pulls, functools.partial(call, *args, **kwargs))

    async def resolve(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a question to a registry."""
        return await _run(self._resolves, functools.partial(call, *args, **kwargs))


async def _run(pool: ThreadPoolExecutor, call: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(pool, call)
