"""A proxy as a place for facts, and the proxy of the simulated world as one."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from controller.core.model.digests import with_marker
from controller.core.model.observed import Route, RouteChange
from controller.interfaces import Proxy
from tests.contract.facts import until
from tests.sim.apps import App
from tests.sim.call_border import Border, Life
from tests.sim.clock import SimClock
from tests.sim.engine import Engine
from tests.sim.faults import NoFaults
from tests.sim.proxy import ProxyState, SimProxy, edited


@dataclass
class Target:
    """Where an application answers."""

    host: str
    port: int
    container: str
    asked: Callable[[], int]
    """How many requests it got."""


class Front(ABC):
    """One proxy, one controller on it, and the hands of a person beside it."""

    proxy: Proxy
    keeps: bool
    """It keeps its routes over a restart."""

    def name(self, word: str = "shop") -> str:
        """A hostname of this fact."""
        return f"{word}.hf.test"

    def route(self, target: Target | None = None, word: str = "shop", **fields: Any) -> Route:
        """A route to an application, or to where nothing listens."""
        host, port, container = (target.host, target.port, target.container) if target else ("127.0.0.1", 1, "a" * 64)
        return with_marker(
            replace(Route(self.name(word), "shop/dev", "1.0", "default", container, host, port), **fields)
        )

    async def set(self, *routes: Route) -> None:
        """Write these routes in one call."""
        await self.proxy.write([RouteChange(route.hostname, route) for route in routes])

    async def delete(self, *hostnames: str) -> None:
        """Delete these in one call."""
        await self.proxy.write([RouteChange(name, None) for name in hostnames])

    async def routes(self) -> dict[str, Route]:
        """What the controller reads."""
        return dict((await self.proxy.read()).routes)

    async def serves(self, route: Route) -> None:
        """Wait until the route answers with its proof: a reload takes its time."""

        async def proven() -> bool:
            return (await self.proxy.ask(route)).marker == route.marker

        await until(proven, 10, 0.01)

    @abstractmethod
    async def app(self, status: int = 200) -> Target:
        """Start an application that answers with this status, and with another place to go to."""

    @abstractmethod
    def writes(self) -> int:
        """How many changes the proxy was asked for until now."""

    @abstractmethod
    def another(self) -> Proxy:
        """A second connection of the same controller."""

    @abstractmethod
    async def theirs(self, hostname: str) -> None:
        """Somebody else takes a hostname."""

    @abstractmethod
    async def their_state(self) -> object:
        """What others have on the proxy."""

    @abstractmethod
    async def edit(self, hostname: str) -> None:
        """A person points our route elsewhere."""

    @abstractmethod
    async def take_away(self, hostname: str) -> None:
        """A person removes our route."""

    @abstractmethod
    async def away(self) -> None:
        """The proxy stops."""

    @abstractmethod
    async def back(self) -> None:
        """The proxy is started again."""

    @abstractmethod
    async def refused(self, wanted: Route) -> None:
        """Write this route in a form that the proxy refuses."""

    @abstractmethod
    def stumble(self) -> None:
        """The next change takes effect, and its answer is an error or does not come."""


class SimulatedFront(Front):
    """The proxy of the simulated world."""

    def __init__(self, npm: bool) -> None:
        self.border = Border(SimClock(), NoFaults())
        self.engine = Engine(self.border)
        self.state = ProxyState(self.border, batch=not npm, forgets=not npm)
        self.keeps = npm
        self.life = Life(1)
        self.proxy = self.another()

    async def app(self, status: int = 200) -> Target:
        """A container."""
        box = self.engine.add("app", "x@sha256:0", {}, None, App(ready=0.0, status=status))
        self.engine.run(box)
        return Target(box.address or "", 8080, box.id, lambda: box.asked)

    def writes(self) -> int:
        """As the proxy counted."""
        return self.state.writes

    def another(self) -> SimProxy:
        """Another one."""
        return SimProxy(self.border, self.life, self.state, self.engine)

    async def theirs(self, hostname: str) -> None:
        """It is foreign."""
        self.state.foreign[hostname] = "somebody else"

    async def their_state(self) -> object:
        """All that is foreign."""
        return dict(self.state.foreign)

    async def edit(self, hostname: str) -> None:
        """Another target."""
        self.state.set(hostname, edited(self.state.routes[hostname], port=9))

    async def take_away(self, hostname: str) -> None:
        """Gone."""
        self.state.set(hostname, None)

    async def away(self) -> None:
        """Down."""
        self.state.down = True

    async def back(self) -> None:
        """Up."""
        self.state.down = False
        self.state.restart()

    async def refused(self, wanted: Route) -> None:
        """It refuses everything for a moment."""
        self.state.refuses = True
        try:
            await self.set(wanted)
        finally:
            self.state.refuses = False

    def stumble(self) -> None:
        """One of them."""
        self.state.stumbles = 1
