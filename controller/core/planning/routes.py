"""Which hostname points at which container, and what that takes: gate, one write, proof through the proxy.

A route that already is as declared costs nothing but one proof after a start of ours. What served before a switch is
remembered by hostname until the new one has proven itself: it is what a failed proof puts back.
"""

from controller.core.model import backoff, keys
from controller.core.model.actions import DeleteRoute, Gate, SetRoute, Verify
from controller.core.model.desired import Options, RouteKind
from controller.core.model.digests import with_marker
from controller.core.model.observed import Container, Key, Route
from controller.core.planning import ledger
from controller.core.planning.plan_builder import PlanBuilder, failure_of, is_running
from controller.core.planning.tag_state import Slots, has_passed_gate
from controller.core.planning.types import Routing, Selection, Slot

SWITCH_PAUSE_S = backoff.CAP_S
"""Until a switch is tried again after the new one gave nothing through the proxy: each try is an outage."""


def route(builder: PlanBuilder, slots: Slots, selection: Selection) -> Routing:
    """Set, prove and delete the routes of the stage."""
    routing = Routing()
    for hostname, kind, slot in _claims(builder, slots, selection):
        routing.claimed[hostname] = slot.tag
        holder = builder.observed.routes.foreign.get(hostname)
        if holder is not None:
            routing.conflicts[hostname] = holder
            continue
        goal = _goal(builder, routing, hostname, kind, slot)
        if goal is not None:
            _reach(builder, routing, slot, goal)
    _delete_undeclared(builder, slots, selection, routing)
    return routing


def _claims(builder: PlanBuilder, slots: Slots, selection: Selection) -> list[tuple[str, RouteKind, Slot]]:
    """Hostnames that shall be routed, and to which tag: of instances, of the default route, of what is held over."""
    desired = builder.desired
    claims: list[tuple[str, RouteKind, Slot]] = []
    for tag in selection.kept:
        slot = slots[tag]
        if slot.declared is not None and slot.declared.hostname is not None:
            claims.append((slot.declared.hostname, "instance", slot))
    target = slots.get(selection.target or "")
    if target is not None:
        claims += [(hostname, "default", target) for hostname in desired.default_hostnames]
    taken = {hostname for hostname, _, _ in claims} | desired.claimed_elsewhere
    for hostname, existing in sorted(builder.observed.routes.routes.items()):
        if existing.stage != desired.key or existing.kind != "instance" or hostname in taken:
            continue
        if existing.tag in selection.held and slots[existing.tag].declared is None:
            claims.append((hostname, "instance", slots[existing.tag]))
    return claims


def _goal(builder: PlanBuilder, routing: Routing, hostname: str, kind: RouteKind, slot: Slot) -> Route | None:
    """The route that this hostname should have now; None when it must stay as it is.

    After a failed proof the default route waits until the tag's own hostname is proven: there the next try hurts least.
    """
    goal = _route_to(builder, hostname, kind, slot.serving)
    if goal is None:
        return None
    proof = builder.follow(keys.verify(goal))
    failure = failure_of(proof)
    former = builder.by_id.get(builder.memory.previous.get(hostname, ""))
    if failure is None or proof is None or former is None or not former.running:
        return goal
    due = builder.retry_at(proof, SWITCH_PAUSE_S if failure.reason == "UpstreamFailed" else 0.0)
    own = slot.declared.hostname if slot.declared is not None and kind == "default" else None
    if due <= builder.now and (own is None or own in routing.verified or own in routing.conflicts):
        return goal
    if due > builder.now:
        builder.wake_at(due)
    builder.views[slot.tag].show("Verifying", failure.reason, failure.message, busy=True)
    return _route_to(builder, hostname, kind, former)


def _route_to(builder: PlanBuilder, hostname: str, kind: RouteKind, container: Container | None) -> Route | None:
    """The route of a hostname to this container; None while that has no address."""
    if container is None:
        return None
    desired, existing = builder.desired, builder.observed.routes.routes.get(hostname)
    options, port = desired.options, desired.port
    if existing is not None and existing.marker and existing.container == container.id and _is_old(builder, container):
        options, port = existing.options, existing.port  # what is held over keeps the way it was reached
    host = container.address
    if builder.rules.reach == "name":
        host = container.name if container.running else None
    elif builder.rules.reach == "published":
        host, port = "127.0.0.1", container.published if container.running else None
    if not host or port is None:
        return None
    return with_marker(Route(hostname, desired.key, container.tag, kind, container.id, host, port, options))


def _is_old(builder: PlanBuilder, container: Container) -> bool:
    """True for a container of a tag, or of a revision, that is not declared any more."""
    memory = builder.memory.of(container.tag)
    replaced = memory.rollout is not None and memory.settled == container.id
    return replaced or builder.desired.instance(container.tag) is None


def _reach(builder: PlanBuilder, routing: Routing, slot: Slot, goal: Route) -> None:
    """Take the next step to the route: prove it where it is there already, else gate its container and write it."""
    existing, target = builder.observed.routes.routes.get(goal.hostname), builder.by_id.get(goal.container)
    if existing == goal:
        builder.follow(keys.route(goal))
        if slot.serving is not None and slot.serving.id == goal.container:
            _forget_former(builder, goal)
            _prove(builder, routing, slot, goal)
        return  # else it was put back: what the old one answers proves nothing of the new one
    if target is None or not (_is_readdressed(existing, goal, target) or ensure_gated(builder, slot, target)):
        return
    if _follow_other_write(builder, keys.route(goal)):
        builder.views[slot.tag].show("Routing", busy=True)
        return
    _remember_former(builder, existing, goal)
    _open_switch(builder, existing, goal, target)
    fact = builder.request_until_seen(SetRoute(goal, _why_set(existing, goal), keys.route(goal)))
    failure = failure_of(fact)
    if failure is not None and failure.reason == "HostnameTaken":
        routing.conflicts[goal.hostname] = failure.message
        return
    builder.views[slot.tag].show_progress("Routing", fact, f"{goal.hostname} → {target.name}")


def _is_readdressed(existing: Route | None, goal: Route, container: Container) -> bool:
    """True when its route has an address that the container lost: another application may have that address now."""
    if existing is None or existing.container != goal.container or not (container.running and container.passed):
        return False
    return existing.host != goal.host and existing.port == goal.port


def ensure_gated(builder: PlanBuilder, slot: Slot, container: Container) -> bool:
    """True when this start of the container passed its gate: traffic goes only to such containers."""
    check = builder.desired.check
    key = keys.gate(container, check)
    fact = builder.follow(key)
    if has_passed_gate(builder, container):
        return True
    if container.running and container.id in builder.memory.previous.values():
        return True
    deadline = builder.now + builder.desired.progress_deadline
    gate = Gate(container, check, deadline, None, "traffic goes only to containers that passed", key)
    failure = failure_of(fact)
    fact = builder.request(gate) if failure is None else builder.request_until_seen(gate)
    builder.views[slot.tag].show_progress("Degraded" if failure else "Gating", fact)
    return False


def _follow_other_write(builder: PlanBuilder, own: Key) -> bool:
    """True while the hostname is being written in another way; that write is not called off."""
    others = (key for key in builder.observed.facts if key[:2] == own[:2] and key != own)
    return any(is_running(builder.follow(key)) for key in others)


def _open_switch(builder: PlanBuilder, existing: Route | None, goal: Route, target: Container) -> None:
    """Open a rollout for a move of the default route, unless one of the tag is open already."""
    moves = goal.kind == "default" and existing is not None and existing.tag != goal.tag
    if existing is not None and moves and not builder.memory.of(goal.tag).rollout:
        words = f"the default route moves from {existing.tag} to {goal.tag}"
        ledger.begin(builder, goal.tag, "switch", target.revision, words)


def _prove(builder: PlanBuilder, routing: Routing, slot: Slot, goal: Route) -> None:
    fact = builder.request(Verify(goal, "it has to answer through the proxy", keys.verify(goal)))
    if fact is not None and fact.status == "succeeded":
        routing.verified.add(goal.hostname)
    else:
        builder.views[slot.tag].show_progress("Verifying", fact, f"asking {goal.hostname} through the proxy")


def _remember_former(builder: PlanBuilder, existing: Route | None, goal: Route) -> None:
    """Remember who serves the hostname before it moves to another container of the stage."""
    if existing is None or existing.stage != goal.stage or existing.container == goal.container:
        return
    former, previous = builder.by_id.get(existing.container), builder.memory.previous
    if former is not None and former.passed and goal.hostname not in previous:
        builder.remember_stage(previous={**previous, goal.hostname: former.id})


def _forget_former(builder: PlanBuilder, goal: Route) -> None:
    """Forget who served the hostname before when that is the one that serves it now."""
    previous = builder.memory.previous
    if previous.get(goal.hostname) == goal.container:
        others = {name: container for name, container in previous.items() if name != goal.hostname}
        builder.remember_stage(previous=others)


def _delete_undeclared(builder: PlanBuilder, slots: Slots, selection: Selection, routing: Routing) -> None:
    """Delete what nothing declares. A default route that leads to nothing now is still better than none: it heals.

    While a source has not delivered, a default hostname stays: what that holds may claim it for another stage.
    """
    desired = builder.desired
    kept = {*routing.claimed, *desired.claimed_elsewhere}
    if selection.live:
        kept |= set(desired.default_hostnames)
    for hostname, existing in sorted(builder.observed.routes.routes.items()):
        if existing.stage != desired.key or hostname in kept:
            continue
        slot = slots.get(existing.tag)
        if not desired.prune and (existing.kind == "default" or slot is None or slot.declared is None):
            continue
        builder.request_until_seen(DeleteRoute(hostname, "no longer declared", keys.unroute(hostname)))
        builder.busy = True


def _why_set(existing: Route | None, goal: Route) -> str:
    if existing is None:
        return "it has no route"
    if existing.container != goal.container and existing.tag == goal.tag:
        return f"it follows {goal.tag} to its new container"
    if existing.container != goal.container:
        return f"it moves from {existing.tag or 'somebody else'} to {goal.tag}"
    if existing.options != goal.options and existing.options != Options():
        return "its options differ"
    return "it differs from what is declared"
