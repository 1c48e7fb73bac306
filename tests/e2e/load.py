"""Steady load through the proxy, in a process of its own: fresh connections, keep-alive ones, and slow answers.

Run as `python -m tests.e2e.load ADDRESS HOSTNAME REPORT`; it ends at SIGTERM and writes what it saw as JSON. A reused
connection that turns out closed before any byte of the answer came is asked again on a new one, as every client does
for GET (RFC 9110 §9.2.2), and counted apart.
"""

import asyncio
import contextlib
import json
import signal
import sys
from collections import Counter
from pathlib import Path

FRESH, KEPT, SLOW = 3, 3, 2
PAUSE_S = 0.08
SLOW_ANSWER_S = 5


class Load:
    """Clients of one hostname, and what they saw."""

    def __init__(self, address: str, hostname: str) -> None:
        host, _, port = address.rpartition(":")
        self.host, self.port, self.hostname = host, int(port), hostname
        self.stop = asyncio.Event()
        self.statuses: Counter[str] = Counter()
        self.bodies: Counter[str] = Counter()
        self.errors: list[str] = []
        self.reopened = 0

    async def run(self) -> None:
        """All clients, until stopped."""
        async with asyncio.TaskGroup() as group:
            for _ in range(FRESH):
                group.create_task(self._client("/", keep=False))
            for _ in range(KEPT):
                group.create_task(self._client("/", keep=True))
            for _ in range(SLOW):
                group.create_task(self._client(f"/slow?{SLOW_ANSWER_S}", keep=False))

    async def _client(self, path: str, keep: bool) -> None:
        connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while not self.stop.is_set():
            reused = connection is not None
            try:
                connection = connection or await asyncio.open_connection(self.host, self.port)
                status, body, more = await asyncio.wait_for(self._ask(connection, path, keep), 30)
            except (OSError, EOFError, asyncio.IncompleteReadError, TimeoutError) as error:
                self._close(connection)
                connection = None
                if reused and isinstance(error, (ConnectionError, asyncio.IncompleteReadError)):
                    self.reopened += 1
                else:
                    self.errors.append(f"{path} keep={keep}: {error!r}")
                continue
            self.statuses[str(status)] += 1
            self.bodies[body.split(" ")[0]] += 1
            if not (keep and more):
                self._close(connection)
                connection = None
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stop.wait(), PAUSE_S)
        self._close(connection)

    async def _ask(
        self, connection: tuple[asyncio.StreamReader, asyncio.StreamWriter], path: str, keep: bool
    ) -> tuple[int, str, bool]:
        reader, writer = connection
        how = "keep-alive" if keep else "close"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {self.hostname}\r\nConnection: {how}\r\n\r\n".encode())
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        status = int(head.split(" ", 2)[1])
        lines = [line.partition(":") for line in head.split("\r\n")]
        fields = {name.strip().lower(): value.strip() for name, _, value in lines}
        body = await reader.readexactly(int(fields.get("content-length", "0")))
        return status, body.decode(errors="replace"), fields.get("connection", "").lower() != "close"

    @staticmethod
    def _close(connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None) -> None:
        if connection is not None:
            connection[1].close()


async def main(address: str, hostname: str) -> str:
    """Load until SIGTERM, then the report."""
    load = Load(address, hostname)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, load.stop.set)
    await load.run()
    return json.dumps(
        {"statuses": load.statuses, "bodies": load.bodies, "errors": load.errors, "reopened": load.reopened}
    )


if __name__ == "__main__":
    Path(sys.argv[3]).write_text(asyncio.run(main(sys.argv[1], sys.argv[2])))
