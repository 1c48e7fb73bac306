"""The state folder: made when it is missing, and open to its owner only."""

import os
import stat
from pathlib import Path

from controller.core.model.errors import WorldBad

PRIVATE_MODE = 0o700


def prepare(path: Path) -> None:
    """Make the folder with mode 0700, or tighten it when it is ours.

    Raises `WorldBad` (StateFolder) when it cannot be made, is no folder, or is open to others and not ours.
    """
    try:
        path.mkdir(mode=PRIVATE_MODE, parents=True, exist_ok=True)
        status = path.stat()
        open_to_others = stat.S_IMODE(status.st_mode) & 0o077
        if open_to_others and status.st_uid == os.geteuid():
            path.chmod(PRIVATE_MODE)
            open_to_others = 0
    except OSError as error:
        message = f"the state folder {path} cannot be used: {error.strerror or error}; set state.path to another"
        raise WorldBad(message, reason="StateFolder") from error
    if open_to_others:
        message = f"the state folder {path} is open to others and belongs to another user; chmod 700 it as its owner"
        raise WorldBad(message, reason="StateFolder")


def identity(path: Path) -> tuple[int, int]:
    """Device and inode of a file now, which tell it from another of that name; (0, 0) when it is gone."""
    try:
        status = path.stat()
    except OSError:
        return (0, 0)
    return (status.st_dev, status.st_ino)
