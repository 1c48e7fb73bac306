"""Bring one tag to what is declared: pull → create → start and connect → (preDeploy) → gate.

Each function takes the next safe step of one slot and says what it waits for; nothing here waits. Where containers must
not overlap (Recreate) everything old is stopped, and kept, between create and start, and preDeploy runs before the new
one starts, because the one-off container has the volume too.
"""

from controller.core.model import backoff, keys
from controller.core.model.actions import Connect, Create, Gate, Pull, Start, Unpause
from controller.core.model.errors import Failure
from controller.core.model.observed import Container, Fact, Key
from controller.core.planning import containers, ledger, pre_deploy
from controller.core.planning.plan_builder import PlanBuilder, failure_of, is_running
from controller.core.planning.tag_state import read_slot
from controller.core.planning.types import Slot


def deploy(builder: PlanBuilder, slot: Slot, serving: Container | None) -> None:
    """Take the next step of a tag whose declared revision has not passed. `serving`: what serves the stage now."""
    slot = ledger.open_rollout(builder, slot)
    if slot.candidate is None:
        containers.follow_creation(builder, slot)
        if _wait_before_pull(builder, slot):
            return
        pulled = _pull(builder, slot)
        if pulled is None:
            return
        slot = pulled
    if slot.candidate is None:
        _create(builder, slot)
    else:
        _bring_up(builder, slot, slot.candidate, serving)


def prove(builder: PlanBuilder, slot: Slot, container: Container, serving: Container | None) -> None:
    """Gate a container that serves without its mark: whether it had passed is not known any more."""
    _gate(builder, ledger.open_rollout(builder, slot), container, serving)


def _wait_before_pull(builder: PlanBuilder, slot: Slot) -> bool:
    """Show what the pull waits for: a missing secret, or the pause after a failure; False when it can go on."""
    rollout, view = builder.memory.of(slot.tag).rollout, builder.views[slot.tag]
    if builder.observed.secrets.missing:
        view.show("Pending", "SecretMissing", "; ".join(builder.observed.secrets.missing), busy=True)
        return True
    if rollout is not None and builder.now < rollout.retry_at <= builder.now + backoff.CAP_S:
        builder.wake_at(rollout.retry_at)  # later than that: the clock was set back
        view.show(view.phase, rollout.reason, rollout.problem, busy=True)
        return True
    return False


def _pull(builder: PlanBuilder, slot: Slot) -> Slot | None:
    """The slot with its image here and its digest pinned; None while that is not so."""
    image = builder.desired.template.image
    key = keys.pull(image, slot.tag, slot.digest)
    fact = builder.request(Pull(image, slot.tag, slot.digest, "it is declared", key))
    failure = failure_of(fact)
    if failure is not None and failure.revision_bad:
        ledger.retry_or_quarantine(builder, slot, None, failure)
        return None
    if fact is None or fact.status != "succeeded":
        ledger.log_step(builder, slot.tag, "pull", f"pulling {image}:{slot.tag}")
        builder.views[slot.tag].show_progress("Pulling", fact)
        return None
    return slot if slot.digest else _pin_digest(builder, slot, fact)


def _pin_digest(builder: PlanBuilder, slot: Slot, pull: Fact) -> Slot | None:
    """The slot with the digest that was pulled; None when that turns out to run already, or to be quarantined."""
    image = builder.desired.template.image
    builder.remember(slot.tag, digest=pull.data.get("digest", ""), image=image, moved="")
    slot = read_slot(builder, slot.tag)
    if slot.current is not None or slot.quarantined:
        builder.wake_at(builder.now)
        return None
    return ledger.open_rollout(builder, slot)


def _create(builder: PlanBuilder, slot: Slot) -> None:
    spec = containers.spec(builder, slot, containers.note_attempt(builder, slot))
    ledger.log_step(builder, slot.tag, "create", f"creating {spec.name}")
    reason = f"revision {slot.revision} has no container"
    fact = builder.request(Create(spec, slot.tag, reason, keys.create(spec.name)))
    failure = failure_of(fact)
    if failure is not None and failure.revision_bad:
        ledger.retry_or_quarantine(builder, slot, None, failure)
        return
    if failure is not None and failure.reason == "ImageGone":
        builder.keep.discard(keys.pull(builder.desired.template.image, slot.tag, slot.digest))
    builder.views[slot.tag].show_progress("Creating", fact)


def _bring_up(builder: PlanBuilder, slot: Slot, container: Container, serving: Container | None) -> None:
    """Start, connect, preDeploy and gate one container that exists."""
    recreate = builder.desired.recreate
    if recreate and container.state in ("created", "exited") and not ensure_alone(builder, slot, container):
        ledger.log_step(builder, slot.tag, "stop", "stopping the old container first: both must not run at a time")
        waiting = "waiting until the old container has stopped"
        builder.views[slot.tag].show("Starting", "StopsOldFirst", waiting, busy=True)
        return
    if recreate and not pre_deploy.ensure_pre_deployed(builder, slot, container):
        return
    if not ensure_started(builder, slot, container) or not ensure_connected(builder, slot, container):
        return
    if not recreate and not pre_deploy.ensure_pre_deployed(builder, slot, container):
        return
    _gate(builder, slot, container, serving)


def ensure_alone(builder: PlanBuilder, slot: Slot, container: Container) -> bool:
    """True when nothing else of the stage runs; has everything else stopped, and kept."""
    others = [one for one in builder.observed.containers if one.id != container.id and _follow_active(builder, one)]
    others = [one for one in others if one.role == "app" or one.revision != container.revision]
    for other in others:
        if other.role == "app" and other.alive:  # neither a one-off nor a start is broken off in the middle
            containers.stop_and_keep(builder, other, f"{container.name} must not run beside it")
    return not others and not pre_deploy.is_other_running(builder, slot, container)


def ensure_started(builder: PlanBuilder, slot: Slot, container: Container) -> bool:
    """True when the container has been started and its end, if it ended, is its own."""
    facts = [builder.follow(key) for key in _starts(builder, container)]
    gate = builder.follow(keys.gate(container, builder.desired.check))
    again = not _ended_by_itself(facts, gate)
    if not again:
        pre_deploy.note_migrated(builder, slot)
        again = pre_deploy.has_ended_before(builder, slot, container)
    if container.state == "paused":
        builder.request(Unpause(container, "it is paused", keys.unpause(container)))
    if container.state != "created" and not (container.state == "exited" and again):
        return True
    ledger.log_step(builder, slot.tag, "start", f"starting {container.name}")
    builder.views[slot.tag].show("Starting", busy=True)
    own = keys.start(container)
    if any(key != own and is_running(builder.peek(key)) for key in _starts(builder, container)):
        return False  # it ran and ended before Docker replied to the start that is under way
    fact = builder.request(Start(container, "it has not been started yet", own))
    ledger.give_up_if_failed(builder, slot, container, fact)
    return False


def ensure_connected(builder: PlanBuilder, slot: Slot, container: Container) -> bool:
    """True unless the container runs and is not on our network."""
    if not container.running or container.connected:
        return True
    builder.views[slot.tag].show("Starting", "NotConnected", "connecting it to the network", busy=True)
    fact = builder.request(Connect(container, "it is not connected to the network", keys.connect(container)))
    ledger.give_up_if_failed(builder, slot, container, fact)
    return False


def _gate(builder: PlanBuilder, slot: Slot, container: Container, serving: Container | None) -> None:
    check = builder.desired.check
    ledger.log_step(builder, slot.tag, "gate", f"checking the health of {container.name}")
    deadline = min(container.started_at or builder.now, builder.now) + builder.desired.progress_deadline
    stable = slot.stable or serving
    control = stable if stable is not None and stable.running and stable.id != container.id else None
    reason, key = "it has not passed yet", keys.gate(container, check)
    fact = builder.request(Gate(container, check, deadline, control, reason, key))
    builder.views[slot.tag].show_progress("Gating", fact)
    failure = failure_of(fact)
    if container.state == "exited" and fact is not None and fact.status == "succeeded":
        words = f"{container.name} exited with {container.exit_code} after its gate"
        failure = Failure("FailedAfterGate", words, revision_bad=True)
        builder.views[slot.tag].show("Gating", failure.reason, failure.message, busy=True)
    if failure is not None and failure.revision_bad:
        ledger.retry_or_quarantine(builder, slot, container, failure)


def _starts(builder: PlanBuilder, container: Container) -> list[Key]:
    """Keys of the starts of a container that are known, also of earlier ones."""
    return [key for key in builder.observed.facts if key.kind == "start" and key.subject == container.id]


def _ended_by_itself(starts: list[Fact | None], gate: Fact | None) -> bool:
    """True when the end of a container, if it ended, is its own: we started it, and its gate was not broken off.

    Else the host or Docker was restarted meanwhile, and the revision is not at fault for that.
    """
    if gate is None:
        return any(fact is not None and fact.status == "succeeded" for fact in starts)
    failure = failure_of(gate)
    return failure is None or failure.revision_bad


def _follow_active(builder: PlanBuilder, container: Container) -> bool:
    """True while a process of it may be there or is being started; such a start is not called off meanwhile."""
    builder.follow(keys.start(container))
    return builder.is_active(container)
