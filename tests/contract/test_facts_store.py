"""The state folder: what is remembered, reported, closed and forgotten, in SQLite and simulated (F2, F9)."""

import asyncio
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from controller.clients.state.reader import StateReader
from controller.clients.state.store import SqliteStore
from controller.core.catalog.types import Sourced
from controller.core.documents.spec import DeployRequest
from controller.core.model.memory import InstanceMemory, Quarantine, Rollout, StageMemory
from controller.core.model.status import Condition, InstanceStatus, StageStatus, Transition
from controller.interfaces import Store
from tests.contract.facts import fact
from tests.sim.call_border import Border, Life
from tests.sim.clock import SimClock, run_virtual
from tests.sim.faults import NoFaults
from tests.sim.store import Disk, SimStore

KEY = "shop/dev"
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
)
ENDS = ["succeeded", "rolledBack", "failed", "superseded"]


class Folder(ABC):
    """A state folder and the store that is open on it."""

    store: Store

    @abstractmethod
    def reopen(self) -> None:
        """The controller ends and is started again."""

    @abstractmethod
    def lose(self) -> None:
        """The folder is thrown away while the controller is down, and it is started again."""

    @abstractmethod
    def statuses(self) -> dict[str, StageStatus]:
        """What reading commands see."""

    @abstractmethod
    def rows(self) -> dict[str, tuple[str, str]]:
        """The history: rollout to stage and outcome."""


class SimulatedFolder(Folder):
    """The disk of the simulated world."""

    def __init__(self) -> None:
        self.border = Border(SimClock(), NoFaults())
        self.disk = Disk()
        self.reopen()

    def reopen(self) -> None:
        """Another life."""
        self.store = SimStore(self.border, Life(1), self.disk)

    def lose(self) -> None:
        """Wipe it."""
        self.disk.wipe()
        self.reopen()

    def statuses(self) -> dict[str, StageStatus]:
        """As they are."""
        return dict(self.disk.statuses)

    def rows(self) -> dict[str, tuple[str, str]]:
        """As they are."""
        return {name: (row.stage, row.status[0].lower() + row.status[1:]) for name, row in self.disk.rows.items()}


class RealFolder(Folder):
    """A folder with a SQLite file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = self.open = SqliteStore.open(path, 86400.0 * 90, 1000)

    def reopen(self) -> None:
        """Close it and open it."""
        self.open.close()
        self.store = self.open = SqliteStore.open(self.path, 86400.0 * 90, 1000)

    def lose(self) -> None:
        """Remove it."""
        self.open.close()
        shutil.rmtree(self.path)
        self.reopen()

    def statuses(self) -> dict[str, StageStatus]:
        """Beside the writer."""
        return StateReader(self.path).statuses()

    def rows(self) -> dict[str, tuple[str, str]]:
        """Beside the writer."""
        return {
            row.id: (row.key, row.status[0].lower() + row.status[1:])
            for row in StateReader(self.path).history(None, 100)
        }


class StoreSide:
    """Plays a fact on one of them."""

    def __init__(self, path: Path | None) -> None:
        self.path = path

    def play(self, body: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
        """Run one fact."""

        async def simulated() -> None:
            await body(SimulatedFolder())

        async def real(path: Path) -> None:
            folder = RealFolder(path)
            try:
                await body(folder)
            finally:
                folder.open.close()

        if self.path is None:
            run_virtual(simulated)
        else:
            asyncio.run(real(self.path))


@pytest.fixture(params=["simulated", "real"])
def side(request: pytest.FixtureRequest, tmp_path: Path) -> StoreSide:
    """Where a fact about the state folder is played."""
    return StoreSide(tmp_path / "state" if request.param == "real" else None)


def told(kind: str, rollout: str = "r1", **more: Any) -> Transition:
    """A transition of tag 1.0."""
    fields = {"tag": "1.0", "step": kind, "rollout_kind": "deploy", "revision": "v1", **more}
    return Transition(rollout=rollout, kind=kind, **fields)


def status(at: float, key: str = KEY, reason: str = "Gating", phase: str = "Gating") -> StageStatus:
    """A status as a pass reports it."""
    conditions = (Condition(type="Ready", status="False", reason=reason),)
    instances = (InstanceStatus(tag="1.0", phase=phase),)
    return StageStatus(key=key, conditions=conditions, instances=instances, observed_at=at)


def document(name: str) -> Sourced:
    """A document of a source."""
    spec = {"project": "shop", "stage": "dev", "tag": "2"}
    made = DeployRequest.model_validate({"metadata": {"name": name}, "spec": spec})
    return Sourced.of_file(made, "files:./desired", f"{name}.yaml")


@fact
async def test_nothing_is_known_of_a_stage_at_first(folder: Folder) -> None:
    """Its memory is blank."""
    assert await folder.store.memory(KEY) == StageMemory()
    assert await folder.store.stages() == ()


@pytest.mark.parametrize("again", [False, True])
@fact
async def test_memory_comes_back(folder: Folder, again: bool) -> None:
    """After a restart too."""
    await folder.store.record(KEY, MEMORY, [], 1.0)
    if again:
        folder.reopen()
    assert await folder.store.memory(KEY) == MEMORY


@fact
async def test_the_newest_memory_counts(folder: Folder) -> None:
    """All of the older one is gone."""
    await folder.store.record(KEY, MEMORY, [], 1.0)
    await folder.store.record(KEY, StageMemory(target="2.0"), [], 2.0)
    assert await folder.store.memory(KEY) == StageMemory(target="2.0")


@fact
async def test_stages_do_not_know_of_each_other(folder: Folder) -> None:
    """A name that begins alike is another stage's."""
    await folder.store.record(KEY, MEMORY, [], 1.0)
    assert await folder.store.memory(f"{KEY}-2") == StageMemory()


@fact
async def test_stages_are_those_remembered_and_those_reported(folder: Folder) -> None:
    """In the order of their names."""
    await folder.store.record("shop/b", MEMORY, [], 1.0)
    await folder.store.report(status(1.0, "shop/a"))
    await folder.store.report(status(1.0, "shop/b"))
    assert await folder.store.stages() == ("shop/a", "shop/b")


@pytest.mark.parametrize("again", [False, True])
@fact
async def test_the_newest_status_is_shown(folder: Folder, again: bool) -> None:
    """After a restart too."""
    await folder.store.report(status(1.0))
    await folder.store.report(status(2.0, reason="Verifying", phase="Verifying"))
    if again:
        folder.reopen()
    found = folder.statuses()[KEY]
    assert (found.conditions[0].reason, found.instances[0].phase, found.observed_at) == ("Verifying", "Verifying", 2.0)


@fact
async def test_a_status_that_differs_only_in_its_time_is_not_written(folder: Folder) -> None:
    """The older time stays."""
    await folder.store.report(status(1.0))
    await folder.store.report(status(2.0))
    assert folder.statuses()[KEY].observed_at == 1.0


@pytest.mark.parametrize(("reason", "since"), [("Gating", 1.0), ("Verifying", 2.0)])
@fact
async def test_a_condition_is_dated_from_its_change(folder: Folder, reason: str, since: float) -> None:
    """Whatever else changes (kstatus)."""
    await folder.store.report(status(1.0))
    await folder.store.report(status(2.0, reason=reason, phase="Verifying"))
    assert folder.statuses()[KEY].conditions[0].since == since


@fact
async def test_a_rollout_that_began_is_running(folder: Folder) -> None:
    """One row."""
    await folder.store.record(KEY, MEMORY, [told("started")], 1.0)
    assert folder.rows() == {"r1": (KEY, "running")}


@pytest.mark.parametrize("end", ENDS)
@fact
async def test_a_rollout_that_ended_tells_how(folder: Folder, end: str) -> None:
    """In the same record as its beginning, or later."""
    await folder.store.record(KEY, MEMORY, [told("started"), told("started", "r2"), told(end, "r2")], 1.0)
    await folder.store.record(KEY, MEMORY, [told(end)], 2.0)
    assert folder.rows() == {"r1": (KEY, end), "r2": (KEY, end)}


@fact
async def test_steps_and_notices_are_no_rollouts(folder: Folder) -> None:
    """They are lines of the log."""
    await folder.store.record(KEY, MEMORY, [told("step"), told("notice", "")], 1.0)
    assert folder.rows() == {}


@pytest.mark.parametrize("end", ENDS)
@fact
async def test_an_end_without_a_beginning_is_kept(folder: Folder, end: str) -> None:
    """The beginning was lost, the end was not."""
    await folder.store.record(KEY, MEMORY, [told(end)], 1.0)
    assert folder.rows() == {"r1": (KEY, end)}


@pytest.mark.parametrize("end", ENDS)
@fact
async def test_a_rollout_ends_once(folder: Folder, end: str) -> None:
    """Another end, or another beginning, changes nothing."""
    await folder.store.record(KEY, MEMORY, [told("started"), told(end)], 1.0)
    await folder.store.record(KEY, MEMORY, [told("failed"), told("succeeded"), told("started")], 2.0)
    assert folder.rows() == {"r1": (KEY, end)}


@fact
async def test_a_forgotten_stage_is_blank(folder: Folder) -> None:
    """Memory and status are gone, the others' are not."""
    for key in (KEY, "shop/prod"):
        await folder.store.record(key, MEMORY, [], 1.0)
        await folder.store.report(status(1.0, key))
    await folder.store.forget(KEY)
    assert await folder.store.memory(KEY) == StageMemory()
    assert (await folder.store.stages(), list(folder.statuses())) == (("shop/prod",), ["shop/prod"])


@fact
async def test_a_forgotten_stage_keeps_its_history(folder: Folder) -> None:
    """What was open in it ends as superseded, for nothing would ever end it."""
    await folder.store.record(KEY, MEMORY, [told("started"), told("started", "r2"), told("failed", "r2")], 1.0)
    await folder.store.record("shop/prod", MEMORY, [told("started", "r3")], 1.0)
    await folder.store.forget(KEY)
    assert folder.rows() == {"r1": (KEY, "superseded"), "r2": (KEY, "failed"), "r3": ("shop/prod", "running")}


@fact
async def test_to_forget_what_is_not_known_is_success(folder: Folder) -> None:
    """Nothing changes."""
    await folder.store.record(KEY, MEMORY, [], 1.0)
    await folder.store.forget("shop/prod")
    assert await folder.store.memory(KEY) == MEMORY


@fact
async def test_nothing_was_accepted_from_a_source_at_first(folder: Folder) -> None:
    """That is not the same as accepting that it is empty."""
    assert await folder.store.last_good("files:./desired") is None
    await folder.store.keep_good("files:./desired", ())
    assert await folder.store.last_good("files:./desired") == ()


@pytest.mark.parametrize("again", [False, True])
@fact
async def test_what_was_accepted_comes_back(folder: Folder, again: bool) -> None:
    """Source by source, after a restart too."""
    await folder.store.keep_good("files:./desired", (document("a"), document("b")))
    await folder.store.keep_good("files:./other", (document("c"),))
    if again:
        folder.reopen()
    assert await folder.store.last_good("files:./desired") == (document("a"), document("b"))
    assert await folder.store.last_good("files:./other") == (document("c"),)


@fact
async def test_the_newest_that_was_accepted_counts(folder: Folder) -> None:
    """What is no longer in it is gone."""
    await folder.store.keep_good("files:./desired", (document("a"), document("b")))
    await folder.store.keep_good("files:./desired", (document("b"),))
    assert await folder.store.last_good("files:./desired") == (document("b"),)


@fact
async def test_a_lost_folder_is_a_blank_one(folder: Folder) -> None:
    """Nothing is known, and everything can be recorded again (F9)."""
    await folder.store.record(KEY, MEMORY, [told("started")], 1.0)
    await folder.store.keep_good("files:./desired", (document("a"),))
    folder.lose()
    assert await folder.store.memory(KEY) == StageMemory()
    assert (await folder.store.stages(), folder.rows()) == ((), {})
    assert await folder.store.last_good("files:./desired") is None
    await folder.store.record(KEY, MEMORY, [told("started")], 1.0)
    assert (await folder.store.memory(KEY), folder.rows()) == (MEMORY, {"r1": (KEY, "running")})
