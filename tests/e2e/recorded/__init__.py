"""Sites that earlier commits made, as files: what they left behind, and what their Engine and proxy said of it.

Each folder here is one recording; its README.md says what it holds. `python -m tests.e2e.recorded` makes a new one.
"""

from pathlib import Path

FOLDER = Path(__file__).parent


def recordings() -> list[Path]:
    """The folders of all recorded sites."""
    return sorted(path.parent for path in FOLDER.glob("*/engine.json"))
