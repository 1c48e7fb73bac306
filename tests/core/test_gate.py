"""The gate's rule, the watch afterwards and the one-off container, on scripted containers in virtual time."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from controller.core.actions import ContainerSpec, Gate, RunPreDeploy, Watch
from controller.core.desired import Check, Env, SecretRef
from controller.core.errors import HoldfastError, RevisionBad, Unreachable, WorldBad
from controller.core.observed import Container, SecretsSeen
from controller.gate import Gatekeeper
from controller.hints import Hints
from controller.interfaces import Probe
from controller.liveness import Watcher
from controller.operations import Operation, Operations, Progress
from controller.predeploy import PreDeployer
from tests.sim.clock import EPOCH, SimClock, run_virtual

NEW = Container(
    id="a" * 64, name="shop-dev-2-r2-1", stage="shop/dev", tag="2", revision="r2", template="", secrets="", digest="",
    attempt=1, born=0, state="running", started_at=EPOCH, address="10.0.0.2",
)  # fmt: skip
OLD = replace(NEW, id="b" * 64, name="shop-dev-1-r1-1", tag="1", address="10.0.0.1", passed=True)
OK = Probe(True, "status 200")
REFUSED = Probe(False, "connection refused", refused=True)
BAD = Probe(False, "status 503")
CHECK = Check(port=80, retries=3, interval=5, timeout=10)

Script = Callable[[float], Any]


class World:
    """One Engine with scripted containers: what each is, and what it answers, by the seconds since the beginning."""

    def __init__(self) -> None:
        self.clock = SimClock()
        self.hints = Hints()
        self.containers: dict[str, Script] = {NEW.id: lambda t: NEW, OLD.id: lambda t: OLD}
        self.answers: dict[str, Script] = {NEW.id: lambda t: OK, OLD.id: lambda t: OK}
        self.asked: list[tuple[str, float]] = []
        self.log_lines: tuple[str, ...] = ("starting", "cannot open the database")
        self.made: list[str] = []
        self.stopped: list[str] = []

    async def inspect(self, container_id: str) -> Container | None:
        found = self.containers[container_id](self.clock.monotonic())
        if isinstance(found, HoldfastError):
            raise found
        return found  # type: ignore[no-any-return]

    async def list(self, stage: str) -> tuple[Container, ...]:
        found = [await self.inspect(container_id) for container_id in self.containers]
        return tuple(item for item in found if item is not None and item.stage == stage)

    async def probe(self, check: Check, container: Container) -> Probe:
        now = self.clock.monotonic()
        self.asked.append((container.address or "", now))
        found = self.answers[container.id](now)
        if isinstance(found, float):  # it hangs
            await asyncio.sleep(min(found, check.timeout))
            return Probe(False, f"no answer within {check.timeout:g} s")
        return found  # type: ignore[no-any-return]

    async def logs(self, container: Container, tail: int) -> tuple[str, ...]:
        return self.log_lines[-tail:]

    async def create(self, spec: ContainerSpec, values: Mapping[SecretRef, str]) -> str:
        self.made.append(f"create {spec.name} with {sorted(values.values())}")
        return NEW.id

    async def start(self, container: Container) -> None:
        self.made.append(f"start {container.name}")
        self.containers[NEW.id] = lambda t: replace(NEW, started_at=self.clock.now())

    async def stop(self, container: Container, grace: float) -> None:
        self.stopped.append(container.name)

    async def look(self, refs: Sequence[SecretRef]) -> SecretsSeen:
        return SecretsSeen()

    async def resolve(self, refs: Sequence[SecretRef]) -> Mapping[SecretRef, str]:
        return {ref: f"value of {ref.name}" for ref in refs}

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the code under test must not call {name}")


class Run:
    """One operation on this world: `end` is when it ended, `error` how, `notes` what it told on the way."""

    def __init__(self, world: World, work: Callable[[Any, Progress], Any], action: Any) -> None:
        self.world = world
        self.notes: list[str] = []
        self.woken: list[float] = []
        self.end: float | None = None
        self.error: BaseException | None = None
        self._work = work
        self.operations = Operations(self._run, world.clock, self._woke, self._told)
        self.operations.start("shop/dev", action)
        self.key = action.key

    async def _run(self, action: Operation, progress: Progress) -> Mapping[str, str]:
        try:
            return await self._work(action, progress) or {}
        except BaseException as error:
            self.error = error
            raise
        finally:
            self.end = self.world.clock.monotonic()

    def _woke(self, stage: str) -> None:
        self.woken.append(self.world.clock.monotonic())

    def _told(self, stage: str) -> None:
        self.notes.append(self.operations.facts(stage)[self.key].note)

    @property
    def data(self) -> Mapping[str, str]:
        return self.operations.facts("shop/dev")[self.key].data


def gate(
    world: World,
    check: Check = CHECK,
    deadline: float = 600,
    control: Container | None = None,
    item: Container = NEW,
) -> Run:
    keeper = Gatekeeper(world, world, world.clock, world.hints)  # type: ignore[arg-type]
    return Run(world, keeper.decide, Gate(item, check, EPOCH + deadline, control, "is new", "gate:a"))


def gate_end(
    check: Check = CHECK,
    *,
    answer: Script = lambda t: OK,
    container: Script | None = None,
    item: Container = NEW,
    deadline: float = 600,
    control: Container | None = None,
    old_answer: Script = lambda t: OK,
    old: Script = lambda t: OLD,
) -> tuple[Run, World]:
    """Run a gate to its end."""
    found: list[tuple[Run, World]] = []

    async def main() -> None:
        world = World()
        world.answers |= {NEW.id: answer, OLD.id: old_answer}
        world.containers |= {NEW.id: container or (lambda t: item), OLD.id: old}
        found.append((gate(world, check, deadline, control, item), world))
        await asyncio.sleep(2000)

    run_virtual(main)
    assert found[0][0].end is not None, "the gate never ended"
    return found[0]


def bad(run: Run) -> RevisionBad:
    assert isinstance(run.error, RevisionBad), run.error
    return run.error


def test_one_good_answer_passes_at_once() -> None:
    """A container that answers passes with one probe and no waiting."""
    run, world = gate_end()
    assert (run.error, run.end) == (None, 0)
    assert world.asked == [("10.0.0.2", 0)]


def test_a_port_that_refuses_is_asked_again_inside_the_attempt() -> None:
    """An app that listens after 0.7 s passes within a quarter of a second of that, in its first attempt."""
    run, _ = gate_end(answer=lambda t: REFUSED if t < 0.7 else OK)
    assert run.error is None
    assert run.end is not None
    assert 0.7 <= run.end <= 0.95
    assert run.notes == ["attempt 1 of 3: connection refused, asked again"]


def test_three_refused_attempts_fail_it() -> None:
    """A port that never listens: three attempts of 10 s with 5 s between them, then the last lines tell why."""
    run, world = gate_end(answer=lambda t: REFUSED)
    assert run.end is not None
    assert 39 < run.end <= 40
    assert (bad(run).reason, bad(run).message) == (
        "HealthCheckFailed",
        "3 attempts: connection refused for 10 s",
    )
    assert bad(run).logs == world.log_lines


def test_bad_answers_are_attempts() -> None:
    """Each bad answer ends its attempt at once; the third ends the gate, after two pauses."""
    run, world = gate_end(answer=lambda t: BAD)
    assert run.end == 10
    assert [at for _, at in world.asked] == [0, 5, 10]
    assert bad(run).message == "3 attempts: status 503"
    assert run.notes == ["attempt 1 of 3: status 503", "attempt 2 of 3: status 503", "attempt 3 of 3: status 503"]


def test_a_hanging_answer_lasts_one_timeout() -> None:
    """An app that never answers a connection costs the timeout per attempt, no more."""
    run, _ = gate_end(replace(CHECK, retries=2), answer=lambda t: 1e9)
    assert run.end == 25
    assert bad(run).reason == "HealthCheckFailed"


def test_the_start_period_comes_first_and_counts_from_the_start() -> None:
    """Nothing is asked before startPeriod is over; a container that is older gets only what is left."""
    run, world = gate_end(replace(CHECK, start_period=30))
    assert (run.error, world.asked) == (None, [("10.0.0.2", 30)])
    run, _ = gate_end(replace(CHECK, start_period=30), item=replace(NEW, started_at=EPOCH - 20))
    assert (run.error, run.end) == (None, 10)


def test_a_clock_that_is_ahead_never_lengthens_the_start_period() -> None:
    """A start in the future (the Engine's clock is ahead by an hour) waits for startPeriod and no longer."""
    run, _ = gate_end(replace(CHECK, start_period=30), item=replace(NEW, started_at=EPOCH + 3600))
    assert (run.error, run.end) == (None, 30)


def test_successes_must_come_in_a_row() -> None:
    """With successThreshold 3 a failure in between begins the count anew, and is an attempt."""
    answers = [OK, OK, BAD, OK, OK, OK]
    run, world = gate_end(replace(CHECK, success_threshold=3), answer=lambda t: answers[int(t // 5)])
    assert (run.error, run.end) == (None, 25)
    assert len(world.asked) == 6


@pytest.mark.parametrize(
    ("after", "reason", "words"),
    [
        (replace(NEW, state="exited", exit_code=3, address=None), "Exited", "it exited with code 3"),
        (
            replace(NEW, state="exited", exit_code=137, oom_killed=True, address=None),
            "Exited",
            "it exited with code 137 (out of memory)",
        ),
        (replace(NEW, state="restarting", restart_count=1), "Restarted", "it was restarted before it passed"),
        (replace(NEW, started_at=EPOCH + 2), "Restarted", "it was restarted before it passed"),
        (replace(NEW, health="unhealthy"), "Unhealthy", "the image's HEALTHCHECK says unhealthy"),
    ],
    ids=["exit", "memory", "restarting", "restarted", "unhealthy"],
)
def test_what_ends_it_at_once(after: Container, reason: str, words: str) -> None:
    """An exit, a restart or `unhealthy` at 2 s ends the gate within a second, while the attempt still goes on."""
    run, world = gate_end(answer=lambda t: REFUSED, container=lambda t: NEW if t < 2 else after)
    assert run.end is not None
    assert 2 <= run.end <= 3.01
    assert (bad(run).reason, bad(run).message, bad(run).logs) == (reason, words, world.log_lines)


def test_a_hint_of_docker_ends_it_without_waiting_for_the_next_look() -> None:
    """The exit is seen in the moment Docker tells of it."""
    ends: list[float | None] = []

    async def main() -> None:
        world = World()
        world.answers[NEW.id] = lambda t: REFUSED
        world.containers[NEW.id] = lambda t: NEW if t < 2.25 else replace(NEW, state="exited", exit_code=1)
        run = gate(world)
        asyncio.get_running_loop().call_later(2.25, world.hints.hit, NEW.id)
        await asyncio.sleep(100)
        ends.append(run.end)

    run_virtual(main)
    assert ends == [2.25]


def test_a_container_that_exited_long_ago_fails_at_once_with_its_lines() -> None:
    """The gate of a dead container needs no attempt."""
    run, world = gate_end(container=lambda t: replace(NEW, state="exited", exit_code=1))
    assert (run.end, bad(run).reason, bad(run).logs) == (0, "Exited", world.log_lines)
    assert world.asked == []


def test_a_success_of_what_has_just_exited_does_not_count() -> None:
    """The container is looked at after the last success: an answer from its last breath passes nothing."""
    run, _ = gate_end(container=lambda t: NEW if t < 5 else replace(NEW, state="exited", exit_code=1),
                      answer=lambda t: OK if t >= 5 else BAD)  # fmt: skip
    assert bad(run).reason == "Exited"


def test_a_paused_container_is_waited_for() -> None:
    """While somebody pauses it no attempt is counted; afterwards it passes."""
    paused = replace(NEW, state="paused")
    run, _ = gate_end(container=lambda t: NEW if t < 1 or t > 100 else paused,
                      answer=lambda t: BAD if t < 1 else 1e9 if t <= 100 else OK)  # fmt: skip
    assert run.error is None
    assert run.end is not None
    assert 100 < run.end < 102
    assert "the container is paused" in run.notes


def test_a_container_that_is_gone_is_the_worlds_fault() -> None:
    """Somebody removed it: nothing is known of the revision."""
    run, _ = gate_end(container=lambda t: None, answer=lambda t: REFUSED)
    assert isinstance(run.error, WorldBad)
    assert run.error.reason == "ContainerGone"


def test_an_engine_that_does_not_answer_is_the_worlds_fault() -> None:
    """A look that fails ends the gate as unreachable; the plan tries it again."""
    run, _ = gate_end(container=lambda t: NEW if t < 3 else Unreachable("no"), answer=lambda t: REFUSED)
    assert isinstance(run.error, Unreachable)


def test_the_deadline_ends_it() -> None:
    """Attempts that would go on are ended by the progress deadline."""
    run, _ = gate_end(replace(CHECK, retries=1000), answer=lambda t: BAD, deadline=42)
    assert (run.end, bad(run).reason) == (42, "ProgressDeadlineExceeded")
    assert bad(run).message == "not healthy before the progress deadline: attempt 9 of 1000: status 503"


def test_a_deadline_that_is_over_still_grants_one_attempt() -> None:
    """A controller that was away for long does not blame a container that answers."""
    run, _ = gate_end(deadline=-3600, answer=lambda t: REFUSED if t < 0.5 else OK)
    assert run.error is None


def test_when_the_one_that_serves_fails_too_the_world_is_bad() -> None:
    """The candidate fails, and so does what passed before: nobody is quarantined for it."""
    run, world = gate_end(answer=lambda t: BAD, control=OLD, old_answer=lambda t: BAD)
    assert isinstance(run.error, WorldBad)
    assert run.error.reason == "ControlFailsToo"
    assert world.asked[-1] == ("10.0.0.1", 10)


@pytest.mark.parametrize(
    "old", [replace(OLD, state="exited", exit_code=0), replace(OLD, started_at=EPOCH + 2.5)], ids=["ended", "restarted"]
)
def test_an_exit_is_nobodys_fault_when_the_one_that_serves_ended_too(old: Container) -> None:
    """Docker shuts down or was restarted: that takes down both, and says nothing of the revision."""
    ended = replace(NEW, state="exited", exit_code=0)
    run, _ = gate_end(
        answer=lambda t: REFUSED,
        container=lambda t: NEW if t < 2 else ended,
        control=OLD,
        old=lambda t: OLD if t < 2 else old,
    )
    assert isinstance(run.error, WorldBad)
    assert run.error.reason == "ControlFailsToo"


@pytest.mark.parametrize("known", [True, False])
def test_a_gate_that_begins_after_a_restart_of_docker_blames_nobody(known: bool) -> None:
    """It finds the new one ended, and the old one, whether it runs again by then or not, started after it."""
    again = replace(OLD, started_at=EPOCH + 2)
    run, _ = gate_end(
        container=lambda t: replace(NEW, state="exited", exit_code=0), control=again if known else None,
        old=lambda t: again,
    )  # fmt: skip
    assert isinstance(run.error, WorldBad)
    assert run.error.reason == "ControlFailsToo"


def test_an_exit_is_the_revisions_fault_when_the_one_that_serves_goes_on() -> None:
    """A second is waited for that; then the lines of the one that ended are told."""
    run, world = gate_end(
        answer=lambda t: REFUSED,
        container=lambda t: NEW if t < 2 else replace(NEW, state="exited", exit_code=1),
        control=OLD,
    )
    assert (bad(run).reason, bad(run).logs) == ("Exited", world.log_lines)


def test_when_the_one_that_serves_fails_too_at_the_deadline_the_world_is_bad() -> None:
    """Attempts that are ended by the progress deadline blame nobody either."""
    slow = replace(CHECK, retries=1000)
    run, _ = gate_end(slow, answer=lambda t: BAD, control=OLD, old_answer=lambda t: BAD, deadline=42)
    assert isinstance(run.error, WorldBad)
    assert run.error.reason == "ControlFailsToo"


def test_when_the_one_that_serves_answers_the_revision_is_bad() -> None:
    """The candidate fails, what passed before answers: it is the revision."""
    run, _ = gate_end(answer=lambda t: BAD, control=OLD)
    assert bad(run).reason == "HealthCheckFailed"


@pytest.mark.parametrize(
    ("health", "reason"),
    [
        ("healthy", None),
        ("unhealthy", "Unhealthy"),
        (None, "HealthCheckMissing"),
        ("starting", "ProgressDeadlineExceeded"),
    ],
)
def test_type_docker_goes_by_the_images_healthcheck(health: Any, reason: str | None) -> None:
    """`healthy` passes, `unhealthy` fails at once, an image without one fails, `starting` waits for the deadline."""
    run, world = gate_end(
        Check(type="docker"),
        container=lambda t: replace(NEW, health=None if health is None else "starting" if t < 4 else health),
        deadline=60,
    )
    assert (None if run.error is None else bad(run).reason) == reason
    assert world.asked == []


@pytest.mark.parametrize(("start_period", "end"), [(0, 1), (20, 20)])
def test_type_none_wants_it_to_run_for_a_while(start_period: float, end: float) -> None:
    """At least one second, or startPeriod when that is longer."""
    run, _ = gate_end(Check(type="none", start_period=start_period))
    assert (run.error, run.end) == (None, end)


def test_type_none_fails_what_exits_in_that_time() -> None:
    """A command that ends after 0.3 s has not passed."""
    run, _ = gate_end(Check(type="none"), container=lambda t: NEW if t < 0.3 else replace(NEW, state="exited"))
    assert bad(run).reason == "Exited"


def watch(world: World, check: Check = CHECK) -> Run:
    watcher = Watcher(world, world, world.clock)  # type: ignore[arg-type]
    return Run(world, watcher.watch, Watch(NEW, check, "serves", "watch:a"))


def test_a_watch_wakes_the_stage_when_the_result_turns_and_when_it_is_final() -> None:
    """Good probes every 30 s wake nobody; the first bad one, the third, and the first good one again do."""

    async def main() -> None:
        world = World()
        world.answers[NEW.id] = lambda t: BAD if 90 <= t < 240 else OK
        run = watch(world)
        await asyncio.sleep(1)
        assert run.data == {"ok": "true", "failed": "0"}
        await asyncio.sleep(210)
        assert run.data == {"ok": "false", "failed": "5"}
        await asyncio.sleep(100)
        assert run.data == {"ok": "true", "failed": "0"}
        assert run.woken == [90, 150, 240]
        assert [at for _, at in world.asked] == [30 * n for n in range(11)]

    run_virtual(main)


def test_a_watch_ends_with_its_container() -> None:
    """When the container is gone the watch ends by itself."""

    async def main() -> None:
        world = World()
        world.answers[NEW.id] = lambda t: OK if t < 45 else REFUSED
        world.containers[NEW.id] = lambda t: NEW if t < 45 else None
        run = watch(world)
        await asyncio.sleep(100)
        assert (run.end, run.error, run.data["ok"]) == (60, None, "false")

    run_virtual(main)


def test_a_watch_follows_a_container_to_its_new_address() -> None:
    """Attached to the network anew it has another address: that one is asked before it is called sick."""

    async def main() -> None:
        world = World()
        moved = replace(NEW, address="10.0.0.9")
        world.containers[NEW.id] = lambda t: moved
        probe = world.probe

        async def only_there(check: Check, container: Container) -> Probe:
            found = await probe(check, container)
            return found if container.address == "10.0.0.9" or world.clock.monotonic() < 20 else REFUSED

        world.probe = only_there  # type: ignore[method-assign]
        run = watch(world)
        await asyncio.sleep(100)
        assert (run.data, run.woken) == ({"ok": "true", "failed": "0"}, [])

    run_virtual(main)


SPEC = ContainerSpec("shop-dev-2-r2-1-pre", "registry.test/shop@sha256:1", (), (Env("KEY", SecretRef("file", "key")),))


def pre_deploy(container: Script, timeout: float = 300) -> tuple[Run, World]:
    """Run a one-off container to its end; it is made at 0 s."""
    found: list[tuple[Run, World]] = []

    async def main() -> None:
        world = World()
        world.containers[NEW.id] = container
        start = world.start

        async def started(item: Container) -> None:
            await start(item)
            world.containers[NEW.id] = container

        world.start = started  # type: ignore[method-assign]
        steps = PreDeployer(world, world, world.clock, world.hints, asyncio.Semaphore(1))  # type: ignore[arg-type]
        action = RunPreDeploy(SPEC, timeout, "2", "before the gate", "pre:a")
        found.append((Run(world, steps.run, action), world))
        await asyncio.sleep(2000)

    run_virtual(main)
    assert found[0][0].end is not None
    return found[0]


CREATED = replace(NEW, state="created", started_at=None, address=None)


def test_a_migration_that_ends_with_0_passes() -> None:
    """It is created with its secrets, started once, and its end is seen within a second."""
    run, world = pre_deploy(lambda t: CREATED if not world_started(t) else _at(t, 10, 0))
    assert run.error is None
    assert run.end is not None
    assert 10 <= run.end <= 11
    assert world.made == ["create shop-dev-2-r2-1-pre with ['value of key']", "start shop-dev-2-r2-1"]


def world_started(t: float) -> bool:
    """The script is asked once before the start, at 0 s."""
    return t > 0


def _at(t: float, end: float, code: int) -> Container:
    return NEW if t < end else replace(NEW, state="exited", exit_code=code, address=None)


def test_a_migration_that_fails_says_so_with_its_last_lines() -> None:
    """Another exit code than 0 is the revision's fault."""
    run, world = pre_deploy(lambda t: _at(t, 4, 7))
    assert (bad(run).reason, bad(run).message) == ("PreDeployFailed", "preDeploy ended with code 7")
    assert bad(run).logs == world.log_lines


def test_a_migration_that_already_ran_is_not_run_again() -> None:
    """After a crash the kept container tells the outcome: nothing is started."""
    run, world = pre_deploy(lambda t: _at(t, 0, 0))
    assert (run.error, run.end) == (None, 0)
    assert world.made == ["create shop-dev-2-r2-1-pre with ['value of key']"]


def test_a_migration_that_takes_too_long_is_stopped() -> None:
    """At its timeout, counted from its start, it is stopped and the revision is bad."""
    run, world = pre_deploy(lambda t: NEW, timeout=60)
    assert (run.end, bad(run).reason, world.stopped) == (60, "PreDeployTimeout", [NEW.name])


def test_a_migration_whose_container_vanished_is_the_worlds_fault() -> None:
    """Somebody removed it while it ran: it is tried again."""
    run, _ = pre_deploy(lambda t: NEW if t < 5 else None)
    assert isinstance(run.error, WorldBad)
    assert run.error.reason == "ContainerGone"
