"""A whole host in memory, with a controller in it that may die at any call: deterministic, in virtual time.

`simulate(scenario)` makes a world, starts the real controller in it, plays the scenario as its user and judges every
effect on the way. The same scenario with the same faults gives the same trace.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from controller.core.documents.spec import Document
from controller.core.model import names
from controller.core.model.decision import Rules
from controller.core.model.desired import SecretRef
from controller.core.model.observed import Route
from controller.core.model.status import StageStatus
from controller.manager import Manager
from tests.sim.apps import App, Registry
from tests.sim.call_border import Border, Effect, Life
from tests.sim.canary import REF, VALUE, entrusted, spilled
from tests.sim.clock import SimClock, run_virtual
from tests.sim.engine import Box, Engine
from tests.sim.expected_model import CONTROLLER, OTHER, ExpectedStage, expected_stages
from tests.sim.faults import FaultAt, Faults, Mode, NoFaults
from tests.sim.intent_oracle import Intent
from tests.sim.log_capture import captured_log
from tests.sim.oracles import Oracles, mismatches
from tests.sim.process import Process
from tests.sim.proxy import ProxyState, edited
from tests.sim.receivers import Outbox, Receiver
from tests.sim.sources import IMAGE, Folder
from tests.sim.store import Disk

QUIET_S = 65.0
"""Seconds without an effect that count as rest: two resyncs, and more than any drain of the scenarios."""
IN_FLIGHT_S = 1.0
"""Seconds in which calls may still be on their way that were decided before the newest version was taken over."""
_COMPARED_LABELS = (names.TEMPLATE, names.DIGEST, names.ROLE)


@dataclass(frozen=True)
class Version:
    """What the user declared at one time."""

    documents: tuple[Document, ...]
    controller: str

    @cached_property
    def expected_stages(self) -> dict[str, ExpectedStage]:
        """How the oracles read it."""
        return expected_stages(self.documents, self.controller)


class Unsettled(AssertionError):
    """The world did not come to rest in time (L1)."""


class Simulation:
    """The world and its user; see the module."""

    def __init__(
        self,
        faults: Faults | None = None,
        npm: bool = False,
        rules: Rules | None = None,
        suspendable: bool = False,
        beside: "Simulation | None" = None,
    ) -> None:
        """`suspendable`: the controller can be frozen. `beside`: another controller on the host of that one."""
        self.clock: SimClock = beside.clock if beside else SimClock()
        self.border: Border = beside.border if beside else Border(self.clock, faults or NoFaults())
        self.registry: Registry = beside.registry if beside else Registry()
        self.engine: Engine = beside.engine if beside else Engine(self.border, self.registry)
        self.proxy = ProxyState(self.border, batch=not npm, forgets=not npm)
        self.id = OTHER if beside else CONTROLLER
        self.disk = Disk()
        self.folder = Folder()
        self.secrets: dict[SecretRef, str] = {REF: VALUE}
        self.rules = rules or Rules()
        self.guard_percent = 100.0
        self.name = self.id if beside else "controller"
        self.process = Process(self, self.name, suspendable)
        self._ever: dict[str, list[ExpectedStage]] = {}
        self._versions = [Version((), self.id)]
        self._accepted = [(0.0, Version((), self.id))]
        """When the controller took over what; the last is in force."""
        self.bugs: list[str] = []
        """What the controller logged as a bug of its own."""
        self.receivers: list[Receiver] = []
        self.log: list[MutableMapping[str, Any]] = []
        """Every line of the controller's log."""
        self.oracles = Oracles(
            self.border, self.engine, self.proxy, self.candidates, lambda key: self._ever.get(key, []), self.id
        )
        self.border.judge(self.oracles.before, self._after)
        self.intent = Intent(self.disk, self.engine, self.id)
        self.border.judge(self.intent.before, self.intent.after)
        if beside is None:
            self._neighbours()
        else:
            beside.proxy.beside.append(self.proxy)
            self.proxy.beside.append(beside.proxy)
            self.proxy.foreign = beside.proxy.foreign

    # The user

    def push(self, tag: str, app: App | None = None, image: str = IMAGE) -> str:
        """Serve an application under a tag; returns its digest."""
        return self.registry.push(image, tag, app or App())

    def mend(self, digest: str) -> None:
        """From now on containers of this image are well."""
        self.border.note("user", "mend", digest[:19])
        self.registry.apps[digest] = App()

    async def write(self, *documents: Document) -> None:
        """Replace all documents at once by these; every project of them uses a secret."""
        documents = tuple(map(entrusted, documents))
        self.border.note("user", "write", ", ".join(item.metadata.name for item in documents))
        self._versions.append(Version(documents, self.id))
        self.folder.files = {f"{item.kind.lower()}-{item.metadata.name}.yaml": item for item in documents}
        for key, expected in expected_stages(documents, self.id).items():
            if expected not in self._ever.setdefault(key, []):
                self._ever[key].append(expected)
        self.folder.touched()
        await asyncio.sleep(0)

    def expected_stages(self) -> dict[str, ExpectedStage]:
        """What is declared now."""
        return expected_stages(self.folder.documents, self.id)

    def candidates(self, since: float) -> list[dict[str, ExpectedStage]]:
        """What the controller could go by from a virtual second on: what it had taken over, and all that is newer."""
        left = [end for end, _ in self._accepted[1:]]
        gone = sum(end < since - IN_FLIGHT_S for end in left)
        possible = (*(good for _, good in self._accepted[gone:]), *self._versions)
        return [version.expected_stages for version in possible]

    # Others

    def vandal(self, what: Literal["kill", "drop", "pause", "disconnect"], box: Box) -> None:
        """Let a third party hurt a container."""
        self.border.note("vandal", what, box.name)
        hurt: dict[str, Callable[[Box], None]] = {
            "kill": self.engine.kill,
            "drop": self.engine.drop,
            "pause": self.engine.pause,
            "disconnect": self.engine.disconnect,
        }
        hurt[what](box)

    def edit_route(self, hostname: str, address: str | None) -> None:
        """Let a third party point a route of ours elsewhere, or delete it."""
        self.border.note("vandal", "edit route", hostname)
        route = self.proxy.routes[hostname]
        self.proxy.set(hostname, None if address is None else edited(route, host=address))

    def set_clock(self, seconds: float) -> None:
        """Let somebody set the machine's clock ahead, or back."""
        self.border.note("clock", "set", f"{seconds:+g} s")
        self.clock.skew += seconds

    # The controller

    async def start(self) -> None:
        """Begin a life of the controller."""
        await self.process.start()

    async def crash(self) -> None:
        """Kill the controller now; it is started again soon."""
        await self.process.crash()

    async def notify(self, *receivers: Receiver) -> None:
        """Have the settings name these receivers; they need a restart."""
        self.receivers = list(receivers)
        self.disk.outbox = self.disk.outbox or Outbox()
        await self.restart()

    async def restart(self, lose_store: bool = False) -> None:
        """End the controller in order and start it again."""
        self.border.note("user", "restart", "store lost" if lose_store else "")
        await self.process.end()
        if lose_store:
            self.disk.wipe()
        await self.start()

    async def confirm(self) -> None:
        """Allow what the guard holds back, once it does."""
        await self.wait(lambda: self.manager is not None and self.manager.holds())
        assert self.manager is not None
        [hold] = self.manager.holds()
        self.border.note("user", "confirm", hold.message)

        async def confirmed(manager: Manager) -> bool:
            return await manager.confirm(hold.digest) or not manager.holds()

        assert await self.process.ask(confirmed)

    async def suspend(self, stage: str, on: bool) -> None:
        """Suspend or resume a stage by hand."""
        self.border.note("user", "suspend" if on else "resume", stage)
        await self.process.ask(lambda manager: manager.suspend(stage, on))

    async def retry(self, key: str) -> tuple[str, ...]:
        """Ask for another try of what is quarantined."""
        self.border.note("user", "retry", key)
        return await self.process.ask(lambda manager: manager.retry(key))

    def again(self) -> Process:
        """Another process of the same controller, on the same state folder; not started."""
        return Process(self, "second")

    @property
    def life(self) -> Life | None:
        """The life of the controller that goes on."""
        return self.process.life

    @property
    def manager(self) -> Manager | None:
        """The running controller, for what a person asks of it."""
        return self.process.manager

    def crash_at(self, effect: int, mode: Mode = "after") -> None:
        """Let this effect, counted from the beginning of the world, meet a fault."""
        self.border.faults = FaultAt({effect: mode})

    async def settle(self, limit: float = 1800.0, quiet: float = QUIET_S) -> None:
        """Let time pass until nothing has happened for `quiet` seconds and every stage says it is settled."""
        end = self.clock.monotonic() + limit
        while self.clock.monotonic() < end:
            await asyncio.sleep(2.5)
            self.process.alive()
            last = self.border.effects[-1].time if self.border.effects else 0.0
            if self.clock.monotonic() - last >= quiet and self._settled():
                return
        open_stages = {key: status.reason for key, status in self.disk.statuses.items() if not status.settled}
        raise Unsettled(f"no rest within {limit:g} seconds; open: {open_stages}\n{self.trace(60)}")

    async def wait(self, fact: Callable[[], object], limit: float = 300.0) -> None:
        """Let time pass until the fact is true."""
        end = self.clock.monotonic() + limit
        while not fact():
            if self.clock.monotonic() >= end:
                raise Unsettled(f"not within {limit:g} seconds\n{self.trace(60)}")
            await asyncio.sleep(0.05)

    async def rest(self, seconds: float = 600.0) -> None:
        """Let time pass in which nothing at all may be changed or written (S12)."""
        before = len(self.border.effects)
        await asyncio.sleep(seconds)
        more = self.border.effects[before:]
        assert not more, "at rest, and yet:\n" + "\n".join(map(str, more))

    # Looking

    @property
    def effects(self) -> list[Effect]:
        """Everything that happened, in order."""
        return self.border.effects

    def ops(self, *ops: str) -> list[str]:
        """Targets of the controller's effects of these kinds, in order."""
        return [item.target for item in self.border.effects if item.actor == self.name and item.op in ops]

    def containers(self, stage: str | None = None) -> list[Box]:
        """Containers that the controller made and that are still there, sorted by name."""
        owned = (box for box in self.engine.boxes.values() if self.oracles.ours(box) and stage in (None, box.stage))
        return sorted(owned, key=lambda box: box.name)

    def box(self, tag: str, stage: str = "shop/dev") -> Box:
        """The one container of an instance."""
        boxes = [box for box in self.containers(stage) if box.tag == tag and not box.job]
        assert len(boxes) == 1, f"{stage} {tag} has {len(boxes)} containers\n{self.trace(40)}"
        return boxes[0]

    def routes(self) -> dict[str, str]:
        """Hostname to tag."""
        return {name: route.tag for name, route in sorted(self.proxy.routes.items())}

    def route(self, hostname: str) -> Route:
        """One route."""
        return self.proxy.routes[hostname]

    def status(self, stage: str = "shop/dev") -> StageStatus:
        """The newest status of a stage."""
        return self.disk.statuses[stage]

    def phases(self, stage: str = "shop/dev") -> dict[str, str]:
        """Tag to phase, as reported."""
        return {item.tag: item.phase for item in self.status(stage).instances}

    def answered(self, hostname: str) -> bool:
        """A client of this hostname is served."""
        route = self.proxy.routes.get(hostname)
        return route is not None and self.oracles.answers(route)

    def outcomes(self) -> list[tuple[str, str, str, str]]:
        """Stage, tag, kind and outcome of each rollout in the history."""
        return sorted((row.stage, row.tag, row.kind, row.status) for row in self.disk.rows.values())

    def canonical(self) -> dict[str, Any]:
        """The end state without ids and times: what two runs of one scenario must agree on (L2)."""
        boxes = [
            (box.stage, box.tag, *(box.labels[key] for key in _COMPARED_LABELS), box.state, box.policy, box.connected)
            for box in self.containers()
        ]
        routes = {
            name: (route.stage, route.tag, route.kind, self.oracles.answers(route))
            for name, route in self.proxy.routes.items()
        }
        phases = {
            key: [(item.tag, item.phase, item.health, item.default) for item in status.instances]
            for key, status in self.disk.statuses.items()
        }
        return {"containers": sorted(boxes), "routes": routes, "phases": phases}

    def trace(self, last: int | None = None) -> str:
        """What happened, one line per effect."""
        shown: Iterable[Effect] = self.border.effects if last is None else self.border.effects[-last:]
        return "\n".join(map(str, shown))

    # Judging

    def matches(self) -> None:
        """Assert that everything declared is there and nothing else of ours (L1, S7)."""
        differences = mismatches(self.expected_stages(), self.engine, self.proxy, self.oracles)
        assert not differences, "\n".join([*differences, self.trace(60)])

    def safe(self) -> None:
        """Assert that no effect so far broke a safety property."""
        breaches = [*self.oracles.breaches, *self.intent.breaches, *self.disk.wrong, *self.bugs, *spilled(self)]
        assert not breaches, "\n".join([*breaches, self.trace(80)])

    def history_closed(self) -> None:
        """Assert that no rollout is still open (L3)."""
        still = [row for row in self.disk.rows.values() if row.status == "Running"]
        assert not still, f"{still}\n{self.trace(60)}"

    # Parts

    def _after(self, effect: Effect) -> None:
        if effect.op == "store.keep_good" and effect.controller == self.id:
            good = Version(tuple(item.document for item in self.disk.good[self.folder.name]), self.id)
            self._accepted.append((effect.time, good))
            if good in self._versions:
                del self._versions[: self._versions.index(good)]
        self.oracles.after(effect)

    def _settled(self) -> bool:
        if self.life is None or self.life.dead or self.manager is None:
            return False
        reported, stored = self.manager.statuses(), self.disk.statuses.values()
        return all(status.settled for status in stored) and all(key in reported for key in self.expected_stages())

    def _neighbours(self) -> None:
        """Put things beside ours that look like ours and are not (S1)."""
        ours = {
            names.CONTROLLER: CONTROLLER,
            names.STAGE: "shop/dev",
            names.TAG: "1.0",
            names.REVISION: "r1",
            names.ATTEMPT: "1",
        }
        others = {**ours, names.CONTROLLER: "sim-2"}
        theirs = names.container_name("shop/dev", "1.0", "r1", 1)
        for name, labels in (("shop", {}), ("shop-dev-1-0", ours), (theirs, others), ("web", {"a": "b"})):
            box = self.engine.add(name, f"{IMAGE}@sha256:0", labels, None, App())
            self.engine.run(box)
        self.proxy.foreign = {"blog.test": "a proxy host of somebody else"}


def simulate(
    scenario: Callable[[Simulation], Awaitable[None]],
    faults: Faults | None = None,
    npm: bool = False,
    rules: Rules | None = None,
    suspendable: bool = False,
) -> Simulation:
    """Play a scenario in a new world and return the world as it was at the end; safety is asserted."""

    async def main() -> Simulation:
        sim = Simulation(faults, npm, rules, suspendable)
        with captured_log(sim.bugs, sim.log):
            await sim.start()
            try:
                await scenario(sim)
            finally:
                sim.safe()
        return sim

    return run_virtual(main)
