"""One pass: what it records, carries out, reports, and when it stops in the middle; on hand-written parts."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from controller.broadcast import Event, StatusReported
from controller.core.model.actions import Action, Operation, Pull
from controller.core.model.decision import Rules
from controller.core.model.desired import DesiredInstance, DesiredStage, Origin, SecretRef, StageKey, Template
from controller.core.model.errors import Unreachable, WorldBad
from controller.core.model.memory import StageMemory
from controller.core.model.observed import Container, RouteTable, SecretsSeen
from controller.core.model.status import StageStatus, Transition
from controller.reconcile import Reconciler
from controller.work.apply import Applier
from controller.work.container_snapshot import MAX_AGE_S, ContainerSnapshot
from controller.work.operations import Operations, Progress
from controller.work.route_writer import RouteWriter
from tests.sim.clock import SimClock, later, run_virtual

KEY = "shop/dev"


def stage(*tags: str) -> DesiredStage:
    """A stage of a worker, so that there are no routes."""
    items = tuple(DesiredInstance(tag, None, Origin("files:x", "x.yaml")) for tag in tags)
    return DesiredStage(KEY, "shop", "dev", template=Template("registry.test/shop"), instances=items)


class Bench:
    """A pass's surroundings; `events` is what happened, in order."""

    def __init__(self, desired: DesiredStage) -> None:
        self.clock = SimClock()
        self.desired = desired
        self.stopping = False
        self.events: list[str] = []
        self.memories: dict[StageKey, StageMemory] = {}
        self.reported: list[StageStatus] = []
        self.earlier: dict[StageKey, StageStatus] = {}
        self.containers: tuple[Container, ...] = ()
        self.batch = True
        self.on_action: Callable[[Action], None] = lambda action: None
        self.call_takes = 0.0
        self.record_fails = self.list_fails = self.report_fails = False
        operations = Operations(self._run, self.clock, lambda key: None, lambda key: None)
        self.operations = operations
        self.reconciler = Reconciler(
            desired=lambda key: self.desired,
            is_stopping=lambda: self.stopping,
            snapshot=ContainerSnapshot(self, self.clock),  # type: ignore[arg-type]
            route_writer=RouteWriter(self, self.clock),  # type: ignore[arg-type]
            operations=operations,
            secrets=self,  # type: ignore[arg-type]
            store=self,  # type: ignore[arg-type]
            applier=_Applier(self, operations),
            broadcast=self,  # type: ignore[arg-type]
            clock=self.clock,
            rules=Rules(),
            earlier=self.earlier,
        )

    def publish(self, event: Event) -> None:
        if isinstance(event, StatusReported):
            self.reported.append(event.status)

    async def _run(self, action: Operation, progress: Progress) -> Mapping[str, str]:
        await later(3600)
        return {}

    async def list(self, key: StageKey | None = None) -> tuple[Container, ...]:
        self.events.append(f"list {key}")
        if self.list_fails:
            raise Unreachable("no Engine")
        return self.containers

    async def unpause(self, container: Container) -> None:
        """Docker's part of it is not asked about here."""

    async def connect(self, container: Container) -> None:
        """Docker's part of it is not asked about here."""

    async def read(self) -> RouteTable:
        return RouteTable()

    async def look(self, refs: Sequence[SecretRef]) -> SecretsSeen:
        return SecretsSeen()

    async def memory(self, key: StageKey) -> StageMemory:
        return self.memories.get(key, StageMemory())

    async def record(self, key: StageKey, memory: StageMemory, lines: Sequence[Transition], now: float) -> None:
        if self.record_fails:
            raise WorldBad("disk full", reason="DiskFull")
        self.events.append("record")
        self.memories[key] = memory

    async def report(self, status: StageStatus) -> None:
        if self.report_fails:
            raise WorldBad("disk full", reason="DiskFull")
        self.events.append("report")

    async def forget(self, key: StageKey) -> None:
        self.events.append("forget")
        self.memories.pop(key, None)


class _Applier(Applier):
    """Writes down each action, and lets the test interfere."""

    def __init__(self, bench: Bench, operations: Operations) -> None:
        super().__init__(bench, bench, operations, lambda key: None)  # type: ignore[arg-type]
        self._bench = bench

    async def apply(self, stage: StageKey, action: Action) -> bool:
        self._bench.events.append(f"{type(action).__name__} {getattr(action, 'tag', '')}".strip())
        done = await super().apply(stage, action)
        await self._bench.clock.sleep(self._bench.call_takes)
        self._bench.on_action(action)
        return done


def play(desired: DesiredStage, scenario: Callable[[Bench], Any]) -> Bench:
    """Run a scenario in virtual time."""

    async def main() -> Bench:
        bench = Bench(desired)
        await scenario(bench)
        return bench

    return run_virtual(main)


def test_a_pass_records_before_it_acts_and_reports_at_the_end() -> None:
    """Intent is durable before the first effect; the status comes last."""

    async def scenario(bench: Bench) -> None:
        await bench.reconciler.reconcile(KEY)

    bench = play(stage("1.0"), scenario)
    assert bench.events == [f"list {KEY}", "record", "Pull 1.0", "report"]
    assert [status.key for status in bench.reported] == [KEY]


def test_a_pass_without_news_writes_nothing() -> None:
    """The second pass over an unchanged world records nothing and begins nothing."""

    async def scenario(bench: Bench) -> None:
        await bench.reconciler.reconcile(KEY)
        bench.events.clear()
        await bench.reconciler.reconcile(KEY)

    assert play(stage("1.0"), scenario).events == [f"list {KEY}", "report"]


def test_conditions_say_since_when_they_are_so() -> None:
    """The time is that of the first pass that saw it so, were it one of an earlier process."""

    async def scenario(bench: Bench) -> None:
        await bench.reconciler.reconcile(KEY)
        await later(60)
        await bench.reconciler.reconcile(KEY)

    first, second = play(stage("1.0"), scenario).reported
    assert {condition.since for condition in first.conditions} == {first.observed_at}
    assert second.conditions == first.conditions
    assert second.observed_at == first.observed_at + 60

    async def after_a_restart(bench: Bench) -> None:
        bench.earlier[KEY] = first.model_copy(update={"conditions": (old,)})
        await bench.reconciler.reconcile(KEY)

    old = first.conditions[0].model_copy(update={"since": 7.0})
    [status] = play(stage("1.0"), after_a_restart).reported
    assert status.conditions[0] == old


def test_an_intent_that_cannot_be_stored_has_no_effect() -> None:
    """With a full disk the pass fails before its first action."""

    async def scenario(bench: Bench) -> None:
        bench.record_fails = True
        with pytest.raises(WorldBad, match="disk full"):
            await bench.reconciler.reconcile(KEY)

    assert play(stage("1.0"), scenario).events == [f"list {KEY}"]


@pytest.mark.parametrize(
    ("seen", "passed", "done"),
    [
        ({"state": "exited", "exit_code": 137}, True, ["Start"]),
        ({"state": "paused"}, True, ["Unpause"]),
        ({"state": "running", "connected": False}, True, ["Connect"]),
        ({"state": "exited", "exit_code": 1}, False, []),
    ],
)
def test_what_has_passed_is_given_back_although_nothing_can_be_stored(
    seen: dict[str, Any], passed: bool, done: list[str]
) -> None:
    """With a full disk a container that served is started, unpaused or connected again, and nothing else is done."""
    container = Container("a" * 64, "shop-dev-1-0-abc-1", KEY, "1.0", "abc", "t", "", "sha256:1", 1, 1.0, passed=passed)

    async def scenario(bench: Bench) -> None:
        bench.containers = (replace(container, started_at=1.0, **seen),)
        bench.record_fails = True
        with pytest.raises(WorldBad, match="disk full"):
            await bench.reconciler.reconcile(KEY)

    assert play(stage("1.0"), scenario).events == [f"list {KEY}", *done]


def test_a_status_that_cannot_be_stored_hinders_nothing() -> None:
    """The actions are done and the status is known in memory."""

    async def scenario(bench: Bench) -> None:
        bench.report_fails = True
        await bench.reconciler.reconcile(KEY)

    bench = play(stage("1.0"), scenario)
    assert "Pull 1.0" in bench.events
    assert KEY in bench.reconciler.statuses


def test_a_world_that_cannot_be_seen_is_not_acted_on() -> None:
    """A look that fails raises; nothing is recorded or done."""

    async def scenario(bench: Bench) -> None:
        bench.list_fails = True
        with pytest.raises(Unreachable):
            await bench.reconciler.reconcile(KEY)

    assert play(stage("1.0"), scenario).events == [f"list {KEY}"]


def test_a_newer_declaration_stops_the_pass_between_two_actions() -> None:
    """What is left of the old plan is not issued, its status is not reported, and another pass follows at once."""

    async def scenario(bench: Bench) -> None:
        def edit(action: Action) -> None:
            bench.desired = stage("2.0")

        bench.on_action = edit
        assert await bench.reconciler.reconcile(KEY) == 0

    bench = play(stage("1.0", "1.1", "1.2"), scenario)
    assert [event for event in bench.events if event.startswith("Pull")] == ["Pull 1.0"]
    assert (bench.reported, "report" in bench.events) == ([], False)


@pytest.mark.parametrize(("seconds", "pulls"), [(0.1, 3), (40.0, 1)])
def test_a_call_that_keeps_the_pass_waiting_is_its_last(seconds: float, pulls: int) -> None:
    """Safety: what is left was decided on an old look, such as a route to an address that is somebody else's by now."""

    async def scenario(bench: Bench) -> None:
        bench.call_takes = seconds
        await bench.reconciler.reconcile(KEY)

    bench = play(stage("1.0", "1.1", "1.2"), scenario)
    assert len([event for event in bench.events if event.startswith("Pull")]) == pulls


def test_an_end_of_the_controller_stops_the_pass_between_two_actions() -> None:
    """After SIGTERM no further action of the pass is begun."""

    async def scenario(bench: Bench) -> None:
        bench.on_action = lambda action: setattr(bench, "stopping", True)
        await bench.reconciler.reconcile(KEY)

    bench = play(stage("1.0", "1.1", "1.2"), scenario)
    assert [event for event in bench.events if event.startswith("Pull")] == ["Pull 1.0"]


def test_a_stage_that_is_gone_is_forgotten() -> None:
    """Undeclared and with nothing left: memory and status go."""

    async def scenario(bench: Bench) -> None:
        await bench.reconciler.reconcile(KEY)
        bench.operations.cancel_all_but(KEY, frozenset())
        bench.desired = replace(stage(), declared=False)
        await bench.reconciler.reconcile(KEY)

    bench = play(stage("1.0"), scenario)
    assert bench.events[-1] == "forget"
    assert (bench.memories, dict(bench.reconciler.statuses)) == ({}, {})


def test_memory_is_changed_by_hand_only_between_passes() -> None:
    """`change_memory` waits for the pass that runs, and what it wrote is what the next pass reads."""

    async def scenario(bench: Bench) -> None:
        running = asyncio.create_task(bench.reconciler.reconcile(KEY))
        await asyncio.sleep(0)
        await bench.reconciler.change_memory(KEY, lambda memory: memory.model_copy(update={"suspended": True}))
        assert running.done()
        await running
        await bench.reconciler.reconcile(KEY)

    bench = play(stage("1.0"), scenario)
    assert bench.memories[KEY].suspended
    assert bench.memories[KEY].of("1.0").born > 0
    assert bench.reported[-1].instances[0].phase == "Suspended"


def test_one_list_of_everything_serves_the_passes_after_it_until_something_is_touched() -> None:
    """Untouched stages are not listed again; a touched one is, also when it was touched while the list was made."""

    async def main() -> None:
        bench = Bench(stage("1.0"))
        snapshot = ContainerSnapshot(bench, bench.clock)  # type: ignore[arg-type]
        await snapshot.list_all()
        await snapshot.of_stage("a/x")
        await snapshot.of_stage("b/x")
        snapshot.mark_changed("b/x")
        await snapshot.of_stage("a/x")
        await snapshot.of_stage("b/x")
        assert bench.events == ["list None", "list b/x"]
        listing = bench.list

        async def slow(key: StageKey | None = None) -> tuple[Container, ...]:
            await later(1)
            return await listing(key)

        bench.list = slow  # type: ignore[method-assign]
        asyncio.get_running_loop().call_later(0.5, snapshot.mark_changed, "a/x")
        await snapshot.list_all()
        bench.events.clear()
        await snapshot.of_stage("a/x")
        await snapshot.of_stage("b/x")
        assert bench.events == ["list a/x"]
        await later(MAX_AGE_S)
        await snapshot.of_stage("b/x")
        assert bench.events == ["list a/x", "list b/x"]

    run_virtual(main)


def test_a_stage_with_a_container_that_was_not_seen_is_looked_at_by_itself() -> None:
    """Safety: no pass decides on half a look; the other stages have theirs from the list of everything."""

    async def main() -> None:
        bench = Bench(stage("1.0"))
        snapshot = ContainerSnapshot(bench, bench.clock)  # type: ignore[arg-type]
        container = Container(
            "a" * 64, "shop-dev-1-0-abc-1", KEY, "1.0", "abc", "t", "", "sha256:1", 1, 1.0, unseen=True
        )
        bench.containers = (container, replace(container, stage="a/x", unseen=False))
        await snapshot.list_all()
        await snapshot.of_stage("a/x")
        await snapshot.of_stage(KEY)
        assert bench.events == ["list None", f"list {KEY}"]

    run_virtual(main)


def test_pull_is_the_first_action_of_these_stages() -> None:
    """The tests above rest on it: a tag without anything begins with its pull."""

    async def scenario(bench: Bench) -> None:
        seen: list[Action] = []
        bench.on_action = seen.append
        await bench.reconciler.reconcile(KEY)
        assert [type(action) for action in seen] == [Pull, Pull]

    play(stage("1.0", "1.1"), scenario)
