"""The simulated Engine and proxy are no kinder than real ones: the facts (F-numbers) that plans rely on."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from controller.core.model import names
from controller.core.model.actions import ContainerSpec
from controller.core.model.desired import Check
from controller.core.model.digests import with_marker
from controller.core.model.errors import Conflict, OutcomeUnknown, RevisionBad, Unreachable, WorldBad
from controller.core.model.observed import Container, Route, RouteChange
from tests.sim.apps import App
from tests.sim.call_border import Border, Life
from tests.sim.clock import NoProgress, SimClock, run_virtual
from tests.sim.engine import Engine
from tests.sim.faults import Crash, FaultAt, Mode, NoFaults
from tests.sim.proxy import ProxyState, SimProber, SimProxy
from tests.sim.runtime import SimRuntime
from tests.sim.sources import IMAGE

KEY = "shop/dev"


class Bench:
    """One Engine, one proxy and a life of a controller that does only what the test says."""

    def __init__(self, mode: Mode | None = None, at: int = 0) -> None:
        faults = NoFaults() if mode is None else FaultAt({at: mode})
        self.border = Border(SimClock(), faults)
        self.engine = Engine(self.border)
        self.state = ProxyState(self.border)
        self.life = Life(1)
        self.runtime = SimRuntime(self.border, self.life, self.engine, "sim-1")
        self.proxy = SimProxy(self.border, self.life, self.state, self.engine)
        self.prober = SimProber(self.border, self.life, self.engine)

    async def make(self, tag: str = "1.0", attempt: int = 1, app: App | None = None, start: bool = True) -> Container:
        """Push, pull, create and start one container."""
        digest = self.engine.registry.push(IMAGE, tag, app or App())
        self.engine.images.add(digest)
        await self.runtime.create(spec(tag, digest, attempt), {})
        if start:
            await self.runtime.start(await self.seen(tag, attempt))
        return await self.seen(tag, attempt)

    async def seen(self, tag: str = "1.0", attempt: int = 1) -> Container:
        """The container as the list shows it."""
        return next(item for item in await self.runtime.list(KEY) if (item.tag, item.attempt) == (tag, attempt))


def spec(tag: str, digest: str, attempt: int = 1) -> ContainerSpec:
    """What a plan would ask for."""
    labels = {
        names.STAGE: KEY,
        names.TAG: tag,
        names.REVISION: "r1",
        names.ATTEMPT: str(attempt),
        names.DIGEST: digest,
        names.BORN: "5",
    }
    return ContainerSpec(
        names.container_name(KEY, tag, "r1", attempt), f"{IMAGE}@{digest}", tuple(sorted(labels.items()))
    )


def play(what: Callable[[Bench], Awaitable[None]], mode: Mode | None = None, at: int = 0) -> Bench:
    """Run a test in virtual time."""

    async def main() -> Bench:
        bench = Bench(mode, at)
        await what(bench)
        return bench

    return run_virtual(main)


def test_a_day_passes_at_once_and_circles_are_noticed() -> None:
    """Idle time jumps; waiting for nothing, or turning without time, is an error and not a hang."""

    async def day() -> float:
        await asyncio.sleep(86_400)
        return asyncio.get_running_loop().time()

    async def nothing() -> None:
        await asyncio.get_running_loop().create_future()

    async def circles() -> None:
        asyncio.get_running_loop().call_soon(turn)
        await asyncio.get_running_loop().create_future()

    def turn() -> None:
        asyncio.get_running_loop().call_soon(turn)

    assert run_virtual(day) == pytest.approx(86_400)
    for bad in (nothing, circles):
        with pytest.raises(NoProgress):
            run_virtual(bad)


def test_a_name_is_a_lock() -> None:
    """Creating the same twice gives one container; the name in other hands is a conflict (F11)."""

    async def main(bench: Bench) -> None:
        first = await bench.make(start=False)
        assert await bench.runtime.create(spec("1.0", first.digest), {}) == first.id
        bench.engine.boxes[first.id].labels[names.BORN] = "6"
        with pytest.raises(Conflict):
            await bench.runtime.create(spec("1.0", first.digest), {})

    assert len(play(main).engine.boxes) == 1


def test_create_needs_the_image() -> None:
    """An image that is not here is the world's fault (F35)."""

    async def main(bench: Bench) -> None:
        digest = bench.engine.registry.push(IMAGE, "1.0", App())
        with pytest.raises(WorldBad, match="no longer here"):
            await bench.runtime.create(spec("1.0", digest), {})
        assert await bench.runtime.pull(IMAGE, "1.0", "", lambda text: None) == digest
        await bench.runtime.create(spec("1.0", digest), {})

    assert len(play(main).engine.boxes) == 1


def test_start_proves_nothing() -> None:
    """A start succeeds though the application ends at once; a missing command is refused and leaves `created`."""

    async def main(bench: Bench) -> None:
        soon = await bench.make("1", app=App(exits=0.2, code=3))
        assert soon.state == "running"
        await asyncio.sleep(0.3)
        assert ((await bench.seen("1")).state, (await bench.seen("1")).exit_code) == ("exited", 3)
        bad = await bench.make("2", app=App(missing=True), start=False)
        with pytest.raises(RevisionBad):
            await bench.runtime.start(bad)
        assert (await bench.seen("2")).state == "created"

    play(main)


def test_the_mark_brings_a_container_back_unless_it_was_stopped_by_hand() -> None:
    """A crash and a graceful reboot are mended by the Engine, kill -9 of the Engine and `docker kill` are not (F12)."""

    async def main(bench: Bench) -> None:
        marked, plain = await bench.make("1"), await bench.make("2")
        await bench.runtime.mark(marked, True)
        box = bench.engine.boxes[marked.id]
        bench.engine.exit(box, 1, box.runs)
        assert (await bench.seen("1")).state == "restarting"
        await asyncio.sleep(1)
        again = await bench.seen("1")
        assert (again.state, again.restart_count) == ("running", 1)
        bench.engine.reboot(5)
        with pytest.raises(Unreachable):
            await bench.runtime.list()
        await asyncio.sleep(6)
        assert [(await bench.seen(tag)).state for tag in ("1", "2")] == ["running", "exited"]
        bench.engine.reboot(5, graceful=False)
        await asyncio.sleep(6)
        assert (await bench.seen("1")).state == "exited"
        await bench.runtime.start(marked)
        bench.engine.kill(box)
        await asyncio.sleep(60)
        assert (await bench.seen("1")).state == "exited"
        assert plain.address != marked.address

    play(main)


def test_addresses_are_given_to_the_next() -> None:
    """A request to an old address reaches the newcomer, and the prober says what the newcomer says (F13)."""

    async def main(bench: Bench) -> None:
        old = await bench.make("1", app=App(status=503))
        await bench.runtime.stop(old, 10)
        new = await bench.make("2")
        assert new.address == old.address
        await asyncio.sleep(1)
        assert (await bench.prober.probe(Check("http", 8080), old)).ok

    play(main)


def test_stopping_takes_as_long_as_the_application_and_at_most_the_grace() -> None:
    """SIGKILL comes after the grace period; what is stopped already is success."""

    async def main(bench: Bench) -> None:
        slow = await bench.make("1", app=App(stops=30))
        before = bench.border.clock.monotonic()
        await bench.runtime.stop(slow, 10)
        assert bench.border.clock.monotonic() - before == pytest.approx(10, abs=0.1)
        assert (await bench.seen("1")).exit_code == 137
        await bench.runtime.stop(slow, 10)
        await bench.runtime.remove(slow)
        await bench.runtime.remove(slow)

    assert play(main).engine.boxes == {}


def test_what_runs_is_not_removed() -> None:
    """Docker refuses to remove a running container without force."""

    async def main(bench: Bench) -> None:
        with pytest.raises(WorldBad):
            await bench.runtime.remove(await bench.make())

    assert len(play(main).engine.boxes) == 1


@pytest.mark.parametrize(("mode", "made"), [("before", 0), ("after", 1), ("during", 1)])
def test_a_crash_ends_the_controller_and_not_the_world(mode: Mode, made: int) -> None:
    """Before the effect nothing happened, afterwards it did; no call of the dead reaches the world."""

    async def main(bench: Bench) -> None:
        with pytest.raises(Crash):
            await bench.make()
        with pytest.raises(Crash):
            await bench.runtime.list()

    assert len(play(main, mode).engine.boxes) == made


@pytest.mark.parametrize(("mode", "made"), [("lost", 1), ("fail", 0), ("hang", 0), ("late", 1)])
def test_a_call_without_an_answer_may_have_happened(mode: Mode, made: int) -> None:
    """The caller is told that it does not know; a late one happens after that."""

    async def main(bench: Bench) -> None:
        with pytest.raises(Unreachable if mode == "fail" else OutcomeUnknown):
            await bench.make()
        await asyncio.sleep(60)

    assert len(play(main, mode).engine.boxes) == made


def test_a_cancelled_caller_does_not_call_back_its_request() -> None:
    """A request that was sent takes effect, whatever becomes of its sender."""

    async def main(bench: Bench) -> None:
        one = await bench.make()
        call = asyncio.ensure_future(bench.runtime.stop(one, 10))
        await asyncio.sleep(0.001)
        call.cancel()
        await asyncio.sleep(1)
        assert (await bench.seen()).state == "exited"

    play(main)


def test_the_proxy_reaches_whoever_has_the_address() -> None:
    """502 without a target, 404 without a route, a marker that proves the configuration; no name of others is taken."""

    async def main(bench: Bench) -> None:
        one = await bench.make()
        route = with_marker(Route("a.test", KEY, "1.0", "default", one.id, one.address or "", 8080))
        bench.state.foreign["b.test"] = "others"
        assert (await bench.proxy.ask(route)).status == 404
        await bench.proxy.write([RouteChange("a.test", route)])
        await asyncio.sleep(1)
        answer = await bench.proxy.ask(route)
        assert (answer.marker, answer.status) == (route.marker, 200)
        before = len(bench.border.effects)
        await bench.proxy.write([RouteChange("a.test", route)])
        assert len(bench.border.effects) == before
        bench.engine.kill(bench.engine.boxes[one.id])
        assert (await bench.proxy.ask(route)).status == 502
        with pytest.raises(Conflict):
            await bench.proxy.write([RouteChange("b.test", replace(route, hostname="b.test"))])
        bench.state.restart()
        assert (await bench.proxy.read()).routes == {}

    play(main)
