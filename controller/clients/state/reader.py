"""Reads the state folder beside whoever writes it: for the command line, the API and forecasts.

Each question opens a connection of its own, so it never waits for the writer and sees a file that came or went.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import NoReturn, TypeVar

from controller.clients.state import read
from controller.clients.state.file import FILE, open_reader, translated
from controller.core.catalog.types import Sourced
from controller.core.model.desired import StageKey
from controller.core.model.errors import Diagnostic
from controller.core.model.memory import StageMemory
from controller.core.model.status import HistoryRow, LogLine, StageStatus, Transition
from controller.interfaces import Hold

T = TypeVar("T")


class StateReader:
    """Implements `interfaces.Reads`; finds nothing where there is nothing yet.

    Raises `Locked` when the file is of a newer version, `WorldBad` when it cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def stages(self) -> tuple[StageKey, ...]:
        """Names of all stages of which something is remembered or reported."""
        return self.answer(read.stages, ())

    def statuses(self) -> dict[StageKey, StageStatus]:
        """The newest status of each stage. `observed_at` may lag behind: see `interfaces.Store.report`."""
        return self.answer(read.statuses, {})

    def memory(self, stage: StageKey) -> StageMemory:
        """What is remembered of a stage; blank when nothing is."""
        return self.answer(lambda db: read.memory(db, stage), StageMemory())

    def history(self, prefix: str | None, limit: int) -> list[HistoryRow]:
        """The newest rollouts at or below `project` or `project/stage` (None: all), newest first."""
        return self.answer(lambda db: read.history(db, prefix, limit), [])

    def lines(self, prefix: str | None, rollout: str | None, limit: int, after: int) -> list[LogLine]:
        """Log lines at or below `project` or `project/stage`, of one rollout or of all, in their order.

        With `after`: those with a greater id, at most `limit`. With 0: the newest `limit`.
        """
        return self.answer(lambda db: read.lines(db, prefix, rollout, limit, after), [])

    def oldest_record(self) -> float | None:
        """Unix seconds of the oldest log line that is kept; None when there is none."""
        return self.answer(read.oldest_record, None)

    def holds(self) -> tuple[Hold, ...]:
        """None: only a running controller knows what it holds back."""
        return ()

    def notices(self) -> tuple[str, ...]:
        """None: only a running controller knows what it refused."""
        return ()

    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """None: only a running controller knows what it could not read."""
        return ()

    def answer(self, question: Callable[[sqlite3.Connection], T], nothing: T) -> T:
        """Ask on a connection of its own; `nothing` where there is no file yet."""
        connection = open_reader(self._folder)
        if connection is None:
            return nothing
        with closing(connection):
            try:
                return question(connection)
            except sqlite3.Error as error:
                raise translated(error, self._folder / FILE) from error


class ReadOnlyStore:
    """Implements `interfaces.Store` for a forecast, which writes nothing: to write raises `TypeError`."""

    def __init__(self, folder: Path) -> None:
        self._reader = StateReader(folder)

    async def memory(self, stage: StageKey) -> StageMemory:
        """What is remembered of a stage; blank when nothing is."""
        return await asyncio.to_thread(self._reader.memory, stage)

    async def stages(self) -> tuple[StageKey, ...]:
        """Names of all stages of which something is remembered or reported."""
        return await asyncio.to_thread(self._reader.stages)

    async def last_good(self, source: str) -> tuple[Sourced, ...] | None:
        """Documents that the guard last accepted from a source; None when nothing is known."""
        return await asyncio.to_thread(self._reader.answer, lambda db: read.last_good(db, source), None)

    async def record(self, stage: StageKey, memory: StageMemory, transitions: Sequence[Transition], now: float) -> None:
        """Refused."""
        _refuse()

    async def report(self, status: StageStatus) -> None:
        """Refused."""
        _refuse()

    async def forget(self, stage: StageKey) -> None:
        """Refused."""
        _refuse()

    async def keep_good(self, source: str, documents: Sequence[Sourced]) -> None:
        """Refused."""
        _refuse()


def _refuse() -> NoReturn:
    raise TypeError("the state folder was opened for reading only")
