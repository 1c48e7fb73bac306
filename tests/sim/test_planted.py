"""Would the suite find it? Each known mistake, planted in a copy of the package, turns red what it names.

Real parts that are missing skip the bugs that need them. What turns red by a bug is green without one, in such a copy.
"""

from pathlib import Path

import pytest

from tests.planted import decisions, effects
from tests.planted.bug import Bug, plant
from tests.planted.copy import copy, run

BUGS = (*decisions.BUGS, *effects.BUGS)
RUN_TIMEOUT_S = 120.0
"""Seconds for one run; a bug that makes a test hang is ended by the test's own timeout before."""


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name.replace(" ", "-").replace(",", ""))
def test_a_planted_bug_is_found(bug: Bug, tmp_path: Path) -> None:
    """What the bug names fails, with the words that belong to it."""
    folder = copy(tmp_path)
    plant(bug, folder)
    found = run(folder, bug.arguments, RUN_TIMEOUT_S)
    if found.returncode == 0 and " skipped in " in found.stdout:
        pytest.skip(_reason(found.stdout))
    assert found.returncode == 1, f"{bug.red} is not red although {bug.story}\n{found.stdout[-3000:]}"
    assert bug.says in found.stdout, f"red for another reason than {bug.says!r}\n{found.stdout[-3000:]}"


@pytest.mark.parametrize("module", ["tests.planted.play", "pytest"])
def test_without_it_the_same_is_green(module: str, tmp_path: Path) -> None:
    """In the same kind of copy, with nothing planted."""
    found = {bug.red: bug.arguments for bug in BUGS if module in bug.arguments}
    *options, _ = next(iter(found.values()))
    done = run(copy(tmp_path), [*options, *found], RUN_TIMEOUT_S)
    assert done.returncode == 0, done.stdout[-3000:]


def test_all_of_the_list_are_there() -> None:
    """25, each under a name of its own."""
    assert len({bug.name for bug in BUGS}) == len(BUGS) == 25


def _reason(output: str) -> str:
    return next((line for line in output.splitlines() if line.startswith("SKIPPED")), "a part is missing")
