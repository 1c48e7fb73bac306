"""Serves the API on a unix socket of mode 0600, and what only reads on a TCP address, until told to stop."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from controller.api.app import build, build_reads
from controller.core.model.errors import Conflict
from controller.interfaces import Control, Reads

CHECK_INTERVAL_S = 1.0
"""Between two checks that the socket's file is still ours."""


class _Server(uvicorn.Server):
    """uvicorn without signal handlers: `holdfast run` has its own."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        yield


async def serve(control: Control, reads: Reads, path: Path, stop: asyncio.Event) -> None:
    """Serve until `stop` is set. The caller holds the lock, so a socket file that is there belongs to a dead process.

    A socket file that is deleted meanwhile is made anew. A file that somebody else puts in its place is left alone.
    """
    app = build(control, reads)
    _remove(path, _identity(path))
    listener = _listen(path)
    while True:
        own, replaced_or_stopped = _identity(path), asyncio.Event()
        watching = asyncio.create_task(_watch(path, own, stop, replaced_or_stopped))
        try:
            await _serve(app, listener, replaced_or_stopped)
        finally:
            watching.cancel()
            _remove(path, own)
        if not replaced_or_stopped.is_set():
            return
        while not stop.is_set():
            with contextlib.suppress(OSError):
                listener = _listen(path)
                break
            await _pause(stop)
        else:
            return


async def serve_reads(
    reads: Reads, ready: Callable[[], bool], listener: socket.socket, host: str, stop: asyncio.Event
) -> None:
    """Serve what only reads on a TCP socket made by `listen`, until `stop` is set."""
    await _serve(build_reads(reads, ready, host), listener, stop)


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


async def _watch(path: Path, own: tuple[int, int], stop: asyncio.Event, ended: asyncio.Event) -> None:
    """Set `ended` when `stop` is set, or when the file is not ours any more."""
    while not stop.is_set() and _identity(path) == own:
        await _pause(stop)
    ended.set()


async def _pause(stop: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), CHECK_INTERVAL_S)


def _listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)  # the file must never be open to others, not even between bind and chmod
    try:
        listener.bind(str(path))
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(before)
    listener.listen(64)
    return listener


def _remove(path: Path, own: tuple[int, int]) -> None:
    if own == _identity(path):
        path.unlink(missing_ok=True)


def _identity(path: Path) -> tuple[int, int]:
    """Device and inode of the file; (0, 0) when it is gone."""
    try:
        status = path.stat()
    except OSError:
        return (0, 0)
    return (status.st_dev, status.st_ino)
