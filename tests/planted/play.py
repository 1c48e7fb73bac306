"""Plays cells of the crash matrix, or histories, and judges them.

`python -m tests.planted.play "cell deploy 3 lost" "cell deploy docker.start#1 after" "seed 17"`; an effect is a number,
or which call of its kind it is; a cell without one is its story without a fault.
"""

import sys
from collections.abc import Sequence
from typing import cast, get_args

from tests.sim.faults import Mode
from tests.sim.histories import history
from tests.sim.matrix import Case, Reference
from tests.sim.scenarios import ALL


def cell(name: str, effect: str = "", mode: str = "", proxy: str = "caddy") -> None:
    """A story, without a fault or with one at an effect."""
    scenario = next(item for item in ALL if item.__name__ == name)
    reference = Reference.of(scenario, npm=proxy == "npm")
    if effect:
        if mode not in get_args(Mode):
            raise ValueError(f"no such mode: {mode}")
        reference.play(Case(_number(reference, effect), cast(Mode, mode)))


def _number(reference: Reference, effect: str) -> int:
    op, _, count = effect.partition("#")
    same = [number for number, call in enumerate(reference.calls) if call.op == op]
    return same[int(count) - 1] if count else int(effect)


def seed(number: str, proxy: str = "caddy") -> None:
    """A history with faults."""
    history(int(number), npm=proxy == "npm")


def main(played: Sequence[str]) -> int:
    """Exit code 1 when something does not hold, 0 when all does."""
    for words in played:
        kind, *rest = words.split()
        try:
            if kind == "seed":
                seed(*rest)
            else:
                cell(*rest)
        except AssertionError as error:
            print(f"{words}: {type(error).__name__}: {error}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
