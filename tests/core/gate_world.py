"""Containers by script in virtual time, and one operation on them: a gate, a watch, a one-off container."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from controller.core.model.actions import ContainerSpec, Gate, Operation
from controller.core.model.desired import Check, SecretRef
from controller.core.model.errors import HoldfastError, RevisionBad
from controller.core.model.observed import Container, Key, SecretsSeen
from controller.interfaces import Probe
from controller.work.gate import Gatekeeper
from controller.work.operations import Operations, Progress
from controller.work.wakeups import Wakeups
from tests.sim.clock import EPOCH, SimClock, later, run_virtual

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
        self.wakeups = Wakeups()
        self.containers: dict[str, Script] = {NEW.id: lambda t: NEW, OLD.id: lambda t: OLD}
        self.answers: dict[str, Script] = {NEW.id: lambda t: OK, OLD.id: lambda t: OK}
        self.asked: list[tuple[str, float]] = []
        self.log_lines: tuple[str, ...] = ("starting", "cannot open the database")
        self.made: list[str] = []
        self.stopped: list[str] = []

    async def inspect(self, container_id: str) -> Container | None:
        answer = self.containers[container_id](self.clock.monotonic())
        if isinstance(answer, HoldfastError):
            raise answer
        return answer  # type: ignore[no-any-return]

    async def list(self, stage: str) -> tuple[Container, ...]:
        containers = [await self.inspect(container_id) for container_id in self.containers]
        return tuple(container for container in containers if container is not None and container.stage == stage)

    async def probe(self, check: Check, container: Container) -> Probe:
        now = self.clock.monotonic()
        self.asked.append((container.address or "", now))
        answer = self.answers[container.id](now)
        if isinstance(answer, float):  # it hangs
            await later(min(answer, check.timeout))
            return Probe(False, f"no answer within {check.timeout:g} s")
        return answer  # type: ignore[no-any-return]

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
    subject: Container = NEW,
) -> Run:
    keeper = Gatekeeper(world, world, world.clock, world.wakeups)  # type: ignore[arg-type]
    return Run(world, keeper.decide, Gate(subject, check, EPOCH + deadline, control, "is new", Key("gate", "a")))


def gate_end(
    check: Check = CHECK,
    *,
    answer: Script = lambda t: OK,
    container: Script | None = None,
    subject: Container = NEW,
    deadline: float = 600,
    control: Container | None = None,
    old_answer: Script = lambda t: OK,
    old: Script = lambda t: OLD,
) -> tuple[Run, World]:
    """Run a gate to its end."""
    runs: list[tuple[Run, World]] = []

    async def main() -> None:
        world = World()
        world.answers |= {NEW.id: answer, OLD.id: old_answer}
        world.containers |= {NEW.id: container or (lambda t: subject), OLD.id: old}
        runs.append((gate(world, check, deadline, control, subject), world))
        await later(2000)

    run_virtual(main)
    assert runs[0][0].end is not None, "the gate never ended"
    return runs[0]


def bad(run: Run) -> RevisionBad:
    assert isinstance(run.error, RevisionBad), run.error
    return run.error
