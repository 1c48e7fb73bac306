"""What becomes of rollouts: opened, logged step by step, closed; and what a failure means for the revision.

The revision is bad: quarantine, and nothing tries it again by itself. Two exceptions (design §4): what once passed is
tried again for ever, and where nothing of the stage has ever passed it is tried again until the progress deadline.
"""

from dataclasses import replace
from typing import Literal

from controller.core.model import backoff, digests
from controller.core.model.errors import Failure
from controller.core.model.memory import Quarantine, Rollout, RolloutKind
from controller.core.model.names import short_hash
from controller.core.model.observed import Container
from controller.core.model.status import Transition
from controller.core.planning.plan_builder import Draft
from controller.core.planning.tag_state import Slot

FINAL = ("PolicyDenied", "InvalidConfig")
"""Failures that another try cannot mend, even where nothing has passed yet."""
REMEMBERED = 8
"""Passed revisions and discarded containers that are remembered."""

Level = Literal["info", "warning", "error"]
Closing = Literal["succeeded", "rolledBack", "failed", "superseded"]


def opened(draft: Draft, found: Slot) -> Slot:
    """The slot with an open rollout to its declared revision; one to another revision is superseded."""
    rollout = draft.memory.of(found.tag).rollout
    if rollout is not None and rollout.revision != found.revision and not _same_but_unpinned(draft, found, rollout):
        close(draft, found.tag, "superseded", "Superseded", f"revision {found.revision} is declared now")
        rollout = None
    if rollout is None:
        kind: RolloutKind = "update" if found.stable else "repair" if found.once_passed else "deploy"
        start(draft, found.tag, kind, found.revision, _why(kind, found))
    elif rollout.revision != found.revision:
        draft.remember(found.tag, rollout=rollout.model_copy(update={"revision": found.revision}))
    return replace(found, memory=draft.memory.of(found.tag))


def start(draft: Draft, tag: str, kind: RolloutKind, name: str, message: str) -> None:
    """Open a rollout and say so."""
    made = f"{int(draft.now * 1000):011x}-{short_hash(f'{draft.desired.key}/{tag}/{kind}/{name}/{draft.now}', 8)}"
    draft.remember(
        tag,
        rollout=Rollout(id=made, kind=kind, revision=name, started_at=draft.now),
        switched_at=0.0,
    )
    _transition(draft, tag, "started", "start", message)


def step(draft: Draft, tag: str, name: str, message: str) -> None:
    """Log that a rollout has come to this step, once."""
    rollout = draft.memory.of(tag).rollout
    if rollout is not None and rollout.step != name:
        draft.remember(tag, rollout=rollout.model_copy(update={"step": name}))
        draft.log(name, message, tag=tag)


def close(draft: Draft, tag: str, kind: Closing, reason: str, message: str, *, logs: tuple[str, ...] = ()) -> None:
    """Close the tag's open rollout, if there is one."""
    if draft.memory.of(tag).rollout is None:
        return
    level: Level = "info" if kind in ("succeeded", "superseded") else "error"
    data: dict[str, object] = {"logs": list(logs)} if logs else {}
    _transition(draft, tag, kind, "end", message, reason=reason, level=level, data=data)
    draft.remember(tag, rollout=None)


def failed(draft: Draft, found: Slot, item: Container | None, problem: Failure) -> None:
    """Decide what a failure of the revision means. `item`: the container that failed, which is given up."""
    tag, view = found.tag, draft.view(found.tag)
    rollout = draft.memory.of(tag).rollout
    deadline = (rollout.started_at if rollout else draft.now) + draft.desired.progress_deadline
    fresh = not anything_passed(draft) and draft.now < deadline and problem.reason not in FINAL
    if rollout is not None and (found.once_passed or fresh):
        tries = rollout.tries + 1
        discarded = (*rollout.discarded, *((item.id,) if item else ()))[-REMEMBERED:]
        retry_at = draft.now + backoff.delay(tries, f"{draft.desired.key}/{tag}")
        changed = {"tries": tries, "retry_at": retry_at, "reason": problem.reason, "problem": problem.message}
        changed |= {"discarded": discarded, "step": "retry"}
        draft.remember(tag, rollout=rollout.model_copy(update=changed))
        draft.log("retry", problem.message, tag=tag, level="warning", reason=problem.reason, tries=tries)
        draft.wake_at(retry_at)
        view.say("Degraded" if found.once_passed else "Pending", problem.reason, problem.message, busy=True)
        if item is None:
            draft.keep = {key for key in draft.keep if key.kind not in ("pull", "create")}
        return
    quarantine(draft, found, problem)


def quarantine(draft: Draft, found: Slot, problem: Failure) -> None:
    """Remember that the revision failed, and close its rollout."""
    tag = found.tag
    logs = tuple(problem.logs[-50:])
    draft.remember(
        tag,
        quarantine=Quarantine(
            revision=found.revision,
            digest=found.digest,
            gate=digests.gate_hash(draft.desired),
            reason=problem.reason,
            message=problem.message,
            at=draft.now,
            logs=logs,
        ),
    )
    back = anything_passed(draft)
    draft.log("rollback" if back else "fail", problem.message, tag=tag, level="error", reason=problem.reason)
    close(draft, tag, "rolledBack" if back else "failed", problem.reason, problem.message, logs=logs)
    draft.wake_at(draft.now)


def anything_passed(draft: Draft) -> bool:
    """True when something of the stage has once passed its gate."""
    return any(item.passed for item in draft.observed.containers) or any(
        item.passed for item in draft.memory.instances.values()
    )


def _same_but_unpinned(draft: Draft, found: Slot, rollout: Rollout) -> bool:
    unpinned = digests.revision(draft.desired.key, found.tag, found.template, "", draft.observed.secrets.label)
    return rollout.revision == unpinned


def _why(kind: RolloutKind, found: Slot) -> str:
    words = {
        "update": "what is declared differs from what runs",
        "repair": "what ran is gone",
        "deploy": "it is declared and does not run",
    }
    return f"{found.tag}: {words.get(kind, kind)}"


def _transition(
    draft: Draft,
    tag: str,
    kind: Literal["started", "succeeded", "rolledBack", "failed", "superseded"],
    name: str,
    message: str,
    *,
    reason: str = "",
    level: Level = "info",
    data: dict[str, object] | None = None,
) -> None:
    rollout = draft.memory.of(tag).rollout
    draft.transitions.append(
        Transition(
            rollout=rollout.id if rollout else "",
            tag=tag,
            kind=kind,
            step=name,
            level=level,
            message=message,
            reason=reason,
            rollout_kind=rollout.kind if rollout else "",
            revision=rollout.revision if rollout else "",
            data=data or {},
        )
    )
