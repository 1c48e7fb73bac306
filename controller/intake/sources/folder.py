"""A file or folder of documents on disk: what is there, looked at without trusting it, and its content.

A look counts only when nothing changed between two of them; a file that is being written, a link to nothing, a pipe or
a folder that cannot be opened is told in `Look.troubles`, never taken for an absent one.
"""

import os
import stat
import time
from dataclasses import dataclass, field
from pathlib import Path

from controller.core.model.limits import MAX_ENTRIES, MAX_FILE_BYTES, MAX_FILES

SUFFIXES = (".yaml", ".yml", ".json")

SETTLED = 1.0
"""Seconds after which a change counts as finished without a second look."""
PAUSE = 0.05
"""Seconds between two looks."""
ROUNDS = 20
"""Looks before the folder counts as being written all the time."""

Mark = tuple[int, int, int, int, int]
"""Device, inode, size, time of the content's and of the inode's last change: differs when the file does."""


@dataclass
class Look:
    """One look: marks of documents by path below the root ("" for the root itself), folders too, and troubles."""

    files: dict[str, Mark] = field(default_factory=dict)
    folders: dict[str, Mark] = field(default_factory=dict)
    troubles: dict[str, str] = field(default_factory=dict)
    """Path below the root to what is wrong with it; what stood there before must not count as deleted."""
    entries: int = 0


class TooMany(Exception):
    """The folder holds more than a folder of documents ever does."""


def steady(root: Path) -> tuple[Look, bool]:
    """Look until two looks agree; False when the folder never came to rest. Takes no time for what is old."""
    found = look(root)
    for _ in range(ROUNDS):
        if not _recent(found):
            return found, True
        time.sleep(PAUSE)
        again = look(root)
        if again == found:
            return found, True
        found = again
    return found, False


def look(root: Path) -> Look:
    """What is there now."""
    found = Look()
    try:
        mode = _enter(root, "", found)
        if stat.S_ISDIR(mode):
            _walk(root, "", found)
        elif not stat.S_ISREG(mode):
            found.troubles[""] = _kind(mode)
    except TooMany as error:
        found.troubles[""] = str(error)
    except OSError as error:
        found.troubles[""] = _reason(root, error)
    return found


def content(root: Path, path: str, mark: Mark) -> bytes:
    """The file's bytes, at most one more than may be read. Raises OSError when it is not what was looked at."""
    full = root / path if path else root
    handle = os.open(full, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    with os.fdopen(handle, "rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
        if _mark(os.fstat(handle)) != mark:
            raise OSError(f"{full} changed while it was read")
    return data


def _walk(folder: Path, below: str, found: Look) -> None:
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries)
    for name in names:
        found.entries += 1
        if found.entries > MAX_ENTRIES or len(found.files) > MAX_FILES:
            raise TooMany(f"has more than {MAX_FILES} documents or {MAX_ENTRIES} entries")
        if name.startswith("."):
            continue
        full, path = folder / name, os.path.join(below, name)
        wanted = name.lower().endswith(SUFFIXES)
        try:
            mode = full.stat().st_mode
            if stat.S_ISDIR(mode):
                known = set(found.folders.values())
                _enter(full, path, found)
                if found.folders[path] not in known:
                    _walk(full, path, found)
            elif stat.S_ISREG(mode) and wanted:
                _enter(full, path, found)
            elif wanted:
                found.troubles[path] = _kind(mode)
        except OSError as error:
            if wanted or full.is_symlink() or not isinstance(error, FileNotFoundError):
                found.troubles[path] = _reason(full, error)


def _enter(full: Path, path: str, found: Look) -> int:
    status = full.stat()
    if stat.S_ISDIR(status.st_mode):
        found.folders[path] = _mark(status)
    elif stat.S_ISREG(status.st_mode):
        found.files[path] = _mark(status)
    return status.st_mode


def _mark(status: os.stat_result) -> Mark:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _recent(found: Look) -> bool:
    newest = max((max(mark[3:]) for mark in (*found.files.values(), *found.folders.values())), default=0)
    return newest > (time.time() - SETTLED) * 1e9


def _kind(mode: int) -> str:
    for test, name in ((stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket")):
        if test(mode):
            return f"is {name}, not a file"
    return "is a device, not a file"


def _reason(path: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "is a link to nothing" if path.is_symlink() else "is not there"
    return f"cannot be read: {(error.strerror or str(error)).lower()}"
