"""A recorded site, put back into a folder: state and documents, the Engine as it was, a real Caddy, the apps."""

import contextlib
import fcntl
import http.server
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.e2e.recorded.engine import RecordedEngine
from tests.parts.caddy import Caddy
from tests.parts.faults import Call, Door, Fault
from tests.parts.process import clean_environment, wait_until
from tests.parts.sandbox import PROGRAM, ROOT

LISTEN = "127.86.1.1:8086"
"""Where Caddy serves the site: an address of its own, because it is part of what is recorded."""
SUBNET = "192.0.2.0/24"
"""Addresses of the containers: none that any network has (RFC 5737), so that a test may take them."""
STATE = ".holdfast"
PORT = 8080
"""Where the test app listens."""

COMMANDS: Mapping[str, list[str]] = {
    "plan.txt": ["plan", "--detailed-exitcode"],
    "apply.txt": ["apply", "--timeout", "20s"],
    "get.txt": ["get", "-o", "wide"],
    "history.txt": ["history"],
    "describe.txt": ["describe", "api"],
    "get.json": ["get", "-o", "json"],
}
"""What is asked of the program when a site is recorded and again when it is put back; file to words."""

_STAMPED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ")


def told(words: list[str], done: "subprocess.CompletedProcess[str]") -> str:
    """A command and what it said; `apply`'s lines of progress, which depend on the moment, are left out."""
    if words[-1] == "json":
        return done.stdout
    errors = "".join(line for line in done.stderr.splitlines(keepends=True) if not _STAMPED.match(line))
    return f"$ holdfast {' '.join(words)}\n{done.stdout}-- standard error\n{errors}-- exit code {done.returncode}\n"


def ageless(text: str) -> str:
    """What was said, without ages and the blanks that they push about."""
    return re.sub(r" {2,}", "  ", re.sub(r"\b\d+[smhd]\b", "AGE", text))


def timeless(found: Any) -> Any:
    """Data without the times of the looks, and since when they show the same."""
    if isinstance(found, dict):
        return {key: timeless(value) for key, value in found.items() if key not in ("observed_at", "since")}
    return [timeless(item) for item in found] if isinstance(found, list) else found


def wordless(found: Any) -> Any:
    """The statuses of stages without times and sentences: a later version may say the same in other words."""
    return {key: _wordless(timeless(status)) for key, status in found.items()}


def _wordless(status: dict[str, Any]) -> dict[str, Any]:
    """A status without its sentences; who suspended a stage has a reason of its own since the recording."""
    suspended = {"reason": "Suspended"}
    conditions = [
        {**shown, "message": "", **(suspended if shown["type"] == "Suspended" else {})}
        for shown in status["conditions"]
    ]
    instances = [{**shown, "message": ""} for shown in status["instances"]]
    return {**status, "reason": "", "conditions": conditions, "instances": instances}


class Place:
    """A site that was recorded in `recording`, in `folder`, as if its controller had been stopped a moment ago."""

    def __init__(self, recording: Path, folder: Path, caddy: str) -> None:
        self.recording, self.folder = recording, folder
        self.said: dict[str, Any] = json.loads((recording / "engine.json").read_text())
        self._put_back()
        self.engine = RecordedEngine(folder / "engine.sock", self.said)
        self.caddy = _loaded(Caddy(folder / "caddy", caddy), json.loads((recording / "caddy.json").read_text()))
        self.caddy.start()
        self.door = Door("caddy", self.caddy.admin, folder, _refused)
        self.apps = [_App(*where) for where in self._addresses()]
        self.environment = self._surroundings()

    @property
    def writes(self) -> list[str]:
        """What was asked of the Engine and the proxy that would have changed something."""
        return [*self.engine.writes, *(f"{call.method} {call.path}" for call in self.door.calls if call.changing)]

    def close(self) -> None:
        """End everything."""
        self.engine.close()
        self.door.close()
        self.caddy.stop(5)
        for app in self.apps:
            app.close()

    def holdfast(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run the program in the folder and wait for its end."""
        return subprocess.run(
            [*PROGRAM, *words],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    def run(self, until: Callable[[], object], what: str) -> tuple[int, str]:
        """Keep the site by `holdfast run` until that is true, or it ended; returns the exit code and the log."""
        log = self.folder / "controller.log"
        with log.open("wb") as file:
            child = subprocess.Popen(
                [*PROGRAM, "run"],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )
        try:
            wait_until(lambda: child.poll() is not None or until(), 60, what)
            child.send_signal(signal.SIGTERM)
            return child.wait(30), log.read_text()
        finally:
            child.kill()
            child.wait()

    def rows(self, question: str) -> list[Any]:
        """What the state file holds."""
        with contextlib.closing(sqlite3.connect(self.folder / STATE / "holdfast.db")) as db:
            return db.execute(question).fetchall()

    def _put_back(self) -> None:
        """The files that the controller left behind, and the documents."""
        for name in ("desired", "secrets"):
            shutil.copytree(self.recording / name, self.folder / name)
        shutil.copy(self.recording / "holdfast.yaml", self.folder)
        state = self.folder / STATE
        shutil.copytree(self.recording / "state", state, ignore=shutil.ignore_patterns("*.sql"))
        state.chmod(0o700)
        with contextlib.closing(sqlite3.connect(state / "holdfast.db")) as db:
            db.executescript((self.recording / "state" / "holdfast.sql").read_text())
        for path in state.iterdir():
            path.chmod(0o600)

    def _addresses(self) -> list[tuple[str, str]]:
        """Address and name of each container that runs."""
        network = self.said["networks"][0]["Name"]
        found = [
            (item["NetworkSettings"]["Networks"][network]["IPAddress"], item["Name"]) for item in self.said["inspected"]
        ]
        return [(address, name.lstrip("/")) for address, name in found if address]

    def _surroundings(self) -> dict[str, str]:
        """Where the Engine and the proxy are now, and a clock that goes on from the hour of the recording."""
        skew = self.folder / "skew"
        skew.write_text(str(self.engine.now - time.time()))
        return clean_environment(
            PYTHONPATH=os.pathsep.join([str(ROOT), str(ROOT / "tests" / "parts" / "skew")]),
            SKEW=str(skew),
            NO_COLOR="1",
            HOLDFAST_DOCKER__HOST=self.engine.url,
            HOLDFAST_PROXY__ADMIN=self.door.url,
        )


def take_addresses() -> None:
    """Give this network namespace's loopback the addresses of `SUBNET`, without needing iproute2."""
    address, set_address, set_mask = SUBNET.replace("0/24", "1"), 0x8916, 0x891C
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for what, value in ((set_address, address), (set_mask, "255.255.255.0")):
            fcntl.ioctl(control, what, struct.pack("16sHH4s16x", b"lo:1", socket.AF_INET, 0, socket.inet_aton(value)))


def _loaded(caddy: Caddy, recorded: dict[str, Any]) -> Caddy:
    """The same Caddy, which starts with a recorded configuration; where its admin API listens stays its own."""
    file = caddy.folder / "caddy.json"
    file.write_text(json.dumps({**recorded, **json.loads(file.read_text())}))
    return caddy


def _refused(call: Call) -> Fault | None:
    return Fault("error") if call.changing else None


class _App:
    """Answers at a container's address, as an app does that is well: with the container's name."""

    def __init__(self, address: str, name: str) -> None:
        self.name = name
        self.probed = False
        """Somebody connected, whatever was asked then."""
        app = self

        class Handler(http.server.BaseHTTPRequestHandler):
            """One request."""

            def do_GET(self) -> None:
                """Say who answers."""
                body = name.encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        class Server(http.server.ThreadingHTTPServer):
            """All connections."""

            def verify_request(self, request: object, client_address: object) -> bool:
                """Take each of them."""
                app.probed = True
                return True

        self._server = Server((address, PORT), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
