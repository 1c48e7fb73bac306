"""Keep what has passed as it is: start, unpause and connect it again, mark it, watch its health, look at its tag.

Drift never quarantines: what cannot be mended now is tried again for ever, with backoff.
"""

from controller.core.model import keys
from controller.core.model.actions import CheckDigest, Connect, MarkPassed, Restart, Start, Unpause, Watch
from controller.core.model.observed import Container
from controller.core.planning import ledger
from controller.core.planning.plan_builder import Draft, failure
from controller.core.planning.tag_state import Slot, gated

START_TRIES = 3
"""Failed starts of a container after which it is replaced by a new one."""


def maintain(draft: Draft, found: Slot, item: Container, *, may_start: bool, replaced: bool) -> None:
    """Repair one container that has passed.

    `may_start` False: its place is taken by another for now (Recreate). `replaced`: a rollout replaces it, which is
    what history tells of the tag.
    """
    view = draft.view(found.tag)
    drifted = may_start and not replaced and not (item.running and item.connected)
    if drifted and draft.memory.of(found.tag).rollout is None:
        ledger.start(draft, found.tag, "repair", item.revision, f"{item.name} is {_condition(item)}")
    if item.state == "paused":
        draft.enforce(Unpause(item, "somebody paused it", keys.unpause(item)))
        view.say("Degraded", "Paused", f"{item.name} was paused", busy=True)
    elif item.state == "restarting":
        view.say("Degraded", "Restarting", f"Docker restarts {item.name}, it keeps ending", busy=True)
    elif not item.running:
        _start(draft, found, item, may_start)
    elif not item.connected:
        fact = draft.enforce(Connect(item, "it is not on the network", keys.connect(item)))
        problem = failure(fact)
        text = problem.message if problem else f"{item.name} is not on the network"
        view.say("Degraded", "NotConnected", text, busy=True)
    else:
        view.say("Running", busy=False)
        _health(draft, found, item)


def mark(draft: Draft, item: Container) -> bool:
    """True when Docker itself knows that it passed; else has it marked, so that a reboot brings it back."""
    if not item.passed and gated(draft, item):
        draft.enforce(MarkPassed(item, True, "it passed its gate", keys.mark(item, True)))
    return item.passed


def look_at_tag(draft: Draft, found: Slot) -> None:
    """Ask the registry now and then what the tag points to; follow it only with trackDigest."""
    desired, tag = draft.desired, found.tag
    if not found.digest:
        return
    key = keys.digest(desired.template.image, tag)
    fact = draft.fact(key)
    interval = draft.rules.track_interval if desired.track_digest else draft.rules.digest_interval
    action = CheckDigest(desired.template.image, tag, "a tag may be pushed again", key)
    if fact is None:
        draft.ask(action)
        if desired.track_digest:
            draft.view(tag).busy = True
        return
    if fact.status == "running":
        if desired.track_digest and not fact.data and not fact.failures:
            draft.view(tag).busy = True
        return
    ended = fact.ended_at or fact.started_at
    due = ended + interval
    if due <= draft.now or ended > draft.now:  # in the future: the clock was set back
        draft.enforce(action)
    else:
        draft.wake_at(due)
    seen = fact.data.get("digest", "") if fact.status == "succeeded" else ""
    if not seen:
        return
    if seen == found.digest:
        if found.memory.moved and found.memory.digest == seen:
            draft.remember(tag, moved="")
        return
    if found.memory.moved != seen:
        draft.remember(tag, moved=seen)
        follows = "it is followed" if desired.track_digest else "the pinned one keeps running"
        draft.log("digest", f"{tag} was pushed again as {seen[:19]}; {follows}", tag=tag, level="warning", digest=seen)
        draft.wake_at(draft.now)


def sick(draft: Draft, item: Container) -> str:
    """Why a running container is not healthy, empty when it is or when nobody knows."""
    if item.health == "unhealthy" and draft.desired.check.type == "docker":
        return "Docker reports it unhealthy"
    fact = draft.observed.fact(keys.watch(item, draft.desired.check))
    if fact is None or fact.data.get("ok") != "false":
        return ""
    failed = int(fact.data.get("failed", "1"))
    return (fact.note or "its health check fails") if failed >= draft.desired.check.retries else ""


def _start(draft: Draft, found: Slot, item: Container, may_start: bool) -> None:
    view = draft.view(found.tag)
    if not may_start:
        view.say("HeldOver", "StoppedForSuccessor", f"{item.name} is stopped while its successor starts", busy=True)
        return
    rivals = [other for other in draft.observed.containers if other.id != item.id and draft.active(other)]
    if draft.desired.recreate and rivals:
        view.say("Degraded", "WaitsForVolume", f"{rivals[0].name} still runs", busy=True)
        return
    ended = f"{item.name} is {_condition(item)}"
    key = keys.start(item)
    fact = draft.enforce(Start(item, f"{ended}, and shall run", key))
    problem = failure(fact)
    view.say("Degraded", problem.reason if problem else "Stopped", problem.message if problem else ended, busy=True)
    lost = problem is not None and (
        problem.reason == "ContainerGone" or (fact is not None and fact.failures >= START_TRIES)
    )
    if lost and found.declared is not None and problem is not None:
        _discard(draft, found, item)


def _condition(item: Container) -> str:
    if item.running and not item.connected:
        return "not on the network"
    return item.state + (f" with {item.exit_code}" if item.exit_code is not None else "")


def _discard(draft: Draft, found: Slot, item: Container) -> None:
    rollout = draft.memory.of(found.tag).rollout
    if rollout is not None and item.id not in rollout.discarded:
        ids = (*rollout.discarded, item.id)[-ledger.REMEMBERED :]
        draft.remember(found.tag, rollout=rollout.model_copy(update={"discarded": ids}))
        draft.wake_at(draft.now)


def _health(draft: Draft, found: Slot, item: Container) -> None:
    check, view = draft.desired.check, draft.view(found.tag)
    if check.liveness > 0 and check.type != "none" and (item.passed or gated(draft, item)):
        draft.ask(Watch(item, check, "it serves", keys.watch(item, check)))
    why = sick(draft, item)
    if bool(why) != draft.memory.of(found.tag).sick:
        draft.remember(found.tag, sick=bool(why))
        words = f"{item.name}: {why}" if why else f"{item.name} is healthy again"
        draft.log("health", words, tag=found.tag, level="error" if why else "info")
    if not why:
        return
    view.say("Degraded", "Unhealthy", why, busy=False)
    if check.restart_on_failure:
        key = keys.restart(item)
        draft.enforce(Restart(item, draft.desired.stop_grace, why, key))
        view.say("Degraded", "Unhealthy", f"{why}; it is being restarted", busy=True)
