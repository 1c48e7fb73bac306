"""The state file of another schema version: an older one is migrated, a newer one is refused and left as it is."""

import sqlite3
from pathlib import Path

import pytest

from controller.clients.state import file as state_file
from controller.clients.state.file import FILE
from controller.clients.state.reader import StateReader
from controller.clients.state.schema import TABLES, VERSIONS
from controller.clients.state.store import SqliteStore
from controller.core.model.errors import Locked, WorldBad
from controller.core.model.memory import StageMemory
from controller.core.model.status import Transition

MEMORY = StageMemory(suspended=True)
NEXT = ("CREATE TABLE later (key TEXT PRIMARY KEY)", "ALTER TABLE line ADD COLUMN later TEXT NOT NULL DEFAULT ''")
BROKEN = ("ALTER TABLE line ADD COLUMN later TEXT", "ALTER TABLE missing ADD COLUMN later TEXT")


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """A state folder of this version with one stage and one line in it, closed."""
    path = tmp_path / "state"
    store = SqliteStore.open(path, 86400.0, 10)
    note = Transition(rollout="r1", tag="1.0", kind="started", step="pull", message="begun", rollout_kind="deploy")
    await store.record("shop/dev", MEMORY, [note], 1.0)
    store.close()
    return path


@pytest.fixture
def upgraded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The program as its next version will be, one schema version later; the folder was made before."""
    assert folder.exists()
    monkeypatch.setattr(state_file, "VERSIONS", (*VERSIONS, NEXT))
    monkeypatch.setattr(state_file, "TABLES", TABLES | {"later"})
    return monkeypatch


def version(folder: Path) -> int:
    """Schema version of the file."""
    db = sqlite3.connect(folder / FILE)
    found = int(db.execute("PRAGMA user_version").fetchone()[0])
    db.close()
    return found


def columns(folder: Path) -> list[str]:
    """Columns of the log."""
    db = sqlite3.connect(folder / FILE)
    names = [row[1] for row in db.execute("PRAGMA table_info(line)")]
    db.close()
    return names


def corrupt(folder: Path) -> list[str]:
    """Files that were moved aside."""
    return [path.name for path in folder.iterdir() if "corrupt" in path.name]


@pytest.mark.usefixtures("upgraded")
async def test_the_writer_migrates_an_older_file(folder: Path) -> None:
    """Everything that was recorded is still there, in the tables of the new version, and records go on."""
    assert version(folder) == len(VERSIONS)
    store = SqliteStore.open(folder, 86400.0, 10)
    assert await store.memory("shop/dev") == MEMORY
    await store.record("shop/prod", MEMORY, [], 2.0)
    store.close()
    assert (version(folder), columns(folder)[-1]) == (len(VERSIONS) + 1, "later")
    assert [row.id for row in StateReader(folder).history(None, 10)] == ["r1"]
    assert StateReader(folder).stages() == ("shop/dev", "shop/prod")
    assert corrupt(folder) == []


@pytest.mark.usefixtures("upgraded")
def test_a_reader_reads_an_older_file_without_a_change_to_it(folder: Path) -> None:
    """The new program shows what a controller of the older version still writes."""
    content = (folder / FILE).read_bytes()
    reader = StateReader(folder)
    assert reader.memory("shop/dev") == MEMORY
    assert [line.message for line in reader.lines("shop", None, 10, 0)] == ["begun"]
    assert (folder / FILE).read_bytes() == content
    assert version(folder) == len(VERSIONS)


async def test_a_migration_that_fails_leaves_the_file_as_it_was(folder: Path, upgraded: pytest.MonkeyPatch) -> None:
    """All statements are one transaction: the version before can go on with the file."""
    upgraded.setattr(state_file, "VERSIONS", (*VERSIONS, BROKEN))
    before = columns(folder)
    with pytest.raises(WorldBad, match="cannot be used: no such table: missing"):
        SqliteStore.open(folder, 86400.0, 10)
    assert (version(folder), columns(folder)) == (len(VERSIONS), before)
    upgraded.undo()
    store = SqliteStore.open(folder, 86400.0, 10)
    assert await store.memory("shop/dev") == MEMORY
    store.close()


async def test_the_version_before_refuses_the_migrated_file(folder: Path, upgraded: pytest.MonkeyPatch) -> None:
    """A downgrade is told in plain words what the file is and what to do; nothing is moved aside or changed."""
    SqliteStore.open(folder, 86400.0, 10).close()
    upgraded.undo()
    content = (folder / FILE).read_bytes()
    sentence = (
        f"{folder / FILE} was written by a newer version of Holdfast (schema {len(VERSIONS) + 1}, this one knows "
        f"{len(VERSIONS)}); use that version, or another state.path"
    )
    for ask in (lambda: SqliteStore.open(folder, 86400.0, 10), StateReader(folder).statuses):
        with pytest.raises(Locked) as caught:
            ask()
        assert (caught.value.message, caught.value.reason) == (sentence, "NewerState")
    assert (folder / FILE).read_bytes() == content
