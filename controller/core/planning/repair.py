"""Keep what has passed as it is: start, unpause and connect it again, mark it, watch its health, look at its tag.

Drift never quarantines: what cannot be mended now is tried again for ever, with backoff.
"""

from controller.core.model import keys
from controller.core.model.actions import CheckDigest, Connect, MarkPassed, Restart, Start, Unpause, Watch
from controller.core.model.observed import Container, Fact
from controller.core.planning import ledger
from controller.core.planning.plan_builder import PlanBuilder, failure_of
from controller.core.planning.tag_state import has_passed_gate
from controller.core.planning.types import Slot


def maintain(builder: PlanBuilder, slot: Slot, container: Container, *, may_start: bool, replaced: bool) -> None:
    """Repair one container that has passed.

    `may_start` False: its place is taken by another for now (Recreate). `replaced`: a rollout replaces it, which is
    what history tells of the tag.
    """
    view = builder.views[slot.tag]
    drifted = may_start and not replaced and not (container.running and container.connected)
    if drifted and builder.memory.of(slot.tag).rollout is None:
        ledger.begin(builder, slot.tag, "repair", container.revision, f"{container.name} {_state(container)}")
    if container.state == "paused":
        builder.request_until_seen(Unpause(container, "it is paused", keys.unpause(container)))
        view.show("Degraded", "Paused", f"{container.name} is paused", busy=True)
    elif container.state == "restarting":
        view.show("Degraded", "Restarting", f"{container.name} keeps exiting; Docker restarts it", busy=True)
    elif not container.running:
        _start_again(builder, slot, container, may_start)
    elif not container.connected:
        connect = Connect(container, "it is not connected to the network", keys.connect(container))
        fact = builder.request_until_seen(connect)
        failure = failure_of(fact)
        words = failure.message if failure else f"{container.name} is not connected to the network"
        view.show("Degraded", "NotConnected", words, busy=True)
    else:
        view.show("Running", busy=False)
        _watch(builder, container)
        _note_health(builder, slot, container)


def ensure_marked(builder: PlanBuilder, container: Container) -> bool:
    """True when Docker itself knows that it passed; else has it marked, so that a reboot brings it back."""
    if not container.passed and has_passed_gate(builder, container):
        mark = MarkPassed(container, True, "it passed its gate", keys.mark(container, True))
        builder.request_until_seen(mark)
    return container.passed


def look_at_tag(builder: PlanBuilder, slot: Slot) -> None:
    """Ask the registry now and then what the tag points to; follow it only with trackDigest."""
    if not slot.digest:
        return
    desired, tag = builder.desired, slot.tag
    key = keys.digest(desired.template.image, tag)
    action = CheckDigest(desired.template.image, tag, "the tag may have been pushed again", key)
    fact = builder.follow(key)
    if fact is None or fact.status == "running":
        if fact is None:
            builder.request(action)
        if desired.track_digest and (fact is None or not (fact.data or fact.failures)):
            builder.views[tag].busy = True
        return
    ended = fact.ended_at or fact.started_at
    due = ended + (builder.rules.track_interval if desired.track_digest else builder.rules.digest_interval)
    if due <= builder.now or ended > builder.now:  # in the future: the clock was set back
        builder.request_until_seen(action)
    else:
        builder.wake_at(due)
    _note_moved(builder, slot, fact.data.get("digest", "") if fact.status == "succeeded" else "")


def why_unhealthy(builder: PlanBuilder, container: Container) -> str:
    """Why a running container is not healthy; empty when it is, or when that is not known."""
    check = builder.desired.check
    if container.health == "unhealthy" and check.type == "docker":
        return "Docker reports it unhealthy"
    fact = builder.peek(keys.watch(container, check))
    if fact is None or fact.data.get("ok") != "false":
        return ""
    failed = int(fact.data.get("failed", "1"))
    return (fact.note or "its health check fails") if failed >= check.retries else ""


def _note_moved(builder: PlanBuilder, slot: Slot, digest: str) -> None:
    """Remember and tell when the registry serves another digest under the tag than the pinned one."""
    tag, memory = slot.tag, slot.memory
    if digest == slot.digest and memory.moved and memory.digest == digest:
        builder.remember(tag, moved="")
    if digest in ("", slot.digest, memory.moved):
        return
    builder.remember(tag, moved=digest)
    follows = "the new digest is deployed" if builder.desired.track_digest else "the pinned digest keeps running"
    words = f"{tag} was pushed again as {digest[:19]}; {follows}"
    builder.log("digest", words, tag=tag, level="warning", digest=digest)
    builder.views[tag].busy |= builder.desired.track_digest  # the next pass begins the rollout
    builder.wake_at(builder.now)


def _start_again(builder: PlanBuilder, slot: Slot, container: Container, may_start: bool) -> None:
    view = builder.views[slot.tag]
    if not may_start:
        words = f"{container.name} is stopped while its successor starts"
        view.show("HeldOver", "StoppedForSuccessor", words, busy=True)
        return
    rival = _follow_rival(builder, container)
    if builder.desired.recreate and rival is not None:
        view.show("Degraded", "WaitsForVolume", f"{rival.name} still runs", busy=True)
        return
    ended = f"{container.name} {_state(container)}"
    start = Start(container, f"it {_state(container)} and should run", keys.start(container))
    fact = builder.request_until_seen(start)
    failure = failure_of(fact)
    view.show("Degraded", failure.reason if failure else "Stopped", failure.message if failure else ended, busy=True)
    if slot.declared is not None and _is_lost(fact):
        ledger.discard(builder, slot.tag, container)


def _is_lost(start: Fact | None) -> bool:
    """True when a container has to be replaced by a new one: it is gone, or has failed to start too often."""
    failure = failure_of(start)
    if start is None or failure is None:
        return False
    return failure.reason == "ContainerGone" or start.failures >= ledger.START_TRIES_MAX


def _follow_rival(builder: PlanBuilder, container: Container) -> Container | None:
    """Another container of the stage that runs or is being started; such a start is not called off meanwhile."""
    others = [other for other in builder.observed.containers if other.id != container.id]
    for other in others:
        builder.follow(keys.start(other))
    return next((other for other in others if builder.is_active(other)), None)


def _state(container: Container) -> str:
    if container.running and not container.connected:
        return "is not connected to the network"
    return f"exited with {container.exit_code}" if container.state == "exited" else f"is {container.state}"


def _watch(builder: PlanBuilder, container: Container) -> None:
    check = builder.desired.check
    if check.liveness > 0 and check.type != "none" and (container.passed or has_passed_gate(builder, container)):
        builder.request(Watch(container, check, "it serves traffic", keys.watch(container, check)))


def _note_health(builder: PlanBuilder, slot: Slot, container: Container) -> None:
    """Tell when a container becomes unhealthy or healthy; restart it where the document asks for that."""
    view, why = builder.views[slot.tag], why_unhealthy(builder, container)
    if bool(why) != builder.memory.of(slot.tag).sick:
        builder.remember(slot.tag, sick=bool(why))
        words = f"{container.name}: {why}" if why else f"{container.name} is healthy again"
        builder.log("health", words, tag=slot.tag, level="error" if why else "info")
    if not why:
        return
    view.show("Degraded", "Unhealthy", why, busy=False)
    if builder.desired.check.restart_on_failure:
        builder.request_until_seen(Restart(container, builder.desired.stop_grace, why, keys.restart(container)))
        view.show("Degraded", "Unhealthy", f"{why}; restarting it", busy=True)
