"""Plays random histories for as long as wanted, on all cores: `python -m tests.sim.soak 10000 [FIRST_SEED]`.

Prints progress and rate, and at the end the seeds in which something does not hold; then the exit code is 1. Without a
first seed it begins where nobody has been: the number of seconds since 1970.
"""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait

from tests.sim.histories import Violation, options, play_recorded

SEEDS_IN_BLOCK = 20
"""Seeds that a process plays before it says so."""
PROGRESS_EVERY_S = 10.0
"""Seconds between two lines."""


def block(first: int, last: int) -> dict[int, str]:
    """The violations among these seeds, `last` excluded: the seed and the first line of what is wrong."""
    violations = {}
    for seed in range(first, last):
        try:
            play_recorded(seed, options(seed))
        except Violation as error:
            violations[seed] = str(error).partition("\n")[0]
    return violations


def soak(count: int, first: int, workers: int) -> Iterator[tuple[int, dict[int, str]]]:
    """Play so many seeds; yields how many are done, with the violations among the newest of them."""
    end, done = first + count, 0
    blocks = iter(range(first, end, SEEDS_IN_BLOCK))
    with ProcessPoolExecutor(workers) as pool:
        going: dict[Future[dict[int, str]], int] = {}
        while True:
            while len(going) < 2 * workers and (start := next(blocks, None)) is not None:
                stop = min(start + SEEDS_IN_BLOCK, end)
                going[pool.submit(block, start, stop)] = stop - start
            if not going:
                return
            for future in wait(going, return_when=FIRST_COMPLETED).done:
                done += going.pop(future)
                yield done, future.result()


def main(arguments: Sequence[str]) -> int:
    """Exit code 1 when something does not hold."""
    begun = shown_at = time.monotonic()
    count, first, *_ = (*map(int, arguments), *(10_000, int(time.time()))[len(arguments) :])
    workers = os.cpu_count() or 1
    print(f"{count} histories from seed {first} on, {workers} at a time", flush=True)
    wrong: dict[int, str] = {}
    for done, violations in soak(count, first, workers):
        for seed, why in violations.items():
            print(f"seed {seed}: {why}", flush=True)
        wrong |= violations
        now = time.monotonic()
        if now - shown_at >= PROGRESS_EVERY_S or done == count:
            shown_at = now
            rate = done / (now - begun)
            left = (count - done) / rate
            print(f"{done} of {count}, {rate:.1f} a second, {len(wrong)} wrong, {left:.0f} s to go", flush=True)
    for seed in sorted(wrong):
        print(f"to see the least that shows it: python -m tests.sim.replay {seed}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
