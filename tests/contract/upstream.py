"""A small HTTP server in the test's own loop that stands for a container's application."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from types import TracebackType

Behaviour = Callable[["Upstream", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Upstream:
    """Answers `name` on 127.0.0.1:`port`; `heads` are the requests as they came, `release` ends those to /held."""

    def __init__(
        self, name: str, status: str = "200 OK", headers: str = "", behaviour: Behaviour | None = None
    ) -> None:
        self.name = name
        self.status = status
        self.headers = headers
        self.behaviour = behaviour
        self.heads: list[str] = []
        self.release = asyncio.Event()
        self.arrived = asyncio.Event()
        self.port = 0
        self._served: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Upstream":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release.set()
        self._server.close()
        for task in self._served:
            task.cancel()
        await asyncio.gather(*self._served, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._served.add(task)
        task.add_done_callback(self._served.discard)
        try:
            await self._talk(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.behaviour is not None:
            await self.behaviour(self, reader, writer)
            return
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.heads.append(head)
            if head.startswith("GET /held"):
                self.arrived.set()
                await self.release.wait()
            body = f"{self.name}\n"
            length = f"Content-Length: {len(body)}\r\n"
            writer.write(f"HTTP/1.1 {self.status}\r\n{length}{self.headers}\r\n{body}".encode())
            await writer.drain()
