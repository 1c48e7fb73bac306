"""One controller per state folder: a lock of the kernel's, which a killed process leaves behind open."""

import os
from pathlib import Path

from filelock import FileLock, Timeout

from controller.clients import state_folder
from controller.core.errors import Locked, WorldBad

LOCK_FILE = "holdfast.lock"
PID_FILE = "holdfast.pid"


class StateLock:
    """The lock of one state folder; held until `release` or the end of the process, however it ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = FileLock(path / LOCK_FILE, timeout=0, mode=0o600, thread_local=False)

    def acquire(self) -> None:
        """Take the lock or fail at once; makes the folder with mode 0700.

        Raises `Locked` with the holder's process id, and `WorldBad` when the folder cannot be used.
        """
        state_folder.prepare(self._path)
        try:
            self._lock.acquire()
        except Timeout as error:
            holder = self._holder()
            who = f"process {holder}" if holder else "another process"
            message = (
                f"the state folder {self._path} is held by {who}: a controller or an apply is at work there; "
                "wait for its end, stop it, or give this one another state.path"
            )
            raise Locked(message) from error
        except OSError as error:
            message = f"the state folder {self._path} cannot be locked: {error.strerror or error}"
            raise WorldBad(message, reason="StateFolder") from error
        self._sign()

    def release(self) -> None:
        """Give the lock back; not held is success."""
        if self._lock.is_locked:
            (self._path / PID_FILE).unlink(missing_ok=True)
            self._lock.release()

    def _sign(self) -> None:
        try:
            descriptor = os.open(self._path / PID_FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(f"{os.getpid()}\n")
        except OSError:
            # The disk may be full: the lock holds all the same, only its holder stays unnamed.
            (self._path / PID_FILE).unlink(missing_ok=True)

    def _holder(self) -> int | None:
        try:
            return int((self._path / PID_FILE).read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None
