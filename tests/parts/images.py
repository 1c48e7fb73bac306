"""Test images made from a static busybox and two shell scripts; behaviour is environment, baked in or declared.

| variable | effect |
|---|---|
| PORT | what it listens on, default 8080 |
| START_DELAY | seconds before it listens |
| BROKEN=health, BROKEN=exit | /healthz answers 503; ends with 7 at the start |
| CRASH_AFTER | ends with 9 after so many seconds |
| REDIRECT=1 | `/` answers 302 to /home |
| FRONT=503 | `/` answers with that status |
| IGNORE_TERM=1 | SIGTERM is ignored, so that only SIGKILL stops it |
| MESSAGE | one more word in the answer of `/` |
| DATA | folder of /write and /read, default /data |
| RECORD | folder whose file `requests` gets a line per request: uptime, hostname, path, `proxy` |

| path | answer |
|---|---|
| / | `TAG hostname MESSAGE` |
| /healthz | ok |
| /slow?5 | the same as `/`, after 5 seconds |
| /stream?5 | one line a second, 5 times |
| /status?418 | that status |
| /env | the environment |
| /write?text, /read | appends a line to, prints `$DATA/lines` |
| /socket | with `Upgrade: websocket` 101, then `echo LINE` for one line; else 426 |
| /sick, /well | from now on /healthz answers 503, 200 |
| /crash | the container ends with 8 |

A SIGTERM stops listening at once and lets running requests end first.
"""

import functools
import gzip
import hashlib
import io
import itertools
import json
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from tests.parts.process import CLEAN_PATH

APP = Path(__file__).parent / "app"
_serial = itertools.count(1)


def find_busybox() -> str | None:
    """Path of a static busybox, None when there is none."""
    program = shutil.which("busybox", path=CLEAN_PATH)
    if program is None:
        return None
    linked = subprocess.run(["ldd", program], capture_output=True, text=True, check=False)
    return None if linked.returncode == 0 and "=>" in linked.stdout else program


@dataclass(frozen=True)
class Image:
    """One image: a gzipped layer and the configuration that names it."""

    layer: bytes
    config: bytes

    @classmethod
    def test_app(cls, tag: str, **behaviour: str) -> "Image":
        """The test app that names `tag` in its answers.

        Each call gives another digest, so that pushing a tag again moves it. `HEALTHCHECK=command` adds a Docker
        health check, `USER=1000` another user, `LAYER=text` a layer that no other image has; everything else is
        environment.
        """
        layer, plain = _layer(behaviour.pop("LAYER", ""))
        healthcheck = behaviour.pop("HEALTHCHECK", None)
        user = behaviour.pop("USER", "")
        environment = {"PATH": "/bin", "APP_TAG": tag, **behaviour}
        container: dict[str, object] = {
            "Env": [f"{name}={value}" for name, value in environment.items()],
            "Entrypoint": ["/bin/sh", "/app/serve.sh"],
            "User": user,
            "ExposedPorts": {"8080/tcp": {}},
            "Labels": {"tests/serial": str(next(_serial))},
        }
        if healthcheck:
            second = 1_000_000_000
            container["Healthcheck"] = {"Test": ["CMD-SHELL", healthcheck], "Interval": second, "Timeout": second}
        return cls(
            layer,
            json.dumps(
                {
                    "architecture": architecture(),
                    "os": "linux",
                    "config": container,
                    "rootfs": {"type": "layers", "diff_ids": [plain]},
                    "history": [{"created": "2026-01-01T00:00:00Z", "created_by": "tests"}],
                }
            ).encode(),
        )


@functools.cache
def architecture() -> str:
    """This machine in Docker's words."""
    machine = subprocess.run(["uname", "-m"], capture_output=True, text=True, check=True).stdout.strip()
    return {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}.get(machine, machine)


@functools.cache
def _layer(extra: str = "") -> tuple[bytes, str]:
    """The one layer of all test images, gzipped, and the digest of its plain form; `extra` makes another one."""
    program = find_busybox()
    if program is None:
        raise FileNotFoundError("busybox-static is not installed")
    plain = io.BytesIO()
    applets = subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout.split()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for name, mode in (("bin", 0o755), ("app", 0o755), ("tmp", 0o1777), ("data", 0o1777)):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, mode
            tar.addfile(folder)
        _add(tar, "bin/busybox", Path(program).read_bytes())
        for applet in applets:
            if applet == "busybox":
                continue
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        for script in sorted(APP.glob("*.sh")):
            _add(tar, f"app/{script.name}", script.read_bytes())
        if extra:
            _add(tar, "app/extra", extra.encode())
    data = plain.getvalue()
    return gzip.compress(data, 1, mtime=0), "sha256:" + hashlib.sha256(data).hexdigest()


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o755
    tar.addfile(info, io.BytesIO(data))
