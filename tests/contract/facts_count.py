"""How many facts there are on each side: `python -m tests.contract.facts_count` prints it."""

import functools
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SIDES = ("simulated caddy", "real caddy", "simulated npm", "npm fake", "simulated", "real")


@functools.cache
def counted() -> dict[str, Counter[str]]:
    """Facts by file, such as `calls`, and by side; nothing is run."""
    files = sorted(str(path.relative_to(ROOT)) for path in HERE.glob("test_facts_*.py") if "count" not in path.name)
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *files]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found: dict[str, Counter[str]] = {}
    for name, given in re.findall(r"test_facts_(\w+)\.py::\w+\[(.+)\]$", told, re.MULTILINE):
        side = next(side for side in SIDES if given == side or given.startswith(f"{side}-"))
        found.setdefault(name, Counter())[side] += 1
    return found


def main() -> None:
    """Print a line per file, and the sum."""
    found = counted()
    for name, sides in found.items():
        print(f"{name:8} " + ", ".join(f"{number} {side}" for side, number in sorted(sides.items())))
    print(
        "all      " + ", ".join(f"{number} {side}" for side, number in sorted(sum(found.values(), Counter()).items()))
    )


if __name__ == "__main__":
    main()
