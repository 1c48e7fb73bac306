"""Take down what is not needed any more: route first, then drain, stop, remove.

A container that a route leads to, of whatever stage, is never stopped.
"""

from collections.abc import Collection

from controller.core.model import keys
from controller.core.model.actions import MarkPassed, Remove, Stop, Unpause
from controller.core.model.observed import Container
from controller.core.planning import ledger
from controller.core.planning.plan_builder import PlanBuilder, is_running
from controller.core.planning.tag_state import Slots
from controller.core.planning.types import Selection, Slot

NOT_NEEDED = "it is no longer needed"
PRE_DEPLOY_TIMEOUT_S = 300.0
"""After which a preDeploy container is stopped of which no step is declared any more."""


def retire(builder: PlanBuilder, slots: Slots, selection: Selection) -> None:
    """Take the next step for each container that leaves, and forget tags of which nothing is left."""
    staying = _staying(builder, slots, selection)
    _note_undrained(builder, staying | builder.routed)
    for container in builder.observed.containers:
        slot = slots[container.tag]
        if container.id in staying or (slot.declared is None and not builder.desired.prune):
            continue
        if container.role == "preDeploy":
            _clear_one_off(builder, slot, container, selection)
        else:
            _take_down(builder, slot, container, selection)
    for tag, slot in slots.items():
        if tag not in selection.kept:
            _forget(builder, slot)


def _staying(builder: PlanBuilder, slots: Slots, selection: Selection) -> set[str]:
    """Ids of the containers that stay up."""
    staying = set(builder.memory.previous.values()) if selection.live else set()
    for tag in selection.kept:
        slot = slots[tag]
        candidate = slot.candidate if tag in selection.wanted else None
        former = () if slot.has_proven_itself else slot.former[:1]
        staying |= {container.id for container in (slot.serving, candidate, *former) if container is not None}
    for hostname in builder.desired.claimed_elsewhere:
        route = builder.observed.routes.routes.get(hostname)
        if route is not None and route.stage == builder.desired.key:
            staying.add(route.container)
    return staying


def _note_undrained(builder: PlanBuilder, needed: Collection[str]) -> None:
    """Forget the drains of containers that are gone, or needed again."""
    before = builder.memory.draining
    draining = {key: since for key, since in before.items() if key in builder.by_id and key not in needed}
    if draining != before:
        builder.remember_stage(draining=draining)


def _take_down(builder: PlanBuilder, slot: Slot, container: Container, selection: Selection) -> None:
    builder.busy = True
    if container.tag not in selection.kept:
        _show_leaving(builder, slot)
    if container.state == "removing" or not ensure_unrouted(builder, container):
        return
    if not container.alive:
        builder.request_until_seen(Remove(container, NOT_NEEDED, keys.remove(container)))
    elif container.state == "paused":
        unpause = Unpause(container, "a paused container cannot be stopped", keys.unpause(container))
        builder.request_until_seen(unpause)
    elif not _had_traffic(builder, container) or ensure_drained(builder, container):
        builder.request_until_seen(Stop(container, builder.desired.stop_grace, NOT_NEEDED, keys.stop(container)))


def ensure_drained(builder: PlanBuilder, container: Container) -> bool:
    """True when no route has led to it for the time of a drain, and a reboot does not bring it back."""
    since, drain = builder.memory.draining.get(container.id), builder.desired.drain
    if since is None or since > builder.now:  # in the future: the clock was set back
        since = builder.now
        builder.remember_stage(draining={**builder.memory.draining, container.id: since})
        builder.log("drain", f"{container.name} drains for {drain:g} s", tag=container.tag)
    if container.passed:
        reason = "it leaves: a reboot must not start it again"
        builder.request_until_seen(MarkPassed(container, False, reason, keys.mark(container, False)))
    if since + drain > builder.now:
        builder.wake_at(since + drain)
        return False
    return not container.passed


def ensure_unrouted(builder: PlanBuilder, container: Container) -> bool:
    """False while a route leads to it, or one that is being written may; such a write is not called off.

    None is written to what never ran, nor to what drains, which begins when no write is under way. These go even while
    a write hangs: each further try would add one.
    """
    if container.id in builder.routed:
        return False
    if container.state == "created" or container.id in builder.memory.draining:
        return True
    writes = (key for key in builder.observed.facts if key.kind == "route")
    return not any(is_running(builder.follow(key)) for key in writes)


def _had_traffic(builder: PlanBuilder, container: Container) -> bool:
    """False only for what is known to have failed: a port that was declared, and a mark that failed, leave no trace."""
    if container.passed or container.id in builder.memory.draining:
        return True
    memory = builder.memory.of(container.tag)
    discarded = memory.rollout is not None and container.id in memory.rollout.discarded
    return not discarded and (memory.quarantine is None or memory.quarantine.revision != container.revision)


def _clear_one_off(builder: PlanBuilder, slot: Slot, one_off: Container, selection: Selection) -> None:
    """Remove a one-off container when its exit code is not needed any more; one that runs is left to end."""
    if _is_needed(slot, one_off, selection):
        return
    builder.busy = True
    if not one_off.alive:
        builder.request_until_seen(Remove(one_off, "its run is over", keys.remove(one_off)))
        return
    step = builder.desired.pre_deploy
    end = (one_off.started_at or builder.now) + (step.timeout if step else PRE_DEPLOY_TIMEOUT_S)
    if end <= builder.now:
        grace = builder.desired.stop_grace
        builder.request_until_seen(Stop(one_off, grace, "it ran into its timeout", keys.stop(one_off)))
    else:
        builder.wake_at(end)


def _is_needed(slot: Slot, one_off: Container, selection: Selection) -> bool:
    declared = slot.tag in selection.wanted and one_off.revision == slot.revision and not slot.quarantined
    used = one_off.exit_code == 0 or (slot.candidate is not None and slot.candidate.attempt == one_off.attempt)
    return declared and not slot.has_proven_itself and (used or one_off.alive)


def _show_leaving(builder: PlanBuilder, slot: Slot) -> None:
    """Tell why a tag leaves, and open the rollout that removes it."""
    tag = slot.tag
    if slot.quarantined:
        return
    reason, words = _why_leaving(builder, slot)
    builder.views[tag].show("Draining", reason, words, busy=True)
    rollout = builder.memory.of(tag).rollout
    if rollout is not None and rollout.kind != "remove":
        ledger.close(builder, tag, "superseded", reason, words)
        rollout = None
    if rollout is None:
        ledger.begin(builder, tag, "remove", slot.revision or "-", words)


def _why_leaving(builder: PlanBuilder, slot: Slot) -> tuple[str, str]:
    if slot.memory.expired:
        return "Expired", "its TTL ended"
    if not builder.desired.declared:
        return "StageGone", "the stage is no longer declared"
    if slot.declared is not None:  # draining it is not passed any more, and still the same is the reason
        return "Evicted", "evicted: beyond maxInstances, and every newer one has passed"
    return "Undeclared", "no longer declared"


def _forget(builder: PlanBuilder, slot: Slot) -> None:
    """Close the removal of a tag of which nothing is left, and forget it once it is not declared either."""
    tag = slot.tag
    if tag in builder.containers:
        return
    rollout = builder.memory.of(tag).rollout
    if rollout is not None and not slot.quarantined:
        if rollout.kind == "remove":
            ledger.close(builder, tag, "succeeded", "Removed", f"{tag} is removed")
        else:
            ledger.close(builder, tag, "superseded", "NotWanted", f"{tag} is no longer wanted")
    if slot.declared is None and tag in builder.memory.instances and builder.desired.prune:
        builder.memory = builder.memory.with_instance(tag, None)
