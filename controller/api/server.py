"""Serves the API on a unix socket of mode 0600 until told to stop."""

import asyncio
import contextlib
import os
import socket
from pathlib import Path

import uvicorn

from controller.api.app import Lines, build
from controller.interfaces import Control


class _Server(uvicorn.Server):
    """uvicorn without signal handlers of its own: the command that runs us has them."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        yield


async def serve(control: Control, path: Path, stop: asyncio.Event, lines: Lines | None = None) -> None:
    """Serve until `stop` is set; the caller holds the lock, so a socket file found here is a dead one's."""
    listener = _listen(path)
    config = uvicorn.Config(
        build(control, lines), log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=2
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        await serving
    finally:
        server.should_exit = True
        stopping.cancel()
        listener.close()
        _forget(path)


def _listen(path: Path) -> socket.socket:
    _forget(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)  # the file must never be open to others, not even between bind and chmod
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)
    listener.listen(64)
    return listener


def _forget(path: Path) -> None:
    path.unlink(missing_ok=True)
