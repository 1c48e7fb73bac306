"""What happens depends on the inputs alone: another process, with other hashes of the same texts, does the same."""

import os
import subprocess
import sys

PLAY = """
from tests.sim import scenarios
from tests.sim.histories import history
from tests.world import simulate
print(simulate(scenarios.swap_hostname).trace())
print(simulate(scenarios.evict).trace())
print(history(3).trace())
"""


def test_hashes_of_python_change_no_trace() -> None:
    """S13: sets and dicts that are gone through in another order give the same effects at the same times."""
    traces = [
        subprocess.run(
            [sys.executable, "-c", PLAY],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
            timeout=120,
        ).stdout
        for seed in ("0", "1", "12345")
    ]
    assert len(traces[0].splitlines()) > 200
    assert traces[0] == traces[1] == traces[2]
