"""Run a command in a fresh network and mount namespace, with a folder for daemons that is gone afterwards.

`python -m tests.parts.namespace COMMAND…`: as root, where dockerd is installed, nothing of the machine is touched and
container addresses are reachable from the tests. Elsewhere the command runs as it is, with the Engine that is there.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from controller.cli.doctor.machine import MIGRATE
from tests.parts.engine import find_dockerd
from tests.parts.process import CLEAN_PATH

FOLDER = "HOLDFAST_TEST_FOLDER"
"""Names the folder of the private daemon; set only inside the namespace."""

NETWORK = "network"
"""File in that folder that names the network namespace: what is left in it ends with it."""

UNSHARE = ["unshare", "--net", "--mount", "--propagation", "unchanged"]


def possible() -> bool:
    """True when this user may make namespaces and a daemon is installed."""
    if os.geteuid() != 0 or find_dockerd() is None or shutil.which("unshare") is None:
        return False
    return subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode == 0


def loopback_up() -> None:
    """`ip link set lo up`, without needing iproute2."""
    get_flags, set_flags, up = 0x8913, 0x8914, 0x1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = fcntl.ioctl(control, get_flags, struct.pack("16sh14x", b"lo", 0))
        flags = struct.unpack("16sh14x", request)[1]
        fcntl.ioctl(control, set_flags, struct.pack("16sh14x", b"lo", flags | up))


def hand_over() -> None:
    """No connection is reset while Caddy opens its listener anew, as `doctor` advises."""
    with contextlib.suppress(OSError):
        MIGRATE.write_text("1")


def run(command: list[str]) -> int:
    """Run the command inside and clean up behind it; returns its exit code."""
    if not possible():
        return subprocess.run(command, check=False).returncode
    folder = Path(tempfile.mkdtemp(prefix="hf-", dir="/tmp"))
    environment = {**os.environ, FOLDER: str(folder), "PATH": CLEAN_PATH}
    inside = [*UNSHARE, sys.executable, "-m", "tests.parts.namespace", "--inside", *command]
    child = subprocess.Popen(inside, env=environment)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to the child as well
    signal.signal(signal.SIGTERM, lambda number, _: child.send_signal(number))
    try:
        return child.wait()
    finally:
        remove(folder)


def remove(folder: Path) -> None:
    """End every process of the namespace or with a path below the folder, unmount what is left in it, delete it."""
    pidfile = folder / "engine" / "docker.pid"
    with contextlib.suppress(OSError, ValueError):
        pid = int(pidfile.read_text())
        if str(folder) in _command_line(pid):
            os.kill(pid, signal.SIGCONT)
            os.kill(pid, signal.SIGTERM)
            _wait(lambda: not _command_line(pid), 30)
    for _ in range(3):
        for pid in _below(folder):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        if _wait(lambda: not _below(folder), 5):
            break
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for mount in sorted((m for m in mounts if m.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", "-l", mount], capture_output=True, check=False)
    shutil.rmtree(folder, ignore_errors=True)


def _command_line(pid: int) -> str:
    try:
        return (Path("/proc") / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _below(folder: Path) -> list[int]:
    """Processes of its network, that name the folder, or whose root file system lies in it (containers)."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    below, own = f"{folder}/", os.getpid()
    network = (folder / NETWORK).read_text() if (folder / NETWORK).exists() else ""
    return [
        p for p in pids if p != own and (below in _command_line(p) or below in _root_mount(p) or network == _network(p))
    ]


def _network(pid: int | str) -> str | None:
    try:
        return os.readlink(f"/proc/{pid}/ns/net")
    except OSError:
        return None


def _root_mount(pid: int) -> str:
    with contextlib.suppress(OSError):
        for line in (Path("/proc") / str(pid) / "mountinfo").read_text().splitlines():
            if line.split()[4] == "/":
                return line
    return ""


def _wait(done: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if done():
            return True
        time.sleep(0.05)
    return False


def main(arguments: list[str]) -> int:
    """Entry point of the module."""
    if arguments[:1] == ["--inside"]:
        (Path(os.environ[FOLDER]) / NETWORK).write_text(os.readlink("/proc/self/ns/net"))
        loopback_up()
        hand_over()
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a job in the background has it ignored
        os.execvp(arguments[1], arguments[1:])
    return run(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
