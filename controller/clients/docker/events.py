"""Docker's event stream as an endless iterator of hints.

A stream of a dying Engine ends cleanly, without an error, so every end means: connect again and look at everything.
Only `Type`, `Action` and `Actor` are read; the other keys are gone from API 1.52 on.
"""

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import requests

from controller.clients.docker.engine import TRANSPORT_ERRORS, Engine, hang_up
from controller.clients.docker.errors import EngineError, ReplyLost
from controller.clients.docker.pull import text_lines
from controller.core.model import names
from controller.core.model.errors import HoldfastError
from controller.interfaces import Clock, RuntimeEvent

QUIET = 600.0
"""Seconds without an event after which the stream is opened anew: a half-open connection looks just like silence."""
BACKOFF_MAX = 10.0
QUEUE_MAX = 10_000

_NOISE = ("exec_create", "exec_start", "exec_die", "exec_detach", "top", "attach", "detach", "resize", "archive-path")


class EventReader:
    """Reads one stream in a thread of its own and hands the hints to the event loop."""

    def __init__(self, engine: Engine, controller_id: str, seen: Callable[[str], None], queue_max: int) -> None:
        self._engine = engine
        self._filters = {"type": ["container"], "label": [f"{names.CONTROLLER}={controller_id}"]}
        self._seen = seen
        self._loop = asyncio.get_running_loop()
        self._response: requests.Response | None = None
        self._stopped = False
        self._queue_max = queue_max
        self.queue: asyncio.Queue[RuntimeEvent | None] = asyncio.Queue()
        self.connected = False
        self._thread = threading.Thread(target=self._run, name="docker-events", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the stream; the thread ends by itself."""
        self._stopped = True
        if self._response is not None:
            hang_up(self._response)

    def _run(self) -> None:
        try:
            self._response = self._engine.request(
                "GET", "/events", params={"filters": json.dumps(self._filters)}, timeout=QUIET, stream=True
            )
            if self._stopped:
                return
            self.connected = True
            self._put(RuntimeEvent(None, action="connected"))
            for raw in text_lines(self._response):
                if self._stopped:
                    return
                event = _event(json.loads(raw))
                if event is not None:
                    self._seen(event.container)
                    self._put(event)
        except (HoldfastError, EngineError, ReplyLost, *TRANSPORT_ERRORS, ValueError):
            pass  # every end is the same to the reader: connect again
        finally:
            if self._response is not None:
                self._response.close()
            self._put(None)

    def _put(self, event: RuntimeEvent | None) -> None:
        # The loop may be closed already when the program ends.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._take, event)

    def _take(self, event: RuntimeEvent | None) -> None:
        if event is not None and self.queue.qsize() >= self._queue_max:
            while not self.queue.empty():
                self.queue.get_nowait()
            event = RuntimeEvent(None, action="overflow")
        self.queue.put_nowait(event)


async def events(
    engine: Engine,
    controller_id: str,
    clock: Clock,
    *,
    seen: Callable[[str], None],
    live: Callable[[bool], None],
    queue_max: int = QUEUE_MAX,
) -> AsyncIterator[RuntimeEvent]:
    """Yield hints for ever; `seen` hears each container's id in the reader's thread, `live` whether one is open."""
    pause = 0.0
    while True:
        reader = EventReader(engine, controller_id, seen, queue_max)
        try:
            while (event := await reader.queue.get()) is not None:
                if event.action == "connected":
                    pause = 0.0
                    live(True)
                yield event
        finally:
            live(False)
            reader.stop()
        pause = min(BACKOFF_MAX, max(0.5, pause * 2))
        await clock.sleep(pause)


def _event(line: Any) -> RuntimeEvent | None:
    if not isinstance(line, dict) or line.get("Type", "container") != "container":
        return None
    actor = line.get("Actor") or {}
    attributes = actor.get("Attributes") or {}
    action = str(line.get("Action") or "")
    if not actor.get("ID") or action.split(":", 1)[0].strip() in _NOISE:
        return None
    return RuntimeEvent(attributes.get(names.STAGE) or None, str(actor["ID"]), action)
