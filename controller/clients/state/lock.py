"""The lock of the state folder, for one controller at a time. The kernel releases it when its process ends."""

import os
from pathlib import Path

from filelock import FileLock, Timeout

from controller.clients.state import folder
from controller.core.model.errors import Locked, WorldBad

LOCK_FILE = "holdfast.lock"
PID_FILE = "holdfast.pid"


class StateLock:
    """The lock of one state folder; held until `release` or the end of the process, however it ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = self._new()
        self._identity = (0, 0)

    def acquire(self) -> None:
        """Take the lock or fail at once; makes the folder with mode 0700.

        Raises `Locked` with the holder's process id, and `WorldBad` when the folder cannot be used.
        """
        folder.prepare(self._path)
        try:
            self._lock.acquire()
        except Timeout as error:
            pid = self._holder_pid()
            who = f"process {pid}" if pid else "another process"
            message = (
                f"the state folder {self._path} is held by {who}: a controller or an apply is at work there; "
                "wait for its end, stop it, or give this one another state.path"
            )
            raise Locked(message) from error
        except OSError as error:
            message = f"the state folder {self._path} cannot be locked: {error.strerror or error}"
            raise WorldBad(message, reason="StateFolder") from error
        self._identity = self._identity_now()
        self._write_pid()

    def keep(self) -> None:
        """Lock the file that is there now: a lock file that was deleted, with its folder or alone, keeps nobody out.

        Raises `Locked` when somebody else has the new one, and `WorldBad` as `acquire`.
        """
        if self._identity == self._identity_now() != (0, 0):
            return
        self._identity = (0, 0)
        self._lock.release(force=True)
        self._lock = self._new()
        self.acquire()

    def release(self) -> None:
        """Give the lock back; not held is success."""
        if self._lock.is_locked:
            if self._identity == self._identity_now():
                (self._path / PID_FILE).unlink(missing_ok=True)
            self._lock.release()

    def _new(self) -> FileLock:
        return FileLock(self._path / LOCK_FILE, timeout=0, mode=0o600, thread_local=False)

    def _identity_now(self) -> tuple[int, int]:
        return folder.identity(self._path / LOCK_FILE)

    def _write_pid(self) -> None:
        try:
            descriptor = os.open(self._path / PID_FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(f"{os.getpid()}\n")
        except OSError:
            # The disk may be full: the lock holds all the same, but messages cannot name its holder.
            (self._path / PID_FILE).unlink(missing_ok=True)

    def _holder_pid(self) -> int | None:
        try:
            return int((self._path / PID_FILE).read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None
