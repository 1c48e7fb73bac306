"""A wall clock that jumps: with this folder on PYTHONPATH, the file that SKEW names says by how many seconds.

What the kernel counts by itself (monotonic time, sleeps, SQLite's clock) goes on as ever, as it does when somebody sets
a machine's clock.
"""

import os
import time
from pathlib import Path

_real = time.time
_file = Path(os.environ["SKEW"])


def _skewed() -> float:
    return _real() + float(_file.read_text() or "0")


time.time = _skewed
