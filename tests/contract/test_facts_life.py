"""How containers start, end and come back: exit codes, restart policies, start times, grace (F25 to F27)."""

import asyncio
from dataclasses import replace

import pytest

from tests.contract.facts import fact, raised
from tests.contract.facts_place import WORKS, Place

LATER = 0.5
"""Seconds after which something that does not happen would have happened: the Engine restarts after a tenth."""
DEAF = replace(WORKS, stops=99.0)
"""Does not hear SIGTERM."""


@pytest.mark.parametrize("code", [0, 3, 137, 143])
@fact
async def test_an_end_tells_its_code(place: Place, code: int) -> None:
    """It stays down, without an address, and is not taken for one that the kernel ended."""
    ended = await place.becomes(await place.up(replace(WORKS, exits=0.0, code=code)), "exited")
    assert (ended.exit_code, ended.oom_killed, ended.running, ended.address) == (code, False, False, None)


@fact
async def test_an_end_for_lack_of_memory_is_told(place: Place) -> None:
    """With 137, and as such where the kernel's word comes before the end: it has an event of its own."""
    container = await place.made(replace(WORKS, exits=0.0, code=137, oom=True))
    async with place.listening(container) as ear:
        await place.runtime.start(container)
        ended = await place.becomes(container, "exited")
        await ear.hears(["start", "die"], beside="oom")
        heard = await ear.actions()
    assert ended.exit_code == 137
    assert ended.oom_killed or heard[:2] == ["start", "die"]


@fact
async def test_a_start_proves_nothing(place: Place) -> None:
    """It succeeds though the application ends at once (F26)."""
    container = await place.made(replace(WORKS, exits=0.0, code=3))
    async with place.listening(container) as ear:
        assert await raised(place.runtime.start(container)) == ""
        await ear.hears(["start", "die"])
    assert (await place.becomes(container, "exited")).exit_code == 3


@pytest.mark.parametrize("call", ["start", "restart"])
@fact
async def test_a_missing_command_is_the_revisions_fault(place: Place, call: str) -> None:
    """The container stays created and says why, without a word on the event stream, each time again (F25)."""
    container = await place.made(replace(WORKS, missing=True))
    async with place.listening(container) as ear:
        for _ in range(2):
            begun = place.runtime.start(container) if call == "start" else place.runtime.restart(container, 1)
            assert await raised(begun) == "RevisionBad StartFailed"
        await ear.hears([])
    left = await place.now(container)
    assert (left.state, left.started_at, left.exit_code, left.address) == ("created", None, None, None)
    assert left.error != ""


@fact
async def test_what_could_not_start_is_removed_like_any_other(place: Place) -> None:
    """Nothing of it runs."""
    container = await place.made(replace(WORKS, missing=True))
    assert await raised(place.runtime.start(container)) == "RevisionBad StartFailed"
    await place.runtime.remove(container)
    assert place.look(container.id) is None


@fact
async def test_a_start_has_a_time_and_an_address(place: Place) -> None:
    """Nothing else of it changes."""
    made = await place.made()
    await place.runtime.start(made)
    up = await place.now(made)
    assert up.started_at is not None
    assert up.address is not None
    assert replace(up, state="created", started_at=None, address=None) == made


@fact
async def test_a_start_is_later_than_the_one_before(place: Place) -> None:
    """After an end of its own too."""
    first = await place.becomes(await place.up(replace(WORKS, exits=0.1)), "exited")
    await place.runtime.start(first)
    again = await place.waits(lambda item: item.started_at != first.started_at, first)
    assert (again.started_at or 0) > (first.started_at or 0)


@fact
async def test_a_restart_is_the_same_container_with_a_later_start(place: Place) -> None:
    """It has an address, and the count of restarts is the Engine's own, not ours."""
    up = await place.up()
    await place.runtime.restart(up, 5)
    again = await place.now(up)
    assert (again.id, again.state, again.restart_count) == (up.id, "running", 0)
    assert (again.started_at or 0) > (up.started_at or 0)
    assert again.address is not None


@pytest.mark.parametrize(("stops", "grace", "code"), [(0.0, 5.0, 0), (0.2, 5.0, 0), (99.0, 1.0, 137), (5.0, 0.0, 137)])
@fact
async def test_a_stop_waits_for_the_grace_and_no_longer(place: Place, stops: float, grace: float, code: int) -> None:
    """Who ends in time ends with 0, who does not with 137; the call returns when it is over."""
    container = await place.up(replace(WORKS, stops=stops))
    await place.runtime.stop(container, grace)
    ended = await place.now(container)
    assert (ended.state, ended.exit_code, ended.address) == ("exited", code, None)


@fact
async def test_a_stop_of_the_deaf_is_heard_as_two_kills(place: Place) -> None:
    """SIGTERM and SIGKILL."""
    container = await place.up(DEAF)
    async with place.listening(container) as ear:
        await place.runtime.stop(container, 1.0)
        await ear.hears(["kill", "kill", "die", "stop"])


@fact
async def test_two_stops_at_once_are_one(place: Place) -> None:
    """Both return when it has ended."""
    container = await place.up(replace(WORKS, stops=0.5))
    await asyncio.gather(place.runtime.stop(container, 5), place.another().stop(container, 5))
    assert (await place.now(container)).exit_code == 0


@fact
async def test_four_removals_at_once_are_one(place: Place) -> None:
    """Each returns when it is gone (F18)."""
    container = await place.made()
    await asyncio.gather(*(place.runtime.remove(container) for _ in range(4)))
    assert place.look(container.id) is None


@pytest.mark.parametrize("code", [0, 1])
@fact
async def test_the_mark_brings_back_what_ends_by_itself(place: Place, code: int) -> None:
    """With a later start, whatever the code; the Engine counts it."""
    container = await place.made(replace(WORKS, exits=0.5, code=code))
    await place.runtime.mark(container, True)
    await place.runtime.start(container)
    first = await place.now(container)
    again = await place.waits(lambda item: item.running and item.restart_count > first.restart_count, container)
    assert (again.started_at or 0) > (first.started_at or 0)
    assert again.passed


@fact
async def test_without_the_mark_nothing_comes_back(place: Place) -> None:
    """An end is an end."""
    ended = await place.becomes(await place.up(replace(WORKS, exits=0.1)), "exited")
    await asyncio.sleep(LATER)
    assert await place.now(ended) == ended


@pytest.mark.parametrize("how", ["kill", "stop", "our stop"])
@fact
async def test_the_mark_does_not_bring_back_what_was_stopped_by_hand(place: Place, how: str) -> None:
    """Whoever did it, through the API."""
    container = await place.up()
    await place.runtime.mark(container, True)
    if how == "kill":
        place.kill(container)
    elif how == "stop":
        await place.stop(container)
    else:
        await place.runtime.stop(container, 5)
    ended = await place.becomes(container, "exited")
    assert (ended.exit_code, ended.passed) == (137 if how == "kill" else 0, True)
    await asyncio.sleep(LATER)
    assert await place.now(container) == ended


@fact
async def test_a_start_after_a_stop_by_hand_makes_the_mark_count_again(place: Place) -> None:
    """The Engine forgets that it was stopped."""
    container = await place.made(replace(WORKS, exits=3.0))
    await place.runtime.mark(container, True)
    await place.runtime.start(container)
    place.kill(container)
    await place.becomes(container, "exited")
    await place.runtime.start(container)
    assert (await place.waits(lambda item: item.restart_count >= 1, container)).passed


@fact
async def test_a_mark_given_to_what_ended_does_not_start_it(place: Place) -> None:
    """It counts for the next end."""
    ended = await place.becomes(await place.up(replace(WORKS, exits=0.1)), "exited")
    await place.runtime.mark(ended, True)
    await asyncio.sleep(LATER)
    left = await place.now(ended)
    assert (left.state, left.passed) == ("exited", True)


@fact
async def test_a_crash_loop_is_no_running(place: Place) -> None:
    """It has neither an address nor a code, though it is attached, and every run but the first was counted (F27)."""
    container = await place.in_state("restarting")
    assert (container.running, container.connected, container.address) == (False, True, None)
    assert container.exit_code is None
    lines = len(await place.runtime.logs(container, 100))
    assert lines - 1 <= (await place.now(container)).restart_count <= lines + 1
    place.keep("restarting", container, place.look(container.id))


@fact
async def test_a_restart_of_ours_begins_the_count_anew(place: Place) -> None:
    """So that restarts of before are not held against it."""
    container = await place.in_state("restarting")
    await place.runtime.restart(container, 5)
    assert (await place.now(container)).restart_count < container.restart_count
    await place.runtime.stop(container, 5)


@pytest.mark.parametrize("code", [0, 4])
@fact
async def test_a_one_off_container_ends_with_its_code(place: Place, code: int) -> None:
    """It is kept, and its code with it."""
    app = replace(WORKS, job=0.3, job_code=code)
    ended = await place.becomes(await place.up(app, role="preDeploy"), "exited")
    assert (ended.role, ended.exit_code) == ("preDeploy", code)


@pytest.mark.parametrize("health", ["healthy", "unhealthy"])
@fact
async def test_the_images_own_health_is_told(place: Place, health: str) -> None:
    """First that it is starting, then what its check says (F28)."""
    container = await place.up(replace(WORKS, ready=0.5, health=health))
    assert container.health in ("starting", health)
    assert (await place.waits(lambda item: item.health != "starting", container)).health == health


@fact
async def test_an_image_without_a_check_has_no_health(place: Place) -> None:
    """Absent is not healthy (F28)."""
    assert (await place.up()).health is None


@fact
async def test_a_container_that_ended_has_no_health(place: Place) -> None:
    """The last word of its check counts no more."""
    container = await place.up(replace(WORKS, ready=0.5, health="healthy"))
    await place.runtime.stop(container, 5)
    assert (await place.now(container)).health is None
