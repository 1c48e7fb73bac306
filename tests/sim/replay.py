"""Plays one history again: `python -m tests.sim.replay 17`, or the name of a kept one; `-v` prints what happened.

When something does not hold, the history is cut down to what that needs and printed as it would be kept in
kept_histories.yaml.
"""

import argparse
import sys
from collections.abc import Sequence

from tests.sim.histories import Options, Violation, options, play_recorded
from tests.sim.kept_histories import kept_histories
from tests.sim.minimise import BUDGET_S, minimise
from tests.sim.scripts import FAILURES, failure
from tests.world import Simulation


def failure_report(violation: Violation, seconds: float = BUDGET_S) -> str:
    """What a person needs to know of a violation: the failure, how to play it again, and the least that shows it."""
    kind = failure(violation.error)
    least = minimise(violation.script, kind, seconds)
    size = f"{len(least.acts)} acts and {len(least.faults) + len(least.events)} faults"
    return f"{violation}\n\n{kind}, with {size}, to be kept in tests/sim/kept_histories.yaml:\n{least.text()}"


def main(arguments: Sequence[str]) -> int:
    """Exit code 1 when something does not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim.replay", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", help="a seed, or the name of a kept history")
    parser.add_argument("--rate", type=float, help="share of calls that fail; without it, as in the mix")
    parser.add_argument("--crash", type=float, help="share of effects that the controller dies at")
    parser.add_argument("--npm", action="store_true", help="with a proxy like Nginx Proxy Manager")
    parser.add_argument("--seconds", type=float, default=BUDGET_S, help="for cutting a failing one down")
    parser.add_argument("-v", action="store_true", help="print what happened")
    given = parser.parse_args(arguments)
    try:
        sim = _play(given)
    except Violation as violation:
        print(failure_report(violation, given.seconds))
        return 1
    except FAILURES as error:
        print(error)
        return 1
    if given.v:
        print(sim.trace())
    print(f"{given.what}: everything holds, {len(sim.effects)} effects in {sim.clock.monotonic():.0f} s")
    return 0


def _play(given: argparse.Namespace) -> Simulation:
    if not given.what.isdigit():
        return next(case for case in kept_histories() if case.name == given.what).script.play()
    seed = int(given.what)
    usual = options(seed)
    if given.rate is not None or given.crash is not None or given.npm:
        usual = Options(given.rate or 0.0, given.crash or 0.0, given.npm)
    return play_recorded(seed, usual)[1]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
