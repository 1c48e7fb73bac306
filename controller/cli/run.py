"""What `run` does: the controller and its socket in the foreground, with an orderly stop."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from controller.cli import context
from controller.cli.output import Exit, say

if TYPE_CHECKING:
    from controller.api.app import Lines
    from controller.core.model.status import LogLine
    from controller.settings import Settings

LINES = 1000
"""Log lines that are given out at a time."""


def run(settings: "Settings") -> None:
    """Serve until SIGTERM or SIGINT; a second one ends at once. Raises `Locked`, `Conflict`."""
    asyncio.run(_serve(settings))
    if any(not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread()):
        # A call to Docker that hangs must not keep the program: its outcome is read from the world at the next start.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(Exit.DONE)


async def _serve(settings: "Settings") -> None:
    from controller.api.server import listen, serve, serve_reads
    from controller.manager import Manager

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stopping() -> None:
        if stop.is_set():
            os._exit(Exit.INTERRUPTED)  # a person who asks twice wants out; every record is durable already
        say("stopping; what runs keeps running")
        stop.set()

    async with Manager.open(settings) as manager:
        api = settings.api
        listener = listen(api.host, api.port) if api is not None else None
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping)
        parts = [
            asyncio.create_task(manager.run(stop)),
            asyncio.create_task(serve(manager, context.socket_path(settings), stop, _lines(settings))),
        ]
        if api is not None and listener is not None:
            parts.append(asyncio.create_task(serve_reads(manager, lambda: manager.ready, listener, api.host, stop)))
        try:
            await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.set()
            await asyncio.gather(*parts)


def _lines(settings: "Settings") -> "Lines":
    """Reads log lines beside the writer."""
    store = context.store(settings)

    async def lines(after: int) -> "Sequence[LogLine]":
        return await asyncio.to_thread(store.lines, None, None, LINES, after)

    return lines
