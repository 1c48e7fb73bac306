"""The preDeploy step of a rollout: one run at a time, once per revision, never beside another writer of its volumes.

Under Recreate it runs before the app starts, because it mounts the same volumes; else before the gate.
"""

from controller.core.model import keys, names
from controller.core.model.actions import RunPreDeploy
from controller.core.model.observed import Container
from controller.core.planning import containers, ledger
from controller.core.planning.plan_builder import PlanBuilder
from controller.core.planning.types import Slot

COMMAND_SHOWN_MAX = 200
"""Characters of the command that the log shows."""


def ensure_pre_deployed(builder: PlanBuilder, slot: Slot, container: Container) -> bool:
    """True when preDeploy is not asked for, or ended with 0 for this revision."""
    step = builder.desired.pre_deploy
    note_migrated(builder, slot)
    if step is None or slot.passed_before or has_migrated(builder, slot):
        return True
    spec = containers.spec(builder, slot, container.attempt, step)
    view, waits_for = builder.views[slot.tag], _waits_for(builder, slot, container)
    if waits_for:
        view.show("PreDeploy", "WaitsForOther", waits_for, busy=True)
        return False
    builder.follow(keys.start(container))
    if builder.desired.recreate and builder.is_active(container):  # declared after it was started
        view.show("PreDeploy", "StopsFirst", f"waiting until {container.name} has stopped", busy=True)
        if container.alive:  # a start is not broken off in the middle
            containers.stop_and_keep(builder, container, "preDeploy must not run beside it")
        return False
    ledger.log_step(builder, slot.tag, "preDeploy", f"running {' '.join(step.command)[:COMMAND_SHOWN_MAX]}")
    fact = builder.request(RunPreDeploy(spec, step.timeout, slot.tag, "it runs before the gate", keys.pre(spec.name)))
    view.show_progress("PreDeploy", fact)
    ledger.give_up_if_failed(builder, slot, container, fact)
    return False


def note_migrated(builder: PlanBuilder, slot: Slot) -> None:
    """Remember that the one-off container of this revision ended with 0, for when it is not there any more."""
    has_ended = any(_ended_well(slot, one_off) for one_off in slot.one_offs)
    if builder.desired.pre_deploy is not None and not slot.passed_before and has_ended:
        builder.remember(slot.tag, migrated=slot.revision)


def has_migrated(builder: PlanBuilder, slot: Slot) -> bool:
    """True when preDeploy ended with 0 for the declared revision."""
    return builder.memory.of(slot.tag).migrated == slot.revision


def has_ended_before(builder: PlanBuilder, slot: Slot, container: Container) -> bool:
    """True for a container that ended while preDeploy had not: it gets one more start, the migration was missing."""
    if builder.desired.pre_deploy is None or slot.passed_before or not has_migrated(builder, slot):
        return False
    migrated_at = max((one.started_at or 0.0 for one in slot.one_offs if _ended_well(slot, one)), default=0.0)
    return container.started_at is not None and container.started_at <= migrated_at


def is_other_running(builder: PlanBuilder, slot: Slot, container: Container) -> bool:
    """True while the preDeploy of something else is under way: it may be about to start, whatever runs now."""
    own = keys.pre(_name(builder, slot, container))
    facts = builder.observed.facts.items()
    return any(key.kind == "pre" and key != own and fact.status == "running" for key, fact in facts)


def _waits_for(builder: PlanBuilder, slot: Slot, container: Container) -> str:
    """Words for another preDeploy that has to end first; empty when there is none."""
    own = _name(builder, slot, container)
    for one in builder.observed.containers:
        if one.role == "preDeploy" and one.alive and one.name != own:
            return f"{one.name} still runs"
    return "another preDeploy is running" if is_other_running(builder, slot, container) else ""


def _name(builder: PlanBuilder, slot: Slot, container: Container) -> str:
    return names.container_name(builder.desired.key, slot.tag, slot.revision, container.attempt, "preDeploy")


def _ended_well(slot: Slot, one_off: Container) -> bool:
    return one_off.revision == slot.revision and one_off.state == "exited" and one_off.exit_code == 0
