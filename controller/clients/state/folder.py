"""The state folder: made when it is missing, and open to nobody but its owner."""

import os
import stat
from pathlib import Path

from controller.core.model.errors import WorldBad

PRIVATE = 0o700


def prepare(path: Path) -> None:
    """Make the folder with mode 0700, or tighten it when it is ours.

    Raises `WorldBad` (StateFolder) when it cannot be made, is no folder, or is open to others and not ours.
    """
    try:
        path.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        found = path.stat()
        loose = stat.S_IMODE(found.st_mode) & 0o077
        if loose and found.st_uid == os.geteuid():
            path.chmod(PRIVATE)
            loose = 0
    except OSError as error:
        message = f"the state folder {path} cannot be used: {error.strerror or error}; set state.path to another"
        raise WorldBad(message, reason="StateFolder") from error
    if loose:
        message = f"the state folder {path} is open to others and belongs to another user; chmod 700 it as its owner"
        raise WorldBad(message, reason="StateFolder")
