"""Take the next step of every tag that stays: repair what serves, then prove it or replace it."""

from controller.core.model.observed import Container
from controller.core.planning import conclude, repair, rollout
from controller.core.planning.plan_builder import PlanBuilder
from controller.core.planning.tag_state import Slots, has_passed_gate, reread
from controller.core.planning.types import Selection, Slot


def bring_up(builder: PlanBuilder, slots: Slots, selection: Selection) -> Slots:
    """Take one step of each tag, with as many replacements at a time as the settings allow."""
    successor, target = slots.get(selection.designated or ""), slots.get(selection.target or "")
    serving = target.serving if target is not None else None
    waiting = _waiting_for_surge(builder, slots, selection)
    for tag in selection.kept:
        slot, wanted = slots[tag], tag in selection.wanted
        if slot.declared is not None and conclude.give_up_if_broken(
            builder, slot, can_fall_back=_can_fall_back(builder, slots, slot)
        ):
            continue
        if slot.serving is not None:
            may_start = not _is_replaced(builder, slot, successor)
            repair.maintain(builder, slot, slot.serving, may_start=may_start, replaced=wanted and _has_to_move(slot))
        if slot.current is not None:
            _prove(builder, slot, slot.current, serving)
        elif tag in waiting:
            words = "another replacement goes first (limits.surge)"
            builder.views[tag].show("Running", "WaitsForSurge", words, busy=True)
        elif wanted and not slot.quarantined:
            rollout.deploy(builder, slot, serving)
    return reread(builder, slots)


def _prove(builder: PlanBuilder, slot: Slot, current: Container, serving: Container | None) -> None:
    """See to it that what is declared has passed, also when its mark was lost, and follow its tag."""
    if not (current.passed or has_passed_gate(builder, current)):
        rollout.prove(builder, slot, current, serving)
    repair.look_at_tag(builder, slot)


def _waiting_for_surge(builder: PlanBuilder, slots: Slots, selection: Selection) -> list[str]:
    """Tags whose replacement waits for others: those that have begun come first, then the oldest."""
    moving = [tag for tag in selection.wanted if slots[tag].stable is not None and _has_to_move(slots[tag])]
    begun = [tag for tag in moving if slots[tag].candidate is not None or slots[tag].memory.rollout is not None]
    ordered = [*begun, *(tag for tag in moving if tag not in begun)]
    return ordered[max(len(begun), builder.rules.surge) :]


def _has_to_move(slot: Slot) -> bool:
    """True for a tag whose declared revision has not passed and may be tried."""
    return slot.current is None and not slot.quarantined


def _is_replaced(builder: PlanBuilder, slot: Slot, successor: Slot | None) -> bool:
    """True for a tag whose place another has taken, where containers must not overlap."""
    if not builder.desired.recreate or successor is None:
        return False
    return successor.candidate is not None or (successor.current is not None and successor.tag != slot.tag)


def _can_fall_back(builder: PlanBuilder, slots: Slots, slot: Slot) -> bool:
    """True when something else that passed can serve: it runs and is healthy, or was stopped to make room."""
    others = [*slot.former, *(other.serving for other in slots.values() if other.tag != slot.tag)]
    return any(
        builder.desired.recreate or (other.running and not repair.why_unhealthy(builder, other))
        for other in others
        if other is not None
    )
