"""The store of a controller: SQLite in the state folder, and one thread that reads and writes it.

Every write is one transaction, durable when the call returns. A disk that is full, or a file that is damaged or gone,
raises `WorldBad`; the next call works again as soon as the world does, on a new file if need be: nothing that runs
depends on what is lost.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from controller.clients.state import folder as state_folder
from controller.clients.state import outbox, read, write
from controller.clients.state.file import DAMAGED, FILE, open_writer, result_code, translated
from controller.clients.state.outbox import Notification
from controller.clients.state.write import Keep
from controller.core.catalog.types import Sourced
from controller.core.model.desired import StageKey
from controller.core.model.errors import WorldBad
from controller.core.model.memory import StageMemory
from controller.core.model.status import StageStatus, Transition
from controller.telemetry import log

T = TypeVar("T")


class SqliteStore:
    """Implements `interfaces.Store`; made by `open`, by whoever holds the lock of the state folder."""

    def __init__(self, folder: Path, keep: Keep) -> None:
        self._folder = folder
        self._file = folder / FILE
        self._connection: sqlite3.Connection | None = None
        self._identity = (0, 0)
        self._keep = keep
        self._thread = ThreadPoolExecutor(1, "store")
        self._wakes: list[Callable[[], None]] = []

    @classmethod
    def open(cls, path: Path, max_age: float, max_count: int) -> "SqliteStore":
        """Open the state folder for writing; the caller holds its lock.

        `max_age` in seconds and `max_count` in rollouts say how much history is kept. A damaged file is moved aside.
        Raises `Locked` when the file is of a newer version, `WorldBad` when it cannot be used.
        """
        store = cls(path, Keep(max_age, max_count))
        try:
            store._thread.submit(store._reopen).result()
        except BaseException:
            store._thread.shutdown()
            raise
        return store

    def close(self) -> None:
        """Finish what was begun and close the file; closed already is success."""
        with suppress(RuntimeError):  # the thread is gone already
            self._thread.submit(self._close).result()
        self._thread.shutdown()

    async def memory(self, stage: StageKey) -> StageMemory:
        """What is remembered of a stage; blank when nothing is."""
        return await self._run(lambda db: read.memory(db, stage))

    async def stages(self) -> tuple[StageKey, ...]:
        """Names of all stages of which something is remembered or reported."""
        return await self._run(read.stages)

    async def record(self, stage: StageKey, memory: StageMemory, transitions: Sequence[Transition], now: float) -> None:
        """Memory, history rows, log lines and outgoing notifications in one durable transaction."""

        def record(db: sqlite3.Connection) -> None:
            write.record(db, stage, memory, transitions, now)
            if transitions:
                write.trim(db, self._keep, now)
                outbox.trim(db, now)

        await self._run(record)
        if transitions:
            for wake in self._wakes:
                wake()

    async def report(self, status: StageStatus) -> None:
        """The newest status of a stage; written only when more than the time of the look differs."""
        await self._run(lambda db: write.report(db, status))

    async def forget(self, stage: StageKey) -> None:
        """Memory and status of a stage; its history stays, and what is open in it ends as superseded."""
        await self._run(lambda db: write.forget(db, stage, time.time()))

    async def last_good(self, source: str) -> tuple[Sourced, ...] | None:
        """Documents that the guard last accepted from a source; None when nothing is known."""
        return await self._run(lambda db: read.last_good(db, source))

    async def keep_good(self, source: str, documents: Sequence[Sourced]) -> None:
        """Remember what the guard accepted from a source."""
        await self._run(lambda db: write.keep_good(db, source, documents))

    def listen(self, wake: Callable[[], None]) -> None:
        """Have `wake` called in the event loop after each record that may have filled the outbox."""
        self._wakes.append(wake)

    async def set_targets(self, targets: Mapping[str, Sequence[str]], now: float) -> None:
        """Deliver to exactly these targets, by key, these events; a new one gets what is recorded from `now` on."""
        await self._run(lambda db: outbox.set_targets(db, targets, now))

    async def outbox(self, target: str, limit: int) -> list[Notification]:
        """What a target has not received yet, soonest first."""
        return await self._run(lambda db: outbox.waiting(db, target, limit))

    async def mark_delivered(self, notification: str, target: str) -> None:
        """Deliver it to the target no more: it was received, or it is given up."""
        await self._run(lambda db: outbox.mark_delivered(db, notification, target))

    async def postpone(self, notification: str, target: str, next_at: float, failures: int) -> None:
        """Try again at `next_at`, after so many failed attempts."""
        await self._run(lambda db: outbox.postpone(db, notification, target, next_at, failures))

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._transact, work)

    def _transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """One transaction in the store's thread: all of it is durable, or nothing happened."""
        if self._connection is None or state_folder.identity(self._file) != self._identity:
            if self._connection is not None:
                log.error("state file was removed or replaced, begun anew", file=str(self._file))
            self._reopen()
        db = self._connection
        assert db is not None
        try:
            db.execute("BEGIN IMMEDIATE")
            try:
                answer = work(db)
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            if result_code(error) in DAMAGED:
                self._close()
            raise translated(error, self._file) from error
        return answer

    def _reopen(self) -> None:
        self._close()
        self._connection = open_writer(self._folder)
        self._identity = state_folder.identity(self._file)
        if self._identity == (0, 0):
            raise WorldBad(f"{self._file} was removed while it was opened", reason="StateUnusable")

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
