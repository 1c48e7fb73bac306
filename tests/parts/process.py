"""A part that is a process of its own: start it, wait until it answers, stop, kill, freeze it."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

CLEAN_PATH = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"


class PartFailed(RuntimeError):
    """A real part did not start; the message ends with the last lines of its log."""


def free_port() -> int:
    """A port that nothing listens on now, below those of outgoing connections: one of them would take it meanwhile."""
    while True:
        port = random.SystemRandom().randint(15_000, 32_000)
        with contextlib.suppress(OSError), socket.socket() as listener:
            listener.bind(("127.0.0.1", port))
            return port


def clean_environment(**more: str) -> dict[str, str]:
    """The environment without proxies and without anything that would steer Holdfast or Docker."""
    dropped = ("HOLDFAST_", "DOCKER_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(dropped)}
    return {**kept, "PATH": CLEAN_PATH, **more}


def answers(url: str) -> bool:
    """True when anything answers HTTP there, whatever the status."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(url, timeout=2).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def wait_until(ready: Callable[[], object], seconds: float, what: str) -> None:
    """Ask until it is true. Raises `TimeoutError` with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:g} s: {what}")
        time.sleep(0.02)


class Process:
    """One daemon with a log file; `start` returns when `ready` says so."""

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        ready: Callable[[], bool],
        environment: Mapping[str, str] | None = None,
        seconds: float = 30,
    ) -> None:
        self.command = list(command)
        self.log = log
        self.ready = ready
        self.environment = dict(environment or clean_environment())
        self.seconds = seconds
        self.child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id; 0 when it does not run."""
        return self.child.pid if self.child and self.child.poll() is None else 0

    def start(self) -> None:
        """Start it and wait until it is ready. Raises `PartFailed`."""
        with self.log.open("ab") as log:
            self.child = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment,
                start_new_session=True,
            )
        deadline = time.monotonic() + self.seconds
        while not self.ready():
            if self.child.poll() is not None or time.monotonic() > deadline:
                tail = self.log.read_text(errors="replace").splitlines()[-15:]
                self.kill()
                raise PartFailed("\n".join([f"{self.command[0]} did not start:", *tail]))
            time.sleep(0.02)

    def signal(self, number: int) -> None:
        """Send a signal; nothing happens when it does not run."""
        if self.pid:
            os.kill(self.pid, number)

    def stop(self, seconds: float = 30) -> None:
        """SIGTERM, then SIGKILL after `seconds`."""
        self.signal(signal.SIGTERM)
        if self.child:
            try:
                self.child.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """SIGKILL, and wait for its end."""
        self.signal(signal.SIGKILL)
        if self.child:
            self.child.wait()

    def restart(self) -> None:
        """Stop it in an orderly way and start it again."""
        self.stop()
        self.start()
