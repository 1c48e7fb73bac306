"""The one writer of the proxy, on a proxy in memory and a clock that is a value."""

import asyncio
from collections.abc import Sequence

import pytest

from controller.core.model.digests import with_marker
from controller.core.model.errors import Conflict, OutcomeUnknown, Unreachable, WorldBad
from controller.core.model.observed import Route, RouteChange, RouteTable
from controller.interfaces import Answer
from controller.work.route_writer import RouteWriter


class Clock:
    """Time that moves only by `sleep` and by hand."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        """Unix seconds."""
        return self.time

    def monotonic(self) -> float:
        """The same."""
        return self.time

    async def sleep(self, seconds: float) -> None:
        """Let the time pass at once."""
        self.time += seconds
        await asyncio.sleep(0)


class MemoryProxy:
    """Routes in a dictionary; `writes` and `reads` say what reached it, `gate` holds writes while it is clear."""

    def __init__(self, clock: Clock, batch: bool = True) -> None:
        self.clock = clock
        self.batch = batch
        self.routes: dict[str, Route] = {}
        self.foreign: dict[str, str] = {}
        self.writes: list[list[str]] = []
        self.reads = 0
        self.reading = 0.0
        """Seconds that a read takes."""
        self.down = False
        self.lose_replies = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.busy = False
        self.answers: list[Answer | WorldBad] = []

    async def read(self) -> RouteTable:
        """What is there."""
        assert not self.busy, "read while a write runs"
        if self.down:
            raise Unreachable("no proxy")
        self.reads += 1
        self.clock.time += self.reading
        await asyncio.sleep(0)
        return RouteTable(dict(self.routes), dict(self.foreign))

    async def write(self, changes: Sequence[RouteChange]) -> None:
        """All changes or none."""
        assert not self.busy, "two writes at a time"
        self.busy = True
        try:
            self.writes.append([change.hostname for change in changes])
            await self.gate.wait()
            if self.down:
                raise Unreachable("no proxy")
            for change in changes:
                if change.hostname in self.foreign:
                    raise Conflict(f"{change.hostname} is held", reason="HostnameTaken")
            for change in changes:
                self.routes.pop(change.hostname, None)
                if change.route is not None:
                    self.routes[change.hostname] = change.route
            if self.lose_replies:
                raise OutcomeUnknown("no reply")
        finally:
            self.busy = False

    async def ask(self, route: Route) -> Answer:
        """The next prepared answer; the last one for ever."""
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        if isinstance(answer, WorldBad):
            raise answer
        return answer


def route(hostname: str, container: str = "a" * 64) -> Route:
    """A route of stage shop/dev."""
    return with_marker(Route(hostname, "shop/dev", "1.0", "default", container, "10.0.0.2", 8080))


def setting(hostname: str) -> RouteChange:
    """The change that sets the route."""
    return RouteChange(hostname, route(hostname))


@pytest.fixture
def clock() -> Clock:
    """A clock at 1000."""
    return Clock()


@pytest.fixture
def proxy(clock: Clock) -> MemoryProxy:
    """A proxy that takes batches."""
    return MemoryProxy(clock)


@pytest.fixture
def route_writer(proxy: MemoryProxy, clock: Clock) -> RouteWriter:
    """The writer under test."""
    return RouteWriter(proxy, clock)


async def settled() -> None:
    """Let every task run until it waits."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_the_table_is_read_once_and_kept(route_writer: RouteWriter, proxy: MemoryProxy, clock: Clock) -> None:
    """Passes that come together share one read, and later ones use the kept table."""
    proxy.routes = {"a.test": route("a.test")}
    tables = await asyncio.gather(*(route_writer.table() for _ in range(5)))
    assert all(table.routes == proxy.routes for table in tables)
    clock.time += 3600
    await route_writer.table()
    assert proxy.reads == 1


async def test_forget_makes_the_next_table_read(route_writer: RouteWriter, proxy: MemoryProxy) -> None:
    """After `forget` what others did is seen."""
    await route_writer.table()
    proxy.routes = {"a.test": route("a.test")}
    assert (await route_writer.table()).routes == {}
    route_writer.forget()
    assert (await route_writer.table()).routes == proxy.routes


async def test_an_unreachable_proxy_gives_no_table(route_writer: RouteWriter, proxy: MemoryProxy) -> None:
    """Nothing is planned on a look that failed, and the next one looks again."""
    proxy.down = True
    with pytest.raises(Unreachable):
        await route_writer.table()
    proxy.down = False
    assert (await route_writer.table()).routes == {}


async def test_changes_that_arrive_during_a_write_go_into_one_next_write(
    route_writer: RouteWriter, proxy: MemoryProxy
) -> None:
    """Whatever many stages ask for meanwhile costs one write."""
    proxy.gate.clear()
    first = asyncio.create_task(route_writer.change(setting("first.test")))
    await settled()
    names = [f"h{number}.test" for number in range(20)]
    rest = [asyncio.create_task(route_writer.change(setting(name))) for name in names]
    await settled()
    proxy.gate.set()
    await asyncio.gather(first, *rest)
    assert proxy.writes == [["first.test"], names]
    assert sorted(proxy.routes) == sorted(["first.test", *names])
    assert (await route_writer.table()).routes == proxy.routes


async def test_without_batches_each_change_is_a_write(clock: Clock) -> None:
    """A proxy that takes one change at a time gets them one by one, in order."""
    proxy = MemoryProxy(clock, batch=False)
    route_writer = RouteWriter(proxy, clock)
    await asyncio.gather(*(route_writer.change(setting(name)) for name in ("a.test", "b.test", "c.test")))
    assert proxy.writes == [["a.test"], ["b.test"], ["c.test"]]
    assert (await route_writer.table()).routes == proxy.routes


async def test_two_changes_of_one_hostname_keep_their_order(route_writer: RouteWriter, proxy: MemoryProxy) -> None:
    """The later one is written after the earlier one, never together with it."""
    later = RouteChange("a.test", route("a.test", "b" * 64))
    await asyncio.gather(
        route_writer.change(setting("a.test")), route_writer.change(later), route_writer.change(setting("b.test"))
    )
    assert proxy.writes == [["a.test", "b.test"], ["a.test"]]
    assert proxy.routes["a.test"] == later.route


async def test_a_bad_change_fails_alone(route_writer: RouteWriter, proxy: MemoryProxy) -> None:
    """In a refused batch only the change at fault is refused, and its caller alone is told."""
    names = [f"h{number}.test" for number in range(9)]
    proxy.foreign = {"h4.test": "somebody"}
    outcomes = await asyncio.gather(*(route_writer.change(setting(name)) for name in names), return_exceptions=True)
    assert [isinstance(outcome, Conflict) for outcome in outcomes] == [name == "h4.test" for name in names]
    assert sorted(proxy.routes) == [name for name in names if name != "h4.test"]
    assert (await route_writer.table()).foreign == proxy.foreign


async def test_an_unreachable_proxy_is_asked_once_for_a_batch(route_writer: RouteWriter, proxy: MemoryProxy) -> None:
    """Nobody answers a single change either: every caller is told at once."""
    proxy.down = True
    changes = [route_writer.change(setting(name)) for name in ("a.test", "b.test", "c.test")]
    outcomes = await asyncio.gather(*changes, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unreachable] * 3
    assert len(proxy.writes) == 1


async def test_a_lost_reply_is_reported_and_the_table_tells_the_truth(
    route_writer: RouteWriter, proxy: MemoryProxy
) -> None:
    """The effect that happened although its reply was lost is in the table at once."""
    assert (await route_writer.table()).routes == {}
    proxy.lose_replies = True
    with pytest.raises(OutcomeUnknown):
        await route_writer.change(setting("a.test"))
    assert (await route_writer.table()).routes == {"a.test": route("a.test")}


async def test_a_written_change_succeeds_although_the_proxy_goes_away_afterwards(
    route_writer: RouteWriter, proxy: MemoryProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The write was proven; only the table is unknown then."""

    async def gone() -> RouteTable:
        raise Unreachable("no proxy")

    with monkeypatch.context() as patch:
        patch.setattr(proxy, "read", gone)
        await route_writer.change(setting("a.test"))
    assert (await route_writer.table()).routes == {"a.test": route("a.test")}


async def test_a_bug_in_the_proxy_reaches_the_caller(
    route_writer: RouteWriter, proxy: MemoryProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that is none of ours leaves no caller waiting, and the writer goes on."""

    async def broken(changes: Sequence[RouteChange]) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(proxy, "write", broken)
        with pytest.raises(ZeroDivisionError):
            await route_writer.change(setting("a.test"))
    await route_writer.change(setting("a.test"))
    assert "a.test" in proxy.routes


async def test_a_write_under_way_outlives_its_caller(route_writer: RouteWriter, proxy: MemoryProxy) -> None:
    """A cancelled caller does not tear the write, and the table shows its effect."""
    proxy.gate.clear()
    caller = asyncio.create_task(route_writer.change(setting("a.test")))
    await settled()
    caller.cancel()
    await settled()
    assert caller.cancelled()
    proxy.gate.set()
    await settled()
    assert (await route_writer.table()).routes == {"a.test": route("a.test")}


async def test_a_change_not_yet_begun_is_taken_back_with_its_caller(
    route_writer: RouteWriter, proxy: MemoryProxy
) -> None:
    """No call of a cancelled caller is begun afterwards; the others that wait are written."""
    proxy.gate.clear()
    first = asyncio.create_task(route_writer.change(setting("a.test")))
    await settled()
    second = asyncio.create_task(route_writer.change(setting("b.test")))
    third = asyncio.create_task(route_writer.change(setting("c.test")))
    await settled()
    second.cancel()
    await settled()
    proxy.gate.set()
    await asyncio.gather(first, third)
    assert sorted(proxy.routes) == ["a.test", "c.test"]


async def test_verify_asks_until_this_very_route_answers(
    route_writer: RouteWriter, proxy: MemoryProxy, clock: Clock
) -> None:
    """An old configuration, a 502 and a refused connection are waited out."""
    wanted = route("a.test")
    proxy.answers = [
        Answer("old", 200),
        WorldBad("connection refused"),
        Answer(wanted.marker, 502),
        Answer(wanted.marker, 500),
    ]
    await route_writer.verify(wanted, 10)
    assert clock.now() - 1000 == pytest.approx(0.02 + 0.04 + 0.08)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer("old", 200, "status 200"), ("VerifyFailed", "status 200 from another configuration")),
        (Answer(route("a.test").marker, 503), ("UpstreamFailed", "status 503")),
        (WorldBad("connection refused"), ("VerifyFailed", "connection refused")),
    ],
)
async def test_verify_gives_up_at_its_deadline(
    route_writer: RouteWriter, proxy: MemoryProxy, clock: Clock, answer: Answer | WorldBad, expected: tuple[str, str]
) -> None:
    """The error says what was answered last, and whether it was the new route that answered."""
    proxy.answers = [answer]
    with pytest.raises(WorldBad, match=expected[1]) as failed:
        await route_writer.verify(route("a.test"), 10)
    assert failed.value.reason == expected[0]
    assert 9 < clock.now() - 1000 <= 10


async def test_verify_asks_once_even_when_its_time_is_over(
    route_writer: RouteWriter, proxy: MemoryProxy, clock: Clock
) -> None:
    """A late start is no failure when the route answers."""
    wanted = route("a.test")
    proxy.answers = [Answer(wanted.marker, 200)]
    await route_writer.verify(wanted, 0)


async def test_a_change_that_waited_too_long_is_not_written(
    route_writer: RouteWriter, proxy: MemoryProxy, clock: Clock
) -> None:
    """Behind a write that hangs it grows old: it is refused, and what comes fresh is written."""
    proxy.gate.clear()
    first = asyncio.create_task(route_writer.change(setting("a.test")))
    await settled()
    old = asyncio.create_task(route_writer.change(setting("b.test")))
    await settled()
    clock.time += 40
    fresh = asyncio.create_task(route_writer.change(setting("c.test")))
    await settled()
    proxy.gate.set()
    with pytest.raises(WorldBad) as refused:
        await old
    await asyncio.gather(first, fresh)
    assert refused.value.reason == "ProxyBusy"
    assert (sorted(proxy.routes), proxy.writes) == (["a.test", "c.test"], [["a.test"], ["c.test"]])


async def test_the_rest_of_a_refused_batch_is_not_written_late(route_writer: RouteWriter, proxy: MemoryProxy) -> None:
    """After a read that hung between the halves the second one is old: it is refused, the world may have moved on."""
    proxy.foreign["a.test"] = "somebody else"
    proxy.reading = 40.0
    changes = [asyncio.create_task(route_writer.change(setting(name))) for name in ("a.test", "b.test")]
    outcomes = await asyncio.gather(*changes, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Conflict, WorldBad]
    assert isinstance(outcomes[1], WorldBad)
    assert outcomes[1].reason == "ProxyBusy"
    assert not proxy.routes


async def test_a_proxy_that_takes_one_change_at_a_time_is_given_what_its_writes_take(clock: Clock) -> None:
    """With thousands of hosts a write takes seconds: three of them may pass before a change is planned again."""
    proxy = MemoryProxy(clock, batch=False)
    route_writer = RouteWriter(proxy, clock)
    proxy.gate.clear()
    slow = asyncio.create_task(route_writer.change(setting("a.test")))
    await settled()
    clock.time += 10
    proxy.gate.set()
    await slow
    assert route_writer.patience == 30

    proxy.gate.clear()
    tasks = [asyncio.create_task(route_writer.change(setting(name))) for name in ("b.test", "c.test")]
    await settled()
    clock.time += 25
    proxy.gate.set()
    await asyncio.gather(*tasks)
    assert sorted(proxy.routes) == ["a.test", "b.test", "c.test"]


async def test_a_change_tells_when_its_write_begins(route_writer: RouteWriter, proxy: MemoryProxy) -> None:
    """Not while another write holds it up."""
    begun: list[str] = []
    proxy.gate.clear()
    first = asyncio.create_task(route_writer.change(setting("a.test"), lambda: begun.append("a")))
    second = asyncio.create_task(route_writer.change(setting("b.test"), lambda: begun.append("b")))
    await settled()
    third = asyncio.create_task(route_writer.change(setting("c.test"), lambda: begun.append("c")))
    await settled()
    assert begun == ["a", "b"]
    proxy.gate.set()
    await asyncio.gather(first, second, third)
    assert begun == ["a", "b", "c"]
