"""What the Engine's own end means: in order or by SIGKILL, while it is away and afterwards (F12 to F14).

Each end is had once per side, with containers of every kind; the facts are about what was seen then.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import pytest

from controller.core.model.desired import Check
from controller.core.model.observed import Container
from tests.contract.facts import Side, raised, until
from tests.contract.facts_place import WORKS, Place
from tests.parts.engine import Engine

pytestmark = pytest.mark.alone

CALLS: dict[str, Callable[[Place, Container], Awaitable[object]]] = {
    "list": lambda place, _: place.runtime.list(),
    "inspect": lambda place, container: place.runtime.inspect(container.id),
    "logs": lambda place, container: place.runtime.logs(container, 5),
    "pull": lambda place, container: place.runtime.pull(place.image, "x", "", lambda _: None),
    "pull of what is here": lambda place, container: place.runtime.pull(place.image, "x", container.digest, print),
    "resolve": lambda place, _: place.runtime.resolve(place.image, "x"),
    "images": lambda place, _: place.runtime.images(place.image),
    "start": lambda place, container: place.runtime.start(container),
    "stop": lambda place, container: place.runtime.stop(container, 5),
    "restart": lambda place, container: place.runtime.restart(container, 5),
    "remove": lambda place, container: place.runtime.remove(container),
    "unpause": lambda place, container: place.runtime.unpause(container),
    "connect": lambda place, container: place.runtime.connect(container),
    "mark": lambda place, container: place.runtime.mark(container, True),
}
PORT = Check("tcp", 8080, timeout=2.0)
BROUGHT_BACK = ("marked", "marked and paused")
STAYS_DOWN = ("plain", "deaf", "killed by hand", "stopped by hand", "stopped by us")
ENDS = {"in order": True, "by SIGKILL": False}


@dataclass
class Record:
    """What was seen of one end of the Engine."""

    away: dict[str, str] = field(default_factory=dict)
    """Error of each call while it was away."""
    before: dict[str, Container] = field(default_factory=dict)
    after: dict[str, Container] = field(default_factory=dict)
    served: bool = False
    """A container that ran answered while it was away."""
    begun: int = 0
    """How often the stream of events called to look at everything."""


async def end(place: Place, graceful: bool, record: Record) -> None:
    """Make containers of every kind, end the Engine, ask it, begin it again, and look."""
    made: dict[str, Container] = {
        "created": await place.made(tag="created"),
        "plain": await place.up(tag="plain"),
        "deaf": await place.up(replace(WORKS, stops=99.0), tag="deaf", stop_grace=1.0),
        "ended": await place.becomes(await place.up(replace(WORKS, exits=0.0, code=3), tag="ended"), "exited"),
    }
    for kind in ("marked", "marked and paused", "killed by hand", "stopped by hand", "stopped by us"):
        made[kind] = await place.up(tag=kind.replace(" ", "-"))
        await place.runtime.mark(made[kind], True)
    place.pause(made["marked and paused"])
    place.kill(made["killed by hand"])
    await place.stop(made["stopped by hand"])
    await place.runtime.stop(made["stopped by us"], 5)
    await place.becomes(made["killed by hand"], "exited")
    record.before = {kind: await place.now(container) for kind, container in made.items()}
    spec = await place.spec(tag="new")
    async with place.listening(made["created"]) as ear:
        await place.engine_ends(graceful)
        record.served = (await place.prober.probe(PORT, made["marked"])).ok
        record.away = {name: await raised(call(place, made["plain"])) for name, call in CALLS.items()}
        record.away["create"] = await raised(place.runtime.create(spec, {}))
        await place.engine_begins()

        async def heard() -> bool:
            return ear.begun == 2

        await until(heard)
        record.begun = ear.begun
    if graceful:
        for kind in BROUGHT_BACK:
            await place.becomes(made[kind], "running")
    await asyncio.sleep(0.5)
    record.after = {kind: await place.now(container) for kind, container in made.items()}


_records: dict[tuple[str, str], Record] = {}


@pytest.fixture
def record(request: pytest.FixtureRequest, side: Side, how: str) -> Record:
    """The record of this end on this side, had when it is first asked for."""
    key = (type(side).__name__, how)
    if key not in _records:
        if "Real" in key[0] and not request.getfixturevalue("engine").own:
            pytest.skip("this Engine is not ours to stop")
        found = Record()
        side.play(lambda place: end(place, ENDS[how], found))
        _records[key] = found
    return _records[key]


@pytest.mark.parametrize("call", [*CALLS, "create"])
@pytest.mark.parametrize("how", ENDS)
def test_an_engine_that_is_away_is_unreachable(record: Record, how: str, call: str) -> None:
    """Nothing is known and nothing was done, whatever was asked (F14)."""
    assert record.away[call] == "Unreachable Unreachable"


@pytest.mark.parametrize("kind", BROUGHT_BACK)
@pytest.mark.parametrize("how", ["in order"])
def test_an_engine_that_ended_in_order_brings_back_what_has_the_mark(record: Record, how: str, kind: str) -> None:
    """With a later start and an address, which may be another one (F13)."""
    before, after = record.before[kind], record.after[kind]
    assert (after.state, after.passed, after.connected, after.address is not None) == ("running", True, True, True)
    assert (after.started_at or 0) > (before.started_at or 0)


@pytest.mark.parametrize("kind", STAYS_DOWN)
@pytest.mark.parametrize("how", ENDS)
def test_what_has_no_mark_or_was_stopped_by_hand_stays_down(record: Record, how: str, kind: str) -> None:
    """An address is not told of it any more."""
    after = record.after[kind]
    assert (after.state, after.address, after.started_at) == ("exited", None, record.before[kind].started_at)


@pytest.mark.parametrize("kind", BROUGHT_BACK)
@pytest.mark.parametrize("how", ["by SIGKILL"])
def test_an_engine_that_was_killed_leaves_down_what_has_the_mark(record: Record, how: str, kind: str) -> None:
    """It is found exited and stays so: the mark is not to be relied on (F12)."""
    after = record.after[kind]
    assert (after.state, after.passed, after.address) == ("exited", True, None)


@pytest.mark.parametrize(
    ("how", "kind", "code"),
    [
        ("in order", "plain", 0),
        ("in order", "deaf", 137),
        ("by SIGKILL", "plain", 0),
        ("by SIGKILL", "marked", 0),
        ("by SIGKILL", "deaf", 137),
    ],
)
def test_what_ended_with_the_engine_tells_how(record: Record, how: str, kind: str, code: int) -> None:
    """Every application is asked to end and given its grace, after SIGKILL by the next Engine."""
    assert record.after[kind].exit_code == code


@pytest.mark.parametrize("kind", ["created", "ended"])
@pytest.mark.parametrize("how", ENDS)
def test_what_did_not_run_is_as_it_was(record: Record, how: str, kind: str) -> None:
    """State, code and times."""
    assert record.after[kind] == record.before[kind]


@pytest.mark.parametrize("how", ENDS)
def test_the_stream_of_events_begins_anew(record: Record, how: str) -> None:
    """Its end is no error: everything is to be looked at again (F12)."""
    assert record.begun == 2


@pytest.mark.parametrize("how", ENDS)
def test_containers_live_on_only_when_the_engine_was_killed(record: Record, how: str) -> None:
    """They serve while it is dead, until the next Engine ends them (F12)."""
    assert record.served == (how == "by SIGKILL")


def test_the_engine_is_there_again(engine: Engine) -> None:
    """Whatever these facts did to it."""
    assert engine.ping()
