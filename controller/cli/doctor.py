"""What `doctor` checks: a list of small functions, each with what it found and the remedy."""

import os
import shutil
import socket
import stat
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from controller.cli import context
from controller.cli.output import OPTIONS, Exit, Stop, emit
from controller.core.errors import InvalidInput

if TYPE_CHECKING:
    from controller.settings import Settings

ENOUGH = 1 << 30
"""Bytes that should be free for images and the state folder."""


@dataclass(frozen=True)
class Finding:
    """Result of one check."""

    check: str
    ok: bool
    detail: str
    remedy: str = ""
    unreachable: bool = False


def engine_socket(host: str | None) -> Finding:
    """The Engine's socket exists, may be opened and answers."""
    where = host or os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    if not where.startswith("unix://"):
        return Finding("engine", True, f"{where} is not a local socket; not opened here")
    path = Path(where.removeprefix("unix://"))
    if not path.exists():
        return Finding("engine", False, f"{path} is not there", "start Docker, or set DOCKER_HOST", True)
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(5)
            probe.connect(str(path))
    except PermissionError:
        remedy = f"sudo usermod -aG {_group(path)} $USER, then log in again"
        return Finding("engine", False, f"no permission to open {path}", remedy, True)
    except OSError as error:
        return Finding("engine", False, f"{path}: {error.strerror or error}", "is Docker running?", True)
    return Finding("engine", True, f"{path} answers")


def _group(path: Path) -> str:
    try:
        return path.group()
    except KeyError:
        return str(path.stat().st_gid)


def tcp(check: str, address: str, remedy: str) -> Finding:
    """Somebody listens on host:port."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]") or "127.0.0.1", int(port)), 5).close()
    except (OSError, ValueError) as error:
        return Finding(check, False, f"{address}: {error}", remedy, True)
    return Finding(check, True, f"{address} answers")


def state_folder(path: Path) -> Finding:
    """The state folder is ours alone, or can still be made."""
    if not path.exists():
        parent = next(item for item in path.absolute().parents if item.exists())
        ok = os.access(parent, os.W_OK)
        remedy = "" if ok else f"make {parent} writable, or set state.path"
        return Finding("state", ok, f"{path} will be made" if ok else f"{parent} is not writable", remedy)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return Finding("state", False, f"{path} is open to others ({mode:04o})", f"chmod 700 {path}")
    if not os.access(path, os.W_OK):
        return Finding("state", False, f"{path} is not writable", "run as its owner, or set state.path")
    return Finding("state", True, f"{path} ({mode:04o})")


def disk(check: str, path: Path) -> Finding:
    """Enough space is free."""
    there = next(item for item in (path.absolute(), *path.absolute().parents) if item.exists())
    free = shutil.disk_usage(there).free
    text = f"{free / (1 << 30):.1f} GiB free below {there}"
    return Finding(check, free >= ENOUGH, text, "" if free >= ENOUGH else "free at least 1 GiB")


def credentials(config: str | None) -> Finding:
    """Docker's credentials file, if there is one, can be read."""
    folder = config or os.environ.get("DOCKER_CONFIG") or str(Path.home() / ".docker")
    path = Path(folder) / "config.json"
    if path.exists() and not os.access(path, os.R_OK):
        return Finding("credentials", False, f"{path} cannot be read", f"chmod u+r {path}, or set docker.config")
    return Finding("credentials", True, str(path) if path.exists() else "none: public images only")


def admin(url: str) -> Finding:
    """The proxy's admin end listens."""
    remedy = "start the proxy, or set proxy.admin"
    if url.startswith("unix://"):
        found = engine_socket(url)
        return Finding("proxy admin", found.ok, found.detail, "" if found.ok else remedy, not found.ok)
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return tcp("proxy admin", f"{parts.hostname}:{port}", remedy)


def findings(settings: "Settings") -> Iterator[Callable[[], Finding]]:
    """Every check, in the order in which a person would mend things."""
    state = Path(settings.state.path)
    yield lambda: state_folder(state)
    yield lambda: disk("disk", state)
    yield lambda: engine_socket(settings.docker.host)
    yield lambda: credentials(str(settings.docker.config) if settings.docker.config else None)
    yield lambda: admin(settings.proxy.admin)
    yield lambda: tcp("proxy address", settings.proxy.address, "start the proxy, or set proxy.address")


def run() -> None:
    """Run the checks and end with 0, 69 (something does not answer) or 1."""
    try:
        settings = context.settings()
        found = [Finding("settings", True, str(OPTIONS.config)), *(check() for check in findings(settings))]
    except InvalidInput as error:
        first = error.diagnostics[0]
        remedy = first.help or "holdfast init"
        found = [Finding("settings", False, f"{first.source}: {first.message}", remedy), engine_socket(None)]
    show(found)


def show(found: list[Finding]) -> None:
    """Print the findings; the exit code says the worst."""
    if OPTIONS.data:
        rows: list[dict[str, Any]] = [asdict(item) for item in found]
        emit({"checks": rows})
    else:
        for item in found:
            print(f"{'ok  ' if item.ok else 'FAIL'} {item.check}: {item.detail}")
            if item.remedy and not item.ok:
                print(f"     → {item.remedy}")
    if any(item.unreachable for item in found):
        raise Stop(Exit.UNREACHABLE)
    if not all(item.ok for item in found):
        raise Stop(Exit.FAILED)
