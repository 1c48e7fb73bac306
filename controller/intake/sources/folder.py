"""A file or folder of documents on disk: what is there, and the content of its files; nothing of it is trusted.

A listing counts only when nothing changed between two of them. A file that is being written, a link to nothing, a pipe
or a folder that cannot be opened is named in `Listing.troubles`, never taken for an absent one.
"""

import os
import stat
import time
from dataclasses import dataclass, field
from pathlib import Path

from controller.core.model.limits import MAX_ENTRIES, MAX_FILE_BYTES, MAX_FILES

SUFFIXES = (".yaml", ".yml", ".json")

SETTLED_AFTER_S = 1.0
"""A change of that age counts as finished without a second listing."""
PAUSE_S = 0.05
"""Between two listings."""
MAX_LISTINGS = 20
"""Listings before the folder counts as being written all the time."""

Mark = tuple[int, int, int, int, int]
"""Device, inode, size, time of the content's and of the inode's last change: differs when the file does."""


@dataclass
class Listing:
    """What is there: marks of documents by path below the root ("" for the root itself), folders too, and troubles."""

    files: dict[str, Mark] = field(default_factory=dict)
    folders: dict[str, Mark] = field(default_factory=dict)
    troubles: dict[str, str] = field(default_factory=dict)
    """Path below the root to what is wrong with it; what stood there before must not count as deleted."""
    entries: int = 0


class TooMany(Exception):
    """The folder holds more than a folder of documents ever does."""


def settled_listing(root: Path) -> tuple[Listing, bool]:
    """List until two listings agree; False when the folder never came to rest. Takes no time for what is old."""
    listing = list_documents(root)
    for _ in range(MAX_LISTINGS):
        if not _is_recent(listing):
            return listing, True
        time.sleep(PAUSE_S)
        again = list_documents(root)
        if again == listing:
            return listing, True
        listing = again
    return listing, False


def list_documents(root: Path) -> Listing:
    """List what is there now."""
    listing = Listing()
    try:
        mode = _enter(root, "", listing)
        if stat.S_ISDIR(mode):
            _walk(root, "", listing)
        elif not stat.S_ISREG(mode):
            listing.troubles[""] = _kind(mode)
    except TooMany as error:
        listing.troubles[""] = str(error)
    except OSError as error:
        listing.troubles[""] = _reason(root, error)
    return listing


def content(root: Path, path: str, mark: Mark) -> bytes:
    """The file's bytes, at most one more than may be read. Raises OSError when it is not what was listed."""
    full = root / path if path else root
    handle = os.open(full, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    with os.fdopen(handle, "rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
        if _mark(os.fstat(handle)) != mark:
            raise OSError(f"{full} changed while it was read")
    return data


def _walk(folder: Path, below: str, listing: Listing) -> None:
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries)
    for name in names:
        listing.entries += 1
        if listing.entries > MAX_ENTRIES or len(listing.files) > MAX_FILES:
            raise TooMany(f"has more than {MAX_FILES} documents or {MAX_ENTRIES} entries")
        if name.startswith("."):
            continue
        full, path = folder / name, os.path.join(below, name)
        is_document = name.lower().endswith(SUFFIXES)
        try:
            mode = full.stat().st_mode
            if stat.S_ISDIR(mode):
                visited = set(listing.folders.values())
                _enter(full, path, listing)
                if listing.folders[path] not in visited:
                    _walk(full, path, listing)
            elif stat.S_ISREG(mode) and is_document:
                _enter(full, path, listing)
            elif is_document:
                listing.troubles[path] = _kind(mode)
        except OSError as error:
            if is_document or full.is_symlink() or not isinstance(error, FileNotFoundError):
                listing.troubles[path] = _reason(full, error)


def _enter(full: Path, path: str, listing: Listing) -> int:
    status = full.stat()
    if stat.S_ISDIR(status.st_mode):
        listing.folders[path] = _mark(status)
    elif stat.S_ISREG(status.st_mode):
        listing.files[path] = _mark(status)
    return status.st_mode


def _mark(status: os.stat_result) -> Mark:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _is_recent(listing: Listing) -> bool:
    newest = max((max(mark[3:]) for mark in (*listing.files.values(), *listing.folders.values())), default=0)
    return newest > (time.time() - SETTLED_AFTER_S) * 1e9


def _kind(mode: int) -> str:
    for test, name in ((stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket")):
        if test(mode):
            return f"is {name}, not a file"
    return "is a device, not a file"


def _reason(path: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "is a link to nothing" if path.is_symlink() else "is not there"
    return f"cannot be read: {(error.strerror or str(error)).lower()}"
