"""The threads in which the blocking calls run, in bounded pools by how long their calls last."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple

QUICK_THREADS = 8
SLOW_THREADS = 32
PULL_THREADS = 8
RESOLVE_THREADS = 8

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Pool(ThreadPoolExecutor):
    """Threads for calls of one kind; a call waits while all are taken."""

    async def run(self, call: Callable[[*Ts], T], *args: *Ts) -> T:
        """Call it with these arguments in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self, call, *args)


class Threads:
    """Four pools. A slow stop delays no look, and a registry that hangs delays no pull from elsewhere."""

    def __init__(self) -> None:
        self.quick = Pool(QUICK_THREADS, "docker-quick")
        """For looks and short writes."""
        self.slow = Pool(SLOW_THREADS, "docker-slow")
        """For starts, stops and removals."""
        self.pulls = Pool(PULL_THREADS, "docker-pull")
        self.resolves = Pool(RESOLVE_THREADS, "docker-resolve")
        """For questions to a registry."""

    def close(self) -> None:
        """Take no more calls; those in flight end by themselves."""
        for pool in (self.quick, self.slow, self.pulls, self.resolves):
            pool.shutdown(wait=False, cancel_futures=True)
