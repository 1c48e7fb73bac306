"""Mutation score of `controller/core`: what part of small mistakes, drawn by chance, the suite notices.

`python -m tests.mutants -n 200` draws so many, runs the pure tests and the stories of the simulator against each, and
prints those that nobody noticed. Takes some ten seconds for each; no part of the tests of every day.
"""

import argparse
import ast
import difflib
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.operators import Site, mutate, sites
from tests.planted.copy import ROOT, copy, rewrite, run

CORE = ROOT / "controller" / "core"
OPTIONS = (
    "-x",
    "-q",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:xdist",
    "--timeout=60",
    "--no-header",
    "--tb=no",
    "--hypothesis-seed=0",
)
SIM = ("tests/sim/test_stories.py", "tests/sim/test_manager.py", "tests/sim/test_hostile.py")
STORIES = (*SIM, "-k", "not one_change_at_a_time and not without_any_event and not same_trace and not a_day")
"""Each story once; the same again on another proxy, without events or for its trace notices hardly more."""
ASIDE = ("test_settings.py", "test_caddy_config.py", "test_npm_hosts.py", "test_init.py")
"""Slow tests of what is not the core, unless they name the module."""
PATIENCE = 240.0
"""Seconds for one stage; a mutant that takes longer runs in circles, which somebody would notice."""


@dataclass(frozen=True)
class Mutant:
    """One mistake in one module."""

    path: Path
    site: Site

    @property
    def name(self) -> str:
        """Such as plan.py:12 flip 0 #4."""
        return f"{self.path.name}:{self.site.line} {self.site.kind} #{self.site.number}"


def everything() -> list[Mutant]:
    """All mutants of the core, in order."""
    return [Mutant(path, site) for path in sorted(CORE.glob("*.py")) for site in sites(_tree(path))]


def judge(mutant: Mutant | None) -> str:
    """`killed`, `circles` or `survived`. None: the core as it is, which must survive."""
    with tempfile.TemporaryDirectory(prefix="hf-mutant-") as name:
        folder = copy(Path(name))
        if mutant is not None:
            rewrite(folder, str(mutant.path.relative_to(ROOT)), mutate(_tree(mutant.path), mutant.site))
        try:
            for stage in _stages(mutant.path.stem if mutant is not None else ""):
                if run(folder, ["-m", "pytest", *OPTIONS, *stage], PATIENCE).returncode != 0:
                    return "killed"
        except subprocess.TimeoutExpired:
            return "circles"
    return "survived"


def _stages(module: str) -> list[Sequence[str]]:
    """The tests in the order in which they are likely to notice: those that name the module, the stories, the rest."""
    files = sorted((ROOT / "tests" / "core").glob("test_*.py"))
    named = [file for file in files if re.search(rf"\b{module}\b", file.read_text()) or file.stem == "test_plan"]
    rest = [file for file in files if file not in named and file.name not in ASIDE]
    first, last = ([str(file.relative_to(ROOT)) for file in group] for group in (named, rest))
    return [group for group in (first, STORIES, last) if group]


def shown(mutant: Mutant) -> str:
    """The lines that the mistake changes."""
    tree = _tree(mutant.path)
    before, after = ast.unparse(tree).splitlines(), mutate(tree, mutant.site).splitlines()
    lines = list(difflib.unified_diff(before, after, lineterm="", n=0))[2:]
    return "\n".join(f"    {line}" for line in lines if not line.startswith("@@"))


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def main() -> int:
    """Draw, judge, report."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("-n", type=int, default=200, help="how many mutants; 0: all")
    parser.add_argument("--seed", type=int, default=1, help="another seed draws others")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", default="", help="modules whose name begins so")
    parser.add_argument("--log", type=Path, help="file that each judgement is added to, as JSON lines")
    options = parser.parse_args()
    found = [item for item in everything() if item.path.name.startswith(options.only)]
    drawn = random.Random(options.seed).sample(found, min(options.n or len(found), len(found)))
    if judge(None) != "survived":
        print("the tests fail without any mistake; mend that first")
        return 1
    begun, survived, done = time.monotonic(), [], 0
    with ThreadPoolExecutor(options.workers) as pool:
        for mutant, result in zip(drawn, pool.map(judge, drawn), strict=True):
            done += 1
            if result == "survived":
                survived.append(mutant)
                print(f"survived: {mutant.name}\n{shown(mutant)}", flush=True)
            if options.log:
                with options.log.open("a") as file:
                    file.write(json.dumps({"mutant": mutant.name, "result": result}) + "\n")
    share = 100 * (done - len(survived)) / max(done, 1)
    print(f"{done - len(survived)} of {done} mutants noticed ({share:.1f} %), of {len(found)} there are;", end=" ")
    print(f"seed {options.seed}, {time.monotonic() - begun:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
