"""When a rollout is finished: passed, marked in Docker, proven through the proxy, baked. Then the old one may go."""

from collections.abc import Collection

from controller.core.model import digests, keys
from controller.core.model.errors import Failure
from controller.core.model.observed import Container
from controller.core.planning import ledger, repair, spec_fields
from controller.core.planning.plan_builder import Draft
from controller.core.planning.routes import Routing
from controller.core.planning.tag_state import Slot


def broken(draft: Draft, found: Slot, fallback: bool) -> bool:
    """True when a rollout's container failed after its gate, before it had proven itself: the revision is given up.

    Without a `fallback`, something that can serve instead, it is repaired like anything that passed: when Docker took
    down both, the world is bad.
    """
    item, rollout = found.current, found.memory.rollout
    if item is None or found.settled or rollout is None or rollout.kind not in ("deploy", "update") or not fallback:
        return False
    why = _why(draft, item)
    if not why or draft.running(keys.start(item)):
        return False
    ledger.failed(draft, found, item, Failure("FailedAfterGate", f"{item.name} {why}", True))
    draft.wake_at(draft.now)
    return True


def settle(draft: Draft, found: Slot, routing: Routing, wanted: bool) -> None:
    """Mark the container of a slot as passed, and close its rollout once it has proven itself."""
    item, tag = found.current, found.tag
    if item is None:
        if not wanted:
            _given_up(draft, found)
        _repaired(draft, found, routing)
        return
    if not item.running:
        return
    view = draft.view(tag)
    marked = repair.mark(draft, item)
    if not marked or not routing.proven(tag):
        if not view.busy:
            view.say("Routing", busy=True)
        return
    if tag != draft.memory.target and any(routing.claimed.get(name) == tag for name in draft.desired.default_hostnames):
        draft.change(target=tag)
    memory = draft.memory.of(tag)
    if memory.settled != item.id and not _baked(draft, found):
        return
    passed = [name for name in memory.passed if name != item.revision]
    draft.remember(
        tag,
        settled=item.id,
        passed=(*passed, item.revision)[-ledger.REMEMBERED :],
        digest=found.digest or item.digest,
        image=draft.desired.template.image,
        spec=spec_fields.flatten(draft.desired, tag),
    )
    if not view.busy:
        message = f"{tag} runs as declared" + (" and answers through the proxy" if draft.desired.port else "")
        ledger.close(draft, tag, "succeeded", "Succeeded", message)
    _forget_former(draft, tag, routing)


def _given_up(draft: Draft, found: Slot) -> None:
    """Close a rollout to something that is not declared, or not wanted, any more."""
    rollout = draft.memory.of(found.tag).rollout
    if rollout is not None and rollout.kind in ("deploy", "update"):
        ledger.close(draft, found.tag, "superseded", "NotWanted", f"{found.tag} is not wanted any more")


def _repaired(draft: Draft, found: Slot, routing: Routing) -> None:
    """Close the repair of what serves although it is not what is declared."""
    item, rollout = found.stable, draft.memory.of(found.tag).rollout
    if item is None or rollout is None or rollout.kind != "repair" or rollout.revision != item.revision:
        return
    if item.running and item.connected and routing.proven(found.tag) and not draft.view(found.tag).busy:
        ledger.close(draft, found.tag, "succeeded", "Repaired", f"{item.name} runs again")


def _baked(draft: Draft, found: Slot) -> bool:
    tag, bake = found.tag, draft.desired.bake
    memory = draft.memory.of(tag)
    if not memory.switched_at or memory.switched_at > draft.now:  # in the future: the clock was set back
        memory = draft.remember(tag, switched_at=draft.now)
    end = memory.switched_at + bake
    if bake <= 0 or end <= draft.now:
        return True
    ledger.step(draft, tag, "bake", f"the old one stays warm for {bake:g} s")
    draft.view(tag).say("Baking", "", f"{end - draft.now:.0f} s to go", busy=True)
    draft.wake_at(end)
    return False


def forget_given_up(draft: Draft, kept: Collection[str]) -> None:
    """Forget who served a hostname that is not declared, or whose tag is not kept, any more; and who is gone."""
    own = {item.hostname for item in draft.desired.instances if item.tag in kept}
    declared = {*draft.desired.default_hostnames, *own}
    known = draft.memory.previous.items()
    left = {name: item for name, item in known if name in declared and draft.observed.container(item) is not None}
    if left != draft.memory.previous:
        draft.change(previous=left)


def _forget_former(draft: Draft, tag: str, routing: Routing) -> None:
    mine = {hostname for hostname, owner in routing.claimed.items() if owner == tag}
    left = {name: item for name, item in draft.memory.previous.items() if name not in mine}
    if left != draft.memory.previous:
        draft.change(previous=left)


def _why(draft: Draft, item: Container) -> str:
    if item.state in ("exited", "dead") and not item.passed:  # else somebody stopped it: Docker restarts what crashes
        return f"ended with {item.exit_code} after it had passed"
    if item.state == "restarting" or item.restart_count > 0:
        return "was restarted after it had passed"
    if item.running:
        return repair.sick(draft, item)
    return ""


def cleared(draft: Draft, tag: str, found: Slot) -> None:
    """Forget a quarantine when another revision is declared, or another way to check it."""
    quarantine = draft.memory.of(tag).quarantine
    if quarantine is None or found.declared is None:
        return
    if (quarantine.revision, quarantine.gate) != (found.revision, digests.gate_hash(draft.desired)):
        draft.remember(tag, quarantine=None)
