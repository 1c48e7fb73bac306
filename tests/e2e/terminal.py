"""The program at a real terminal: what a person sees there, and Ctrl-C as a person sends it."""

import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import time
from collections.abc import Callable

from tests.parts.sandbox import PROGRAM, Sandbox

ROWS, COLUMNS = 30, 120
COLOR = re.compile(r"\x1b\[[0-9;]+m")
CURSOR = re.compile(r"\x1b\[[0-9;?]*[A-Zhl]")
CTRL_C = b"\x03"


class Terminal:
    """One command on a pseudo-terminal of its own, which is its controlling one."""

    def __init__(self, box: Sandbox, *arguments: str, **environment: str) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self._seen = b""
        self._child = subprocess.Popen(
            [*PROGRAM, *arguments],
            cwd=box.folder,
            env={**box.environment, "NO_COLOR": "", "TERM": "xterm-256color", **environment},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - the tests have no threads
        )
        os.close(slave)
        os.set_blocking(self._master, False)

    @property
    def text(self) -> str:
        """Everything that was written up to now, control sequences included."""
        with contextlib.suppress(BlockingIOError, OSError):
            while data := os.read(self._master, 65536):
                self._seen += data
        return self._seen.decode(errors="replace")

    def press(self, keys: bytes) -> None:
        """Type."""
        os.write(self._master, keys)

    def wait(self, fact: Callable[[str], object], seconds: float = 60) -> None:
        """Look at the screen until the fact is true."""
        deadline = time.monotonic() + seconds
        while not fact(self.text):
            assert time.monotonic() < deadline, self.text
            assert self._child.poll() is None or fact(self.text), self.text
            time.sleep(0.02)

    def end(self, seconds: float = 60) -> tuple[int, str]:
        """Exit code and all that was written."""
        deadline = time.monotonic() + seconds
        while self._child.poll() is None:
            assert time.monotonic() < deadline, self.text
            _ = self.text
            time.sleep(0.02)
        text = self.text
        os.close(self._master)
        return self._child.returncode, text
