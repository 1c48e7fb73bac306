"""`run`: the controller and its API in the foreground, with an orderly stop."""

import asyncio
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

from controller.cli import context
from controller.cli.output import Exit, say

if TYPE_CHECKING:
    from controller.settings import Settings


def run() -> None:
    """Run the controller in the foreground until SIGTERM or Ctrl-C; what it started keeps running."""
    serve(context.settings())


def serve(settings: "Settings") -> None:
    """Serve until SIGTERM or SIGINT; a second one ends at once. Raises `Locked`, `Conflict`."""
    asyncio.run(_serve(settings))
    if any(not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread()):
        # A call to Docker that hangs must not keep the process: the next start looks at Docker again.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(Exit.DONE)


async def _serve(settings: "Settings") -> None:
    from controller.api import server
    from controller.manager import Manager

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop_or_exit() -> None:
        if stop.is_set():
            os._exit(Exit.INTERRUPTED)  # a second signal ends the process at once; every record is durable already
        say("stopping; what runs keeps running")
        stop.set()

    async with Manager.open(settings) as manager:
        api = settings.api
        listener = server.listen(api.host, api.port) if api is not None else None
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop_or_exit)
        parts = [
            asyncio.create_task(manager.run(stop)),
            asyncio.create_task(server.serve(manager, manager, context.socket_path(settings), stop)),
        ]
        if api is not None and listener is not None:
            reading = server.serve_reads(manager, lambda: manager.ready, listener, api.host, stop)
            parts.append(asyncio.create_task(reading))
        try:
            await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.set()
            await asyncio.gather(*parts)
