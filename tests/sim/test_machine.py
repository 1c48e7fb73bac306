"""A world that Hypothesis plays with: any order of edits, vandals, faults, crashes and waiting, cut down when it fails.

What is drawn at random in `histories` is chosen here, so that a failure comes as the few rules that it takes.
"""

import asyncio
import contextlib
import os
import random
from collections import deque
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from pydantic import ValidationError

from controller.core.documents.spec import Document, Project
from tests.sim.apps import App
from tests.sim.clock import VirtualWorld
from tests.sim.faults import OK, Call, Fault, Mode, NoFaults
from tests.sim.histories import BAD, GOOD, PASSING, WAITS, Drawn
from tests.sim.log_capture import captured_log
from tests.sim.minimise import smaller
from tests.sim.scripts import document, written
from tests.sim.user_acts import Act, perform
from tests.world import Simulation

T = TypeVar("T")

CI = os.environ.get("CI") == "true"
LOOKS = ("docker.list", "docker.inspect", "proxy.read", "proxy.ask", "probe", "source.load", "registry.resolve")
QUICK = ("docker.create", "docker.remove", "docker.mark", "docker.unmark", "docker.connect", "proxy.write")
LONG = ("docker.pull", "docker.start", "docker.stop")
STORE = ("store.record", "store.report", "store.keep_good")
MODES: dict[str, tuple[Mode, ...]] = {
    **dict.fromkeys(LOOKS, ("fail", "hang", "stale")),
    **dict.fromkeys(QUICK, ("lost", "fail", "hang", "before", "after")),
    **dict.fromkeys(LONG, ("lost", "fail", "hang", "before", "during", "after")),
    **dict.fromkeys(STORE, ("before", "after")),
    "docker.create": ("lost", "fail", "hang", "late", "before", "after"),
}
FAULTS = st.sampled_from([(op, mode) for op, modes in MODES.items() for mode in modes])
OTHERS = st.sampled_from(
    (
        Drawn.hurt,
        Drawn.fall_over,
        Drawn.edit_route,
        Drawn.proxy_trouble,
        Drawn.engine_trouble,
        Drawn.registry_trouble,
        Drawn.prune_images,
        Drawn.half_written,
        Drawn.unmounted,
    )
)
CHANCE = st.randoms(use_true_random=False)
SOON = st.sampled_from(WAITS)
JUMPS = st.sampled_from((3600.0, -3600.0, 86_400.0))


class Ordered(NoFaults):
    """Faults that were ordered: the next call of a kind meets the next one of its kind."""

    slowest = 3.0

    def __init__(self) -> None:
        self.ordered: list[tuple[str, Mode]] = []
        self.events: deque[int] = deque()
        """How often the next events arrive."""

    def draw(self, call: Call) -> Fault:
        """What was ordered for this kind of call, once."""
        for place, (op, mode) in enumerate(self.ordered):
            if op == call.op:
                del self.ordered[place]
                return Fault(mode, self.slowest if mode == "stale" else 0.0)
        return OK

    def copies(self) -> int:
        """What was ordered for this event."""
        return self.events.popleft() if self.events else 1

    def stop(self) -> None:
        """From now on everything works."""
        self.ordered.clear()
        self.events.clear()


class World(RuleBasedStateMachine):
    """S1 to S19 after each rule; L1 and L8 at the end, once everything works and what is declared can run."""

    def __init__(self) -> None:
        super().__init__()
        self._world = VirtualWorld()
        self._open = contextlib.ExitStack()
        self._faults = Ordered()
        self._done = 0
        self._failed = False

    @initialize(npm=st.booleans(), chance=CHANCE, ready=st.sampled_from((0.1, 3.0)), stops=st.sampled_from((0.1, 30.0)))
    def begin(self, npm: bool, chance: random.Random, ready: float, stops: float) -> None:
        """A user declares something on an empty host."""

        async def made() -> Simulation:
            sim = Simulation(self._faults, npm)
            self._open.enter_context(captured_log(sim.bugs, sim.log))
            for tag in (*GOOD, PASSING):
                sim.push(tag, App(ready=ready, stops=stops))
            for tag, app in BAD.items():
                sim.push(tag, app)
            await sim.start()
            return sim

        self.sim = self._run(made())
        self.drawn = Drawn(self.sim, chance)
        self._do(self.drawn.edit())

    @rule(chance=CHANCE, wait=SOON)
    def declare(self, chance: random.Random, wait: float) -> None:
        """The user declares something else."""
        self.drawn.random = chance
        self._do(self.drawn.edit(), wait)

    @rule(bad=st.sampled_from(sorted(BAD)), between=SOON, wait=SOON)
    def mistake(self, bad: str, between: float, wait: float) -> None:
        """The user adds a tag that cannot run to every stage, and takes it back."""
        good = self.sim.folder.documents
        self._write([_with_tag(item, bad) for item in good], between)
        self._write(good, wait)

    @rule(pick=st.integers(0, 99), wait=SOON)
    def leave_out(self, pick: int, wait: float) -> None:
        """The user takes something out of a document: an optional field, a tag, a stage."""
        documents = list(self.sim.folder.documents)
        some = [(place, data) for place, item in enumerate(documents) for data in smaller(written(item))]
        if some:
            place, data = some[pick % len(some)]
            with contextlib.suppress(ValidationError):
                documents[place] = document(data)
            self._write(documents, wait)

    @rule(act=OTHERS, chance=CHANCE, wait=SOON)
    def others(self, act: Any, chance: random.Random, wait: float) -> None:
        """People and machines break things."""
        self.drawn.random = chance
        self._do(act(self.drawn), wait)

    @rule(jump=JUMPS)
    def set_clock(self, jump: float) -> None:
        """Somebody sets the machine's clock."""
        self._do(Act("set clock", {"seconds": jump}))

    @rule(fault=FAULTS)
    def order(self, fault: tuple[str, Mode]) -> None:
        """The next call of this kind meets this fault."""
        self._faults.ordered.append(fault)

    @rule(events=st.lists(st.sampled_from((0, 2)), min_size=1, max_size=6))
    def lose_events(self, events: list[int]) -> None:
        """The next events are lost, or come twice."""
        self._faults.events.extend(events)

    @rule(lose_store=st.booleans(), wait=SOON)
    def restart(self, lose_store: bool, wait: float) -> None:
        """The controller ends in order and begins anew."""
        self._do(Act("restart", {"lose_store": lose_store}), wait)

    @rule(wait=SOON)
    def crash(self, wait: float) -> None:
        """kill -9 of the controller."""
        self._do(Act("crash"), wait)

    @rule(seconds=st.sampled_from((0.1, 2.0, 20.0, 200.0)))
    def pass_time(self, seconds: float) -> None:
        """Nobody does anything."""
        self._run(asyncio.sleep(seconds))

    @invariant()
    def safe(self) -> None:
        """No effect so far broke a safety property, and the controller lives."""
        if hasattr(self, "sim"):
            with self._noticed():
                self.sim.safe()
                self.sim.process.alive()

    def teardown(self) -> None:
        """Everything works again: what can run is declared, and reached."""
        try:
            if hasattr(self, "sim") and not self._failed:
                self.drawn.random, self.drawn.level = random.Random(self._done), 99
                self._do(Act("end", {"documents": self.drawn.documents(last=True)}))
                self.sim.safe()
        finally:
            self._world.close()
            self._open.close()

    def _write(self, documents: "list[Document] | tuple[Document, ...]", wait: float) -> None:
        self._do(Act("write", {"documents": tuple(documents)}), wait)

    def _do(self, act: Act, wait: float = 0.0) -> None:
        self._done += 1
        self._run(perform(self.sim, Act(act.name, act.arguments, wait)))

    def _run(self, main: Coroutine[Any, Any, T]) -> T:
        with self._noticed():
            return self._world.run(main)

    @contextlib.contextmanager
    def _noticed(self) -> Any:
        """After a failure the end proves nothing more."""
        try:
            yield
        except BaseException:
            self._failed = True
            raise


def _with_tag(item: Document, tag: str) -> Document:
    if not isinstance(item, Project):
        return item
    data = written(item)
    for stage in data["spec"]["stages"]:
        stage["instances"] = [*stage.get("instances", []), {"tag": tag}]
    return document(data)


World.TestCase.settings = settings(
    max_examples=80 if CI else 40,
    stateful_step_count=20 if CI else 12,
    deadline=None,
    derandomize=CI,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.timeout(1800)
class TestWorld(World.TestCase):  # type: ignore[misc,valid-type]
    """Safety after each of any rules, liveness at the end (S1 to S19, L1, L8)."""
