"""The store on a real SQLite file: what is recorded is read back, bounded, told apart by stage and never twice."""

import asyncio
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from controller.clients.state.file import FILE
from controller.clients.state.reader import StateReader
from controller.clients.state.store import SqliteStore
from controller.core.catalog.types import Sourced
from controller.core.documents.spec import DeployRequest, Project
from controller.core.model.desired import Origin
from controller.core.model.memory import InstanceMemory, Quarantine, Rollout, StageMemory
from controller.core.model.status import Condition, InstanceStatus, StageStatus, Transition

DAY = 86400.0
MEMORY = StageMemory(
    instances={
        "1.0": InstanceMemory(
            born=1.5,
            digest="sha256:ab",
            attempts={"v1": 2},
            passed=("v1",),
            quarantine=Quarantine(revision="v2", reason="GateFailed", message="status 503", at=2.0, logs=("boom",)),
            rollout=Rollout(id="r1", kind="deploy", revision="v2", started_at=1.0),
        )
    },
    draining={"f" * 64: 3.0},
    suspended=True,
    retries={"1.0": 4.0},
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A state folder that is not there yet."""
    return tmp_path / "state"


@pytest.fixture
def store(folder: Path) -> Iterator[SqliteStore]:
    """An open store that keeps 90 days and 1000 rollouts."""
    store = SqliteStore.open(folder, 90 * DAY, 1000)
    yield store
    store.close()


@pytest.fixture
def reader(folder: Path) -> StateReader:
    """A reader beside it."""
    return StateReader(folder)


def transition(kind: str, rollout: str = "r1", **more: Any) -> Transition:
    """A transition of tag 1.0."""
    fields = {"tag": "1.0", "step": kind, "rollout_kind": "deploy", "revision": "v1", **more}
    return Transition(rollout=rollout, kind=kind, **fields)


def status(observed_at: float, *, ready: str = "False", reason: str = "Gating", **more: Any) -> StageStatus:
    """A status of shop/dev with one condition."""
    condition = Condition(type="Ready", status=ready, reason=reason, message=str(more.pop("message", "")))
    return StageStatus(key="shop/dev", conditions=(condition,), observed_at=observed_at, **more)


async def mail(store: SqliteStore, target: str) -> list[str]:
    """Ids that a target still waits for."""
    return [item.id for item in await store.outbox(target, 100)]


def modes(folder: Path) -> tuple[int, set[int]]:
    """Permissions of the folder, and of what is in it."""
    return stat.S_IMODE(folder.stat().st_mode), {stat.S_IMODE(item.stat().st_mode) for item in folder.iterdir()}


async def test_memory_comes_back_after_a_restart(folder: Path) -> None:
    """What was recorded is what the next process remembers; an unknown stage is blank."""
    first = SqliteStore.open(folder, DAY, 10)
    await first.record("shop/dev", MEMORY, [], 1.0)
    first.close()
    second = SqliteStore.open(folder, DAY, 10)
    assert await second.memory("shop/dev") == MEMORY
    assert await second.memory("shop/prod") == StageMemory()
    second.close()


async def test_the_folder_and_the_files_are_private(store: SqliteStore, folder: Path) -> None:
    """Nobody but the owner may look into the folder or any file of the store."""
    await store.record("shop/dev", MEMORY, [transition("started")], 1.0)
    assert modes(folder) == (0o700, {0o600})


async def test_a_rollout_is_one_history_row_and_all_its_lines(store: SqliteStore, reader: StateReader) -> None:
    """The row opens with the start, closes with the end, and the log has every step in order with its data."""
    await store.record(
        "shop/dev", MEMORY, [transition("started"), transition("step", step="pull", data={"size": 7})], 10.0
    )
    (row,) = reader.history("shop/dev", 10)
    assert (row.id, row.status, row.started_at, row.ended_at) == ("r1", "Running", 10.0, None)
    end = transition("rolledBack", reason="GateFailed", message="status 503 three times", level="error")
    await store.record("shop/dev", MEMORY, [end], 20.0)
    (row,) = reader.history("shop/dev", 10)
    assert (row.status, row.started_at, row.ended_at) == ("RolledBack", 10.0, 20.0)
    assert (row.kind, row.tag, row.revision) == ("deploy", "1.0", "v1")
    assert (row.reason, row.message) == ("GateFailed", "status 503 three times")
    lines = reader.lines("shop/dev", "r1", 10, 0)
    assert [(item.time, item.level, item.step) for item in lines] == [
        (10.0, "info", "started"),
        (10.0, "info", "pull"),
        (20.0, "error", "rolledBack"),
    ]
    assert lines[1].data == {"size": 7}


async def test_the_row_tells_of_the_revision_that_the_rollout_ended_with(
    store: SqliteStore, reader: StateReader
) -> None:
    """A digest pinned on the way makes another revision of it; an end that names none leaves the row as it was."""
    await store.record("shop/dev", MEMORY, [transition("started", "r1"), transition("started", "r2")], 1.0)
    ends = [transition("succeeded", "r1", revision="v2"), transition("failed", "r2", revision="")]
    await store.record("shop/dev", MEMORY, ends, 2.0)
    assert {row.id: row.revision for row in reader.history(None, 10)} == {"r1": "v2", "r2": "v1"}


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [("succeeded", "Succeeded"), ("rolledBack", "RolledBack"), ("failed", "Failed"), ("superseded", "Superseded")],
)
async def test_a_closed_row_stays_closed(store: SqliteStore, reader: StateReader, kind: str, outcome: str) -> None:
    """The same records once more, or another end, change nothing; a lost start does not lose the row."""
    await store.record("shop/dev", MEMORY, [transition(kind)], 5.0)
    await store.record("shop/dev", MEMORY, [transition("started"), transition("failed")], 9.0)
    (row,) = reader.history(None, 10)
    assert (row.status, row.started_at, row.ended_at) == (outcome, 5.0, 5.0)


async def test_prefixes_are_segments(store: SqliteStore, reader: StateReader) -> None:
    """`shop` finds shop/dev and never shopper/dev, shop-2/dev or a stage whose name only begins alike."""
    for number, key in enumerate(("shop/dev", "shop/dev2", "shopper/dev", "shop-2/dev", "SHOP/dev", "sho_/dev")):
        await store.record(key, StageMemory(), [transition("started", f"r{number}")], float(number))
    assert {row.key for row in reader.history("shop", 10)} == {"shop/dev", "shop/dev2"}
    assert {row.key for row in reader.history("shop/dev", 10)} == {"shop/dev"}
    assert {item.key for item in reader.lines("sho_", None, 10, 0)} == {"sho_/dev"}
    assert reader.history("shop/d", 10) == []
    assert [row.id for row in reader.history(None, 2)] == ["r5", "r4"]


async def test_lines_are_the_newest_or_those_after_an_id(store: SqliteStore, reader: StateReader) -> None:
    """Without a place: the newest in their order; with one: what follows, so that a follower misses nothing."""
    for number in range(6):
        await store.record("shop/dev", StageMemory(), [transition("step", f"r{number % 2}", message=str(number))], 1.0)
    newest = reader.lines("shop/dev", None, 2, 0)
    assert [item.message for item in newest] == ["4", "5"]
    assert [item.message for item in reader.lines(None, None, 2, newest[0].id - 3)] == ["2", "3"]
    assert [item.message for item in reader.lines(None, "r1", 10, 0)] == ["1", "3", "5"]
    assert reader.lines(None, None, 10, newest[-1].id) == []


async def test_history_is_bounded_by_count(folder: Path) -> None:
    """The oldest closed rollouts go, with their lines; an open one stays."""
    store = SqliteStore.open(folder, 90 * DAY, 3)
    await store.record("shop/dev", StageMemory(), [transition("started", "open")], 0.0)
    for number in range(6):
        await store.record(
            "shop/dev", StageMemory(), [transition("started", f"r{number}"), transition("succeeded", f"r{number}")], 1.0
        )
    assert [row.id for row in StateReader(folder).history(None, 100)] == ["r5", "r4", "r3", "open"]
    assert {item.rollout for item in StateReader(folder).lines(None, None, 100, 0)} == {"open", "r3", "r4", "r5"}
    for _ in range(200):
        await store.record("shop/dev", StageMemory(), [transition("notice", "", message="noise")], 2.0)
    assert len(StateReader(folder).lines(None, None, 1000, 0)) == 150
    store.close()


async def test_history_is_bounded_by_age(folder: Path) -> None:
    """What ended, or was said, longer ago than the settings keep goes."""
    store = SqliteStore.open(folder, 10.0, 1000)
    await store.record("shop/dev", StageMemory(), [transition("started", "old"), transition("failed", "old")], 100.0)
    await store.record("shop/dev", StageMemory(), [transition("notice", "")], 105.0)
    await store.record("shop/dev", StageMemory(), [transition("started", "new")], 112.0)
    assert [row.id for row in StateReader(folder).history(None, 10)] == ["new"]
    assert [item.time for item in StateReader(folder).lines(None, None, 10, 0)] == [105.0, 112.0]
    store.close()


async def test_a_condition_is_dated_from_its_change(store: SqliteStore, reader: StateReader) -> None:
    """`since` stays while status and reason do, whatever the message says, and moves when one of them changes."""

    async def since(found: StageStatus) -> float:
        await store.report(found)
        return reader.statuses()["shop/dev"].conditions[0].since

    assert await since(status(10.0)) == 10.0
    assert await since(status(20.0, message="attempt 2")) == 10.0
    assert await since(status(30.0, reason="Verifying")) == 30.0
    assert await since(status(40.0, ready="True", reason="Verifying")) == 40.0
    assert await since(status(50.0, ready="True", reason="Verifying")) == 40.0


async def test_an_equal_status_is_not_written(store: SqliteStore, folder: Path) -> None:
    """A pass that found everything as before writes nothing, and neither does an equal record."""
    await store.report(status(10.0, instances=(InstanceStatus(tag="1.0", phase="Running"),)))
    await store.record("shop/dev", MEMORY, [], 10.0)
    before = (folder / f"{FILE}-wal").read_bytes()
    await store.report(status(20.0, instances=(InstanceStatus(tag="1.0", phase="Running"),)))
    await store.record("shop/dev", MEMORY, [], 20.0)
    assert (folder / f"{FILE}-wal").read_bytes() == before
    await store.report(status(30.0, instances=(InstanceStatus(tag="1.0", phase="Degraded"),)))
    assert StateReader(folder).statuses()["shop/dev"].instances[0].phase == "Degraded"


async def test_a_forgotten_stage_keeps_its_history(store: SqliteStore, reader: StateReader) -> None:
    """Memory and status go, the history stays and nothing in it stays open for ever."""
    await store.record("shop/dev", MEMORY, [transition("started")], 1.0)
    await store.record("shop/prod", MEMORY, [transition("started", "r2")], 1.0)
    await store.report(status(1.0))
    await store.forget("shop/dev")
    assert await store.memory("shop/dev") == StageMemory()
    assert reader.statuses() == {}
    assert {row.key: row.status for row in reader.history(None, 10)} == {
        "shop/dev": "Superseded",
        "shop/prod": "Running",
    }
    assert await store.memory("shop/prod") == MEMORY


async def test_last_good_documents_come_back_as_they_were_written(store: SqliteStore) -> None:
    """Documents are equal after a restart, with what was written and what was left out still told apart."""
    project = Project.model_validate(
        {
            "metadata": {"name": "shop"},
            "spec": {
                "image": "registry.example.com/shop",
                "port": 8080,
                "healthCheck": {"retries": 3},
                "env": [{"name": "P", "valueFrom": {"file": "shop-db"}}],
                "stages": [{"name": "dev", "instances": [{"tag": "1.10"}], "route": {"forceTLS": True}}],
            },
        }
    )
    request = DeployRequest.model_validate(
        {"metadata": {"name": "x"}, "spec": {"project": "shop", "stage": "dev", "tag": "2"}}
    )
    documents = (
        Sourced.of_file(project, "files:./desired", "a.yaml", 3),
        Sourced(request, Origin("files:./desired", "b.yaml", 1, "DeployRequest", "", "x", 7, "3f9c2a1", "ada")),
    )
    await store.keep_good("files:./desired", documents)
    found = await store.last_good("files:./desired")
    assert found == documents
    kept = found[0].document.spec
    assert kept.model_dump(exclude_unset=True) == project.spec.model_dump(exclude_unset=True)
    assert await store.last_good("files:./other") is None
    await store.keep_good("files:./desired", ())
    assert await store.last_good("files:./desired") == ()


async def test_the_outbox_holds_what_somebody_wants_to_hear_once(store: SqliteStore) -> None:
    """Ends of rollouts and errors go out, once each; steps, warnings and superseded rollouts do not."""
    events = ("success", "failure", "rollback")
    await store.set_targets({"all": events, "bad": ("failure",)}, 0.0)
    told_once = [
        transition("started"),
        transition("step"),
        transition("succeeded"),
        transition("superseded", "r2"),
        transition("failed", "r3"),
    ]
    told_once += [
        transition("rolledBack", "r4"),
        transition("notice", "", level="warning"),
        transition("notice", "", level="error"),
    ]
    await store.record("shop/dev", StageMemory(), told_once, 1.0)
    first = await store.outbox("all", 100)
    assert [item.event for item in first] == ["success", "failure", "rollback", "failure"]
    assert [item.event for item in await store.outbox("bad", 100)] == ["failure", "failure"]
    await store.record("shop/dev", StageMemory(), [transition("succeeded"), transition("rolledBack", "r4")], 2.0)
    assert await store.outbox("all", 100) == first
    await store.record("shop/dev", StageMemory(), [transition("notice", "", level="error")], 3.0)
    assert len(await store.outbox("all", 100)) == 5


async def test_each_target_gets_its_own_way_through_the_outbox(store: SqliteStore) -> None:
    """A delivery to one target says nothing of another; a new target gets only what comes after it."""
    await store.set_targets({"a": ("success",), "b": ("success",)}, 0.0)
    await store.record("shop/dev", StageMemory(), [transition("succeeded", "r1"), transition("succeeded", "r2")], 1.0)
    one, two = (item.id for item in await store.outbox("a", 10))
    await store.mark_delivered(one, "a")
    await store.postpone(two, "b", 50.0, 3)
    assert await mail(store, "a") == [two]
    assert [(item.id, item.failures, item.next_at) for item in await store.outbox("b", 10)] == [
        (one, 0, 0.0),
        (two, 3, 50.0),
    ]
    await store.set_targets({"b": ("success",), "c": ("success",)}, 5.0)
    assert await mail(store, "a") == []
    assert await mail(store, "b") == [one, two]
    assert await mail(store, "c") == []
    await store.record("shop/dev", StageMemory(), [transition("succeeded", "r3")], 6.0)
    assert len(await mail(store, "b")) == 3
    assert len(await mail(store, "c")) == 1


async def test_the_outbox_is_bounded(store: SqliteStore, capsys: pytest.CaptureFixture[str]) -> None:
    """A target that is dead for long costs at most a thousand items, and the log says what was dropped."""
    await store.set_targets({"a": ("failure",)}, 0.0)
    await store.record("shop/dev", StageMemory(), [transition("failed", f"r{number}") for number in range(1005)], 1.0)
    assert len(await store.outbox("a", 2000)) == 1000
    assert "notifications dropped, the outbox is full count=5" in capsys.readouterr().err


async def test_many_stages_record_side_by_side(store: SqliteStore, reader: StateReader) -> None:
    """Concurrent records of many stages are all there, and ids grow without a gap."""
    keys = [f"p{number}/dev" for number in range(40)]
    await asyncio.gather(*(store.record(key, MEMORY, [transition("started", key)], 1.0) for key in keys))
    assert {row.key for row in reader.history(None, 100)} == set(keys)
    assert [item.id for item in reader.lines(None, None, 100, 0)] == list(range(1, 41))


async def test_listeners_hear_of_transitions(store: SqliteStore) -> None:
    """Whoever delivers the outbox is woken by a record with transitions, and by no other."""
    heard: list[int] = []
    store.listen(lambda: heard.append(len(heard)))
    await store.record("shop/dev", MEMORY, [], 1.0)
    assert heard == []
    await store.record("shop/dev", MEMORY, [transition("failed")], 1.0)
    assert heard == [0]
