"""When a rollout is finished: passed, marked in Docker, proven through the proxy, baked. Then the old one may go."""

from collections.abc import Collection

from controller.core.model import keys
from controller.core.model.errors import Failure
from controller.core.model.observed import Container
from controller.core.planning import ledger, repair, spec_fields
from controller.core.planning.plan_builder import PlanBuilder, is_running
from controller.core.planning.tag_state import Slots, reread
from controller.core.planning.types import Routing, Selection, Slot


def give_up_if_broken(builder: PlanBuilder, slot: Slot, *, can_fall_back: bool) -> bool:
    """Give the revision up when its container failed after its gate and before it had proven itself; True if so.

    Without something else that can serve instead it is repaired like anything that passed: when Docker took down both,
    the world is bad.
    """
    container, rollout = slot.current, slot.memory.rollout
    if container is None or slot.has_proven_itself or rollout is None or rollout.kind not in ("deploy", "update"):
        return False
    why = _why_broken(builder, container) if can_fall_back else ""
    if not why or is_running(builder.follow(keys.start(container))):
        return False
    failure = Failure("FailedAfterGate", f"{container.name} {why}", revision_bad=True)
    ledger.retry_or_quarantine(builder, slot, container, failure)
    builder.wake_at(builder.now)
    return True


def conclude(builder: PlanBuilder, slots: Slots, selection: Selection, routing: Routing) -> Slots:
    """Settle every tag that stays."""
    _note_given_up(builder, selection.kept)
    for tag in selection.kept:
        _settle(builder, slots[tag], routing, wanted=tag in selection.wanted)
    return reread(builder, slots)


def _settle(builder: PlanBuilder, slot: Slot, routing: Routing, *, wanted: bool) -> None:
    """Mark the container of a slot as passed, and close its rollout once it has proven itself."""
    container, tag, view = slot.current, slot.tag, builder.views[slot.tag]
    if container is None:
        if not wanted:
            _close_unwanted(builder, tag)
        _close_repaired(builder, slot, routing)
        return
    if not container.running:
        return
    marked = repair.ensure_marked(builder, container)
    if not marked or not routing.proven(tag):
        if not view.busy:
            view.show("Routing", busy=True)
        return
    _note_target(builder, tag, routing)
    if builder.memory.of(tag).settled != container.id and not ensure_baked(builder, tag):
        return
    _note_settled(builder, slot, container)
    if not view.busy:
        words = f"{tag} runs as declared" + (" and answers through the proxy" if builder.desired.port else "")
        ledger.close(builder, tag, "succeeded", "Succeeded", words)
    _forget_previous(builder, routing.hostnames(tag))


def ensure_baked(builder: PlanBuilder, tag: str) -> bool:
    """True when the old one has been kept long enough after the switch; remembers when that was first seen."""
    bake, switched_at = builder.desired.bake, builder.memory.of(tag).switched_at
    if not switched_at or switched_at > builder.now:  # in the future: the clock was set back
        switched_at = builder.remember(tag, switched_at=builder.now).switched_at
    end = switched_at + bake
    if bake <= 0 or end <= builder.now:
        return True
    ledger.log_step(builder, tag, "bake", f"keeping the old container for {bake:g} s")
    builder.views[tag].show("Baking", "", f"{end - builder.now:.0f} s left", busy=True)
    builder.wake_at(end)
    return False


def _note_given_up(builder: PlanBuilder, kept: Collection[str]) -> None:
    """Forget who served a hostname that is not declared, or whose tag is not kept, any more; and who is gone."""
    own = {instance.hostname for instance in builder.desired.instances if instance.tag in kept}
    declared = {*builder.desired.default_hostnames, *own}
    previous = builder.memory.previous
    gone = [name for name, served in previous.items() if name not in declared or served not in builder.by_id]
    _forget_previous(builder, gone)


def note_quarantine_cleared(builder: PlanBuilder, slots: Slots) -> Slots:
    """Forget the quarantine of a tag when another revision of it is declared, or another way to check it."""
    for slot in slots.values():
        if slot.memory.quarantine is not None and slot.declared is not None and not slot.quarantined:
            builder.remember(slot.tag, quarantine=None)
    return reread(builder, slots)


def _note_target(builder: PlanBuilder, tag: str, routing: Routing) -> None:
    """Remember the tag that was proven behind the default route."""
    behind_default = {routing.claimed.get(hostname) for hostname in builder.desired.default_hostnames}
    if tag != builder.memory.target and tag in behind_default:
        builder.remember_stage(target=tag)


def _note_settled(builder: PlanBuilder, slot: Slot, container: Container) -> None:
    passed = [revision for revision in builder.memory.of(slot.tag).passed if revision != container.revision]
    builder.remember(
        slot.tag,
        settled=container.id,
        passed=(*passed, container.revision)[-ledger.REMEMBERED_MAX :],
        digest=slot.digest or container.digest,
        image=builder.desired.template.image,
        spec=spec_fields.flatten(builder.desired, slot.tag),
    )


def _close_unwanted(builder: PlanBuilder, tag: str) -> None:
    """Close a rollout to something that is not declared, or not wanted, any more."""
    rollout = builder.memory.of(tag).rollout
    if rollout is not None and rollout.kind in ("deploy", "update"):
        ledger.close(builder, tag, "superseded", "NotWanted", f"{tag} is no longer wanted")


def _close_repaired(builder: PlanBuilder, slot: Slot, routing: Routing) -> None:
    """Close the repair of what serves although it is not what is declared."""
    container, rollout = slot.stable, builder.memory.of(slot.tag).rollout
    if container is None or rollout is None or rollout.kind != "repair" or rollout.revision != container.revision:
        return
    up = container.running and container.connected and not builder.views[slot.tag].busy
    if up and routing.proven(slot.tag):
        ledger.close(builder, slot.tag, "succeeded", "Repaired", f"{container.name} runs again")


def _forget_previous(builder: PlanBuilder, hostnames: Collection[str]) -> None:
    """Forget who served these hostnames before their last switch."""
    previous = builder.memory.previous
    left = {name: container_id for name, container_id in previous.items() if name not in hostnames}
    if left != previous:
        builder.remember_stage(previous=left)


def _why_broken(builder: PlanBuilder, container: Container) -> str:
    if container.state in ("exited", "dead") and not container.passed:
        # What is marked has been stopped by somebody: Docker restarts what crashes.
        return f"exited with {container.exit_code} after its gate"
    if container.state == "restarting" or container.restart_count > 0:
        return "was restarted after its gate"
    return repair.why_unhealthy(builder, container) if container.running else ""
