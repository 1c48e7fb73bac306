"""READ FIRST: one pass of one stage, from what is declared, seen and remembered to what is safe to do now.

Read from top to bottom it is a rollout: who should run → bring up what is declared → route → prove → let the old go.
Each pass goes as far as it can without waiting. Rollback is nothing special: the target is then what passed before.
"""

from controller.core.model.decision import Plan, Rules
from controller.core.model.desired import DesiredStage
from controller.core.model.observed import Observed
from controller.core.planning import bring_up, conclude, report, retire, routes
from controller.core.planning.plan_builder import PlanBuilder
from controller.core.planning.selection import note_expired, select
from controller.core.planning.tag_state import Slots, read_slots, reread


def plan(desired: DesiredStage, observed: Observed, rules: Rules, now: float) -> Plan:
    """Decide one pass. Pure: equal inputs give an equal plan. `now`: Unix seconds.

    A step that may change what is remembered of a tag returns the slots anew: those of the tags that it changed.
    """
    builder = PlanBuilder(desired, observed, rules, now, observed.memory)
    slots = _note_first_seen(builder, read_slots(builder))
    if desired.suspend or observed.memory.suspended:
        return report.suspended(builder, slots)
    # A retry, another declared revision and the end of a TTL change what is remembered: each step reads slots again.
    slots = _note_retries(builder, slots)
    slots = conclude.note_quarantine_cleared(builder, slots)
    slots = note_expired(builder, slots)
    # It may give a revision up or open a rollout; then other tags have to stay: slots and selection are made anew.
    slots = bring_up.bring_up(builder, slots, select(builder, slots))
    selection = select(builder, slots)
    # Routes go by that selection. Then a revision may have proven itself, and tags that it replaces need not stay.
    routing = routes.route(builder, slots, selection)
    slots = conclude.conclude(builder, slots, selection, routing)
    final = select(builder, slots)
    retire.retire(builder, slots, final)
    if final.kept != selection.kept:
        builder.wake_at(builder.now)  # the routes were decided before: the next pass deletes those of tags that may go
    return report.plan(builder, slots, final, routing)


def _note_first_seen(builder: PlanBuilder, slots: Slots) -> Slots:
    """Remember when an instance was born and first seen, in Unix seconds.

    `born`: its first pass; ages and TTLs count from there. `seen`: when its DeployRequest was first seen, 0 for a
    listed instance; it orders requests. `labelled`: the same from its containers' labels, for a memory that was lost.

    One that expired and is undeclared is born anew if it is declared again before the last of it is gone.
    """
    for tag, slot in slots.items():
        if slot.declared is not None:
            labelled = max((container.seen for container in slot.containers), default=0.0)
            seen = slot.memory.seen or labelled or (builder.now if slot.declared.request else 0.0)
            builder.remember(tag, born=slot.born, seen=seen)
        elif slot.memory.expired:
            builder.remember(tag, expired=False, born=builder.now)
    return reread(builder, slots)


def _note_retries(builder: PlanBuilder, slots: Slots) -> Slots:
    """Forget the quarantines that `holdfast retry` names; a tag that never passed gets its digest resolved anew."""
    for tag in builder.memory.retries:
        slot = slots.get(tag)
        if slot is not None and slot.quarantined:
            pin = {} if slot.has_passed or slot.memory.passed else {"digest": "", "image": ""}
            builder.remember(tag, quarantine=None, **pin)
            builder.log("retry", "another try was asked for", tag=tag)
    if builder.memory.retries:
        builder.remember_stage(retries={})
    return reread(builder, slots)
