"""Close a plan with the status of the stage: one line per tag, conditions, and one sentence for the pass."""

from collections.abc import Sequence
from typing import Literal

from controller.core.catalog.build import generation
from controller.core.model import actions
from controller.core.model.actions import Action
from controller.core.model.decision import Plan
from controller.core.model.desired import DesiredStage
from controller.core.model.observed import Container
from controller.core.model.status import SUSPENDED_BY_HAND, Condition, InstanceStatus, Phase, StageStatus, one_per_type
from controller.core.planning import repair
from controller.core.planning.plan_builder import PlanBuilder, View
from controller.core.planning.tag_state import Slots
from controller.core.planning.types import Routing, Selection, Slot

SHOWN_MAX = 3
"""Tags that a message names before it only counts them."""

Health = Literal["Healthy", "Unhealthy", "Progressing", "Missing"]
Problems = Sequence[tuple[str, str]]
"""Reason and message of each."""


def plan(builder: PlanBuilder, slots: Slots, selection: Selection, routing: Routing) -> Plan:
    """Close the plan: status, sentence and what to keep."""
    shown = [slot for slot in slots.values() if slot.declared is not None or slot.containers or slot.one_offs]
    for slot in shown:
        _show_rest(builder, slot, selection)
    instances = tuple(_instance(builder, slot, selection, routing) for slot in shown)
    busy = builder.busy or bool(_acting(builder)) or any(builder.views[one.tag].busy for one in instances)
    problems = _problems(builder, instances, routing)
    conditions = [
        *_main_conditions(builder, instances, problems, busy=busy),
        *_health_conditions(instances),
        *_moved_conditions(builder, instances),
        *_notice_conditions(builder),
    ]
    return _plan(builder, instances, conditions, _sentence(builder, instances, problems))


def suspended(builder: PlanBuilder, slots: Slots) -> Plan:
    """The plan of a suspended stage: no actions, and a status with the routes as they were observed."""
    builder.keep |= set(builder.observed.facts)
    desired, by = builder.desired, suspended_by(builder.desired)
    routes = builder.observed.routes.routes
    claimed = {name: route.tag for name, route in routes.items() if route.stage == desired.key}
    target = next((claimed[name] for name in desired.default_hostnames if name in claimed), None)
    shown = [slot for slot in slots.values() if slot.containers or slot.declared is not None]
    for slot in shown:
        builder.views[slot.tag].show("Suspended", "Suspended", by, busy=False)
    instances = tuple(_instance(builder, slot, Selection(target=target), Routing(claimed)) for slot in shown)
    conditions = [Condition(type="Suspended", status="True", reason=_suspended_reason(desired), message=by)]
    if desired.suspend and desired.notices:
        problems = [(notice.reason, notice.message) for notice in desired.notices]
        conditions += _main_conditions(builder, instances, problems, busy=False)
        conditions += [*_health_conditions(instances), *_moved_conditions(builder, instances)]
        conditions += _notice_conditions(builder)
    else:
        ready: Literal["True", "Unknown"] = "True" if _is_as_declared(desired, slots) else "Unknown"
        conditions.insert(0, Condition(type="Ready", status=ready, reason="Suspended", message=f"left alone: {by}"))
    return _plan(builder, instances, conditions, f"suspended: {by}; nothing is changed")


def suspended_by(desired: DesiredStage) -> str:
    """Why a stage is left alone: refused by the catalog, suspended in its document, or by hand."""
    if desired.suspend and desired.notices:
        return "; ".join(notice.message for notice in desired.notices)
    return "the document says suspend: true" if desired.suspend else "holdfast suspend"


def _suspended_reason(desired: DesiredStage) -> str:
    """The same as a reason that programs can compare."""
    if not desired.suspend:
        return SUSPENDED_BY_HAND
    return "Refused" if desired.notices else "SuspendedByDocument"


def removed_default_text(desired: DesiredStage) -> str:
    """Words for a stage whose empty list takes down its defaultTag as well; empty for every other one."""
    if not desired.declared or desired.default_tag is None or desired.instances:
        return ""
    return f"instances: [] removes defaultTag {desired.default_tag} too; without `instances` it would run"


def _is_as_declared(desired: DesiredStage, slots: Slots) -> bool:
    """True when a suspended stage has exactly what is declared, so that leaving it alone leaves nothing undone."""
    limit = desired.max_instances
    running = all(slot.current is not None and slot.current.running for slot in slots.values())
    proven = all(slot.has_proven_itself for slot in slots.values())
    one_each = all(len(slot.containers) == 1 and slot.declared is not None for slot in slots.values())
    return running and proven and one_each and (limit is None or len(slots) <= limit)


def _plan(
    builder: PlanBuilder, instances: tuple[InstanceStatus, ...], conditions: Sequence[Condition], sentence: str
) -> Plan:
    desired = builder.desired
    status = StageStatus(
        key=desired.key,
        reason=sentence,
        generation=generation(desired),
        conditions=one_per_type(conditions),
        instances=instances,
        urls=_urls(builder, desired.default_hostnames),
        observed_at=builder.now,
    )
    return Plan(
        tuple(builder.actions.values()),
        builder.memory,
        tuple(builder.transitions),
        status,
        frozenset(builder.keep),
        builder.wake,
    )


def _show_rest(builder: PlanBuilder, slot: Slot, selection: Selection) -> None:
    """Fill in the status of tags that no step has set."""
    tag, view = slot.tag, builder.views[slot.tag]
    quarantine = builder.memory.of(tag).quarantine
    if quarantine is not None and slot.declared is not None and slot.quarantined:
        phase: Phase = "RolledBack" if slot.has_passed or selection.target not in (None, tag) else "Failed"
        words = f"{quarantine.message}; 'holdfast retry {builder.desired.key}/{tag}' tries it again"
        view.show(phase, quarantine.reason, words, busy=view.busy and view.phase in ("Degraded", "Draining"))
    elif tag in selection.held and not view.busy:
        unsure = slot.declared is None and not builder.desired.prune and tag != selection.target
        words = "kept until its successor has passed"
        if unsure:
            words = "no longer declared; kept until every source has delivered"
        view.show("HeldOver", "HeldOver", words, busy=False)
    elif slot.declared is not None and view == View():
        if slot.memory.expired:
            words = "TTL ended; remove the entry and add it again to run it once more"
            view.show("Expired", "Expired", words, busy=False)
        elif tag not in selection.wanted:
            words = "evicted: beyond maxInstances; it runs again when there is room"
            view.show("Evicted", "Evicted", words, busy=False)


def _instance(builder: PlanBuilder, slot: Slot, selection: Selection, routing: Routing) -> InstanceStatus:
    view, container = builder.views[slot.tag], slot.serving or slot.candidate
    own = slot.declared.hostname if slot.declared is not None else None
    hostnames = [name for name in routing.hostnames(slot.tag) if name not in routing.conflicts]
    hostnames.sort(key=lambda name: name != own)
    is_left_out = slot.declared is not None and view.phase in ("Evicted", "Expired")
    synced = (slot.has_proven_itself and not view.busy) or is_left_out
    return InstanceStatus(
        tag=slot.tag,
        phase=view.phase,
        sync="Synced" if synced else "OutOfSync",
        health=_health(builder, slot, container),
        reason=view.reason,
        message=view.message,
        declared=slot.declared is not None,
        revision=slot.revision or (container.revision if container else ""),
        digest=slot.digest or (container.digest if container else ""),
        container=container.name if container else "",
        urls=_urls(builder, hostnames),
        default=bool(builder.desired.default_hostnames) and selection.target == slot.tag,
        born=slot.born,
    )


def _urls(builder: PlanBuilder, hostnames: Sequence[str]) -> tuple[str, ...]:
    return tuple(builder.rules.url.format(hostname=hostname) for hostname in hostnames)


def _health(builder: PlanBuilder, slot: Slot, container: Container | None) -> Health:
    if container is None:
        return "Missing"
    down = container is slot.serving and not container.running
    if down or container.health == "unhealthy" or repair.why_unhealthy(builder, container):
        return "Unhealthy"
    return "Healthy" if container is slot.serving else "Progressing"


def _acting(builder: PlanBuilder) -> list[Action]:
    return [action for action in builder.actions.values() if not action.only_looks]


def _problems(builder: PlanBuilder, instances: Sequence[InstanceStatus], routing: Routing) -> Problems:
    phases = ("RolledBack", "Failed", "HeldOver", "Degraded")
    return [
        *((one.reason or one.phase, _named(one)) for one in instances if one.phase in phases),
        *(("HostnameConflict", f"{name} is held by {holder}") for name, holder in sorted(routing.conflicts.items())),
        *((notice.reason, notice.message) for notice in builder.desired.notices),
    ]


def _main_conditions(
    builder: PlanBuilder, instances: Sequence[InstanceStatus], problems: Problems, *, busy: bool
) -> list[Condition]:
    """Ready, and Reconciling or Stalled while that is true."""
    messages = [message for _, message in problems]
    reason = problems[0][0] if problems else "Progressing"
    if busy:
        waiting = [_told(one) for one in instances if builder.views[one.tag].busy]
        doing = "; ".join(waiting[:SHOWN_MAX]) or "removing old containers"
        text = "; ".join([*messages[:SHOWN_MAX], doing])
        return [
            Condition(type="Ready", status="False", reason=reason, message=text),
            Condition(type="Reconciling", status="True", reason="Progressing", message=doing),
        ]
    if problems:
        text = "; ".join(messages)
        return [
            Condition(type="Ready", status="False", reason=reason, message=text),
            Condition(type="Stalled", status="True", reason=reason, message=text),
        ]
    text = removed_default_text(builder.desired) or _count(instances)
    return [Condition(type="Ready", status="True", reason="Converged", message=text)]


def _health_conditions(instances: Sequence[InstanceStatus]) -> list[Condition]:
    unhealthy = [_named(one) for one in instances if one.health == "Unhealthy"]
    if unhealthy:
        return [Condition(type="Healthy", status="False", reason="Unhealthy", message="; ".join(unhealthy))]
    healthy = any(one.health == "Healthy" for one in instances)
    return [Condition(type="Healthy", status="True", reason="Healthy", message="")] if healthy else []


def _moved_conditions(builder: PlanBuilder, instances: Sequence[InstanceStatus]) -> list[Condition]:
    moved = [one.tag for one in instances if one.declared and builder.memory.of(one.tag).moved]
    text = f"{', '.join(moved)}: pushed again; the running container keeps its digest"
    return [Condition(type="TagMoved", status="True", reason="TagMoved", message=text)] if moved else []


def _notice_conditions(builder: PlanBuilder) -> list[Condition]:
    return [
        Condition(type=notice.reason, status="True", reason=notice.reason, message=notice.message)
        for notice in builder.desired.notices
    ]


def _sentence(builder: PlanBuilder, instances: Sequence[InstanceStatus], problems: Problems) -> str:
    """What the pass does and why; else what it waits for, what is wrong, or that there is nothing to do."""
    acting = _acting(builder)
    if acting:
        more = f", and {len(acting) - 1} more" if len(acting) > 1 else ""
        return f"{type(acting[0]).__name__} {actions.subject(acting[0])}: {acting[0].reason}{more}"
    waiting = next((one for one in instances if builder.views[one.tag].busy), None)
    if waiting is not None:
        return f"waiting: {waiting.tag} is {waiting.phase}" + (f" ({waiting.message})" if waiting.message else "")
    if builder.busy:
        return "waiting: removing old containers"
    if problems:
        return problems[0][1]
    return f"nothing to do: {removed_default_text(builder.desired) or _count(instances)}"


def _named(instance: InstanceStatus) -> str:
    return f"{instance.tag}: {instance.message or instance.phase}"


def _told(instance: InstanceStatus) -> str:
    return f"{instance.tag}: {instance.phase}" + (f" ({instance.message})" if instance.message else "")


def _count(instances: Sequence[InstanceStatus]) -> str:
    running = len([one for one in instances if one.phase == "Running"])
    return f"{running} instance{'' if running == 1 else 's'} as declared"
