"""The crash matrix: every story, a fault at every effect (L2). `SIM=full` plays every fault at each of them.

Without it each effect but the reports of statuses meets one fault, another kind from effect to effect; without
`CI=true` only every second effect.
"""

import os
from functools import partial

import pytest

from tests.sim.faults import FaultAt, Mode
from tests.sim.matrix import PAIRED, Case, Reference, fault_free
from tests.sim.scenarios import ALL, DEFAULT, Scenario, deploy
from tests.sim.sources import project
from tests.world import Simulation, simulate

FULL = os.environ.get("SIM") == "full"
EVERY = 1 if os.environ.get("CI") == "true" else 2
"""Of so many effects one meets a fault."""
STRIDE = 1 if FULL else 97
"""So many pairs are passed over for each that is played; no multiple of the number of kinds of faults."""


def _chosen(reference: Reference) -> list[Case]:
    every_case = list(reference.cases())
    if FULL:
        return every_case
    by_effect: dict[int, list[Case]] = {}
    for case in every_case:
        if reference.calls[case.effect].op != "store.report":
            by_effect.setdefault(case.effect, []).append(case)
    return [cases[number % len(cases)] for number, cases in enumerate([*by_effect.values()][::EVERY])]


@pytest.mark.parametrize("npm", [False, True], ids=["caddy", "npm"])
@pytest.mark.parametrize("scenario", ALL, ids=lambda scenario: scenario.__name__)
def test_liveness_a_fault_at_any_effect_changes_nothing_in_the_end(scenario: Scenario, npm: bool) -> None:
    """L2, L3, S6, S10, S12: the same end, no leftovers, hardly more calls; safety held after every effect."""
    reference = fault_free(scenario, npm)
    cases = _chosen(reference)
    for case in cases[1::3] if npm and not FULL else cases:
        reference.play(case)


@pytest.mark.parametrize("mode", ["fail", "lost", "hang"])
def test_safety_a_container_that_could_not_be_marked_yet_keeps_its_routes(mode: Mode) -> None:
    """S5: its mark fails, its routes are set, and it is paused, or the controller dies: the default route stays."""
    marks = [number for number, call in enumerate(fault_free(deploy).calls) if call.op == "docker.mark"]

    async def story(sim: Simulation, hurt: bool) -> None:
        sim.push("1.0")
        await sim.write(project("shop", "1.0"))
        await sim.wait(lambda: DEFAULT in sim.routes())
        if hurt:
            sim.vandal("pause", sim.box("1.0"))
        else:
            await sim.crash()
        await sim.settle()
        sim.matches()

    for hurt in (True, False):
        sim = simulate(partial(story, hurt=hurt), FaultAt({marks[0]: mode}))
        assert not [target for target in sim.ops("proxy.write") if f"{DEFAULT}→∅" in target], sim.trace()


@pytest.mark.parametrize("scenario", PAIRED, ids=lambda scenario: scenario.__name__)
def test_liveness_two_faults_change_nothing_in_the_end(scenario: Scenario) -> None:
    """L4: a fault, and another one while the controller recovers from it."""
    reference = fault_free(scenario)
    for pair in tuple(reference.pairs())[::STRIDE]:
        reference.play(*pair)
