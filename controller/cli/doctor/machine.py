"""Checks of `doctor` on this machine. A finding says what is so and, where something is missing, the remedy."""

import os
import shutil
import socket
import stat
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

MIN_FREE_BYTES = 1 << 30
"""For images and the state folder."""
CONNECT_TIMEOUT_S = 5.0
REACH_TIMEOUT_S = 1.0
MIGRATE = Path("/proc/sys/net/ipv4/tcp_migrate_req")
"""Whether the kernel hands connections that nobody has accepted yet to the next listener (Linux 5.14 and newer)."""


@dataclass(frozen=True)
class Finding:
    """Result of one check. `ok` with a remedy is a note: nothing is wrong, but a person should know."""

    check: str
    ok: bool
    detail: str
    remedy: str = ""
    unreachable: bool = False

    @property
    def level(self) -> Literal["ok", "note", "FAIL"]:
        """The word that is printed in front of it."""
        return ("note" if self.remedy else "ok") if self.ok else "FAIL"

    def to_json(self) -> dict[str, Any]:
        """For `-o json`."""
        return {"level": self.level.lower(), **asdict(self)}


def state_folder(path: Path) -> Finding:
    """The state folder is ours alone, or can still be made."""
    try:
        return _state_folder(path)
    except OSError as error:
        return Finding("state", False, f"{path}: {error.strerror}", "run as its owner, or set state.path")


def _state_folder(path: Path) -> Finding:
    if not os.path.lexists(path):
        parent = next(parent for parent in path.absolute().parents if os.path.exists(parent))
        ok = os.access(parent, os.W_OK | os.X_OK)
        remedy = "" if ok else f"make {parent} writable, or set state.path"
        return Finding("state", ok, f"{path} will be made" if ok else f"{parent} is not writable", remedy)
    if not path.is_dir():
        return Finding("state", False, f"{path} is not a folder", "move it away, or set state.path")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return Finding("state", False, f"{path} is open to others ({mode:04o})", f"chmod 700 {path}")
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        return Finding("state", False, f"{path} is not writable", "run as its owner, or set state.path")
    return Finding("state", True, f"{path} ({mode:04o})")


def disk(path: Path) -> Finding:
    """Enough space is free where the state folder is."""
    try:
        existing = next(one for one in (path.absolute(), *path.absolute().parents) if os.path.exists(one))
        return space("disk", shutil.disk_usage(existing).free, str(existing))
    except OSError as error:
        return Finding("disk", False, f"{path}: {error.strerror}", "run as its owner, or set state.path")


def space(check: str, free: int, where: str, remedy: str = "free at least 1 GiB") -> Finding:
    """Whether so many free bytes are enough."""
    text = f"{free / (1 << 30):.1f} GiB free below {where}"
    return Finding(check, free >= MIN_FREE_BYTES, text, "" if free >= MIN_FREE_BYTES else remedy)


def engine_socket(host: str | None) -> Finding:
    """The Engine's socket exists and may be opened."""
    where = host or os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    if not where.startswith("unix://"):
        return Finding("engine", True, f"{where} is not a local socket")
    path = Path(where.removeprefix("unix://"))
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(CONNECT_TIMEOUT_S)
            probe.connect(str(path))
    except FileNotFoundError:
        return Finding("engine", False, f"{path} is not there", "start Docker, or set docker.host", True)
    except PermissionError:
        return Finding("engine", False, f"no permission to open {path}", _permission(path), True)
    except OSError as error:
        return Finding("engine", False, f"{path}: {error.strerror or error}", "is Docker running?", True)
    return Finding("engine", True, f"{path} can be opened")


def _permission(path: Path) -> str:
    """The remedy for a socket that may not be opened; a command where joining its group helps."""
    try:
        status = path.stat()
    except OSError:
        return f"make the folders above {path} accessible, or set docker.host"
    if not status.st_mode & stat.S_IWGRP or status.st_gid == 0:
        return f"run as the owner of {path}, or give its group write permission"
    try:
        group = path.group()
    except KeyError:
        group = str(status.st_gid)
    return f"sudo usermod -aG {group} $USER, then log in again"


def credentials(config: Path | None) -> Finding:
    """Docker's credentials file, if there is one, can be read."""
    folder = config or Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    path = folder / "config.json"
    try:
        path.open("rb").close()
    except (FileNotFoundError, NotADirectoryError):
        return Finding("credentials", True, "none: public images only")
    except OSError as error:
        remedy = "let this user read it, set docker.config, or set HOME to this user's own"
        return Finding("credentials", False, f"{path} cannot be read: {error.strerror}", remedy)
    return Finding("credentials", True, str(path))


def listens(address: str) -> str:
    """Why nobody listens on host:port; empty when somebody does."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]") or "127.0.0.1", int(port)), CONNECT_TIMEOUT_S).close()
    except (OSError, ValueError) as error:
        return (error.strerror if isinstance(error, OSError) else "") or str(error)
    return ""


def handed_over(setting: Path = MIGRATE) -> Finding:
    """No new connection is lost while Caddy takes a change: it opens its listener anew and closes the old one, and
    what waits in the old one's queue is reset unless the kernel hands it over."""
    try:
        on = setting.read_text().strip() != "0"
    except OSError:
        return Finding(
            "proxy changes", True, "this kernel does not hand over connections; a client may be reset by one"
        )
    if on:
        return Finding("proxy changes", True, "waiting connections are handed over")
    detail = "Caddy opens its port anew at each change; a connection that waits at that moment is reset"
    return Finding("proxy changes", True, detail, "sysctl -w net.ipv4.tcp_migrate_req=1")


def reaches(address: str) -> bool:
    """True when a machine answers at this IP address: a refusal is an answer."""
    try:
        socket.create_connection((address, 1), REACH_TIMEOUT_S).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return True


def is_local(address: str) -> bool:
    """True for an address of this machine."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True
