"""Mutation score of `controller/core`: what part of small mistakes, drawn by chance, the suite notices.

`python -m tests.mutants -n 300` draws so many, of each module in proportion, runs against each those tests of
tests/core and stories of the simulator that run its line, the quickest first, and prints what nobody noticed.

Why not a tool: mutmut changes nothing outside functions, where our limits and defaults are, spends four of five mutants
on texts, and draws no sample that can be repeated; cosmic-ray writes into the work tree and runs all tests each time.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.mutants.forks import in_forks
from tests.mutants.mutant import Mutant, everything
from tests.mutants.reach import Reach
from tests.mutants.score import Count, spread, table
from tests.mutants.session import Unsound, judge_imported, judge_planted, look


class Report:
    """Counts judgements as they come, and shows what nobody noticed."""

    def __init__(self, found: Sequence[Mutant], log: Path | None) -> None:
        self.counts: dict[str, Count] = {}
        self._log = log
        for mutant in found:
            self.counts.setdefault(mutant.module, Count()).there += 1

    def add(self, judgement: tuple[Mutant, str]) -> None:
        """Count one."""
        mutant, word = judgement
        count = self.counts[mutant.module]
        count.judged += 1
        count.noticed += word in ("killed", "circles")
        if word not in ("killed", "circles"):
            print(f"{word}: {mutant.name}\n{mutant.shown()}", flush=True)
        if self._log:
            with self._log.open("a") as file:
                file.write(json.dumps({"mutant": mutant.name, "result": word}) + "\n")


def draw(found: Sequence[Mutant], many: int, seed: int) -> list[Mutant]:
    """A sample that holds of each module its part."""
    modules: dict[str, list[Mutant]] = {}
    for mutant in found:
        modules.setdefault(mutant.module, []).append(mutant)
    parts = spread({name: len(items) for name, items in modules.items()}, many)
    chance = random.Random(seed)
    drawn = [mutant for name, items in modules.items() for mutant in chance.sample(items, parts[name])]
    chance.shuffle(drawn)  # so that what is judged by any moment is a sample too
    return drawn


def seen() -> Reach:
    """Who runs what, seen in a fork, so that nothing of the core is imported here."""
    with tempfile.TemporaryDirectory(prefix="hf-mutants-") as folder:
        path = Path(folder) / "reach.json"

        def work() -> int:
            look().write(path)
            return 0

        for _ in in_forks([(None, work, 3600)], 1):
            return Reach.read(path)
    raise AssertionError


def main() -> int:
    """Draw, judge, report."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__.partition("\n")[0])
    parser.add_argument("-n", type=int, default=300, help="how many mutants; 0: all")
    parser.add_argument("--seed", type=int, default=1, help="another seed draws others")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", default="", help="modules whose name begins so")
    parser.add_argument("--log", type=Path, help="file that each judgement is added to, as JSON lines")
    options = parser.parse_args()
    os.environ["CI"] = ""
    begun, found = time.monotonic(), everything(options.only)
    reach = seen()
    if reach.failed:
        print(
            "left out, since they fail without any mistake, or take too long when looked at:", *reach.failed, sep="\n  "
        )
    if not reach.tests:
        print("no test passes")
        return 1
    report = Report(found, options.log)
    imported, planted = [], []
    for mutant in draw(found, options.n, options.seed):
        if reach.at_import(mutant):
            imported.append(mutant)
        elif reach.of(mutant):
            planted.append(mutant)
        else:
            report.add((mutant, "no test runs it"))
    print(f"{len(imported)} by import, {len(planted)} planted, {len(reach.tests)} tests", flush=True)
    try:
        judge_imported(imported, reach, options.workers, report.add)
        judge_planted(planted, reach, options.workers, report.add)
    except Unsound as error:
        print(error)
        return 1
    print(*table(report.counts), sep="\n")
    print(f"seed {options.seed}, {time.monotonic() - begun:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
