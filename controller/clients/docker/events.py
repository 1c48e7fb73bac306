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

from controller.clients.docker.engine import Engine
from controller.clients.docker.errors import EngineError
from controller.clients.docker.ownership import label_filters
from controller.clients.docker.stream import text_lines
from controller.clients.docker.transport import TRANSPORT_ERRORS, ReplyLost, hang_up
from controller.core.model import names
from controller.core.model.errors import HoldfastError
from controller.interfaces import Clock, RuntimeEvent

QUIET_TIMEOUT_S = 600.0
"""After so long without an event the stream is opened anew: a half-open connection looks just like silence."""
RECONNECT_MIN_S = 0.5
RECONNECT_MAX_S = 10.0
QUEUE_MAX = 10_000
"""Hints that may wait to be read; more of them become one: look at everything."""

_IGNORED = ("exec_create", "exec_start", "exec_die", "exec_detach", "top", "attach", "detach", "resize", "archive-path")


class EventReader:
    """Reads one stream in a thread of its own and hands the hints to the event loop."""

    def __init__(self, engine: Engine, controller_id: str, touched: Callable[[str], None], queue_max: int) -> None:
        self._engine = engine
        self._filters = {"type": ["container"], "label": label_filters(controller_id)}
        self._touched = touched
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
            params = {"filters": json.dumps(self._filters)}
            self._response = self._engine.request("GET", "/events", params=params, timeout=QUIET_TIMEOUT_S, stream=True)
            if self._stopped:
                return
            self.connected = True
            self._put(RuntimeEvent(None, action="connected"))
            for line in text_lines(self._response):
                if self._stopped:
                    return
                event = _event(json.loads(line))
                if event is not None:
                    self._touched(event.container)
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
    touched: Callable[[str], None],
    live: Callable[[bool], None],
    queue_max: int = QUEUE_MAX,
) -> AsyncIterator[RuntimeEvent]:
    """Yield hints for ever; `touched` hears each container's id in the reader's thread, `live` whether one is open."""
    pause = 0.0
    while True:
        reader = EventReader(engine, controller_id, touched, queue_max)
        try:
            while (event := await reader.queue.get()) is not None:
                if event.action == "connected":
                    pause = 0.0
                    live(True)
                yield event
        finally:
            live(False)
            reader.stop()
        pause = min(RECONNECT_MAX_S, max(RECONNECT_MIN_S, pause * 2))
        await clock.sleep(pause)


def _event(line: Any) -> RuntimeEvent | None:
    if not isinstance(line, dict) or line.get("Type", "container") != "container":
        return None
    actor = line.get("Actor") or {}
    attributes = actor.get("Attributes") or {}
    action = str(line.get("Action") or "")
    if not actor.get("ID") or action.split(":", 1)[0].strip() in _IGNORED:
        return None
    return RuntimeEvent(attributes.get(names.STAGE) or None, str(actor["ID"]), action)
