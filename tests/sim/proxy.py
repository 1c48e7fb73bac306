"""`Proxy` and `Prober` of the simulated world: a proxy that forgets when restarted, or one that keeps and stumbles."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from controller.clients.caddy import routes as caddy_routes
from controller.clients.npm import hosts
from controller.core.model.desired import Check
from controller.core.model.digests import with_marker
from controller.core.model.errors import Conflict, OutcomeUnknown, Unreachable, WorldBad
from controller.core.model.observed import Container, Route, RouteChange, RouteTable
from controller.interfaces import Answer, Probe, Prober, Proxy
from tests.sim.call_border import Border, Life
from tests.sim.engine import Box, Engine

WRITE_S = 0.02
ASK_TIMEOUT_S = 10.0
"""Seconds after which a question through the proxy is given up."""


@dataclass
class ProxyState:
    """The proxy's own memory. `batch` and `forgets`: like Caddy; neither: like Nginx Proxy Manager."""

    border: Border
    batch: bool = True
    forgets: bool = True
    routes: dict[str, Route] = field(default_factory=dict)
    foreign: dict[str, str] = field(default_factory=dict)
    down: bool = False
    stumbles: int = 0
    """So many writes to come take effect and are answered with an error (F41)."""
    refuses: bool = False
    """Every write is refused and changes nothing that serves."""
    offline: dict[str, Route] = field(default_factory=dict)
    """New hosts that NPM has in its list although nginx refused them; nobody is served by them (F40)."""
    blind: set[str] = field(default_factory=set)
    """Tags whose containers it does not reach, as when it is in another network (F49)."""
    left: dict[str, float] = field(default_factory=dict)
    """When the last route went away from a container: container id to virtual seconds."""
    writes: int = 0
    beside: "list[ProxyState]" = field(default_factory=list)
    """What other controllers have on the same proxy."""

    def held(self) -> dict[str, str]:
        """Hostnames of others, and whose they are."""
        theirs = {name: "another controller" for state in self.beside for name in state.routes}
        return {**self.foreign, **theirs}

    def set(self, hostname: str, route: Route | None) -> None:
        """Point a hostname somewhere, or nowhere, whoever does it."""
        old = self.routes.pop(hostname, None)
        if route is not None:
            self.routes[hostname] = route
        kept = {item.container for item in self.routes.values()}
        if old is not None and old.container not in kept:
            self.left[old.container] = self.border.clock.monotonic()

    def restart(self) -> None:
        """It comes back, like Caddy without what it was told."""
        self.border.note("proxy", "restart", "")
        for state in (self, *self.beside) if self.forgets else ():
            for hostname in tuple(state.routes):
                state.set(hostname, None)


def target(engine: Engine, route: Route) -> Box | None:
    """The container that a request through this route really reaches now."""
    return engine.at(route.host)


class SimProxy(Proxy):
    """One connection to the proxy; dead with its life."""

    def __init__(self, border: Border, life: Life, state: ProxyState, engine: Engine) -> None:
        self._border = border
        self._life = life
        self._state = state
        self._engine = engine
        self.batch = state.batch

    async def read(self) -> RouteTable:
        """All our routes and the hostnames that others hold."""

        def act() -> RouteTable:
            self._up()
            offline = {name: replace(route, marker="") for name, route in self._state.offline.items()}
            return RouteTable({**offline, **self._state.routes}, self._state.held())

        return await self._border.look(self._life, "proxy.read", "", act, 0.003)

    async def write(self, changes: Sequence[RouteChange]) -> None:
        """Make these changes; in one go, or one by one. What cannot be a route is refused as the real one would."""
        wanted = [replace(item, route=with_marker(item.route)) if item.route else item for item in changes]
        for part in (wanted,) if self.batch else [[change] for change in wanted]:
            for change in part:
                if change.route is not None:
                    self._check(change.route)
            await self._write(part)

    async def ask(self, route: Route) -> Answer:
        """One request through the proxy's public side."""

        def act() -> Answer | None:
            silent = self.batch and not self._state.routes and not self._state.held()
            if self._state.down or silent:  # Caddy listens where a route wants it to
                raise WorldBad("no proxy: connection refused", reason="NoAnswer")
            served = self._state.routes.get(route.hostname)
            if served is None:
                return Answer("", 404)
            box = target(self._engine, served)
            if box is not None and box.state == "paused":
                return None
            if box is None or box.tag in self._state.blind or not self._engine.ready(box):
                return Answer(served.marker, 502)
            return Answer(served.marker, self._engine.answer(box))

        answer = await self._border.look(self._life, "proxy.ask", route.hostname, act, 0.002)
        if answer is None:
            await asyncio.sleep(ASK_TIMEOUT_S)
            raise WorldBad(f"no answer for {route.hostname}", reason="NoAnswer")
        return answer

    async def close(self) -> None:
        """Nothing to close."""

    async def _write(self, changes: Sequence[RouteChange]) -> None:
        state = self._state
        there = all(state.routes.get(change.hostname) == change.route for change in changes)
        if not state.down and there and not any(change.hostname in state.offline for change in changes):
            return

        def act() -> None:
            self._up()
            for change in changes:
                if change.route is not None and (holder := state.held().get(change.hostname)):
                    raise Conflict(f"{change.hostname} is held by {holder}", reason="HostnameTaken")
            if state.refuses:
                for change in () if self.batch else changes:
                    if change.route is not None and change.hostname not in state.routes:
                        state.offline[change.hostname] = change.route
                raise WorldBad("the proxy refuses the configuration", reason="ProxyRefused")
            for change in changes:
                state.offline.pop(change.hostname, None)
                state.set(change.hostname, change.route)
            state.writes += 1

        names = ", ".join(f"{c.hostname}→{c.route.container[:6] if c.route else '∅'}" for c in changes)
        await self._border.effect(self._life, "proxy.write", names, act, WRITE_S)
        if state.stumbles:
            state.stumbles -= 1
            raise OutcomeUnknown("the proxy answered 500")

    def _check(self, route: Route) -> None:
        if self.batch:
            caddy_routes.check(route, tls=False)
        else:
            hosts.check(route, hosts.Site("sim"), None)

    def _up(self) -> None:
        if self._state.down:
            raise Unreachable("no proxy: connection refused")


class SimProber(Prober):
    """Asks whoever has the container's address, as a real request would."""

    def __init__(self, border: Border, life: Life, engine: Engine) -> None:
        self._border = border
        self._life = life
        self._engine = engine

    async def probe(self, check: Check, container: Container) -> Probe:
        """One request."""
        engine = self._engine
        if check.type == "docker":
            return Probe(container.health == "healthy", f"health {container.health}", container.health == "starting")
        if check.type == "none":
            return Probe(container.running, container.state)
        if container.address is None:
            return Probe(False, f"is {container.state} and has no address")
        box = engine.at(container.address)
        try:
            if box is None or (box.state == "paused" and check.type == "http"):
                await self._border.look(self._life, "probe", container.name, lambda: None, check.timeout)
                return Probe(False, f"no answer within {check.timeout:g} s")
            return await self._border.look(self._life, "probe", container.name, lambda: self._ask(check, box), 0.001)
        except Unreachable:
            return Probe(False, "the connection broke off")

    async def close(self) -> None:
        """Nothing to close."""

    def _ask(self, check: Check, box: Box) -> Probe:
        if box.state == "paused":
            return Probe(True, "the kernel accepts connections")
        if not self._engine.ready(box):
            return Probe(False, "connection refused", refused=True)
        status = 200 if check.type == "tcp" else self._engine.answer(box)
        good = any(low <= status <= high for low, high in check.statuses)
        box.oks = box.oks + 1 if good else 0
        box.best = max(box.best, box.oks)
        return Probe(good, f"status {status}")


def edited(route: Route, **changes: str | int) -> Route:
    """The route as it reads after somebody edited it by hand."""
    fields: Mapping[str, str | int] = changes
    return replace(route, marker="", **fields)  # type: ignore[arg-type]
