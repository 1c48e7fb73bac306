"""The SQLite file in the state folder: open it, migrate it, replace it when it is damaged, translate its errors.

There is one writer (WAL, synchronous=FULL: what was acknowledged survives a kill and a power cut) and any number of
readers with a connection per question. A damaged file is moved aside and a new one is begun: nothing that runs depends
on it. The writer migrates a file of an older schema in one transaction; a reader migrates a copy in memory, because the
file may belong to a controller of the older version. A file of a newer schema is refused and left as it is.
"""

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from controller.clients.state import folder as state_folder
from controller.clients.state.schema import TABLES, VERSIONS
from controller.core.model.errors import HoldfastError, Locked, WorldBad
from controller.telemetry import log

FILE = "holdfast.db"
BUSY_TIMEOUT_S = 5.0
"""Seconds to wait for another process that holds SQLite's own lock, such as a backup."""

DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
NO_SPACE = frozenset({sqlite3.SQLITE_FULL})
BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


class Damaged(Exception):
    """The file is not a database of Holdfast, or its content cannot be trusted."""


def result_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 when the error did not come from SQLite itself."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def translated(error: sqlite3.Error, file: Path) -> HoldfastError:
    """An error of SQLite as one of ours."""
    result = result_code(error)
    if result in NO_SPACE or (result == sqlite3.SQLITE_IOERR and _is_full(file)):
        return WorldBad(f"no space left for {file}; nothing is begun until it can be recorded", reason="DiskFull")
    if result in BUSY:
        return WorldBad(f"{file} is locked by another process", reason="StateBusy")
    if result in DAMAGED:
        return WorldBad(f"{file} is damaged; a controller replaces it by a new one", reason="StateDamaged")
    return WorldBad(f"{file} cannot be used: {error}", reason="StateUnusable")


def open_writer(folder: Path) -> sqlite3.Connection:
    """Open the file for the one writer, with the current schema.

    A damaged file is moved aside first. Raises `Locked` for the file of a newer version, `WorldBad` otherwise.
    """
    state_folder.prepare(folder)
    file = folder / FILE
    try:
        try:
            return _open(file)
        except (Damaged, sqlite3.DatabaseError) as error:
            if isinstance(error, sqlite3.DatabaseError) and result_code(error) not in DAMAGED:
                raise
            aside = _move_aside(file)
            log.error(
                "state file damaged, begun anew; what runs is not touched", file=str(file), kept_as=str(aside),
                cause=str(error),
            )  # fmt: skip
            return _open(file)
    except sqlite3.Error as error:
        raise translated(error, file) from error
    except OSError as error:
        raise WorldBad(f"{file} cannot be used: {error.strerror or error}", reason="StateUnusable") from error


def open_reader(folder: Path) -> sqlite3.Connection | None:
    """Open the file for one question; None when there is nothing yet. Raises `Locked` or `WorldBad`."""
    file = folder / FILE
    try:
        if file.stat().st_size == 0:
            return None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        message = f"{file} cannot be read: {error.strerror or error}; use the controller's user"
        raise WorldBad(message, reason="StateUnusable") from error
    try:
        return _read_only(file, "mode=ro")
    except sqlite3.Error as error:
        if result_code(error) not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            raise translated(error, file) from error
    # WAL needs a shared-memory file beside it; where it cannot be made, the main file alone is the last state
    # that was checkpointed.
    try:
        return _read_only(file, "mode=ro&immutable=1")
    except sqlite3.Error as error:
        raise translated(error, file) from error


def _open(file: Path) -> sqlite3.Connection:
    try:
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        if file.stat().st_size == 0:
            raise Damaged("the file is empty") from None
    connection = sqlite3.connect(file, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    try:
        version = _check_version(connection, file)
        _check_tables(connection, version)
        check = connection.execute("PRAGMA quick_check(1)").fetchone()
        if check != ("ok",):
            raise Damaged(str(check[0]))
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        _migrate(connection, version)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_version(connection: sqlite3.Connection, file: Path) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > len(VERSIONS):
        message = (
            f"{file} was written by a newer version of Holdfast (schema {version}, this one knows {len(VERSIONS)}); "
            "use that version, or another state.path"
        )
        raise Locked(message, reason="NewerState")
    return version


def _check_tables(connection: sqlite3.Connection, version: int) -> None:
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if version == 0 and tables:
        raise Damaged("the file holds tables that are not Holdfast's")
    if version == len(VERSIONS) and (missing := TABLES - tables):
        raise Damaged(f"tables are missing: {', '.join(sorted(missing))}")


def _migrate(connection: sqlite3.Connection, version: int) -> None:
    if version == len(VERSIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    for statements in VERSIONS[version:]:
        for statement in statements:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {len(VERSIONS)}")
    connection.execute("COMMIT")


def _read_only(file: Path, options: str) -> sqlite3.Connection | None:
    connection = sqlite3.connect(f"{file.absolute().as_uri()}?{options}", uri=True, timeout=BUSY_TIMEOUT_S)
    try:
        version = _check_version(connection, file)
        if 0 < version < len(VERSIONS):
            return _migrated_copy(connection, version)
        if version == 0:
            connection.close()
            return None
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _migrated_copy(connection: sqlite3.Connection, version: int) -> sqlite3.Connection:
    """The content of an older file in memory, with the current schema; closes the connection to the file."""
    copy = sqlite3.connect(":memory:", isolation_level=None)
    with closing(connection):
        connection.backup(copy)
    _migrate(copy, version)
    return copy


def _move_aside(file: Path) -> Path:
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    aside = file.with_name(f"{FILE}.corrupt-{stamp}")
    count = 1
    while aside.exists():
        count += 1
        aside = file.with_name(f"{FILE}.corrupt-{stamp}-{count}")
    for suffix in ("-wal", "-shm", ""):
        source = file.with_name(FILE + suffix)
        if source.exists():
            source.rename(aside.with_name(aside.name + suffix))
    return aside


def _is_full(file: Path) -> bool:
    try:
        space = os.statvfs(file.parent)
    except OSError:
        return False
    return space.f_bavail * space.f_frsize < 1 << 16
