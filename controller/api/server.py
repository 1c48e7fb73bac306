"""Serves the API on a unix socket of mode 0600, and what only reads on a TCP address, until told to stop."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from controller.api.app import Lines, build, build_reads
from controller.core.errors import Conflict
from controller.interfaces import Control


class _Server(uvicorn.Server):
    """uvicorn without signal handlers of its own: the command that runs us has them."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        yield


async def serve(control: Control, path: Path, stop: asyncio.Event, lines: Lines | None = None) -> None:
    """Serve until `stop` is set; the caller holds the lock, so a socket file found here is a dead one's."""
    try:
        await _serve(build(control, lines), _listen(path), stop)
    finally:
        _forget(path)


async def serve_reads(
    control: Control, ready: Callable[[], bool], listener: socket.socket, host: str, stop: asyncio.Event
) -> None:
    """Serve what only reads on a TCP socket made by `listen`, until `stop` is set."""
    await _serve(build_reads(control, ready, host), listener, stop)


def listen(host: str, port: int) -> socket.socket:
    """A listening TCP socket. Raises `Conflict` when the address cannot be had."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=64)
    except OSError as error:
        message = (
            f"api.listen: {host}:{port} cannot be listened on: {error.strerror or error}; "
            "set another address, or api: null"
        )
        raise Conflict(message, reason="ListenTaken") from error


async def _serve(app: FastAPI, listener: socket.socket, stop: asyncio.Event) -> None:
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=2)
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
