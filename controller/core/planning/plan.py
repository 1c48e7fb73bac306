"""One pass of one stage: from what is declared, seen and remembered to what is safe to do now.

Read from top to bottom it is a rollout: who should run → bring up what is declared → route → prove → let the old go.
Each pass goes as far as it can without waiting. Rollback is nothing special: the target is then what passed before.
"""

from collections.abc import Mapping

from controller.core.model.decision import Plan, Rules
from controller.core.model.desired import DesiredStage
from controller.core.model.observed import Container, Observed
from controller.core.planning import conclude, repair, report, retire, rollout, routes
from controller.core.planning.plan_builder import Draft
from controller.core.planning.selection import Selection, select
from controller.core.planning.tag_state import Slot, gated, slots


def plan(desired: DesiredStage, observed: Observed, rules: Rules, now: float) -> Plan:
    """Decide one pass. Pure: equal inputs give an equal plan. `now`: Unix seconds."""
    draft = Draft(desired, observed, rules, now, observed.memory)
    _first_seen(draft)
    if desired.suspend or observed.memory.suspended:
        return report.suspended(draft, slots(draft))
    _forget_what_is_mended(draft)
    selection = select(draft, slots(draft))
    _bring_up(draft, slots(draft), selection)
    found = slots(draft)
    selection = select(draft, found)
    routing = routes.route(draft, found, selection)
    conclude.forget_given_up(draft, selection.kept)
    for tag in selection.kept:
        conclude.settle(draft, found[tag], routing, tag in selection.wanted)
    found = slots(draft)
    kept, selection = selection.kept, select(draft, found)
    retire.leave(draft, found, selection)
    if selection.kept != kept:
        draft.wake_at(draft.now)  # the routes above still kept what may go now
    return report.plan(draft, found, selection, routing)


def _first_seen(draft: Draft) -> None:
    """Remember when an instance was born and first seen: ages and TTLs count from there.

    One that expired and is undeclared is born anew if it is declared again before the last of it is gone.
    """
    for tag, slot in slots(draft).items():
        if slot.declared is None:
            if slot.memory.expired:
                draft.remember(tag, expired=False, born=draft.now)
            continue
        memory = slot.memory
        labelled = max((item.seen for item in slot.containers), default=0.0)
        seen = memory.seen or labelled or (draft.now if slot.declared.request else 0.0)
        draft.remember(tag, born=memory.born or slot.born, seen=seen)


def _forget_what_is_mended(draft: Draft) -> None:
    """Forget quarantines that no longer fit what is declared, and those that somebody asked to forget."""
    for tag in draft.memory.retries:
        slot = slots(draft).get(tag)
        if slot is not None and slot.quarantined:
            pin = {} if slot.proven or slot.memory.passed else {"digest": "", "image": ""}
            draft.remember(tag, quarantine=None, **pin)
            draft.log("retry", "somebody asked for another try", tag=tag)
    if draft.memory.retries:
        draft.change(retries={})
    for tag, slot in slots(draft).items():
        conclude.cleared(draft, tag, slot)


def _bring_up(draft: Draft, found: Mapping[str, Slot], selection: Selection) -> None:
    """Take the next step of every tag that stays, as many replacements at a time as the settings allow."""
    moving = [tag for tag in selection.wanted if _replaces(found[tag])]
    begun = [tag for tag in moving if found[tag].candidate is not None or found[tag].memory.rollout is not None]
    allowed = [*begun, *[tag for tag in moving if tag not in begun]][: max(len(begun), draft.rules.surge)]
    successor = found.get(selection.designated or "")
    serving = _serving(found, selection)
    for tag in selection.kept:
        slot = found[tag]
        if slot.declared is not None and conclude.broken(draft, slot, _fallback(draft, found, slot)):
            continue
        if slot.serving is not None:
            repair.maintain(
                draft,
                slot,
                slot.serving,
                may_start=_may_start(draft, slot, successor),
                replaced=tag in selection.wanted and slot.current is None and not slot.quarantined,
            )
        if slot.current is not None:
            if not (slot.current.passed or gated(draft, slot.current)):
                rollout.prove(draft, slot, slot.current, serving)
            repair.look_at_tag(draft, slot)
            continue
        if tag not in selection.wanted:
            continue
        if slot.quarantined:
            continue
        if tag in moving and tag not in allowed:
            draft.view(tag).say("Running", "WaitsForSurge", "another replacement is under way", busy=True)
            continue
        rollout.deploy(draft, slot, serving)


def _replaces(slot: Slot) -> bool:
    return slot.current is None and slot.stable is not None and not slot.quarantined


def _may_start(draft: Draft, slot: Slot, successor: Slot | None) -> bool:
    """False for a container whose place another has taken, where containers must not overlap."""
    if not draft.desired.recreate or successor is None:
        return True
    return successor.candidate is None and (successor.current is None or successor.tag == slot.tag)


def _serving(found: Mapping[str, Slot], selection: Selection) -> Container | None:
    slot = found.get(selection.target or "")
    return slot.serving if slot is not None else None


def _fallback(draft: Draft, found: Mapping[str, Slot], slot: Slot) -> bool:
    """True when something else that passed can serve: it runs and is healthy, or was stopped to make room."""
    others = [*slot.former, *(other.serving for other in found.values() if other.tag != slot.tag)]
    return any(
        draft.desired.recreate or (item.running and not repair.sick(draft, item)) for item in others if item is not None
    )
