"""Doors in front of real parts: every call goes through and is written down, and chosen ones meet a fault.

| fault | what the caller and the part get |
|---|---|
| hold | it passes `seconds` later |
| drop | the part never sees it, the caller's connection is closed |
| lose | the part does it, the caller's connection is closed instead of an answer |
| reset | the part does it, the caller's connection is reset |
| error | the part never sees it, the caller gets `status` and `body` |
| fail | the part does it, the caller gets `status` and `body` all the same |
| cut | the caller gets the first `size` bytes of the answer, then the end |
| garble | the part does it, the last bytes of the answer are others |
| stall | after at most `size` bytes of the answer nothing comes until `release` |
| pass | nothing; for what `act` does |

`act` runs when the fault strikes: for drop and error in place of the call, for pass after the whole answer was passed
on, for all others after the part has done it and before the caller gets anything.
"""

import contextlib
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

PIECE = 65536
TLS = b"\x16"
"""How a client begins that tries TLS first, as Docker does with registries."""
Kind = Literal["hold", "drop", "lose", "reset", "error", "fail", "cut", "garble", "stall", "pass"]


@dataclass(frozen=True)
class Call:
    """One call at a door: method, path without the API's version, and when it came (monotonic seconds)."""

    door: str
    method: str
    path: str
    begun: float
    body: bytes = b""

    @property
    def changing(self) -> bool:
        """It asks for a change."""
        return self.method not in ("GET", "HEAD")

    @property
    def kind(self) -> str:
        """What it asks for, without ids and queries: `POST /containers/*/start`."""
        plain = re.sub(r"[0-9a-f]{64}", "*", self.path.partition("?")[0])
        return f"{self.door} {self.method} {plain}"


@dataclass(frozen=True)
class Fault:
    """What happens to one call; see the table above."""

    kind: Kind
    act: Callable[[], None] = lambda: None
    seconds: float = 0.0
    status: int = 500
    body: str = '{"message": "made to fail by the test"}'
    size: int = 0
    release: threading.Event = field(default_factory=threading.Event)


Decide = Callable[[Call], Fault | None]


class Door:
    """`url` leads here, and from here to `inside` (`unix:///path` or `http://host:port`)."""

    def __init__(self, name: str, inside: str, folder: Path, decide: Decide) -> None:
        self.name = name
        self.calls: list[Call] = []
        self.decide = decide
        self._inside = urlsplit(inside)
        if self._inside.scheme == "unix":
            path = folder / f"{name}.sock"
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.bind(str(path))
            self.url = f"unix://{path}"
        else:
            self._socket = socket.socket()
            self._socket.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._socket.listen(256)
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        """host:port of a door with a port."""
        return urlsplit(self.url).netloc

    def close(self) -> None:
        """Take no more calls."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                wire, _ = self._socket.accept()
                threading.Thread(target=self._pass, args=(wire,), daemon=True).start()

    def _pass(self, wire: socket.socket) -> None:
        """One call per connection: the part is told so, and it is over when the part hangs up."""
        with contextlib.suppress(OSError), wire:
            request = _request(wire)
            if request is None:
                return
            first, lines, body = request
            method, target, _ = first.split(" ", 2)
            call = Call(self.name, method, re.sub(r"^/v[\d.]+(?=/[a-z_])", "", target), time.monotonic(), body)
            self.calls.append(call)
            fault = self.decide(call) or Fault("pass")
            if fault.kind == "drop":
                fault.act()
            elif fault.kind == "error":
                fault.act()
                wire.sendall(_refusal(fault))
            else:
                time.sleep(fault.seconds if fault.kind == "hold" else 0)
                with self._connected() as part:
                    part.sendall(self._head(first, lines) + body)
                    self._answer(wire, part, fault)

    def _answer(self, wire: socket.socket, part: socket.socket, fault: Fault) -> None:
        if fault.kind in ("pass", "hold"):
            threading.Thread(target=_copy, args=(wire, part), daemon=True).start()
            _copy(part, wire)
            fault.act()
            return
        whole = b""
        limit = fault.size if fault.kind in ("cut", "stall") else None
        while (limit is None or len(whole) < limit) and (more := part.recv(PIECE)):
            whole += more
        fault.act()
        if fault.kind == "reset":
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif fault.kind == "fail":
            wire.sendall(_refusal(fault))
        elif fault.kind == "cut":
            wire.sendall(whole[: fault.size])
        elif fault.kind == "garble":
            wire.sendall(whole[:-10] + b"0123456789")
        elif fault.kind == "stall":
            wire.sendall(whole[: fault.size])
            fault.release.wait(120)

    def _connected(self) -> socket.socket:
        if self._inside.scheme == "unix":
            part = socket.socket(socket.AF_UNIX)
            part.connect(self._inside.path)
            return part
        return socket.create_connection((self._inside.hostname or "", self._inside.port or 80))

    def _head(self, first: str, lines: Sequence[str]) -> bytes:
        """The request's head as the part shall see it: addressed to the part, and for one call only."""
        host = [f"Host: {self._inside.netloc}"] if self._inside.scheme != "unix" else []
        dropped = ("connection:", "host:") if host else ("connection:",)
        kept = [line for line in lines if not line.lower().startswith(dropped)]
        return "\r\n".join([first, *host, *kept, "Connection: close", "", ""]).encode("latin-1")


def _request(wire: socket.socket) -> tuple[str, list[str], bytes] | None:
    """Request line, header lines and body; None when the caller went away, or speaks TLS, which no door does."""
    head = b""
    while b"\r\n\r\n" not in head:
        more = wire.recv(PIECE)
        if not more or (head + more).startswith(TLS):
            return None
        head += more
    head, _, body = head.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(fields.get("content-length", "0")):
        more = wire.recv(PIECE)
        if not more:
            return None
        body += more
    return first, lines, body


def _refusal(fault: Fault) -> bytes:
    body = fault.body.encode()
    head = f"HTTP/1.1 {fault.status} Made by the test\r\nContent-Type: application/json\r\nConnection: close\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Pass on bytes until the source ends, then say so."""
    with contextlib.suppress(OSError):
        while more := source.recv(PIECE):
            target.sendall(more)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


class Counted:
    """Decides by number: the `at`-th changing call through any of its doors meets the fault, once."""

    def __init__(self) -> None:
        self.kinds: list[str] = []
        """Calls since `arm`, changing ones only."""
        self._at = 0
        self._fault = Fault("pass")
        self._lock = threading.Lock()

    def arm(self, at: int, fault: Fault) -> None:
        """Count anew; the `at`-th changing call from now on (1 is the first, 0 none) meets the fault."""
        with self._lock:
            self.kinds, self._at, self._fault = [], at, fault

    def __call__(self, call: Call) -> Fault | None:
        """The fault of this call, if it is its turn."""
        if not call.changing:
            return None
        with self._lock:
            self.kinds.append(call.kind)
            return self._fault if len(self.kinds) == self._at else None


class Once:
    """Decides by kind: the first changing call of each kind meets the fault; with `reads` the first look does too."""

    def __init__(self, fault: Fault, reads: bool = False) -> None:
        self.kinds: list[str] = []
        """Which kinds met it."""
        self._fault = fault
        self._reads = reads
        self._lock = threading.Lock()

    def __call__(self, call: Call) -> Fault | None:
        """The fault of this call, if it is the first of its kind."""
        with self._lock:
            if not (call.changing or (self._reads and "/events" not in call.path)) or call.kind in self.kinds:
                return None
            self.kinds.append(call.kind)
            return self._fault
