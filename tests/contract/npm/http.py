"""The little of HTTP/1.1 that test servers need: one request per connection, read whole, answered whole."""

import asyncio
import contextlib
import json
from dataclasses import dataclass
from typing import Any

REASONS = {200: "OK", 201: "Created", 301: "Moved Permanently", 400: "Bad Request", 401: "Unauthorized"}


@dataclass
class Request:
    """One request: header names are lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    raw: bytes
    """As it came."""

    @property
    def host(self) -> str:
        """The hostname that was asked for."""
        return self.headers.get("host", "").partition(":")[0].lower()


async def read(reader: asyncio.StreamReader) -> Request | None:
    """The next request; None when the other side hung up."""
    with contextlib.suppress(asyncio.IncompleteReadError, OSError):
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        path, _, query = target.partition("?")
        return Request(method, path, query, headers, body, head + body)
    return None


def answer(status: int, body: Any = None, headers: tuple[tuple[str, str], ...] = ()) -> bytes:
    """An answer as bytes: JSON for anything but bytes."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = "text/html" if isinstance(body, bytes) else "application/json"
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}", f"Content-Length: {len(data)}", "Connection: close"]
    lines += [f"Content-Type: {kind}", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode() + data


async def forwarded(host: str, port: int, request: bytes) -> bytes:
    """The whole answer of another server to these bytes. Raises `OSError`."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(request)
        await writer.drain()
        return await _whole(reader)
    finally:
        writer.close()


async def _whole(reader: asyncio.StreamReader) -> bytes:
    """Read up to the end that Content-Length or the connection's end says."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        raise ConnectionResetError("no answer") from error
    lower = head.lower()
    if b"\r\ncontent-length:" in lower:
        size = int(lower.partition(b"\r\ncontent-length:")[2].split(b"\r\n")[0])
        return head + (await reader.readexactly(size) if size else b"")
    return head + await reader.read()


@contextlib.asynccontextmanager
async def serving(handler: Any, ssl: Any = None) -> Any:
    """Serve `await handler(request) -> bytes` on a free port of 127.0.0.1 and yield the port; b"" hangs up."""
    tasks: set[asyncio.Task[Any]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            request = await read(reader)
            if request is not None:
                writer.write(await handler(request))
                await writer.drain()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=ssl)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
