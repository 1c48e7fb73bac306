"""What must hold after every effect, and at the end. They look at the world only, never at the controller's mind.

Each safety sentence is named by S and its number in tests/PROPERTIES.md. A breach is written down where it
happens, because an error raised there would end up in the code under test.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from controller.core.model.observed import Route
from tests.sim.call_border import Border, Effect
from tests.sim.engine import Box, Engine
from tests.sim.expected_model import CONTROLLER, ExpectedStage
from tests.sim.proxy import ProxyState, target

LOOK_TO_CALL_S = 0.6
"""Seconds from a look to the call that was decided on it: so long the world may have moved on unseen."""


CANDIDATES_MAX = 3
"""Of one tag at a time: the one that is tried, and superseded ones that drain as if they had served."""
ROUTE_QUEUE_S = {True: 2.0, False: 15.0}
"""Seconds that a route change may wait for others first, by `batch`: T_detect of S3."""


@dataclass
class Snapshot:
    """What the world was before an effect."""

    serving: frozenset[str]
    routes: dict[str, Route]
    foreign: list[tuple[object, ...]]
    boxes: dict[str, tuple[str, bool]]
    """Container id to state, and whether it ever had the mark."""
    ours: str = ""
    """What is judged, where others act on it too."""


@dataclass
class Oracles:
    """Judges each effect of the controller."""

    border: Border
    engine: Engine
    proxy: ProxyState
    candidates: Callable[[float], list[dict[str, ExpectedStage]]]
    """What the controller could go by at that second: what it had taken over, and what was written since. An effect is
    a breach when it is one by each of them."""
    ever_declared: Callable[[str], list[ExpectedStage]]
    """All that was ever declared of a stage."""
    controller: str = CONTROLLER
    """Whose containers and routes are judged."""
    breaches: list[str] = field(default_factory=list)
    _before: Snapshot | None = None

    def before(self, effect: Effect) -> None:
        """Remember the world."""
        self._before = self._snapshot() if effect.op.startswith(("docker.", "proxy.")) else None

    def after(self, effect: Effect) -> None:
        """Compare."""
        if self._before is None:
            return
        old, self._before = self._before, None
        new = self._snapshot()
        if effect.controller != self.controller:
            if (old.ours, old.routes) != (new.ours, new.routes):
                self._breach("S1", effect, f"something of {self.controller} changed")
            return
        self._untouched(effect, old, new)
        self._available(effect, old, new)
        self._routes(effect, old, new)
        self._containers(effect, old)
        self._counts(effect)

    # S1

    def _untouched(self, effect: Effect, old: Snapshot, new: Snapshot) -> None:
        if old.foreign != new.foreign:
            self._breach("S1", effect, "something that is not ours changed")

    # S3, S5, no request lost

    def _available(self, effect: Effect, old: Snapshot, new: Snapshot) -> None:
        if effect.op == "docker.restart":
            return
        for hostname in sorted(old.serving - new.serving):
            route = old.routes[hostname]
            now = new.routes.get(hostname)
            if now is None and not all(_wants(stages, hostname) for stages in self.candidates(effect.sent)):
                continue
            moved = now is not None and now.container != route.container
            if now is not None and moved and (self._may_serve(now, effect.sent) or self._just_gone(now, effect)):
                continue
            if effect.op == "docker.stop" and self._may_overlap(route.stage, effect) is not True:
                continue
            self._breach("S5", effect, f"{hostname} was answered before and is not any more")

    def _may_overlap(self, stage: str, effect: Effect) -> bool | None:
        """True: old and new run side by side. False: never. None: the controller may go by either."""
        recreate = {stages[stage].recreate if stage in stages else False for stages in self.candidates(effect.sent)}
        return None if len(recreate) != 1 else not recreate.pop()

    # S2, S4

    def _routes(self, effect: Effect, old: Snapshot, new: Snapshot) -> None:
        for hostname, route in new.routes.items():
            before = old.routes.get(hostname)
            if before == route:
                continue
            if hostname != hostname.lower():
                self._breach("S2", effect, f"{hostname} is not in lower case")
            if hostname in self.proxy.held():
                self._breach("S2", effect, f"{hostname} belongs to somebody else")
            box = self.engine.boxes.get(route.container)
            if box is None:
                if not self._just_gone(route, effect):
                    self._breach("S3", effect, f"{hostname} was pointed at a container that is not there")
            elif box.stage != route.stage or box.tag != route.tag:
                self._breach("S4", effect, f"{hostname} says {route.stage} {route.tag} and is {box.stage} {box.tag}")
            elif not self._fresh(box, effect) and target(self.engine, route) is not box:
                self._breach("S3", effect, f"{hostname} was pointed at {route.host}, which is not {box.name}")
            elif not self._may_serve(route, effect.sent) and (before is None or before.container != route.container):
                self._breach("S4", effect, f"{hostname} was pointed at {box.name} before its gate could pass")

    def _fresh(self, box: Box, effect: Effect) -> bool:
        """Its state or address changed while the call was on its way, or shortly before."""
        waited = effect.time - effect.sent + ROUTE_QUEUE_S[self.proxy.batch]
        looked_at = self.border.clock.monotonic() - waited - self._settling
        return max(box.changed, box.since) >= looked_at

    def _just_gone(self, route: Route, effect: Effect) -> bool:
        """Somebody removed its container while the call was on its way, or shortly before."""
        looked_at = effect.sent - ROUTE_QUEUE_S[self.proxy.batch] - self._settling
        return self.engine.gone.get(route.container, float("-inf")) >= looked_at

    def _may_serve(self, route: Route, since: float) -> bool:
        box = self.engine.boxes.get(route.container)
        return box is not None and (box.passed or self._passed_gate(box, since))

    def _passed_gate(self, box: Box, since: float) -> bool:
        """In this run, or in one that went on when the call was sent."""
        runs = [
            (box.best, self.engine.age(box)),
            *((best, age) for end, best, age in box.past if end >= since - self._settling),
        ]
        return any(
            best >= expected.threshold if expected.probed else age >= 1.0
            for expected in self.ever_declared(box.stage)
            for best, age in runs
        )

    # S4 (mark), S5 (drain), S8, S17

    def _containers(self, effect: Effect, old: Snapshot) -> None:
        name = effect.target
        box = self.engine.by_name(name)
        if (
            effect.op == "docker.mark"
            and box is not None
            and not (old.boxes[box.id][1] or self._passed_gate(box, effect.sent))
        ):
            self._breach("S4", effect, f"{name} was marked as passed before its gate could pass")
        if effect.op == "docker.start" and box is not None and box.job and old.boxes[box.id][0] in ("exited", "dead"):
            self._breach("S6", effect, f"{name} has run already, and is run again")
        if effect.op == "docker.stop" and box is not None and old.boxes[box.id][0] in ("running", "paused"):
            self._drained(effect, box)
        if effect.op == "docker.remove":
            gone = [item for item in old.boxes if item not in self.engine.boxes]
            for route in self.proxy.routes.values():
                if route.container in gone:
                    self._breach("S3", effect, f"{route.hostname} leads to it")

    def _drained(self, effect: Effect, box: Box) -> None:
        if self._may_overlap(box.stage, effect) is not True:
            return
        routed = [route.hostname for route in self.proxy.routes.values() if route.container == box.id]
        if routed:
            self._breach("S5", effect, f"{', '.join(sorted(routed))} still lead there")
            return
        left = self.proxy.left.get(box.id)
        gone = not all(box.stage in stages for stages in self.candidates(effect.sent))
        drain = min([item.drain for item in self.ever_declared(box.stage)] + ([10.0] if gone else []))
        if left is not None and self.border.clock.monotonic() - left < drain - 0.01:
            waited = self.border.clock.monotonic() - left
            self._breach("S5", effect, f"it was given {waited:.2f} of {drain:g} seconds to drain")

    # S6, and volumes that are never shared

    def _counts(self, effect: Effect) -> None:
        if effect.op not in ("docker.start", "docker.create", "docker.unpause", "docker.restart"):
            return
        box = self.engine.by_name(effect.target)
        if box is None:
            return
        alive = [item for item in self.engine.boxes.values() if self.ours(item) and item.stage == box.stage]
        running = [item for item in alive if item.state in ("running", "paused", "restarting") or item.id == box.id]
        same = [item for item in alive if item.tag == box.tag and not item.job]
        routed = {route.container for route in self.proxy.routes.values()}
        staying = [item for item in same if item.id in routed or item.id not in self.proxy.left]
        staying = [item for item in staying if not (item.term and item.state == "running")]
        if len(staying) > 2 + self._revisions(box.stage, effect):  # what drains or ends comes on top
            self._breach("S6", effect, f"{len(staying)} containers of {box.stage} {box.tag}")
        jobs = [item for item in running if item.job and item.tag == box.tag]
        if len(jobs) > 1:
            self._breach("S6", effect, f"{len(jobs)} one-off containers of {box.stage} {box.tag} at a time")
        fresh = [item for item in running if item in same and not (item.passed or item.term or self._was_routed(item))]
        if effect.op == "docker.start" and len(fresh) > CANDIDATES_MAX:
            self._breach("S6", effect, f"{len(fresh)} candidates of {box.stage} {box.tag} at a time")
        if self._may_overlap(box.stage, effect) is False and effect.op == "docker.start":
            others = [item.name for item in running if item is not box and self._apart(item, box, effect)]
            if others:
                self._breach("S6", effect, f"runs beside {', '.join(others)}, which has the same volume")

    def _revisions(self, stage: str, effect: Effect) -> int:
        """How many were declared within one drain: each that came to a container and was superseded drains."""
        drain = max((expected.drain for expected in self.ever_declared(stage)), default=0.0)
        declared = self.candidates(effect.sent - drain - self._settling)
        return max(1, len({stages[stage].env for stages in declared if stage in stages}))

    def _apart(self, one: Box, other: Box, effect: Effect) -> bool:
        """They must not run at a time: for a volume that both were made with, or by the strategy alone."""
        declared = [stages[one.stage] for stages in self.candidates(effect.sent) if one.stage in stages]
        return not any(expected.shared_volumes for expected in declared) or bool(_writable(one) & _writable(other))

    def _was_routed(self, box: Box) -> bool:
        return box.id in self.proxy.left or any(route.container == box.id for route in self.proxy.routes.values())

    # Parts

    def ours(self, box: Box) -> bool:
        """Made by the controller that is judged."""
        return box.owned and box.controller == self.controller

    @property
    def _settling(self) -> float:
        return LOOK_TO_CALL_S + self.border.faults.slowest

    def _snapshot(self) -> Snapshot:
        engine, proxy = self.engine, self.proxy
        foreign = [tuple(vars(box).values()) for box in engine.boxes.values() if not self.ours(box)]
        foreign += [tuple(state.routes.items()) for state in proxy.beside]
        return Snapshot(
            serving=frozenset(name for name, route in proxy.routes.items() if self.answers(route)),
            routes=dict(proxy.routes),
            foreign=[*foreign, tuple(proxy.foreign.items())],
            ours=repr([box for box in engine.boxes.values() if self.ours(box)]) if proxy.beside else "",
            boxes={box.id: (box.state, box.marked_before) for box in engine.boxes.values()},
        )

    def answers(self, route: Route) -> bool:
        """A client of this hostname is served now, by the container that was meant."""
        box = target(self.engine, route)
        return box is not None and box.id == route.container and self.engine.serves(box)

    def _breach(self, number: str, effect: Effect, what: str) -> None:
        self.breaches.append(f"{number} at {effect}: {what}")


def _writable(box: Box) -> set[str]:
    return {mount.source for mount in box.spec.mounts if not mount.read_only} if box.spec is not None else set()


def _wants(stages: dict[str, ExpectedStage], hostname: str) -> bool:
    declared = (expected for expected in stages.values() if expected.routed and expected.lasting)
    return any(hostname in (expected.host(), *expected.domains) for expected in declared)


def mismatches(stages: dict[str, ExpectedStage], engine: Engine, proxy: ProxyState, oracles: Oracles) -> list[str]:
    """How the world differs from what is declared when everything declared can run; empty: they match (L1, S7)."""
    differences: list[str] = []
    owned = [box for box in engine.boxes.values() if oracles.ours(box)]
    hosts: dict[str, tuple[str, str]] = {}
    for expected in stages.values():
        hosts |= {hostname: (expected.key, tag) for hostname, tag in expected.hosts().items()}
        for tag in expected.wanted:
            containers = [box for box in owned if box.stage == expected.key and box.tag == tag and not box.job]
            if len(containers) != 1:
                differences.append(f"{expected.key} {tag} has {len(containers)} containers")
            for box in containers:
                env = box.spec.env if box.spec else ()
                spec = dict(sorted((item.name, item.value) for item in env if isinstance(item.value, str)))
                if box.state != "running" or not box.passed or not box.connected:
                    differences.append(f"{box.name} is {box.state}, passed {box.passed}, connected {box.connected}")
                if spec != dict(expected.env):
                    differences.append(f"{box.name} has {spec}, not {dict(expected.env)}")
    for box in owned:
        declared = stages.get(box.stage)
        if declared is None or box.tag not in declared.wanted:
            differences.append(f"{box.name} ({box.state}) should not be there")
    for hostname, (key, tag) in hosts.items():
        route = proxy.routes.get(hostname)
        if route is None:
            differences.append(f"{hostname} has no route")
        elif (route.stage, route.tag) != (key, tag):
            differences.append(f"{hostname} leads to {route.stage} {route.tag}, not {key} {tag}")
        elif not oracles.answers(route):
            differences.append(f"{hostname} is not answered")
    differences.extend(f"{hostname} should not be routed" for hostname in proxy.routes if hostname not in hosts)
    return sorted(differences)
