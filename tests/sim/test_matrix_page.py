"""The page of the crash matrix is about the stories as they are now."""

from collections import Counter
from dataclasses import replace

import pytest

from tests.sim.faults import Call
from tests.sim.matrix import PAIRED, fault_free
from tests.sim.matrix_page import PAGE, PROXIES, Row, effects, read, render, stored
from tests.sim.scenarios import ALL, Scenario

SINGLE, DOUBLE = read(PAGE.read_text()) if PAGE.exists() else ([], [])
WRITTEN = {(row.story, row.proxy): (row.effects, row.stored) for row in SINGLE}


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize("scenario", ALL, ids=lambda scenario: scenario.__name__)
def test_the_page_lists_the_effects_of_each_story(scenario: Scenario, proxy: str) -> None:
    """What was crashed at is what the story does now; else the page is to be written anew."""
    calls = fault_free(scenario, proxy == "npm").calls
    assert WRITTEN.get((scenario.__name__, proxy)) == (effects(calls), stored(calls)), "run `make matrix`"


def test_the_page_has_every_story_and_all_of_them_converge() -> None:
    """On both proxies with one fault, the most important ones with two; nothing else is left in it."""
    assert [(row.story, row.proxy) for row in SINGLE] == [(story.__name__, proxy) for story in ALL for proxy in PROXIES]
    assert [row.story for row in DOUBLE] == [story.__name__ for story in PAIRED]
    assert [row.story for row in (*SINGLE, *DOUBLE) if row.converged != row.played] == []


def test_a_page_can_be_read_again() -> None:
    """What was played before need not be played again for one new story."""
    rows = [Row("deploy", "npm", "pull x2", "1 record", False, Counter(before=3, late=1), 4, 7, -1)]
    pairs = [Row("deploy", "caddy", "", "", True, Counter(pairs=9), 8, 5, failed=["cell deploy 1 lost"])]
    assert read(render(rows, pairs)) == (rows, [replace(pairs[0], failed=[])])


def test_repeated_effects_are_written_once() -> None:
    """A block with its number; what the store gets is counted by kind."""
    ops = ["docker.pull", *["docker.create", "docker.start", "store.record"] * 3, "proxy.write", "proxy.write"]
    calls = [Call(number, number, op, "") for number, op in enumerate(ops)]
    assert (effects(calls), stored(calls)) == ("pull (create start) x3 route x2", "3 record")
