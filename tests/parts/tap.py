"""A socket in front of an Engine: every call goes through, is written down, and can be held for a while before."""

import contextlib
import re
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HEAD = 65536


@dataclass
class Call:
    """One call of the Engine's API; `begun` and `ended` are monotonic seconds, `ended` 0 while it runs."""

    method: str
    path: str
    headers: Mapping[str, str]
    begun: float
    ended: float = 0.0


class Tap:
    """`url` is the DOCKER_HOST that leads here. `held`: seconds before a call passes, by pattern of its path."""

    def __init__(self, path: Path, engine: str, held: Mapping[str, float] | None = None) -> None:
        self.url = f"unix://{path}"
        self.calls: list[Call] = []
        self._engine = engine.removeprefix("unix://")
        self._held = dict(held or {})
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen(256)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more calls."""
        self._socket.close()

    def most(self, pattern: str) -> int:
        """How many calls whose path matches were under way at the same time."""
        matching = [call for call in self.calls if re.search(pattern, call.path)]
        return max((sum(self._beside(call, other) for other in matching) for call in matching), default=0)

    @staticmethod
    def _beside(call: Call, other: Call) -> bool:
        return other.begun <= call.begun and (other.ended == 0.0 or other.ended > call.begun)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                wire, _ = self._socket.accept()
                threading.Thread(target=self._pass, args=(wire,), daemon=True).start()

    def _pass(self, wire: socket.socket) -> None:
        """One call per connection: both sides are told so, and it is over when the Engine hangs up."""
        with contextlib.suppress(OSError), wire, socket.socket(socket.AF_UNIX) as engine:
            head = b""
            while b"\r\n\r\n" not in head:
                more = wire.recv(HEAD)
                if not more:
                    return
                head += more
            head, _, body = head.partition(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")
            method, path, _ = first.split(" ", 2)
            fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            call = Call(method, path, fields, time.monotonic())
            self.calls.append(call)
            time.sleep(max((s for pattern, s in self._held.items() if re.search(pattern, path)), default=0))
            engine.connect(self._engine)
            kept = [line for line in lines if not line.lower().startswith("connection:")]
            text = "\r\n".join([first, *kept, "Connection: close"])
            engine.sendall(text.encode("latin-1") + b"\r\n\r\n" + body)
            back = threading.Thread(target=_copy, args=(wire, engine), daemon=True)
            back.start()
            _copy(engine, wire)
            call.ended = time.monotonic()


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Pass on bytes until the source ends, then say so."""
    with contextlib.suppress(OSError):
        while more := source.recv(HEAD):
            target.sendall(more)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
