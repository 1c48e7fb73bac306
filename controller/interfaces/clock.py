"""Time as a dependency."""

from typing import Protocol


class Clock(Protocol):
    """Time as a dependency."""

    def now(self) -> float:
        """Wall clock, Unix seconds; for records and deadlines that survive a restart."""

    def monotonic(self) -> float:
        """Seconds that never jump; for durations inside one process."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""
