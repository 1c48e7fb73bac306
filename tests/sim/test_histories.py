"""Random histories by seed: any user, any vandal, any fault, and in the end what is declared. `CI=true` plays more."""

import os

import pytest

from tests.sim.histories import HEAVY, Options, Violation, history, options, play_recorded
from tests.sim.kept_histories import KeptHistory, kept_histories
from tests.sim.replay import failure_report
from tests.sim.scripts import script

HISTORIES = 2_000 if os.environ.get("CI") == "true" else 400
"""`make soak` plays more, from fresh seeds."""
SEEDS_IN_TEST = 20
"""Seeds in one test."""
MINIMISE_S = 90.0
"""Seconds for cutting down what fails."""


@pytest.mark.parametrize("first", range(0, HISTORIES, SEEDS_IN_TEST))
def test_safety_and_liveness_of_random_histories(first: int) -> None:
    """S1 to S19, L1, L2, L5, L8: people, machines and calls do what they like; at last all is as declared."""
    for seed in range(first, first + SEEDS_IN_TEST):
        try:
            play_recorded(seed, options(seed))
        except Violation as found:
            pytest.fail(failure_report(found, MINIMISE_S), pytrace=False)


@pytest.mark.parametrize("case", kept_histories(), ids=lambda case: case.name)
def test_safety_and_liveness_of_kept_histories(case: KeptHistory) -> None:
    """What once showed a mistake is played for ever."""
    case.script.play()


def test_the_same_seed_gives_the_same_trace() -> None:
    """S13: a failing seed can be played again."""
    assert history(1).trace() == history(1).trace()


@pytest.mark.parametrize("chosen", [Options(), HEAVY, Options(npm=True)], ids=str)
def test_a_history_that_was_written_down_gives_the_same_trace(chosen: Options) -> None:
    """A script is all of a history, faults and lost events too, also once it has been a file."""
    written, sim = play_recorded(7, chosen)
    assert script(written.data()).play().trace() == sim.trace()
