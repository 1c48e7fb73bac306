"""The store when the world is bad: damaged, foreign, newer or vanished files, a full disk, a kill, a busy file."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from controller.clients.state import file as state_file
from controller.clients.state.file import FILE
from controller.clients.state.reader import ReadOnlyStore, StateReader
from controller.clients.state.store import SqliteStore
from controller.core.model.errors import Locked, WorldBad
from controller.core.model.memory import StageMemory
from controller.core.model.status import Transition

DAY = 86400.0
SUSPENDED = StageMemory(suspended=True)


def step(message: str = "x") -> Transition:
    """A log line."""
    return Transition(rollout="", tag="", kind="step", step="pull", message=message)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A state folder with a store of one stage in it, closed."""
    path = tmp_path / "state"
    store = SqliteStore.open(path, DAY, 10)
    store.close()
    with sqlite3.connect(path / FILE) as db:
        db.execute("INSERT INTO memory VALUES ('shop/dev', ?)", (SUSPENDED.model_dump_json(),))
        db.executemany(
            "INSERT INTO line (time, level, stage, tag, rollout, step, message, data) "
            "VALUES (1, 'info', 'shop/dev', '', '', 's', ?, '{}')",
            [("m" * 200,)] * 200,
        )
    db.close()
    return path


def kept(folder: Path) -> list[Path]:
    """Files that were moved aside."""
    return [item for item in folder.iterdir() if item.name.startswith(f"{FILE}.corrupt-")]


def header(file: Path) -> None:
    """Overwrite the first bytes."""
    with file.open("r+b") as stream:
        stream.write(b"not a database at all")


def truncated(file: Path) -> None:
    """Cut the file in the middle of a page."""
    os.truncate(file, file.stat().st_size // 2 + 100)


def garbled(file: Path) -> None:
    """Overwrite pages in the middle."""
    with file.open("r+b") as stream:
        stream.seek(8192)
        stream.write(os.urandom(4096))


def empty(file: Path) -> None:
    """Leave zero bytes."""
    os.truncate(file, 0)


def no_tables(file: Path) -> None:
    """Take a table away."""
    with sqlite3.connect(file) as db:
        db.execute("DROP TABLE memory")
    db.close()


def foreign(file: Path) -> None:
    """Put somebody else's database there."""
    file.unlink()
    with sqlite3.connect(file) as db:
        db.execute("CREATE TABLE cats (name TEXT)")
    db.close()


@pytest.mark.parametrize("damage", [header, truncated, garbled, empty, no_tables, foreign])
async def test_a_damaged_file_is_moved_aside(
    folder: Path, damage: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """The store begins anew beside the old file, which is kept whole, and the log says so."""
    damage(folder / FILE)
    content = (folder / FILE).read_bytes()
    store = SqliteStore.open(folder, DAY, 10)
    assert await store.memory("shop/dev") == StageMemory()
    await store.record("shop/dev", SUSPENDED, [step()], 1.0)
    assert await store.memory("shop/dev") == SUSPENDED
    store.close()
    assert [item.read_bytes() for item in kept(folder)] == [content]
    assert "state file damaged, begun anew" in capsys.readouterr().err


async def test_a_newer_file_is_left_alone(folder: Path) -> None:
    """Neither the writer nor a reader of an older version touches what a newer one wrote."""
    with sqlite3.connect(folder / FILE) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    content = (folder / FILE).read_bytes()
    with pytest.raises(Locked, match="newer version"):
        SqliteStore.open(folder, DAY, 10)
    with pytest.raises(Locked, match="newer version"):
        StateReader(folder).statuses()
    assert (folder / FILE).read_bytes() == content


async def test_rows_of_another_version_are_read_or_taken_for_unknown(folder: Path) -> None:
    """Unknown fields are ignored; a row that cannot be understood is blank, and documents are all or nothing."""
    with sqlite3.connect(folder / FILE) as db:
        db.execute('UPDATE memory SET data = \'{"suspended": true, "later": 1}\'')
        db.execute("INSERT INTO memory VALUES ('shop/prod', '[]')")
        db.execute("INSERT INTO status VALUES ('shop/dev', '{\"key\": 7}')")
        db.execute('INSERT INTO good VALUES (\'files:a\', \'[{"kind": "Later", "document": {}}]\')')
    db.close()
    store = SqliteStore.open(folder, DAY, 10)
    assert await store.memory("shop/dev") == SUSPENDED
    assert await store.memory("shop/prod") == StageMemory()
    assert StateReader(folder).statuses() == {}
    assert await store.last_good("files:a") is None
    store.close()


def occupied(place: Path) -> None:
    """Put a file where a folder could be."""
    (place / "file").write_text("")


def content_of(place: Path) -> list[str]:
    """Names in a folder."""
    return sorted(item.name for item in place.iterdir())


@pytest.mark.parametrize("name", ["nothing", "file/below"])
async def test_a_reader_finds_nothing_where_nothing_is(tmp_path: Path, name: str) -> None:
    """Reading commands work before the first run, and make nothing."""
    occupied(tmp_path)
    reader = StateReader(tmp_path / name)
    assert (reader.statuses(), reader.history(None, 5), reader.lines(None, None, 5, 0)) == ({}, [], [])
    assert reader.memory("shop/dev") == StageMemory()
    assert await ReadOnlyStore(tmp_path / name).last_good("files:a") is None
    assert content_of(tmp_path) == ["file"]


async def test_a_reader_sees_each_record_at_once(folder: Path) -> None:
    """A follower opened before the writer sees what it writes, also on the file that replaced a damaged one."""
    reader = StateReader(folder)
    before = len(reader.lines(None, None, 1000, 0))
    store = SqliteStore.open(folder, DAY, 10)
    await store.record("shop/dev", SUSPENDED, [step("seen")], 1.0)
    found = reader.lines(None, None, 1000, 0)
    assert (len(found), found[-1].message) == (before + 1, "seen")
    assert reader.memory("shop/dev") == SUSPENDED
    with pytest.raises(TypeError):
        await ReadOnlyStore(folder).record("shop/dev", StageMemory(), [], 2.0)
    assert await store.memory("shop/dev") == SUSPENDED
    store.close()
    header(folder / FILE)
    with pytest.raises(WorldBad, match="damaged"):
        reader.lines(None, None, 1000, 0)
    store = SqliteStore.open(folder, DAY, 10)
    await store.record("shop/dev", SUSPENDED, [step("anew")], 1.0)
    assert [item.message for item in reader.lines(None, None, 1000, 0)] == ["anew"]
    store.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_a_reader_without_write_permission_reads(folder: Path, tmp_path: Path) -> None:
    """Where SQLite may make no file of its own beside the database, it is read all the same."""
    for item in (folder, *folder.parents):
        if item == Path("/tmp"):
            break
        item.chmod(0o755)
    for item in folder.iterdir():
        item.unlink() if item.name != FILE else item.chmod(0o644)
    script = (
        "import os; from pathlib import Path; from controller.clients.state.reader import StateReader\n"
        "os.setgid(65534); os.setuid(65534)\n"
        f"print(len(StateReader(Path({str(folder)!r})).lines(None, None, 1000, 0)))"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "200", done.stderr


def no_file(folder: Path) -> None:
    """Move the file away."""
    (folder / FILE).rename(folder / "old.db")


def no_folder(folder: Path) -> None:
    """Move the folder away."""
    folder.rename(folder.with_name("gone"))


def another_file(folder: Path) -> None:
    """Put an empty file in the file's place."""
    no_file(folder)
    (folder / FILE).write_bytes(b"")


@pytest.mark.parametrize("vandal", [no_file, no_folder, another_file])
async def test_a_file_that_vanishes_is_begun_anew(folder: Path, vandal: Callable[[Path], None]) -> None:
    """When somebody deletes or exchanges the file under a running store, the next record is durable again."""
    store = SqliteStore.open(folder, DAY, 10)
    await store.record("shop/dev", SUSPENDED, [step()], 1.0)
    vandal(folder)
    await store.record("shop/prod", SUSPENDED, [step("after")], 2.0)
    store.close()
    assert [item.message for item in StateReader(folder).lines(None, None, 10, 0)] == ["after"]


async def test_damage_under_a_running_store_heals(folder: Path) -> None:
    """A file that is damaged while it is open fails at most one call; then the store works on a new file."""
    store = SqliteStore.open(folder, DAY, 10)
    size = (folder / FILE).stat().st_size
    with (folder / FILE).open("r+b") as stream:
        stream.write(os.urandom(size))
    results = []
    for number in range(3):
        try:
            await store.record(f"shop/{number}", SUSPENDED, [step()], 1.0)
            results.append("ok")
        except WorldBad as error:
            results.append(error.reason)
    assert results[-1] == "ok"
    assert set(results[:-1]) <= {"ok", "StateDamaged"}
    assert results.count("StateDamaged") <= 1
    assert await store.memory("shop/2") == SUSPENDED
    store.close()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of 400 KiB."""
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k,mode=700", "tmpfs", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def fill(ballast: Path) -> None:
    """Write until the disk is full."""
    with suppress(OSError), ballast.open("wb", buffering=0) as stream:
        while True:
            stream.write(b"x" * 4096)


async def test_a_full_disk_stops_records_until_there_is_space(small: Path) -> None:
    """Nothing is recorded by halves, what was is still read, and the store works again by itself."""
    store = SqliteStore.open(small, DAY, 10)
    await store.record("shop/dev", SUSPENDED, [step("first")], 1.0)
    ballast = small / "ballast"
    fill(ballast)
    reasons = []
    for number in range(40):
        try:
            await store.record("shop/dev", StageMemory(), [step("y" * 3000), step(f"pair {number}")], 2.0)
        except WorldBad as error:
            reasons.append(error.reason)
            await store.memory("shop/dev")
    failed = len(reasons)
    assert failed > 0
    assert set(reasons) == {"DiskFull"}
    lines = StateReader(small).lines(None, None, 1000, 0)
    assert lines[0].message == "first"
    assert len(lines) == 1 + 2 * (40 - failed)
    ballast.unlink()
    await store.record("shop/dev", SUSPENDED, [step("again")], 3.0)
    assert StateReader(small).lines(None, None, 1, 0)[0].message == "again"
    assert await store.memory("shop/dev") == SUSPENDED
    store.close()


WRITER = """
import asyncio, sys
from pathlib import Path
from controller.clients.state.lock import StateLock
from controller.clients.state.store import SqliteStore
from controller.core.model.memory import StageMemory
from controller.core.model.status import Transition

async def main():
    lock = StateLock(Path(sys.argv[1]))
    lock.acquire()
    store = SqliteStore.open(Path(sys.argv[1]), 1e9, 100000)
    number = int(sys.argv[2])
    while True:
        note = Transition(rollout=f"r{number}", tag="1", kind="started", step="s", message=str(number))
        await store.record("shop/dev", StageMemory(retries={"1": number}), [note, note], float(number))
        print(number, flush=True)
        number += 1

asyncio.run(main())
"""


def killed_writer(folder: Path, number: int) -> int:
    """Write records from `number` on, kill the writer with SIGKILL while it writes; the last acknowledged one."""
    command = [sys.executable, "-c", WRITER, str(folder), str(number)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(25):
            number = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        process.wait()
        return max([number, *(int(line) for line in process.stdout.read().split())])


async def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    """After SIGKILL in the middle of writing, every acknowledged record is there whole, and the lock is free."""
    folder = tmp_path / "state"
    following = 0
    for _ in range(4):
        acknowledged = killed_writer(folder, following)
        store = SqliteStore.open(folder, 1e9, 100000)
        rows = StateReader(folder).history(None, 100000)
        last = int((await store.memory("shop/dev")).retries["1"])
        assert last in (acknowledged, acknowledged + 1)
        assert [int(row.id[1:]) for row in rows] == list(range(last, -1, -1))
        assert len(StateReader(folder).lines(None, None, 100000, 0)) == 2 * len(rows)
        store.close()
        following = last + 1
    assert kept(folder) == []


async def test_another_process_that_holds_the_file_is_waited_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A short hold, such as a backup's, is waited out; a long one is an error that may be tried again."""
    store = SqliteStore.open(folder, DAY, 10)
    other = sqlite3.connect(folder / FILE, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.3, other.execute, ["COMMIT"])
    release.start()
    await store.record("shop/dev", SUSPENDED, [step("waited")], 1.0)
    release.join()
    store.close()
    monkeypatch.setattr(state_file, "BUSY_TIMEOUT_S", 0.05)
    store = SqliteStore.open(folder, DAY, 10)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(WorldBad) as found:
        await store.record("shop/dev", StageMemory(), [step()], 1.0)
    assert found.value.reason == "StateBusy"
    other.execute("COMMIT")
    other.close()
    await store.record("shop/dev", StageMemory(), [step()], 1.0)
    assert await store.memory("shop/dev") == StageMemory()
    store.close()
