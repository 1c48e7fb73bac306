"""The one writer of the proxy: it gathers the route changes of all stages, writes them together, and keeps the table.

Operations call `change` and `verify`, passes call `table`. Changes that arrive while a write runs go into the next one:
together where the proxy can (`Proxy.batch`), else one by one. A refused batch is tried again in halves, down to single
changes, so that a bad one fails alone and soon. The proxy decides whether a change is needed at all: the table kept
here may be old.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from controller.core.model.errors import HoldfastError, OutcomeUnknown, Unreachable, WorldBad
from controller.core.model.observed import Route, RouteChange, RouteTable
from controller.interfaces import Clock, Proxy

VERIFY_PAUSE_MIN_S = 0.02
VERIFY_PAUSE_MAX_S = 0.5
"""The pause between two questions of `verify` doubles from the one to the other."""
PATIENCE_S = {True: 2.0, False: 15.0}
"""A change may wait for its turn for so long, by `Proxy.batch`; then what it was decided on is too old to write."""
PATIENCE_WRITES = 3
PATIENCE_MAX_S = 60.0
"""Without batches a change may wait as long as so many writes last, up to so many seconds: with thousands of hosts NPM
needs seconds for each write."""
NO_UPSTREAM = range(502, 505)
"""Status codes by which a proxy says that the container gave it no answer."""


@dataclass(eq=False)
class _Request:
    """A change and the caller that waits for its outcome."""

    change: RouteChange
    on_begin: Callable[[], None]
    since: float
    done: "asyncio.Future[None]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class RouteWriter:
    """Reads and writes the routes of all stages on one proxy."""

    def __init__(self, proxy: Proxy, clock: Clock) -> None:
        self._proxy = proxy
        self._clock = clock
        self._calls = asyncio.Lock()
        self._table: RouteTable | None = None
        self._write_s = 0.0
        """Seconds that the last write took."""
        self._waiting: list[_Request] = []
        self._writer: asyncio.Task[None] | None = None

    @property
    def patience(self) -> float:
        """Seconds that a change may wait for its turn."""
        least = PATIENCE_S[self._proxy.batch]
        return least if self._proxy.batch else max(least, min(PATIENCE_WRITES * self._write_s, PATIENCE_MAX_S))

    async def table(self) -> RouteTable:
        """The routes as last read; read now when they never were, or since `forget`. Raises `Unreachable`.

        Calls that come together share one read.
        """
        if self._table is None:
            async with self._calls:
                if self._table is None:
                    return await self._read()
        return self._table

    def forget(self) -> None:
        """Make the next `table` read."""
        self._table = None

    async def change(self, change: RouteChange, on_begin: Callable[[], None] = lambda: None) -> None:
        """Have a change written; returns when the proxy was read back. `on_begin` is called before the write.

        A caller that is cancelled takes back a change that has not begun; a write under way goes on. Raises what
        `Proxy.write` raises for this change, and `WorldBad` (ProxyBusy) when its turn did not come in time.
        """
        request = _Request(change, on_begin, self._clock.monotonic())
        self._waiting.append(request)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_all())
        try:
            await asyncio.shield(request.done)
        except asyncio.CancelledError:
            if request in self._waiting:
                self._waiting.remove(request)
                request.done.cancel()
            else:
                request.done.add_done_callback(lambda done: done.cancelled() or done.exception())
            raise

    async def verify(self, route: Route, seconds: float) -> None:
        """Ask through the proxy until this very route answers, and not with 502 to 504; at least once.

        Raises `WorldBad` with the last answer after so many seconds: UpstreamFailed when the new route answered that
        the container gives no answer, else VerifyFailed.
        """
        pause = VERIFY_PAUSE_MIN_S
        deadline = self._clock.monotonic() + seconds
        while True:
            is_new = False
            try:
                answer = await self._proxy.ask(route)
            except WorldBad as error:
                last = error.message
            else:
                is_new = answer.marker == route.marker
                if is_new and answer.status not in NO_UPSTREAM:
                    return
                last = f"{answer.detail or f'status {answer.status}'}{'' if is_new else ' from another configuration'}"
            if self._clock.monotonic() + pause > deadline:
                text = f"{route.hostname} does not answer through the proxy with its new route: {last}"
                raise WorldBad(text, reason="UpstreamFailed" if is_new else "VerifyFailed")
            await self._clock.sleep(pause)
            pause = min(2 * pause, VERIFY_PAUSE_MAX_S)

    async def _write_all(self) -> None:
        while self._waiting:
            async with self._calls:
                if group := self._gather():
                    await self._write(group)

    def _gather(self) -> list[_Request]:
        """Take the requests of the next write: all that wait, of one hostname only the first. Old ones are refused."""
        self._waiting = self._refuse_old(self._waiting)
        by_hostname: dict[str, _Request] = {}
        for request in self._waiting:
            if self._proxy.batch or not by_hostname:
                by_hostname.setdefault(request.change.hostname, request)
        group = list(by_hostname.values())
        self._waiting = [request for request in self._waiting if request not in group]
        for request in group:
            request.on_begin()
        return group

    def _refuse_old(self, requests: Sequence[_Request]) -> list[_Request]:
        """Refuse the requests that waited too long; returns the others."""
        oldest = self._clock.monotonic() - self.patience
        for request in requests:
            if request.since < oldest and not request.done.done():
                text = f"{request.change.hostname} waited too long for other proxy changes; it will be planned again"
                request.done.set_exception(WorldBad(text, reason="ProxyBusy"))
        return [request for request in requests if request.since >= oldest]

    async def _write(self, group: Sequence[_Request]) -> None:
        """Write a group, read the table back, and give each caller its outcome."""
        began = self._clock.monotonic()
        changes = [request.change for request in group]
        [outcome] = await asyncio.gather(self._proxy.write(changes), return_exceptions=True)
        if outcome is None:
            self._write_s = self._clock.monotonic() - began
        if len(group) > 1 and _may_be_one_change(outcome):
            middle = len(group) // 2
            await self._write(group[:middle])
            if rest := self._refuse_old(group[middle:]):  # reading back may have taken long
                await self._write(rest)
            return
        self.forget()
        [after] = await asyncio.gather(self._read(), return_exceptions=True)
        for request in group:
            if request.done.done():
                continue
            if outcome is not None:
                request.done.set_exception(outcome)
            elif after is not None and not isinstance(after, RouteTable | HoldfastError):
                request.done.set_exception(after)
            else:
                request.done.set_result(None)

    async def _read(self) -> RouteTable:
        self._table = await self._proxy.read()
        return self._table


def _may_be_one_change(outcome: BaseException | None) -> bool:
    """True when a batch may have been refused for only one of its changes."""
    return isinstance(outcome, HoldfastError) and not isinstance(outcome, Unreachable | OutcomeUnknown)
