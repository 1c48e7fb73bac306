"""What becomes of rollouts: opened, logged step by step, closed; and what a failure means for the revision.

The revision is bad: quarantine, and nothing tries it again by itself. Two exceptions: what once passed is tried again
for ever, and where nothing of the stage has ever passed it is tried again until the progress deadline.
"""

from dataclasses import replace
from typing import Literal

from controller.core.model import backoff, digests
from controller.core.model.errors import Failure
from controller.core.model.memory import Quarantine, Rollout, RolloutKind
from controller.core.model.names import short_hash
from controller.core.model.observed import Container, Fact
from controller.core.model.status import Phase, Transition, TransitionKind
from controller.core.planning.plan_builder import PlanBuilder, failure_of
from controller.core.planning.types import Slot

FINAL_REASONS = ("PolicyDenied", "InvalidConfig")
"""Failures that another try cannot mend, even where nothing has passed yet."""
REMEMBERED_MAX = 8
"""Passed revisions and discarded containers that are remembered."""
START_TRIES_MAX = 3
"""Failures of the world after which a start is given up: a rollout's under Recreate, and the repair of a container."""
LOG_LINES_MAX = 50
"""Last lines of a failed container that are kept."""
WHY_OPENED = {
    "update": "the declared revision differs from the running one",
    "repair": "its container is gone",
    "deploy": "declared, not running",
}

Outcome = Literal["succeeded", "rolledBack", "failed", "superseded"]


def open_rollout(builder: PlanBuilder, slot: Slot) -> Slot:
    """The slot with an open rollout to its declared revision; one to another revision is superseded."""
    rollout = builder.memory.of(slot.tag).rollout
    if rollout is not None and rollout.revision != slot.revision and not _is_same_unpinned(builder, slot, rollout):
        close(builder, slot.tag, "superseded", "Superseded", f"revision {slot.revision} is declared now")
        rollout = None
    if rollout is None:
        kind: RolloutKind = "update" if slot.stable else "repair" if slot.passed_before else "deploy"
        begin(builder, slot.tag, kind, slot.revision, WHY_OPENED[kind])
    elif rollout.revision != slot.revision:
        builder.remember(slot.tag, rollout=rollout.model_copy(update={"revision": slot.revision}))
    return replace(slot, memory=builder.memory.of(slot.tag))


def begin(builder: PlanBuilder, tag: str, kind: RolloutKind, revision: str, message: str) -> None:
    """Open a rollout and log why."""
    now = builder.now
    rollout_id = f"{int(now * 1000):011x}-{short_hash(f'{builder.desired.key}/{tag}/{kind}/{revision}/{now}', 8)}"
    rollout = Rollout(id=rollout_id, kind=kind, revision=revision, started_at=now)
    builder.remember(tag, rollout=rollout, switched_at=0.0)
    _log_end(builder, tag, "started", message)


def log_step(builder: PlanBuilder, tag: str, step: str, message: str) -> None:
    """Log that a rollout has come to this step, once."""
    rollout = builder.memory.of(tag).rollout
    if rollout is not None and rollout.step != step:
        builder.remember(tag, rollout=rollout.model_copy(update={"step": step}))
        builder.log(step, message, tag=tag)


def close(
    builder: PlanBuilder, tag: str, outcome: Outcome, reason: str, message: str, *, logs: tuple[str, ...] = ()
) -> None:
    """Close the tag's open rollout, if there is one."""
    _log_end(builder, tag, outcome, message, reason=reason, logs=logs)
    builder.remember(tag, rollout=None)


def discard(builder: PlanBuilder, tag: str, container: Container) -> None:
    """Give a container of the open rollout up: it leaves, and another one is made."""
    rollout = builder.memory.of(tag).rollout
    if rollout is not None and container.id not in rollout.discarded:
        builder.remember(tag, rollout=rollout.model_copy(update={"discarded": _discarded(rollout, container)}))
        builder.wake_at(builder.now)


def retry_or_quarantine(builder: PlanBuilder, slot: Slot, container: Container | None, failure: Failure) -> None:
    """Decide what a failure of the revision means. `container`: the one that failed, which is given up."""
    rollout = builder.memory.of(slot.tag).rollout
    begun = rollout.started_at if rollout else builder.now
    is_first = not has_anything_passed(builder) and failure.reason not in FINAL_REASONS
    has_time = builder.now < begun + builder.desired.progress_deadline
    if rollout is not None and (slot.passed_before or (is_first and has_time)):
        _retry(builder, slot, rollout, container, failure)
    else:
        _quarantine(builder, slot, failure)


def give_up_if_failed(builder: PlanBuilder, slot: Slot, container: Container, fact: Fact | None) -> None:
    """Show the failure of a step of a container's start; give the revision up when that is its fault, or goes on.

    Under Recreate the old one is stopped meanwhile, so that a failure of the world may not go on either.
    """
    failure, view = failure_of(fact), builder.views[slot.tag]
    if fact is None or failure is None:
        return
    view.show(view.phase, failure.reason, failure.message, busy=True)
    if failure.revision_bad or (builder.desired.recreate and fact.failures >= START_TRIES_MAX):
        retry_or_quarantine(builder, slot, container, failure)


def has_anything_passed(builder: PlanBuilder) -> bool:
    """True when something of the stage has once passed its gate."""
    instances = builder.memory.instances.values()
    return any(container.passed for container in builder.observed.containers) or any(one.passed for one in instances)


def _retry(builder: PlanBuilder, slot: Slot, rollout: Rollout, container: Container | None, failure: Failure) -> None:
    tag, tries = slot.tag, rollout.tries + 1
    retry_at = builder.now + backoff.delay(tries, f"{builder.desired.key}/{tag}")
    changes = {
        "tries": tries,
        "retry_at": retry_at,
        "reason": failure.reason,
        "problem": failure.message,
        "discarded": _discarded(rollout, container),
        "step": "retry",
    }
    builder.remember(tag, rollout=rollout.model_copy(update=changes))
    builder.log("retry", failure.message, tag=tag, level="warning", reason=failure.reason, tries=tries)
    builder.wake_at(retry_at)
    phase: Phase = "Degraded" if slot.passed_before else "Pending"
    builder.views[tag].show(phase, failure.reason, failure.message, busy=True)
    if container is None:
        builder.unfollow("pull", "create")


def _quarantine(builder: PlanBuilder, slot: Slot, failure: Failure) -> None:
    """Remember that the revision failed, and close its rollout."""
    tag, logs = slot.tag, tuple(failure.logs[-LOG_LINES_MAX:])
    quarantine = Quarantine(
        revision=slot.revision,
        digest=slot.digest,
        gate=digests.gate_hash(builder.desired),
        reason=failure.reason,
        message=failure.message,
        at=builder.now,
        logs=logs,
    )
    builder.remember(tag, quarantine=quarantine)
    goes_back = has_anything_passed(builder)
    step = "rollback" if goes_back else "fail"
    builder.log(step, failure.message, tag=tag, level="error", reason=failure.reason)
    close(builder, tag, "rolledBack" if goes_back else "failed", failure.reason, failure.message, logs=logs)
    builder.wake_at(builder.now)


def _discarded(rollout: Rollout, container: Container | None) -> tuple[str, ...]:
    return (*rollout.discarded, *((container.id,) if container else ()))[-REMEMBERED_MAX:]


def _is_same_unpinned(builder: PlanBuilder, slot: Slot, rollout: Rollout) -> bool:
    """True for a rollout that began before the digest of its tag was resolved."""
    secrets = builder.observed.secrets.label
    return rollout.revision == digests.revision(builder.desired.key, slot.tag, slot.template, "", secrets)


def _log_end(
    builder: PlanBuilder, tag: str, kind: TransitionKind, message: str, *, reason: str = "", logs: tuple[str, ...] = ()
) -> None:
    """A log line for the first or the last step of the tag's open rollout."""
    rollout = builder.memory.of(tag).rollout
    if rollout is None:
        return
    builder.transitions.append(
        Transition(
            rollout=rollout.id,
            tag=tag,
            kind=kind,
            step="start" if kind == "started" else "end",
            level="error" if kind in ("rolledBack", "failed") else "info",
            message=message,
            reason=reason,
            rollout_kind=rollout.kind,
            revision=rollout.revision,
            data={"logs": list(logs)} if logs else {},
        )
    )
