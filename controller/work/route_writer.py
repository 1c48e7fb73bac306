"""The one writer of the proxy: gathers the route changes of all stages, commits them together, keeps the table.

Operations call `change` and `verify`, passes call `table`. Changes that arrive while a write runs go into the next one,
in one go where the proxy can (`Proxy.batch`), else one by one. A refused batch is tried again in halves, down to single
changes, so that a bad one fails alone and soon. Whether a change is needed at all is the proxy's own question: the
table kept here may be old.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from controller.core.model.errors import HoldfastError, OutcomeUnknown, Unreachable, WorldBad
from controller.core.model.observed import Route, RouteChange, RouteTable
from controller.interfaces import Clock, Proxy

FIRST_PAUSE = 0.02
LONGEST_PAUSE = 0.5
"""Seconds between two questions of `verify`: doubled from the one to the other."""
PATIENCE = {True: 2.0, False: 15.0}
"""Seconds that a change may wait for its turn, by `Proxy.batch`; then what it was decided on is too old to write."""
TURNS = 3
LONGEST_PATIENCE = 60.0
"""A proxy that takes one change at a time lets this many of its last write pass, up to so many seconds: with thousands
of hosts NPM needs seconds for each write."""
NO_UPSTREAM = range(502, 505)
"""Status codes by which a proxy says that it got nothing from the container."""


@dataclass(eq=False)
class _Waiting:
    """A change and the caller that waits for its outcome."""

    change: RouteChange
    begins: Callable[[], None]
    since: float
    done: "asyncio.Future[None]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class RouteWriter:
    """Routes of all stages on one proxy."""

    def __init__(self, proxy: Proxy, clock: Clock) -> None:
        self._proxy = proxy
        self._clock = clock
        self._calls = asyncio.Lock()
        self._table: RouteTable | None = None
        self._took = 0.0
        self._waiting: list[_Waiting] = []
        self._writer: asyncio.Task[None] | None = None

    @property
    def patience(self) -> float:
        """Seconds that a change may wait for its turn."""
        least = PATIENCE[self._proxy.batch]
        return least if self._proxy.batch else max(least, min(TURNS * self._took, LONGEST_PATIENCE))

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

    async def change(self, change: RouteChange, begins: Callable[[], None] = lambda: None) -> None:
        """Have the change written, and return when the proxy was read back. `begins` is called before it is written.

        A caller that is cancelled takes back a change that has not been begun; a write under way goes on. Raises what
        `Proxy.write` raises for this change, and `WorldBad` (ProxyBusy) when its turn did not come in time.
        """
        mine = _Waiting(change, begins, self._clock.monotonic())
        self._waiting.append(mine)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_all())
        try:
            await asyncio.shield(mine.done)
        except asyncio.CancelledError:
            if mine in self._waiting:
                self._waiting.remove(mine)
                mine.done.cancel()
            else:
                mine.done.add_done_callback(lambda done: done.cancelled() or done.exception())
            raise

    async def verify(self, route: Route, seconds: float) -> None:
        """Ask through the proxy until this very route answers, and not with 502 to 504.

        Asks at least once, and for so many seconds. Raises `WorldBad` with the last answer:
        UpstreamFailed when the new route answered that it gets nothing from the container, else VerifyFailed.
        """
        pause = FIRST_PAUSE
        deadline = self._clock.monotonic() + seconds
        while True:
            new = False
            try:
                answer = await self._proxy.ask(route)
            except WorldBad as error:
                last = error.message
            else:
                new = answer.marker == route.marker
                if new and answer.status not in NO_UPSTREAM:
                    return
                last = f"{answer.detail or f'status {answer.status}'}{'' if new else ' from another configuration'}"
            if self._clock.monotonic() + pause > deadline:
                text = f"{route.hostname} does not answer through the proxy with its new route: {last}"
                raise WorldBad(text, reason="UpstreamFailed" if new else "VerifyFailed")
            await self._clock.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _write_all(self) -> None:
        while self._waiting:
            async with self._calls:
                if group := self._gather():
                    await self._write(group)

    def _gather(self) -> list[_Waiting]:
        """The changes of the next write: all that wait, of one hostname only the first. Those too old are refused."""
        self._waiting = self._fresh(self._waiting)
        taken: dict[str, _Waiting] = {}
        for item in self._waiting:
            if self._proxy.batch or not taken:
                taken.setdefault(item.change.hostname, item)
        chosen = list(taken.values())
        self._waiting = [item for item in self._waiting if item not in chosen]
        for item in chosen:
            item.begins()
        return chosen

    def _fresh(self, items: Sequence[_Waiting]) -> list[_Waiting]:
        """Those that were asked for lately; the others are refused."""
        oldest = self._clock.monotonic() - self.patience
        for item in items:
            if item.since < oldest and not item.done.done():
                text = f"{item.change.hostname} waited for other changes of the proxy and has to be decided anew"
                item.done.set_exception(WorldBad(text, reason="ProxyBusy"))
        return [item for item in items if item.since >= oldest]

    async def _write(self, group: Sequence[_Waiting]) -> None:
        """Write a group and tell each caller its outcome, after the table was read back."""
        began = self._clock.monotonic()
        [outcome] = await asyncio.gather(self._proxy.write([item.change for item in group]), return_exceptions=True)
        if outcome is None:
            self._took = self._clock.monotonic() - began
        if len(group) > 1 and _says_little(outcome):
            middle = len(group) // 2
            await self._write(group[:middle])
            if rest := self._fresh(group[middle:]):  # reading back may have taken long
                await self._write(rest)
            return
        self.forget()
        [after] = await asyncio.gather(self._read(), return_exceptions=True)
        for item in group:
            if item.done.done():
                continue
            if outcome is not None:
                item.done.set_exception(outcome)
            elif after is not None and not isinstance(after, RouteTable | HoldfastError):
                item.done.set_exception(after)
            else:
                item.done.set_result(None)

    async def _read(self) -> RouteTable:
        self._table = await self._proxy.read()
        return self._table


def _says_little(outcome: BaseException | None) -> bool:
    """True when a batch was refused for what may be only one of its changes."""
    return isinstance(outcome, HoldfastError) and not isinstance(outcome, Unreachable | OutcomeUnknown)
