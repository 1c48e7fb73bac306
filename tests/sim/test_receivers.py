"""L11: whoever is told of rollouts may be slow, silent or gone for ever: no pass waits for it, and nothing is lost."""

from functools import partial
from typing import Literal

import pytest

from tests.sim.faults import FaultAt
from tests.sim.receivers import Receiver
from tests.sim.sources import project
from tests.sim.stories.rollouts import FIVE_HUNDRED
from tests.world import Simulation, simulate

Mode = Literal["up", "slow", "down", "silent"]


async def story(sim: Simulation, receivers: list[Receiver]) -> None:
    """A success, a roll-back, a success and a removal: three ends that are told."""
    await sim.notify(*receivers)
    for tag, app in (("1.0", None), ("2.0", FIVE_HUNDRED), ("3.0", None)):
        sim.push(tag, app)
        await sim.write(project("shop", tag))
        await sim.settle()
    sim.matches()


def told(sim: Simulation) -> set[tuple[str, str]]:
    """Rollout and event of everything that has ended, as receivers should hear it."""
    words = {"succeeded": "success", "failed": "failure", "rolledBack": "rollback"}
    return {(row.rollout, words[row.status]) for row in sim.disk.rows.values() if row.status in words}


def heard(receiver: Receiver) -> set[tuple[str, str]]:
    """The same as it arrived."""
    return {(body["rollout"], body["event"]) for body in receiver.bodies if body["rollout"]}


@pytest.mark.parametrize("mode", ["up", "slow", "down", "silent"])
def test_safety_no_receiver_delays_anything(mode: Mode) -> None:
    """Each effect happens in the very moment in which it happens with nobody to tell."""
    receiver = Receiver("one", mode)
    alone, with_one = simulate(partial(story, receivers=[])), simulate(partial(story, receivers=[receiver]))
    assert with_one.trace() == alone.trace()
    assert receiver.attempts >= 3


def test_a_receiver_hears_of_each_end_once_whatever_another_does() -> None:
    """Beside one that is silent and one that is gone."""
    good, others = Receiver("good"), [Receiver("silent", "silent"), Receiver("down", "down")]
    sim = simulate(partial(story, receivers=[*others, good]))
    assert {event for _, event in told(sim)} == {"success", "rollback"}
    assert heard(good) == told(sim)
    assert set(good.got.values()) == {1}


def test_liveness_what_a_receiver_missed_it_hears_when_it_is_back() -> None:
    """Within the longest pause, also what a former life of the controller had to tell."""
    receiver = Receiver("one", "down")

    async def played(sim: Simulation) -> None:
        await story(sim, [receiver])
        await sim.restart()
        await sim.settle()
        receiver.mode = "up"
        await sim.wait(lambda: heard(receiver) == told(sim), 310)

    simulate(played)
    assert set(receiver.got.values()) == {1}


def test_liveness_a_controller_that_dies_tells_it_in_its_next_life() -> None:
    """S19: at least once, by an id that stays the same, killed at any record."""
    reference = simulate(partial(story, receivers=[Receiver("one")]))
    records = [number for number, call in enumerate(reference.border.issued) if call.op == "store.record"]
    for number in records:
        receiver = Receiver("one", "slow")
        sim = simulate(partial(story, receivers=[receiver]), FaultAt({number: "after"}))
        assert heard(receiver) == told(sim), number
        assert max(receiver.got.values()) <= 2


@pytest.mark.parametrize("seconds", [-3600.0, -365 * 86_400.0, 3600.0], ids=lambda seconds: f"{seconds:+g}s")
def test_liveness_a_clock_that_is_set_keeps_nothing_back(seconds: float) -> None:
    """F5: neither what waits for another try, nor what is told from then on."""
    receiver, other = Receiver("one", "down"), Receiver("two")

    async def played(sim: Simulation) -> None:
        await story(sim, [receiver, other])
        sim.set_clock(seconds)
        sim.push("4.0")
        await sim.write(project("shop", "4.0"))
        await sim.settle()
        receiver.mode = "up"
        await sim.wait(lambda: heard(receiver) == heard(other) == told(sim), 310)

    simulate(played)
