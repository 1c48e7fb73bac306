"""The store: SQLite in the state folder, one thread that writes, and plain functions to read for the command line.

Every write is one transaction, durable when the call returns. A disk that is full, or a file that is damaged or gone,
raises `WorldBad`; the next call works again as soon as the world does, on a new file if need be: nothing that runs
depends on what is lost.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeVar

from controller.clients.state import outbox as state_outbox
from controller.clients.state import read
from controller.clients.state import write as state_write
from controller.clients.state.file import DAMAGED, FILE, code, inode, open_reader, open_writer, translated
from controller.clients.state.outbox import OutboxItem
from controller.clients.state.write import Keep
from controller.core.catalog.types import Sourced
from controller.core.model.desired import StageKey
from controller.core.model.errors import WorldBad
from controller.core.model.memory import StageMemory
from controller.core.model.status import HistoryRow, LogLine, StageStatus, Transition
from controller.telemetry import log

T = TypeVar("T")


class SqliteStore:
    """Implements `interfaces.Store`. Made by `open` (writes, under the state lock) or `reader` (only reads)."""

    def __init__(self, folder: Path, keep: Keep | None) -> None:
        self._folder = folder
        self._file = folder / FILE
        self._connection: sqlite3.Connection | None = None
        self._inode = (0, 0)
        self._keep = keep
        self._thread = ThreadPoolExecutor(1, "store") if keep is not None else None
        self._listeners: list[Callable[[], None]] = []

    @classmethod
    def open(cls, path: Path, max_age: float, max_count: int) -> "SqliteStore":
        """Open the state folder for writing; the caller holds its lock.

        `max_age` in seconds and `max_count` in rollouts say how much history is kept. A damaged file is moved aside.
        Raises `Locked` when the file is of a newer version, `WorldBad` when it cannot be used.
        """
        store = cls(path, Keep(max_age, max_count))
        assert store._thread is not None
        try:
            store._thread.submit(store._reopen).result()
        except BaseException:
            store._thread.shutdown()
            raise
        return store

    @classmethod
    def reader(cls, path: Path) -> "SqliteStore":
        """Look at the state folder beside whoever writes it; finds nothing where there is nothing yet.

        Methods that write raise `TypeError`.
        """
        return cls(path, None)

    def close(self) -> None:
        """Finish what was begun and close the file; closed already is success."""
        if self._thread is None:
            return
        with suppress(RuntimeError):  # the thread is gone already
            self._thread.submit(self._shut).result()
        self._thread.shutdown()

    async def memory(self, stage: StageKey) -> StageMemory:
        """What is remembered of a stage; blank when nothing is."""
        if self._thread is None:
            return self.remembered(stage)
        return await self._ask(lambda db: read.memory(db, stage), StageMemory())

    async def stages(self) -> tuple[StageKey, ...]:
        """Names of all stages of which something is remembered or reported."""
        if self._thread is None:
            return self._look(read.stages, ())
        return await self._ask(read.stages, ())

    async def record(self, stage: StageKey, memory: StageMemory, transitions: Sequence[Transition], now: float) -> None:
        """Memory, history rows, log lines and outgoing notifications in one durable transaction."""

        def write(db: sqlite3.Connection) -> None:
            state_write.record(db, stage, memory, transitions, now)
            if transitions and self._keep is not None:
                state_write.trim(db, self._keep, now)
                state_outbox.trim(db, now)

        await self._run(write)
        if transitions:
            for wake in self._listeners:
                wake()

    async def report(self, status: StageStatus) -> None:
        """The newest status of a stage; written only when more than the time of the look differs."""
        await self._run(lambda db: state_write.report(db, status))

    async def forget(self, stage: StageKey) -> None:
        """Memory and status of a stage; its history stays, and what is open in it ends as superseded."""
        await self._run(lambda db: state_write.forget(db, stage, time.time()))

    async def last_good(self, source: str) -> tuple[Sourced, ...] | None:
        """Documents that the guard last accepted from a source; None when nothing is known."""
        if self._thread is None:
            return self._look(lambda db: read.last_good(db, source), None)
        return await self._ask(lambda db: read.last_good(db, source), None)

    async def keep_good(self, source: str, documents: Sequence[Sourced]) -> None:
        """Remember what the guard accepted from a source."""
        await self._run(lambda db: state_write.keep_good(db, source, documents))

    def listen(self, wake: Callable[[], None]) -> None:
        """Have `wake` called in the event loop after each record that may have filled the outbox."""
        self._listeners.append(wake)

    async def aim(self, targets: Mapping[str, Sequence[str]], now: float) -> None:
        """Deliver to exactly these targets, by key, these events; a new one gets what is recorded from `now` on."""
        await self._run(lambda db: state_outbox.aim(db, targets, now))

    async def outbox(self, target: str, limit: int) -> list[OutboxItem]:
        """What a target has not got yet, soonest first."""
        return await self._run(lambda db: state_outbox.waiting(db, target, limit))

    async def delivered(self, item: str, target: str) -> None:
        """The target has got the item, or will not get it any more."""
        await self._run(lambda db: state_outbox.settle(db, item, target))

    async def postponed(self, item: str, target: str, next_at: float, failures: int) -> None:
        """The target has not got the item after so many attempts; the next is due at `next_at`."""
        await self._run(lambda db: state_outbox.postpone(db, item, target, next_at, failures))

    def statuses(self) -> dict[StageKey, StageStatus]:
        """The newest status of each stage. `observed_at` may lag behind: see `report`."""
        return self._look(read.statuses, {})

    def remembered(self, stage: StageKey) -> StageMemory:
        """The same as `memory`, for the command line and without waiting for the writer."""
        return self._look(lambda db: read.memory(db, stage), StageMemory())

    def history(self, prefix: str | None, limit: int) -> list[HistoryRow]:
        """The newest rollouts at or below `project` or `project/stage` (None: all), newest first."""
        return self._look(lambda db: read.history(db, prefix, limit), [])

    def lines(self, prefix: str | None, rollout: str | None, limit: int, after: int) -> list[LogLine]:
        """Log lines at or below `project` or `project/stage`, of one rollout or of all, in their order.

        With `after`: those with a greater id, at most `limit`. With 0: the newest `limit`.
        """
        return self._look(lambda db: read.lines(db, prefix, rollout, limit, after), [])

    def begun(self) -> float | None:
        """Unix seconds of the oldest record that is kept; None when there is none."""
        return self._look(read.begun, None)

    def _look(self, question: Callable[[sqlite3.Connection], T], nothing: T) -> T:
        """Ask on a connection of its own: it never waits for the writer and sees a file that came or went."""
        connection = open_reader(self._folder)
        if connection is None:
            return nothing
        with closing(connection):
            try:
                return question(connection)
            except sqlite3.Error as error:
                raise translated(error, self._file) from error

    async def _ask(self, question: Callable[[sqlite3.Connection], T], nothing: T) -> T:
        """A question of a pass: behind the writes before it, or beside whoever writes."""
        if self._thread is None:
            return await asyncio.to_thread(self._look, question, nothing)
        return await self._run(question)

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._thread is None:
            raise TypeError("this store was opened for reading")
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._transact, work)

    def _transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """One transaction in the store's thread: all of it is durable, or nothing happened."""
        if self._connection is None or inode(self._folder) != self._inode:
            if self._connection is not None:
                log.error("state file was removed or replaced, begun anew", file=str(self._file))
            self._reopen()
        db = self._connection
        assert db is not None
        try:
            db.execute("BEGIN IMMEDIATE")
            try:
                found = work(db)
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            if code(error) in DAMAGED:
                self._shut()
            raise translated(error, self._file) from error
        return found

    def _reopen(self) -> None:
        self._shut()
        self._connection = open_writer(self._folder)
        self._inode = inode(self._folder)
        if self._inode == (0, 0):
            raise WorldBad(f"{self._file} was removed while it was opened", reason="StateUnusable")

    def _shut(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
