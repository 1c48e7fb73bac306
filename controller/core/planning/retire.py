"""Take down what is not needed any more: route first, then drain, stop, remove.

A container that a route leads to, of whatever stage, is never stopped.
"""

from collections.abc import Mapping

from controller.core.model import keys
from controller.core.model.actions import MarkPassed, Remove, Stop, Unpause
from controller.core.model.observed import Container
from controller.core.planning import ledger
from controller.core.planning.plan_builder import Draft, runs
from controller.core.planning.selection import Selection
from controller.core.planning.tag_state import Slot


def leave(draft: Draft, slots: Mapping[str, Slot], selection: Selection) -> None:
    """Take the next step for each container that leaves, and forget tags of which nothing is left."""
    stay = _staying(draft, slots, selection)
    routed = {route.container for route in draft.observed.routes.routes.values()}
    draining = {key: since for key, since in draft.memory.draining.items() if draft.observed.container(key)}
    draining = {key: since for key, since in draining.items() if key not in stay | routed}
    if draining != draft.memory.draining:
        draft.change(draining=draining)
    for item in draft.observed.containers:
        slot = slots[item.tag]
        if item.id in stay or (slot.declared is None and not draft.desired.prune):
            continue
        if item.role == "preDeploy":
            _clear_one_off(draft, slots[item.tag], item, selection)
        else:
            _depart(draft, slot, item, selection)
    for tag, slot in slots.items():
        if tag not in selection.kept:
            _forget(draft, slot)


def _staying(draft: Draft, slots: Mapping[str, Slot], selection: Selection) -> set[str]:
    found = set(draft.memory.previous.values()) if selection.live else set()
    for tag in selection.kept:
        slot = slots[tag]
        items = [slot.serving, slot.candidate if tag in selection.wanted else None]
        items += [] if slot.settled else slot.former[:1]
        found |= {item.id for item in items if item is not None}
    routes = draft.observed.routes.routes
    for hostname in draft.desired.claimed_elsewhere:
        route = routes.get(hostname)
        if route is not None and route.stage == draft.desired.key:
            found.add(route.container)
    return found


def _depart(draft: Draft, slot: Slot, item: Container, selection: Selection) -> None:
    draft.busy = True
    gone = item.tag not in selection.kept
    if gone:
        _say_leaving(draft, slot)
    if item.state == "removing" or _routed(draft, item):
        return
    if not runs(item):
        draft.enforce(Remove(item, f"{item.name} is not needed any more", keys.remove(item)))
        return
    if item.state == "paused":
        draft.enforce(Unpause(item, "a paused container cannot be stopped", keys.unpause(item)))
        return
    if _had_traffic(draft, item):
        since = draft.memory.draining.get(item.id)
        if since is None or since > draft.now:  # in the future: the clock was set back
            since = draft.now
            draft.change(draining={**draft.memory.draining, item.id: since})
            draft.log("drain", f"{item.name} drains for {draft.desired.drain:g} s", tag=item.tag)
        if item.passed:
            reason = "it leaves: a reboot must not bring it back"
            draft.enforce(MarkPassed(item, False, reason, keys.mark(item, False)))
        end = since + draft.desired.drain
        if end > draft.now:
            draft.wake_at(end)
            return
        if item.passed:
            return
    reason = f"{item.name} is not needed any more"
    draft.enforce(Stop(item, draft.desired.stop_grace, reason, keys.stop(item)))


def _routed(draft: Draft, item: Container) -> bool:
    """True while a route leads to it, or one that is being written may.

    None is written to what never ran, nor to what drains, which begins when no write is under way. These go even while
    a write hangs: each further try would add one.
    """
    if any(route.container == item.id for route in draft.observed.routes.routes.values()):
        return True
    if item.state == "created" or item.id in draft.memory.draining:
        return False
    return any(key.kind == "route" and draft.running(key) for key in draft.observed.facts)


def _had_traffic(draft: Draft, item: Container) -> bool:
    """False only for what is known to have failed: a port that was declared, and a mark that failed, leave no trace."""
    if item.passed or item.id in draft.memory.draining:
        return True
    memory = draft.memory.of(item.tag)
    failed = memory.rollout is not None and item.id in memory.rollout.discarded
    failed = failed or (memory.quarantine is not None and memory.quarantine.revision == item.revision)
    return not failed


def _clear_one_off(draft: Draft, slot: Slot, item: Container, selection: Selection) -> None:
    """A one-off container is kept while its exit code is needed; one that runs is left to end (design §4)."""
    current = slot.tag in selection.wanted and item.revision == slot.revision and not slot.quarantined
    candidate = slot.candidate
    used = item.exit_code == 0 or (candidate is not None and candidate.attempt == item.attempt)
    if current and not slot.settled and (used or runs(item)):
        return
    draft.busy = True
    if not runs(item):
        draft.enforce(Remove(item, f"{item.name} is done", keys.remove(item)))
        return
    step = draft.desired.pre_deploy
    end = (item.started_at or draft.now) + (step.timeout if step else 300.0)
    if end <= draft.now:
        draft.enforce(Stop(item, draft.desired.stop_grace, "it took too long", keys.stop(item)))
    else:
        draft.wake_at(end)


def _say_leaving(draft: Draft, slot: Slot) -> None:
    tag = slot.tag
    if slot.memory.expired:
        reason, message = "Expired", f"the time of {tag} is over"
    elif not draft.desired.declared:
        reason, message = "StageGone", "the stage is not declared any more"
    elif slot.declared is not None:  # draining it is not passed any more, and still the same is the reason
        reason, message = "Evicted", f"evicted: {tag} is beyond maxInstances, and every newer one has passed"
    else:
        reason, message = "Undeclared", f"{tag} is not declared any more"
    if slot.quarantined:
        return
    draft.view(tag).say("Draining", reason, message, busy=True)
    rollout = draft.memory.of(tag).rollout
    if rollout is not None and rollout.kind != "remove":
        ledger.close(draft, tag, "superseded", reason, message)
        rollout = None
    if rollout is None:
        ledger.start(draft, tag, "remove", slot.revision or "-", message)


def _forget(draft: Draft, slot: Slot) -> None:
    """Close the removal of a tag of which nothing is left, and forget it once it is not declared either."""
    if any(item.tag == slot.tag for item in draft.observed.containers):
        return
    memory = draft.memory.of(slot.tag)
    if memory.rollout is not None and not slot.quarantined:
        if memory.rollout.kind == "remove":
            ledger.close(draft, slot.tag, "succeeded", "Removed", f"{slot.tag} is removed")
        else:
            ledger.close(draft, slot.tag, "superseded", "NotWanted", f"{slot.tag} is not wanted any more")
    if slot.declared is None and slot.tag in draft.memory.instances and draft.desired.prune:
        draft.memory = draft.memory.with_instance(slot.tag, None)
