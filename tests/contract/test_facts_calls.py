"""What each changing call does to a container in each state: success, refusal, what it leaves and what is heard of it.

The table is the contract of `Runtime` (F18 to F21, F36): done already is success, what is gone or no longer the same is
left alone, what runs is not removed.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from controller.core.model.observed import Container
from controller.interfaces import Runtime
from tests.contract.facts import fact, raised, until
from tests.contract.facts_place import Place, Seen

CALLS: dict[str, Callable[[Runtime, Container], Awaitable[None]]] = {
    "start": lambda runtime, container: runtime.start(container),
    "stop": lambda runtime, container: runtime.stop(container, 5),
    "restart": lambda runtime, container: runtime.restart(container, 5),
    "remove": lambda runtime, container: runtime.remove(container),
    "unpause": lambda runtime, container: runtime.unpause(container),
    "connect": lambda runtime, container: runtime.connect(container),
    "mark": lambda runtime, container: runtime.mark(container, True),
    "unmark": lambda runtime, container: runtime.mark(container, False),
}


@dataclass(frozen=True)
class Outcome:
    """What a call comes to; by default success that changes nothing and that nobody hears of."""

    error: str = ""
    state: str = ""
    """Afterwards; empty: as before."""
    events: tuple[str, ...] = ()
    anew: bool = False
    """It has another start time."""
    policy: str = ""
    attached: bool | None = None
    gone: bool = False


NOTHING = Outcome()
UPDATED = Outcome(events=("update",))
MARKED = Outcome(events=("update",), policy="unless-stopped")
REMOVED = Outcome(events=("destroy",), gone=True)
STOPPED = ("kill", "die", "stop")
UNPAUSED = ("kill", "unpause", "die", "stop")
AGAIN = ("start", "restart")
RUNS = Outcome("WorldBad StillRunning")
MISSED = dict.fromkeys(CALLS, NOTHING) | {"start": Outcome("WorldBad ContainerGone")}

TABLE: dict[str, dict[str, Outcome]] = {
    "created": {
        "start": Outcome(state="running", events=("start",), anew=True),
        "stop": NOTHING,
        "restart": Outcome(state="running", events=AGAIN, anew=True),
        "remove": REMOVED,
        "unpause": NOTHING,
        "connect": NOTHING,
        "mark": MARKED,
        "unmark": UPDATED,
    },
    "running": {
        "start": NOTHING,
        "stop": Outcome(state="exited", events=STOPPED),
        "restart": Outcome(events=STOPPED + AGAIN, anew=True),
        "remove": RUNS,
        "unpause": NOTHING,
        "connect": NOTHING,
        "mark": MARKED,
        "unmark": UPDATED,
    },
    "paused": {
        "start": Outcome("WorldBad Paused"),
        "stop": Outcome(state="exited", events=UNPAUSED),
        "restart": Outcome(state="running", events=UNPAUSED + AGAIN, anew=True),
        "remove": RUNS,
        "unpause": Outcome(state="running", events=("unpause",)),
        "connect": NOTHING,
        "mark": MARKED,
        "unmark": UPDATED,
    },
    "exited": {
        "start": Outcome(state="running", events=("start",), anew=True),
        "stop": NOTHING,
        "restart": Outcome(state="running", events=AGAIN, anew=True),
        "remove": REMOVED,
        "unpause": NOTHING,
        "connect": NOTHING,
        "mark": MARKED,
        "unmark": UPDATED,
    },
    "disconnected": {
        "start": NOTHING,
        "stop": Outcome(state="exited", events=STOPPED),
        "restart": Outcome(events=STOPPED + AGAIN, anew=True),
        "remove": RUNS,
        "unpause": NOTHING,
        "connect": Outcome(attached=True),
        "mark": MARKED,
        "unmark": UPDATED,
    },
    "renamed": MISSED,
    "gone": MISSED,
    "replaced": MISSED,
}
ALL = [(state, call) for state, row in TABLE.items() for call in row]
LOOPING = {"start": "", "unpause": "", "connect": "", "mark": "", "remove": "WorldBad StillRunning"}
"""What calls on a container in a crash loop come to; it goes on looping (F27)."""


def after(before: Seen | None, outcome: Outcome, now: Seen | None) -> bool:
    """The container is what the outcome says."""
    if before is None or outcome.gone:
        return now is None
    return now is not None and (
        now.name == before.name
        and now.labels == before.labels
        and now.state == (outcome.state or before.state)
        and now.policy == (outcome.policy or before.policy)
        and now.attached == (before.attached if outcome.attached is None else outcome.attached)
        and (now.started_at != before.started_at) == outcome.anew
    )


@pytest.mark.parametrize(("state", "call"), ALL, ids=[f"{call}-{state}" for state, call in ALL])
@fact
async def test_a_call_on_a_container_in_a_state(place: Place, state: str, call: str) -> None:
    """It returns or raises what the table says, leaves that state behind, and these events are heard, in this order."""
    outcome, container = TABLE[state][call], await place.in_state(state)
    before, holder = place.look(container.id), place.look(container.name)

    async def there() -> bool:
        return after(before, outcome, place.look(container.id))

    async with place.listening(container) as ear:
        assert await raised(CALLS[call](place.runtime, container)) == outcome.error
        await until(there)
        await ear.hears(list(outcome.events))
    assert state not in ("gone", "replaced", "renamed") or place.look(container.name) == holder
    place.keep(state, container, before)


@pytest.mark.parametrize("call", LOOPING)
@fact
async def test_a_call_on_a_container_that_restarts_all_the_time(place: Place, call: str) -> None:
    """It is between two runs: it is neither started, removed nor ended by it."""
    container = await place.in_state("restarting")
    assert await raised(CALLS[call](place.runtime, container)) == LOOPING[call]
    seen = place.look(container.id)
    assert seen is not None
    assert seen.state in ("restarting", "running")
    assert seen.restarts >= container.restart_count
    place.keep("restarting", container, seen)


@fact
async def test_a_crash_loop_ends_with_a_stop(place: Place) -> None:
    """A stop between two runs is one, and it stays down with the code of its last run."""
    container = await place.in_state("restarting")
    await place.runtime.stop(container, 5)
    ended = await place.becomes(container, "exited")
    await asyncio.sleep(1.0)
    assert (await place.now(container), ended.exit_code, ended.passed) == (ended, 3, True)


@fact
async def test_a_crash_loop_ends_when_the_mark_goes(place: Place) -> None:
    """The run that is due comes, and none after it."""
    container = await place.in_state("restarting")
    await place.runtime.mark(container, False)
    ended = await place.becomes(container, "exited", 90)
    assert (ended.exit_code, ended.passed) == (3, False)
