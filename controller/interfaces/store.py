"""The state folder, as passes and the guard use it."""

from collections.abc import Sequence
from typing import Protocol

from controller.core.catalog.types import Sourced
from controller.core.model.desired import StageKey
from controller.core.model.memory import StageMemory
from controller.core.model.status import StageStatus, Transition


class Store(Protocol):
    """The state folder: one writer, everything in it may be lost without harm to what runs."""

    async def memory(self, stage: StageKey) -> StageMemory:
        """What is remembered of a stage; blank when nothing is."""

    async def stages(self) -> tuple[StageKey, ...]:
        """Names of all stages of which something is remembered or reported."""

    async def record(self, stage: StageKey, memory: StageMemory, transitions: Sequence[Transition], now: float) -> None:
        """Memory, history rows, log lines and outgoing notifications in one durable transaction."""

    async def report(self, status: StageStatus) -> None:
        """The newest status of a stage, for reading commands; written only when it differs."""

    async def forget(self, stage: StageKey) -> None:
        """Memory and status of a stage that is neither declared nor running any more; history stays."""

    async def last_good(self, source: str) -> tuple[Sourced, ...] | None:
        """Documents that the guard last accepted from a source; None when nothing is known."""

    async def keep_good(self, source: str, documents: Sequence[Sourced]) -> None:
        """Remember what the guard accepted from a source."""
