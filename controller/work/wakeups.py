"""Lets an operation sleep until Docker says that something happened to its container. A lost hint costs a second."""

import asyncio

EVERY = 1.0
"""Seconds after which an operation looks again although nobody said anything."""


class Wakeups:
    """Who waits for news of which container."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}

    def wake(self, container_id: str) -> None:
        """Something happened to this container: wake who waits for it."""
        for future in self._waiting.get(container_id, ()):
            if not future.done():
                future.set_result(None)

    async def wait(self, container_id: str, seconds: float = EVERY) -> None:
        """Return at the next hint, or after so many seconds."""
        future = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(container_id, set())
        waiting.add(future)
        try:
            await asyncio.wait({future}, timeout=seconds)
        finally:
            waiting.discard(future)
            if not waiting and self._waiting.get(container_id) is waiting:
                del self._waiting[container_id]
