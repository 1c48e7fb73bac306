"""Bring one tag to what is declared: pull → create → start and connect → (preDeploy) → gate.

Each function takes the next safe step of one slot and says what it waits for; nothing here waits. Where containers must
not overlap (Recreate) everything old is stopped, and kept, between create and start, and preDeploy runs before the new
one starts, because the one-off container has the volume too.
"""

from controller.core.model import backoff, keys
from controller.core.model.actions import Connect, Create, Gate, Pull, RunPreDeploy, Start, Stop, Unpause
from controller.core.model.errors import Failure
from controller.core.model.observed import Container, Fact, Key
from controller.core.planning import containers, ledger
from controller.core.planning.containers import container_spec
from controller.core.planning.plan_builder import Draft, failure, runs
from controller.core.planning.tag_state import Slot, slot

START_TRIES = 3
"""Failures of the world after which a step that keeps the old one stopped is given up (Recreate)."""


def deploy(draft: Draft, found: Slot, control: Container | None) -> None:
    """Take the next step of a tag whose declared revision has not passed. `control`: what serves the stage now."""
    found = ledger.opened(draft, found)
    if found.candidate is None:
        containers.keep_creation(draft, found)
        pulled = _pull(draft, found)
        if pulled is None:
            return
        found = pulled
        if found.candidate is None:
            _create(draft, found)
            return
    _bring_up(draft, found, found.candidate, control)


def _pull(draft: Draft, found: Slot) -> Slot | None:
    """The slot with its image here and its digest pinned, None while that is not so."""
    rollout = draft.memory.of(found.tag).rollout
    view = draft.view(found.tag)
    if draft.observed.secrets.missing:
        view.say("Pending", "SecretMissing", "; ".join(draft.observed.secrets.missing), busy=True)
        return None
    if rollout is not None and draft.now < rollout.retry_at <= draft.now + backoff.CAP:  # else the clock was set back
        draft.wake_at(rollout.retry_at)
        view.busy, view.reason, view.message = True, rollout.reason, rollout.problem
        return None
    image = draft.desired.template.image
    key = keys.pull(image, found.tag, found.digest)
    fact = draft.ask(Pull(image, found.tag, found.digest, f"{found.tag} is declared", key))
    problem = failure(fact)
    if problem is not None and problem.revision_bad:
        ledger.failed(draft, found, None, problem)
        return None
    if fact is None or fact.status != "succeeded":
        ledger.step(draft, found.tag, "pull", f"pulling {image}:{found.tag}")
        view.say("Pulling", problem.reason if problem else "", _note(fact, problem), busy=True)
        return None
    if not found.digest:
        draft.remember(found.tag, digest=fact.data.get("digest", ""), image=image, moved="")
        found = slot(draft, found.tag)
        if found.current is not None or found.quarantined:
            draft.wake_at(draft.now)
            return None
        found = ledger.opened(draft, found)
    return found


def _create(draft: Draft, found: Slot) -> None:
    attempt = containers.attempt(draft, found)
    spec = container_spec(draft, found, attempt)
    ledger.step(draft, found.tag, "create", f"creating {spec.name}")
    fact = draft.ask(
        Create(spec, found.tag, f"revision {found.revision} of {found.tag} has no container", keys.create(spec.name))
    )
    problem = failure(fact)
    view = draft.view(found.tag)
    if problem is not None and problem.revision_bad:
        ledger.failed(draft, found, None, problem)
        return
    if problem is not None and problem.reason == "ImageGone":
        draft.keep.discard(keys.pull(draft.desired.template.image, found.tag, found.digest))
    view.say("Creating", problem.reason if problem else "", _note(fact, problem), busy=True)


def _bring_up(draft: Draft, found: Slot, item: Container, control: Container | None) -> None:
    """Start, connect, preDeploy and gate one container that exists."""
    tag, view = found.tag, draft.view(found.tag)
    early = draft.desired.recreate
    if item.state in ("created", "exited") and early and not _alone(draft, found, item):
        ledger.step(draft, tag, "stop", "stopping what has the volume now")
        view.say("Starting", "StopsOldFirst", "waiting until the old container has stopped", busy=True)
        return
    if early and not _pre_deployed(draft, found, item):
        return
    again = not _explained(draft, item) or _ended_before_pre_deploy(draft, found, item)
    if item.state == "created" or (item.state == "exited" and again):
        ledger.step(draft, tag, "start", f"starting {item.name}")
        view.say("Starting", busy=True)
        if (awaited := _awaited(draft, item)) is not None:
            draft.keep.add(awaited)
            return
        _unless(draft, found, item, draft.ask(Start(item, f"{item.name} is new", keys.start(item))))
        return
    if item.state == "paused":
        draft.ask(Unpause(item, "somebody paused it", keys.unpause(item)))
    if item.running and not item.connected:
        view.say("Starting", "NotConnected", "connecting it to the network", busy=True)
        _unless(draft, found, item, draft.ask(Connect(item, "it is not on the network", keys.connect(item))))
        return
    if not early and not _pre_deployed(draft, found, item):
        return
    _gate(draft, found, item, control)


def prove(draft: Draft, found: Slot, item: Container, control: Container | None) -> None:
    """Gate a container that serves without its mark: whether it had passed is not known any more."""
    _gate(draft, ledger.opened(draft, found), item, control)


def _gate(draft: Draft, found: Slot, item: Container, control: Container | None) -> None:
    desired = draft.desired
    ledger.step(draft, found.tag, "gate", f"checking the health of {item.name}")
    begun = min(item.started_at or draft.now, draft.now)
    deadline = begun + desired.progress_deadline
    stable = found.stable or control
    other = stable if stable is not None and stable.running and stable.id != item.id else None
    action = Gate(
        item, desired.check, deadline, other, f"{item.name} has not passed yet", keys.gate(item, draft.desired.check)
    )
    fact = draft.ask(action)
    problem = failure(fact)
    if item.state == "exited" and fact is not None and fact.status == "succeeded":
        problem = Failure("FailedAfterGate", f"{item.name} ended with {item.exit_code} after it had passed", True)
    draft.view(found.tag).say("Gating", problem.reason if problem else "", _note(fact, problem), busy=True)
    if problem is not None and problem.revision_bad:
        ledger.failed(draft, found, item, problem)


def _pre_deployed(draft: Draft, found: Slot, item: Container) -> bool:
    """True when preDeploy is not asked for, or ended with 0 for this revision."""
    step = draft.desired.pre_deploy
    if step is None or found.once_passed or containers.pre_deployed(draft, found):
        return True
    spec = container_spec(draft, found, item.attempt, step)
    older = [
        one for one in draft.observed.containers if one.role == "preDeploy" and runs(one) and one.name != spec.name
    ]
    if older or _migrates(draft, found, item):
        text = f"{older[0].name} still runs" if older else "another preDeploy is under way"
        draft.view(found.tag).say("PreDeploy", "WaitsForOther", text, busy=True)
        return False
    if draft.desired.recreate and draft.active(item):  # declared after it was started
        draft.view(found.tag).say("PreDeploy", "StopsFirst", f"waiting until {item.name} has stopped", busy=True)
        if runs(item):  # a start is not broken off in the middle
            _halt(draft, item, "preDeploy must not run beside it")
        return False
    ledger.step(draft, found.tag, "preDeploy", f"running {' '.join(step.command)[:200]}")
    fact = draft.ask(RunPreDeploy(spec, step.timeout, found.tag, "before the gate", keys.pre(spec.name)))
    draft.view(found.tag).say("PreDeploy", "", _note(fact, None), busy=True)
    _unless(draft, found, item, fact)
    return False


def _awaited(draft: Draft, item: Container) -> Key | None:
    """The start that is under way and has had its effect: it ran and ended before Docker replied."""
    own = keys.start(item)
    found = (key for key in draft.observed.facts if _is_start_of(key, item) and key != own)
    return next((key for key in found if draft.running(key)), None)


def _is_start_of(key: Key, item: Container) -> bool:
    return key.kind == "start" and key.subject == item.id


def _explained(draft: Draft, item: Container) -> bool:
    """True when the end of a container, if it ended, is its own: we started it, and its gate was not broken off.

    Else the host or Docker was restarted meanwhile, and the revision is not at fault for that.
    """
    started = [draft.fact(key) for key in draft.observed.facts if _is_start_of(key, item)]
    gate = draft.fact(keys.gate(item, draft.desired.check))
    if gate is None:
        return any(fact is not None and fact.status == "succeeded" for fact in started)
    problem = failure(gate)
    return problem is None or problem.revision_bad


def _ended_before_pre_deploy(draft: Draft, found: Slot, item: Container) -> bool:
    """True for a container that ended while preDeploy had not: it gets one more start, the migration was missing."""
    if draft.desired.pre_deploy is None or found.once_passed or not containers.pre_deployed(draft, found):
        return False
    done = [one.started_at or 0.0 for one in found.one_offs if one.revision == found.revision and one.exit_code == 0]
    return item.started_at is not None and item.started_at <= max(done, default=0.0)


def _migrates(draft: Draft, found: Slot, item: Container) -> bool:
    """True while the preDeploy of something else is under way: it may be about to start, whatever runs now."""
    step = draft.desired.pre_deploy
    own = keys.pre(container_spec(draft, found, item.attempt, step).name) if step else None
    facts = draft.observed.facts.items()
    return any(key.kind == "pre" and key != own and fact.status == "running" for key, fact in facts)


def _alone(draft: Draft, found: Slot, item: Container) -> bool:
    """True when nothing else of the stage runs; has everything else stopped, and kept."""
    others = [other for other in draft.observed.containers if other.id != item.id and draft.active(other)]
    others = [other for other in others if other.role == "app" or other.revision != item.revision]
    for other in others:
        if other.role == "preDeploy" or not runs(other):
            continue  # neither a one-off nor a start is broken off in the middle
        _halt(draft, other, f"{item.name} must not run beside it")
    return not others and not _migrates(draft, found, item)


def _halt(draft: Draft, item: Container, reason: str) -> None:
    """Stop a container that is kept."""
    if item.state == "paused":
        draft.ask(Unpause(item, "a paused container cannot be stopped", keys.unpause(item)))
    draft.enforce(Stop(item, draft.desired.stop_grace, reason, keys.halt(item)))


def _unless(draft: Draft, found: Slot, item: Container, fact: Fact | None) -> None:
    """Give the revision up when a step of its start failed for good."""
    problem = failure(fact)
    if fact is None or problem is None:
        return
    view = draft.view(found.tag)
    view.say(view.phase, problem.reason, problem.message, busy=True)
    if problem.revision_bad or (draft.desired.recreate and fact.failures >= START_TRIES):
        ledger.failed(draft, found, item, problem)


def _note(fact: object, problem: Failure | None) -> str:
    return problem.message if problem else str(getattr(fact, "note", ""))
