"""What looks and events tell: whose containers, in which state, at which address, in which order (F12, F16, F36)."""

import asyncio
from dataclasses import replace

import pytest

from controller.core.model import names
from tests.contract.facts import fact
from tests.contract.facts_place import WORKS, Place

LISTED = ["created", "running", "paused", "exited", "disconnected"]


@pytest.mark.parametrize("state", LISTED)
@fact
async def test_a_list_and_an_inspect_say_the_same(place: Place, state: str) -> None:
    """Of each container in each state."""
    container = await place.in_state(state)
    assert container.id in {item.id for item in await place.runtime.list()}
    assert [item for item in await place.runtime.list() if item.id == container.id] == [await place.now(container)]
    place.keep(state, container, place.look(container.id))


@pytest.mark.parametrize(
    ("state", "connected", "addressed"),
    [
        ("created", True, False),
        ("running", True, True),
        ("paused", True, False),
        ("exited", True, False),
        ("disconnected", False, False),
    ],
)
@fact
async def test_only_what_runs_and_is_attached_has_an_address(
    place: Place, state: str, connected: bool, addressed: bool
) -> None:
    """An old address of a container that ended is not told (F12)."""
    container = await place.in_state(state)
    now = await place.now(container)
    assert (now.connected, now.address is not None) == (connected, addressed)
    place.keep(state, container, place.look(container.id))


@pytest.mark.parametrize("state", ["renamed", "gone", "replaced"])
@fact
async def test_what_is_not_the_same_any_more_is_not_seen(place: Place, state: str) -> None:
    """Neither in a list nor by its id (F36)."""
    container = await place.in_state(state)
    assert await place.runtime.inspect(container.id) is None
    assert container.id not in {item.id for item in await place.runtime.list()}
    place.keep(state, container, place.look(container.id))


@fact
async def test_a_container_that_was_named_back_is_seen_again(place: Place) -> None:
    """It is the same one."""
    container = await place.up()
    place.rename(container, f"{container.name}-x")
    place.rename(container, container.name)
    assert await place.now(container) == container


@fact
async def test_a_list_of_a_stage_is_of_that_stage_alone(place: Place) -> None:
    """A name that begins alike is another stage's."""
    mine = await place.made()
    stage, place.stage = place.stage, f"{place.stage}-2"
    other = await place.made()
    assert [item.id for item in await place.runtime.list(stage)] == [mine.id]
    assert [item.id for item in await place.runtime.list(place.stage)] == [other.id]
    assert {mine.id, other.id} <= {item.id for item in await place.runtime.list()}
    assert await place.runtime.list(f"{stage}-3") == ()


@fact
async def test_a_list_is_in_the_order_of_names(place: Place) -> None:
    """Whatever was made first."""
    for tag in ("c", "a", "b"):
        await place.made(tag=tag)
    assert [item.tag for item in await place.runtime.list(place.stage)] == ["a", "b", "c"]


@pytest.mark.parametrize("labels", ["none", "ours", "another controller's"])
@fact
async def test_what_others_made_is_not_listed(place: Place, labels: str) -> None:
    """Labels alone make nothing ours: the name has to agree (F36)."""
    seen = place.look((await place.made()).id)
    assert seen is not None
    theirs = {} if labels == "none" else dict(seen.labels)
    if labels == "another controller's":
        theirs[names.CONTROLLER] = "somebody"
    foreign = await place.foreign(f"{seen.name}-copy", theirs)
    assert foreign not in {item.id for item in await place.runtime.list()}
    assert await place.runtime.inspect(foreign) is None


@fact
async def test_two_that_run_have_two_addresses(place: Place) -> None:
    """On the one network."""
    first, second = await place.up(tag="1"), await place.up(tag="2")
    assert None not in {first.address, second.address}
    assert first.address != second.address


@fact
async def test_a_container_that_is_attached_again_has_an_address(place: Place) -> None:
    """Without a new start (F21)."""
    container = await place.in_state("disconnected")
    await place.runtime.connect(container)
    now = await place.now(container)
    assert (now.connected, now.address is not None, now.started_at) == (True, True, container.started_at)


@fact
async def test_what_was_attached_while_it_was_down_has_an_address_when_it_runs(place: Place) -> None:
    """Not before."""
    container = await place.made()
    place.disconnect(container)
    await place.runtime.connect(container)
    assert (await place.now(container)).address is None
    await place.runtime.start(container)
    assert (await place.now(container)).address is not None


@fact
async def test_what_is_started_detached_runs_without_an_address(place: Place) -> None:
    """Nobody can reach it, and it is seen."""
    container = await place.made()
    place.disconnect(container)
    await place.runtime.start(container)
    now = await place.now(container)
    assert (now.state, now.connected, now.address) == ("running", False, None)


@pytest.mark.parametrize(
    ("hand", "heard"),
    [
        ("kill", ["kill", "die"]),
        ("stop", ["kill", "die", "stop"]),
        ("pause", ["pause"]),
        ("drop", ["kill", "die", "destroy"]),
        ("disconnect", []),
        ("rename", ["rename"]),
    ],
)
@fact
async def test_what_others_do_is_heard(place: Place, hand: str, heard: list[str]) -> None:
    """In this order; the network is not told of, so it is found by looking (F16, F36)."""
    container = await place.up()
    async with place.listening(container) as ear:
        if hand == "stop":
            await place.stop(container)
        elif hand == "rename":
            place.rename(container, f"{container.name}-x")
        else:
            getattr(place, hand)(container)
        await ear.hears(heard)


@fact
async def test_a_life_is_heard_in_order(place: Place) -> None:
    """From the creation to the removal, each with the stage and the id."""
    watched = await place.made(tag="watched")
    async with place.listening(watched) as ear:
        container = await place.up()
        await place.runtime.mark(container, True)
        await place.runtime.stop(container, 5)
        await place.runtime.remove(container)
        actions = await ear.actions(container.id)
        assert actions == ["create", "start", "update", "kill", "die", "stop", "destroy"]
        assert await ear.stages(container.id) == {place.stage}


@fact
async def test_a_stream_begins_with_a_call_to_look_at_everything(place: Place) -> None:
    """What happened before it is not told."""
    container = await place.up()
    async with place.listening(container) as ear:
        assert ear.begun == 1
        await ear.hears([])


@fact
async def test_two_streams_hear_the_same(place: Place) -> None:
    """Nobody takes an event from another."""
    container = await place.made()
    async with place.listening(container) as one, place.listening(container) as two:
        await place.runtime.start(container)
        await one.hears(["start"])
        await two.hears(["start"])


@fact
async def test_a_crash_and_the_engines_restart_are_heard(place: Place) -> None:
    """Each end and each start."""
    container = await place.made(replace(WORKS, exits=1.0))
    await place.runtime.mark(container, True)
    async with place.listening(container) as ear:
        await place.runtime.start(container)
        await place.waits(lambda item: item.running and item.restart_count == 1, container)
        assert (await ear.actions())[:3] == ["start", "die", "start"]


@fact
async def test_a_container_that_never_ran_has_said_nothing(place: Place) -> None:
    """Nor has one that is gone."""
    container = await place.made()
    assert await place.runtime.logs(container, 10) == ()
    await place.runtime.remove(container)
    assert await place.runtime.logs(container, 10) == ()


@pytest.mark.parametrize(("tail", "lines"), [(0, 0), (1, 1), (2, 2), (100, 2)])
@fact
async def test_output_is_the_last_lines_of_all_runs(place: Place, tail: int, lines: int) -> None:
    """Each run of the application says one line; it is kept over an end."""
    container = await place.up()
    await _said(place, container.id, 1)
    await place.runtime.restart(container, 5)
    await _said(place, container.id, 2)
    await place.runtime.stop(container, 5)
    assert await place.runtime.logs(container, tail) == ("up",) * lines


async def _said(place: Place, container: str, lines: int) -> None:
    for _ in range(200):
        if len(await place.runtime.logs(await place.now(container), 10)) == lines:
            return
        await asyncio.sleep(0.05)
