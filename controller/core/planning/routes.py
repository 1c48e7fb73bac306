"""Which hostname points at which container, and what that takes: gate, one write, proof through the proxy.

A route that already is as declared costs nothing but one proof after a start of ours. What served before a switch is
remembered by hostname until the new one has proven itself: it is what a failed proof puts back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.core.model import backoff, keys
from controller.core.model.actions import DeleteRoute, Gate, SetRoute, Verify
from controller.core.model.desired import Options, RouteKind
from controller.core.model.digests import with_marker
from controller.core.model.observed import Container, Key, Route
from controller.core.planning import ledger
from controller.core.planning.plan_builder import Draft, failure
from controller.core.planning.selection import Selection
from controller.core.planning.tag_state import Slot, gated

SWITCH_PAUSE = backoff.CAP
"""Seconds until a switch is tried again after the new one gave nothing through the proxy: each try is an outage."""


@dataclass
class Routing:
    """What the routes of a stage come to in this pass."""

    claimed: dict[str, str] = field(default_factory=dict)
    """Hostnames that stay, with the tag they are for."""
    verified: set[str] = field(default_factory=set)
    conflicts: dict[str, str] = field(default_factory=dict)
    """Hostnames that somebody else holds, with the words that name the holder."""

    def proven(self, tag: str) -> bool:
        """True when all hostnames for this tag that can be had answer through the proxy."""
        mine = [hostname for hostname, owner in self.claimed.items() if owner == tag]
        return all(hostname in self.verified or hostname in self.conflicts for hostname in mine)


def route(draft: Draft, slots: Mapping[str, Slot], selection: Selection) -> Routing:
    """Set, prove and delete the routes of the stage."""
    found = Routing()
    for hostname, kind, slot in _claims(draft, slots, selection):
        found.claimed[hostname] = slot.tag
        holder = draft.observed.routes.foreign.get(hostname)
        if holder is not None:
            found.conflicts[hostname] = holder
            continue
        goal = _goal(draft, found, hostname, kind, slot)
        if goal is not None:
            _reach(draft, found, slot, goal)
    _delete(draft, slots, selection, found)
    return found


def _claims(draft: Draft, slots: Mapping[str, Slot], selection: Selection) -> list[tuple[str, RouteKind, Slot]]:
    claims: list[tuple[str, RouteKind, Slot]] = []
    for tag in selection.kept:
        slot = slots[tag]
        if slot.declared is not None and slot.declared.hostname is not None:
            claims.append((slot.declared.hostname, "instance", slot))
    target = slots.get(selection.target or "")
    if target is not None:
        claims += [(hostname, "default", target) for hostname in draft.desired.default_hostnames]
    taken = {hostname for hostname, _, _ in claims} | draft.desired.claimed_elsewhere
    for hostname, seen in sorted(draft.observed.routes.routes.items()):
        held = slots.get(seen.tag)
        if seen.stage != draft.desired.key or hostname in taken or held is None or seen.tag not in selection.held:
            continue
        if seen.kind == "instance" and held.declared is None:
            claims.append((hostname, "instance", held))
    return claims


def _goal(draft: Draft, found: Routing, hostname: str, kind: RouteKind, slot: Slot) -> Route | None:
    """The route that this hostname should have now; None when it must stay as it is.

    After a failed proof the default route waits until the tag's own hostname is proven: there the next try hurts least.
    """
    item = slot.serving
    goal = _route_to(draft, hostname, kind, item) if item is not None else None
    if goal is None:
        return None
    refused = draft.fact(keys.verify(goal))
    problem = failure(refused)
    former = draft.observed.container(draft.memory.previous.get(hostname, ""))
    if problem is None or refused is None or former is None or not former.running:
        return goal
    due = draft.due(refused, SWITCH_PAUSE if problem.reason == "UpstreamFailed" else 0.0)
    own = slot.declared.hostname if slot.declared is not None and kind == "default" else None
    if due <= draft.now and (own is None or own in found.verified or own in found.conflicts):
        return goal
    if due > draft.now:
        draft.wake_at(due)
    draft.view(slot.tag).say("Verifying", problem.reason, problem.message, busy=True)
    return _route_to(draft, hostname, kind, former)


def _route_to(draft: Draft, hostname: str, kind: RouteKind, item: Container) -> Route | None:
    desired, seen = draft.desired, draft.observed.routes.routes.get(hostname)
    options, port = desired.options, desired.port
    if seen is not None and seen.marker and seen.container == item.id and _outdated(draft, item):
        options, port = seen.options, seen.port  # what is held over keeps the way it was reached
    reach = draft.rules.reach
    host = {"ip": item.address, "name": item.name if item.running else None, "published": "127.0.0.1"}[reach]
    if reach == "published":
        port = item.published if item.running else None
    if not host or port is None:
        return None
    return with_marker(Route(hostname, desired.key, item.tag, kind, item.id, host, port, options))


def _outdated(draft: Draft, item: Container) -> bool:
    """True for a container of a tag, or of a revision, that is not declared any more."""
    memory = draft.memory.of(item.tag)
    return draft.desired.instance(item.tag) is None or (memory.rollout is not None and memory.settled == item.id)


def _reach(draft: Draft, found: Routing, slot: Slot, goal: Route) -> None:
    seen = draft.observed.routes.routes.get(goal.hostname)
    key = keys.route(goal)
    if seen == goal:
        draft.fact(key)
        if slot.serving is None or slot.serving.id != goal.container:
            return  # put back: what the old one answers proves nothing of the new one
        if draft.memory.previous.get(goal.hostname) == goal.container:
            left = {name: item for name, item in draft.memory.previous.items() if name != goal.hostname}
            draft.change(previous=left)
        _prove(draft, found, slot, goal)
        return
    target = draft.observed.container(goal.container)
    if target is None or not (_readdressed(seen, goal, target) or _passed(draft, slot, target)):
        return
    if _other_write_runs(draft, key):
        draft.view(slot.tag).say("Routing", busy=True)
        return
    _remember_former(draft, seen, goal)
    if goal.kind == "default" and seen is not None and seen.tag != goal.tag and not draft.memory.of(goal.tag).rollout:
        ledger.start(
            draft, goal.tag, "switch", target.revision, f"the default route moves from {seen.tag} to {goal.tag}"
        )
    fact = draft.enforce(SetRoute(goal, _why(draft, seen, goal), key))
    problem = failure(fact)
    if problem is not None and problem.reason == "HostnameTaken":
        found.conflicts[goal.hostname] = problem.message
        return
    text = problem.message if problem else f"{goal.hostname} → {target.name}"
    draft.view(slot.tag).say("Routing", problem.reason if problem else "", text, busy=True)


def _other_write_runs(draft: Draft, own: Key) -> bool:
    others = (key for key in draft.observed.facts if key[:2] == own[:2] and key != own)
    return any(draft.running(key) for key in others)


def _readdressed(seen: Route | None, goal: Route, item: Container) -> bool:
    """True when it is routed already, at an address that it does not have any more: somebody else may have that now."""
    if seen is None or seen.container != goal.container or not (item.running and item.passed):
        return False
    return seen.host != goal.host and seen.port == goal.port


def _passed(draft: Draft, slot: Slot, item: Container) -> bool:
    """Traffic goes only to a start of a container whose gate said yes."""
    if gated(draft, item):
        return True
    if item.id in draft.memory.previous.values() and item.running:
        return True
    check = draft.desired.check
    deadline = draft.now + draft.desired.progress_deadline
    fact = draft.fact(keys.gate(item, check))
    action = Gate(item, check, deadline, None, "traffic goes only to what passed", keys.gate(item, check))
    fact = draft.ask(action) if failure(fact) is None else draft.enforce(action)
    problem = failure(fact)
    text = problem.message if problem else (fact.note if fact else "")
    draft.view(slot.tag).say("Degraded" if problem else "Gating", problem.reason if problem else "", text, busy=True)
    return False


def _prove(draft: Draft, found: Routing, slot: Slot, goal: Route) -> None:
    fact = draft.ask(Verify(goal, "seen to answer through the proxy", keys.verify(goal)))
    if fact is not None and fact.status == "succeeded":
        found.verified.add(goal.hostname)
        return
    problem = failure(fact)
    text = problem.message if problem else f"asking for {goal.hostname}"
    draft.view(slot.tag).say("Verifying", problem.reason if problem else "", text, busy=True)


def _remember_former(draft: Draft, seen: Route | None, goal: Route) -> None:
    previous = dict(draft.memory.previous)
    if seen is not None and seen.stage == goal.stage and seen.container != goal.container:
        former = draft.observed.container(seen.container)
        if former is not None and former.passed:
            previous.setdefault(goal.hostname, former.id)
    if previous != draft.memory.previous:
        draft.change(previous=previous)


def _delete(draft: Draft, slots: Mapping[str, Slot], selection: Selection, found: Routing) -> None:
    """Delete what nothing declares. A default route that leads to nothing now is still better than none: it heals.

    While a source is silent a default hostname stays: what that holds may claim it for another stage.
    """
    kept = {*found.claimed, *draft.desired.claimed_elsewhere}
    if selection.live:
        kept |= set(draft.desired.default_hostnames)
    for hostname, seen in sorted(draft.observed.routes.routes.items()):
        if seen.stage != draft.desired.key or hostname in kept:
            continue
        slot = slots.get(seen.tag)
        if not draft.desired.prune and (seen.kind == "default" or slot is None or slot.declared is None):
            continue
        draft.enforce(DeleteRoute(hostname, f"nothing declares {hostname}", keys.unroute(hostname)))
        draft.busy = True


def _why(draft: Draft, seen: Route | None, goal: Route) -> str:
    if seen is None:
        return f"{goal.hostname} has no route"
    if seen.container != goal.container and seen.tag == goal.tag:
        return f"{goal.hostname} follows {goal.tag} to its new container"
    if seen.container != goal.container:
        return f"{goal.hostname} moves from {seen.tag or 'somebody else'} to {goal.tag}"
    if seen.options != goal.options and seen.options != Options():
        return f"the options of {goal.hostname} differ"
    return f"the route of {goal.hostname} differs from what is declared"
