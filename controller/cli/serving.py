"""What `run` does: the controller and its socket in the foreground, with an orderly stop."""

import asyncio
import os
import signal
from typing import TYPE_CHECKING

from controller.cli import context
from controller.cli.output import Exit, say

if TYPE_CHECKING:
    from controller.settings import Settings


def run(settings: "Settings") -> None:
    """Serve until SIGTERM or SIGINT; a second one ends at once. Raises `Locked`."""
    asyncio.run(_serve(settings))


async def _serve(settings: "Settings") -> None:
    from controller.api.server import serve
    from controller.manager import Manager

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stopping() -> None:
        if stop.is_set():
            os._exit(Exit.INTERRUPTED)  # a person who asks twice wants out; every record is durable already
        say("stopping; what runs keeps running")
        stop.set()

    async with Manager.open(settings) as manager:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping)
        parts = [
            asyncio.create_task(manager.run(stop)),
            asyncio.create_task(serve(manager, context.socket_path(settings), stop)),
        ]
        try:
            await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.set()
            await asyncio.gather(*parts)
