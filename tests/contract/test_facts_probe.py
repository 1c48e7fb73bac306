"""What one question to a container comes to, by the state it is in and by what it answers (F12, F28)."""

import asyncio
from dataclasses import replace

import pytest

from controller.core.model.desired import Check
from controller.core.model.observed import Container
from controller.interfaces import Probe
from tests.contract.facts import fact, until
from tests.contract.facts_place import WORKS, Place

HTTP = Check("http", 8080, timeout=10.0)
TCP = replace(HTTP, type="tcp")
SHORT = replace(HTTP, timeout=0.5)


async def answering(place: Place, status: int = 200) -> Container:
    """A container whose port is open."""
    container = await place.up(replace(WORKS, status=status))

    async def listens() -> bool:
        return (await place.prober.probe(TCP, container)).ok

    await until(listens)
    return container


@pytest.mark.parametrize(
    ("status", "ok"), [(200, True), (204, True), (302, True), (399, True), (400, False), (404, False), (503, False)]
)
@fact
async def test_the_status_decides(place: Place, status: int, ok: bool) -> None:
    """It is named, and a redirect is judged by its own status."""
    found = await place.prober.probe(HTTP, await answering(place, status))
    assert found == Probe(ok, f"status {status}")


@pytest.mark.parametrize(("status", "ok"), [(200, False), (401, True), (403, True), (404, False)])
@fact
async def test_declared_statuses_decide(place: Place, status: int, ok: bool) -> None:
    """Both ends of a range are in it."""
    check = replace(HTTP, statuses=((401, 403),))
    assert (await place.prober.probe(check, await answering(place, status))).ok is ok


@pytest.mark.parametrize("check", [HTTP, TCP], ids=["http", "tcp"])
@fact
async def test_a_port_that_nobody_listens_to_refuses(place: Place, check: Check) -> None:
    """That is told apart, so that the gate asks again soon."""
    container = await place.up(replace(WORKS, ready=99.0))
    found = await place.prober.probe(check, container)
    assert found == Probe(False, "connection refused", refused=True)


@fact
async def test_an_open_port_is_enough_for_tcp(place: Place) -> None:
    """Whatever would be answered there."""
    assert (await place.prober.probe(TCP, await answering(place, 503))).ok


@pytest.mark.parametrize("state", ["created", "paused", "exited", "disconnected"])
@fact
async def test_what_has_no_address_is_not_asked(place: Place, state: str) -> None:
    """The answer says how it is."""
    container = await place.in_state(state)
    now = await place.now(container)
    found = await place.prober.probe(HTTP, now)
    assert found == Probe(False, f"is {now.state} and has no address")
    place.keep(state, container, place.look(container.id))


@fact
async def test_a_paused_application_does_not_answer(place: Place) -> None:
    """Who knows it only as running waits for the whole timeout."""
    container = await answering(place)
    place.pause(container)
    assert await place.prober.probe(SHORT, container) == Probe(False, "no answer within 0.5 s")


@fact
async def test_a_paused_application_still_has_an_open_port(place: Place) -> None:
    """The kernel accepts for it."""
    container = await answering(place)
    place.pause(container)
    assert (await place.prober.probe(TCP, container)).ok


@pytest.mark.parametrize("how", ["stopped", "disconnected"])
@fact
async def test_an_address_that_nobody_has_any_more_does_not_answer(place: Place, how: str) -> None:
    """A probe by an old look fails (F12)."""
    container = await answering(place)
    if how == "stopped":
        await place.runtime.stop(container, 5)
    else:
        place.disconnect(container)
    assert not (await place.prober.probe(SHORT, container)).ok


@pytest.mark.parametrize(
    ("health", "ok", "refused"), [("healthy", True, False), ("unhealthy", False, False), ("starting", False, True)]
)
@fact
async def test_docker_health_is_taken_as_it_was_seen(place: Place, health: str, ok: bool, refused: bool) -> None:
    """While it starts it is no verdict (F28)."""
    container = await place.in_state("running")
    found = await place.prober.probe(Check("docker"), replace(container, health=health))  # type: ignore[arg-type]
    assert (found.ok, found.refused) == (ok, refused)
    place.keep("running", container, place.look(container.id))


@fact
async def test_an_image_without_a_check_never_gets_well(place: Place) -> None:
    """It is a failure, not a `not yet` (F28)."""
    container = await place.in_state("running")
    found = await place.prober.probe(Check("docker"), container)
    assert (found.ok, found.refused) == (False, False)
    place.keep("running", container, place.look(container.id))


@pytest.mark.parametrize(("state", "ok"), [("created", False), ("running", True), ("paused", False), ("exited", False)])
@fact
async def test_without_a_check_it_is_enough_to_run(place: Place, state: str, ok: bool) -> None:
    """Paused is not running."""
    container = await place.in_state(state)
    assert (await place.prober.probe(Check("none"), await place.now(container))).ok is ok
    place.keep(state, container, place.look(container.id))


@fact
async def test_an_application_that_ends_stops_answering_first(place: Place) -> None:
    """From SIGTERM on no new request is taken."""
    container = await place.up(replace(WORKS, stops=3.0))

    async def answers() -> bool:
        return (await place.prober.probe(HTTP, container)).ok

    await until(answers)
    stopping = asyncio.ensure_future(place.runtime.stop(container, 10))

    async def silent() -> bool:
        return not await answers()

    await until(silent)
    assert (await place.now(container)).state == "running"
    await stopping
