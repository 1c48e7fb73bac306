"""Lets an operation sleep until Docker tells of its container. A lost event costs a second."""

import asyncio

INTERVAL_S = 1.0
"""An operation looks again after so many seconds without an event."""


class Wakeups:
    """The operations that sleep, by container."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}

    def wake(self, container_id: str) -> None:
        """Wake the operations that wait for this container."""
        for future in self._waiting.get(container_id, ()):
            if not future.done():
                future.set_result(None)

    async def wait(self, container_id: str, seconds: float = INTERVAL_S) -> None:
        """Return at the next event of this container, or after so many seconds."""
        future = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(container_id, set())
        waiting.add(future)
        try:
            await asyncio.wait({future}, timeout=seconds)
        finally:
            waiting.discard(future)
            if not waiting and self._waiting.get(container_id) is waiting:
                del self._waiting[container_id]
