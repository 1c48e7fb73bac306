"""Caddy's admin API: read the configuration with its ETag, write one place of it guarded by If-Match.

HTTP is spoken through h11, because Caddy sends the ETag as a trailer, which clients of a higher level drop. Each call
has a connection of its own: Caddy replaces its admin listener with every configuration it takes.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote, urlsplit

import h11

from controller.core.model.errors import Unreachable

CONNECT_DEADLINE_S = 5.0
DEADLINE_S = 60.0
"""Seconds for one call; a change of 5,000 routes takes Caddy a third of a second on an idle machine."""
READ_PAUSES_S = (0.01, 0.02, 0.05, 0.1, 0.2)
"""Seconds before a reading whose connection was cut is tried again."""
ROOT = "/config/"
"""The path that everything is read from, and whose ETag guards every write."""


@dataclass(frozen=True)
class Edit:
    """One write: `PUT` makes a new place or inserts into a list, `PATCH` replaces one, `DELETE` removes one."""

    method: Literal["PUT", "PATCH", "DELETE"]
    path: str
    body: Any = None


class AdminRefused(Exception):
    """Caddy answered with a status of 400 or more; nothing was changed."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{message} (status {status})")
        self.status = status
        self.message = message


class ConfigMoved(Exception):
    """Somebody changed the configuration since it was read (status 412); nothing was changed."""


class ReplyLost(Exception):
    """The request may have been carried out, but no whole answer came."""


class ConnectionBroke(ReplyLost):
    """The connection was cut: Caddy cuts those that come while it replaces its admin listener."""


class CaddyAdmin:
    """One admin endpoint: `http://host:port` or `unix:///path`."""

    def __init__(self, address: str, deadline: float = DEADLINE_S) -> None:
        self.address = address
        parts = urlsplit(address)
        self._socket = parts.path if parts.scheme == "unix" else ""
        self._host, self._port = parts.hostname or "", parts.port or 80
        # RFC 9110 §7.2: an empty Host where the address names no host; Caddy refuses anything else on a socket.
        self._header = "" if self._socket else parts.netloc
        self._deadline = deadline

    async def get(self) -> tuple[Any, str]:
        """The whole configuration and its ETag. Raises `Unreachable`, `AdminRefused`."""
        try:
            for pause in READ_PAUSES_S:
                try:
                    return await self._get()
                except ConnectionBroke:
                    await asyncio.sleep(pause)
            return await self._get()
        except (ReplyLost, ValueError) as error:
            raise Unreachable(f"Caddy at {self.address} does not answer: {error}") from error

    async def send(self, edit: Edit, etag: str) -> None:
        """Make one write if nothing has changed since. Raises all errors of this module, and `Unreachable`."""
        body = b"" if edit.method == "DELETE" else json.dumps(edit.body, separators=(",", ":")).encode()
        try:
            await self._call(edit.method, edit.path, body, {"Content-Type": "application/json", "If-Match": etag})
        except AdminRefused as error:
            if error.status == 412:
                raise ConfigMoved(str(error)) from error
            raise

    async def _get(self) -> tuple[Any, str]:
        body, etag = await self._call("GET", ROOT, b"", {})
        return json.loads(body), etag

    async def _call(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[bytes, str]:
        http = h11.Connection(h11.CLIENT)
        fixed = {"Host": self._header, "Connection": "close", "Content-Length": str(len(body))}
        request = h11.Request(method=method, target=path, headers=list({**fixed, **headers}.items()))
        sent = b"".join(http.send(part) or b"" for part in (request, h11.Data(data=body), h11.EndOfMessage()))
        async with self._connected() as (reader, writer):
            try:
                async with asyncio.timeout(self._deadline):
                    writer.write(sent)
                    await writer.drain()
                    return await _reply(http, reader)
            except TimeoutError as error:
                raise ReplyLost(f"no answer within {self._deadline:g} s") from error
            except (OSError, h11.RemoteProtocolError) as error:
                raise ConnectionBroke(f"the connection broke: {error}") from error

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        try:
            async with asyncio.timeout(CONNECT_DEADLINE_S):
                if self._socket:
                    reader, writer = await asyncio.open_unix_connection(self._socket)
                else:
                    reader, writer = await asyncio.open_connection(self._host, self._port)
        except TimeoutError as error:
            raise Unreachable(f"no Caddy at {self.address}: no connection within {CONNECT_DEADLINE_S:g} s") from error
        except ConnectionResetError as error:
            raise ConnectionBroke(f"the connection broke: {error}") from error
        except OSError as error:
            why = os.strerror(error.errno).lower() if error.errno else error
            raise Unreachable(f"no Caddy at {self.address}: {why}") from error
        try:
            yield reader, writer
        finally:
            writer.transport.abort()


async def _reply(http: h11.Connection, reader: asyncio.StreamReader) -> tuple[bytes, str]:
    """Body and ETag, which comes as a header or as a trailer. Raises `AdminRefused`, `ConnectionBroke`."""
    status, etag, body = 0, b"", bytearray()
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            http.receive_data(await reader.read(65536))
        elif isinstance(event, h11.Response):
            status, etag = event.status_code, dict(event.headers).get(b"etag", b"")
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            etag = dict(event.headers).get(b"etag", etag)
            break
        elif not isinstance(event, h11.InformationalResponse):
            raise ConnectionBroke("the connection was closed")
    if status >= 400:
        raise AdminRefused(status, _words(bytes(body)))
    return bytes(body), etag.decode("latin-1")


def _words(body: bytes) -> str:
    """Caddy's own words for a refusal, without control characters, at most 500 of them."""
    try:
        reply = json.loads(body)
        text = str(reply["error"]) if isinstance(reply, dict) and "error" in reply else body.decode(errors="replace")
    except ValueError:
        text = body.decode(errors="replace")
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()[:500]


def smallest(old: Any, new: Any) -> Edit | None:
    """The narrowest single write that turns one configuration into the other; None when they are equal.

    What others configured is sent along only where two changes lie on both sides of it.
    """
    return None if old == new else _narrow(ROOT.rstrip("/"), old or {}, new)


def _narrow(path: str, old: Any, new: Any) -> Edit:
    if isinstance(old, dict) and isinstance(new, dict):
        differing = [key for key in {**old, **new} if key not in old or key not in new or old[key] != new[key]]
        key = differing[0]
        if len(differing) == 1 and key and "/" not in key:
            place = f"{path}/{quote(key, safe='')}"
            if key not in old:
                return Edit("PUT", place, new[key])
            return _narrow(place, old[key], new[key]) if key in new else Edit("DELETE", place)
    elif isinstance(old, list) and isinstance(new, list):
        spot = next((n for n, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]), -1)
        if spot >= 0 and old[spot + 1 :] == new[spot + 1 :]:
            return _narrow(f"{path}/{spot}", old[spot], new[spot])
        if spot >= 0 and old[spot:] == new[spot + 1 :]:
            return Edit("PUT", f"{path}/{spot}", new[spot])
        if spot >= 0 and old[spot + 1 :] == new[spot:]:
            return Edit("DELETE", f"{path}/{spot}")
    return Edit("PATCH", path, new)
