"""Looks that show the world of a while ago: whatever is decided on them, nothing is lost, the end is reached."""

import os

import pytest

from tests.sim.faults import StaleLooks
from tests.sim.matrix import fault_free
from tests.sim.scenarios import ALL, Scenario
from tests.sim.sources import project
from tests.sim.stories.rollouts import DEFAULT
from tests.world import Simulation, simulate

FULL = os.environ.get("SIM") == "full"
KINDS = (
    ("docker.list", "docker.inspect"),
    ("proxy.read",),
    ("probe", "proxy.ask"),
    ("source.load",),
    ("registry.resolve", "docker.logs"),
)
"""What is old at the same time."""


@pytest.mark.parametrize("scenario", ALL, ids=lambda scenario: scenario.__name__)
def test_liveness_and_safety_with_every_second_look_of_a_kind_an_old_one(scenario: Scenario) -> None:
    """S1 to S12, L1: each story with one kind of look stale, another one from story to story; `SIM=full` with each."""
    end = fault_free(scenario).end
    for kind in KINDS if FULL else (KINDS[ALL.index(scenario) % len(KINDS)],):
        assert simulate(scenario, StaleLooks(kind)).canonical() == end, kind


def test_safety_what_is_declared_now_is_not_undone_by_an_older_reading() -> None:
    """S17: a reading of the documents that takes long, and an edit meanwhile: the edit stays, its rollout goes on."""
    faults = StaleLooks(("source.load",), every=10**9)

    async def story(sim: Simulation) -> None:
        sim.push("1.0")
        sim.push("2.0")
        await sim.write(project("shop", "1.0"))
        await sim.settle()
        before = sim.border.looks["source.load"]
        faults.every = 1
        await sim.wait(lambda: sim.border.looks["source.load"] > before)
        faults.every = 10**9
        await sim.write(project("shop", "2.0"))
        await sim.settle()
        sim.matches()
        assert sim.routes()[DEFAULT] == "2.0"

    sim = simulate(story, faults)
    assert len([name for name in sim.ops("docker.create") if "-2-0-" in name]) == 1
    assert len([name for name in sim.ops("docker.remove") if "-2-0-" in name]) == 0
