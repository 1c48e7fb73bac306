"""Plays the whole crash matrix and writes its page: `python -m tests.sim.run_matrix`, or `make matrix`.

With names of stories only these are played, and what the page says of the others stays. Exit code 1 when something does
not converge; the page then names it.
"""

import multiprocessing
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from tests.sim.faults import FaultAt
from tests.sim.matrix import PAIRED, Case, Reference, passes
from tests.sim.matrix_page import PAGE, PROXIES, Row, effects, read, render, stored
from tests.sim.scenarios import ALL

PARTS_OF_PAIRS = 12
"""Parts in which the pairs of a story are played."""


Rows = dict[tuple[bool, str, str], Row]
"""By number of faults, story and proxy."""


@dataclass(frozen=True)
class Work:
    """A piece of one story: every `of`-th of its faults, or pairs of faults, from the `part`-th on."""

    story: str
    proxy: str
    double: bool
    part: int = 0
    of: int = 1


def play(work: Work) -> Row:
    """Play a piece; whatever fails is written down."""
    scenario = next(item for item in ALL if item.__name__ == work.story)
    reference = Reference.of(scenario, work.proxy == "npm")
    row = Row(work.story, work.proxy, effects(reference.calls), stored(reference.calls), work.double)
    pairs, ones = list(reference.pairs()), [(one,) for one in reference.cases()]
    cases: Sequence[tuple[Case, ...]] = pairs if work.double else ones
    for case in cases[work.part :: work.of]:
        _one(reference, case, row)
    return row


def _one(reference: Reference, cases: Sequence[Case], row: Row) -> None:
    name = " and ".join(f"{case.effect} {case.mode}" for case in cases)
    try:
        sim = reference.play(*cases)
    except AssertionError as error:
        row.faults[cases[0].mode] += 1
        row.failed.append(f"cell {row.story} {name} {row.proxy}: {str(error).partition(chr(10))[0][:200]}")
        return
    faults = sim.border.faults
    assert isinstance(faults, FaultAt)
    hit = faults.hit
    if len(hit) < len(cases):
        return
    row.faults[cases[0].mode] += 1
    row.converged += 1
    needed = passes(sim, hit[-1].time)
    row.passes = max(row.passes, needed)
    if len(cases) == 1:
        row.more = max(row.more, needed - passes(reference.sim, hit[0].time))


def everything(chosen: Sequence[str]) -> list[Work]:
    """All pieces in the order of the page, or only those of the chosen stories."""
    pieces: list[Work] = []
    for scenario in ALL:
        for proxy in PROXIES:
            pieces += _pieces(scenario.__name__, proxy, double=False)
    for scenario in PAIRED:
        pieces += _pieces(scenario.__name__, "caddy", double=True)
    return [work for work in pieces if not chosen or work.story in chosen]


def _pieces(story: str, proxy: str, double: bool) -> list[Work]:
    of = PARTS_OF_PAIRS if double else 1
    return [Work(story, proxy, double, part, of) for part in range(of)]


def main(chosen: Sequence[str]) -> int:
    """Entry point of the module. The page grows while it is played, so that what is done is not lost."""
    rows = _known() if chosen else {}
    played: Rows = {}
    for row in _played(everything(chosen)):
        key = (row.double, row.story, row.proxy)
        if key in played:
            played[key].join(row)
        else:
            played[key] = row
        rows[key] = played[key]
        PAGE.write_text(_page(rows))
    total, converged = (sum(getattr(row, name) for row in played.values()) for name in ("played", "converged"))
    print(f"\n{converged} of {total} converged; see {PAGE.relative_to(PAGE.parents[1])}")
    return 0 if converged == total else 1


def _page(rows: Rows) -> str:
    single = [(False, story.__name__, proxy) for story in ALL for proxy in PROXIES]
    double = [(True, story.__name__, "caddy") for story in PAIRED]
    return render([rows[key] for key in single if key in rows], [rows[key] for key in double if key in rows])


def _known() -> Rows:
    """What the page says of stories that are not played now."""
    return {(row.double, row.story, row.proxy): row for rows in read(PAGE.read_text()) for row in rows}


def _played(work: Sequence[Work]) -> Iterator[Row]:
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(int(os.environ.get("WORKERS", os.cpu_count() or 1)), mp_context=context) as pool:
        for number, row in enumerate(pool.map(play, work), 1):
            for line in row.failed:
                print(line, flush=True)
            print(f"\r{number} of {len(work)}", end="", file=sys.stderr, flush=True)
            yield row


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
