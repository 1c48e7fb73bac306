"""Random histories by seed: any user, any vandal, any fault, and in the end what is declared. `SIM=full` plays more."""

import os

import pytest

from tests.sim.histories import history

FULL = os.environ.get("SIM") == "full"
BLOCKS = 400 if FULL else 8
SIZE = 25
"""Seeds in one test."""


@pytest.mark.parametrize("block", range(BLOCKS))
def test_liveness_without_faults(block: int) -> None:
    """L1, L5, L8: people and machines do what they like, calls work."""
    for seed in range(block * SIZE, (block + 1) * SIZE):
        history(seed, rate=0.0, crash=0.0)


@pytest.mark.parametrize("block", range(BLOCKS))
def test_liveness_with_faults(block: int) -> None:
    """L1, L2, L8: calls fail, hang, happen unheard, and the controller dies in between."""
    for seed in range(block * SIZE, (block + 1) * SIZE):
        history(seed, npm=seed % 3 == 0)


def test_the_same_seed_gives_the_same_trace() -> None:
    """G17: a failing seed can be played again."""
    assert history(1).trace() == history(1).trace()
