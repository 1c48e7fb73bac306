"""What a person reads after a pass: one line per tag, conditions for the stage, one sentence for the pass."""

from collections.abc import Mapping
from typing import Literal

from controller.core.catalog.build import generation
from controller.core.model.decision import Plan
from controller.core.model.desired import DesiredStage
from controller.core.model.status import Condition, InstanceStatus, Phase, StageStatus, one_per_type
from controller.core.planning import repair
from controller.core.planning.plan_builder import Draft, View
from controller.core.planning.routes import Routing
from controller.core.planning.selection import Selection
from controller.core.planning.tag_state import Slot

SHOWN = 3
"""Tags that a message names before it only counts them."""


def plan(draft: Draft, slots: Mapping[str, Slot], selection: Selection, routing: Routing) -> Plan:
    """Close the draft: status, sentence and what to keep."""
    shown = [tag for tag, slot in slots.items() if slot.declared is not None or slot.containers or slot.one_offs]
    for tag in shown:
        _rest(draft, slots[tag], selection)
    instances = tuple(_instance(draft, slots[tag], selection, routing) for tag in shown)
    acting = [action for action in draft.actions if not action.only_looks]
    busy = draft.busy or bool(acting) or any(draft.view(item.tag).busy for item in instances)
    problems = _problems(draft, instances, routing)
    return _plan(draft, instances, _conditions(draft, instances, problems, busy), _sentence(draft, instances, problems))


def suspended(draft: Draft, slots: Mapping[str, Slot]) -> Plan:
    """The plan of a stage that is to be left alone; its routes are told as they were seen."""
    draft.keep |= set(draft.observed.facts)
    notices = draft.desired.notices
    by = suspended_by(draft.desired)
    seen = draft.observed.routes.routes
    here = {name: route.tag for name, route in seen.items() if route.stage == draft.desired.key}
    target = next((here[name] for name in draft.desired.default_hostnames if name in here), None)
    shown = []
    for tag, slot in slots.items():
        if slot.containers or slot.declared is not None:
            draft.view(tag).say("Suspended", "Suspended", by, busy=False)
            shown.append(_instance(draft, slot, Selection(target=target), Routing(here)))
    conditions = [Condition(type="Suspended", status="True", reason="Suspended", message=by)]
    if draft.desired.suspend and notices:
        problems = [(notice.reason, notice.message) for notice in notices]
        conditions += _conditions(draft, tuple(shown), problems, False)
    else:
        status: Literal["True", "Unknown"] = "True" if _as_declared(draft, slots) else "Unknown"
        conditions.insert(0, Condition(type="Ready", status=status, reason="Suspended", message=f"left alone: {by}"))
    return _plan(draft, tuple(shown), tuple(conditions), f"suspended: {by}; nothing is changed")


def _as_declared(draft: Draft, slots: Mapping[str, Slot]) -> bool:
    """True when a suspended stage has exactly what is declared, so that leaving it alone leaves nothing undone."""
    limit = draft.desired.max_instances
    proven = all(slot.settled and slot.current is not None and slot.current.running for slot in slots.values())
    one_each = all(len(slot.containers) == 1 and slot.declared is not None for slot in slots.values())
    return proven and one_each and (limit is None or len(slots) <= limit)


def suspended_by(desired: DesiredStage) -> str:
    """Why a stage is left alone: refused by the catalog, suspended in its document, or by hand."""
    if desired.suspend and desired.notices:
        return "; ".join(notice.message for notice in desired.notices)
    return "the document says suspend: true" if desired.suspend else "holdfast suspend"


def released(desired: DesiredStage) -> str:
    """Words for a stage whose empty list takes down its defaultTag as well; empty for every other one."""
    if not desired.declared or desired.default_tag is None or desired.instances:
        return ""
    return f"instances: [] lets go of defaultTag {desired.default_tag} too; without that key it would run"


def _plan(draft: Draft, instances: tuple[InstanceStatus, ...], conditions: tuple[Condition, ...], text: str) -> Plan:
    desired = draft.desired
    status = StageStatus(
        key=desired.key,
        reason=text,
        generation=generation(desired),
        conditions=conditions,
        instances=instances,
        urls=tuple(draft.rules.url.format(hostname=name) for name in desired.default_hostnames),
        observed_at=draft.now,
    )
    return Plan(tuple(draft.actions), draft.memory, tuple(draft.transitions), status, frozenset(draft.keep), draft.wake)


def _rest(draft: Draft, slot: Slot, selection: Selection) -> None:
    """Words for tags about which no step had anything to say."""
    tag = slot.tag
    view, quarantine = draft.view(tag), draft.memory.of(tag).quarantine
    if quarantine is not None and slot.declared is not None and slot.quarantined:
        phase: Phase = "RolledBack" if slot.proven or selection.target not in (None, tag) else "Failed"
        words = f"{quarantine.message}; 'holdfast retry {draft.desired.key}/{tag}' tries it again"
        view.say(phase, quarantine.reason, words, busy=view.busy and view.phase in ("Degraded", "Draining"))
    elif tag in selection.held and not view.busy:
        waits = slot.declared is None and not draft.desired.prune and tag != selection.target
        words = (
            "nothing declares it; it stays until that is sure" if waits else "it serves until its successor has passed"
        )
        view.say("HeldOver", "HeldOver", words, busy=False)
    elif slot.declared is not None and view == View():
        if slot.memory.expired:
            view.say("Expired", "Expired", "its time is over; it stays away until it is undeclared", busy=False)
        elif tag not in selection.wanted:
            view.say("Evicted", "Evicted", "evicted: beyond maxInstances; it runs again when there is room", busy=False)


def _instance(draft: Draft, slot: Slot, selection: Selection, routing: Routing) -> InstanceStatus:
    view, item = draft.view(slot.tag), slot.serving or slot.candidate
    hostname = slot.declared.hostname if slot.declared is not None else None
    mine = [name for name, tag in routing.claimed.items() if tag == slot.tag and name not in routing.conflicts]
    hostnames = list(dict.fromkeys(([hostname] if hostname in mine else []) + mine))
    health = "Missing"
    if item is not None:
        health = "Healthy" if item is slot.serving and item.running else "Progressing"
        if repair.sick(draft, item) or item.health == "unhealthy" or (item is slot.serving and not item.running):
            health = "Unhealthy"
    synced = (slot.settled and not view.busy) or (slot.declared is not None and view.phase in ("Evicted", "Expired"))
    return InstanceStatus(
        tag=slot.tag,
        phase=view.phase,
        sync="Synced" if synced else "OutOfSync",
        health=health,
        reason=view.reason,
        message=view.message,
        declared=slot.declared is not None,
        revision=slot.revision or (item.revision if item else ""),
        digest=slot.digest or (item.digest if item else ""),
        container=item.name if item else "",
        urls=tuple(draft.rules.url.format(hostname=name) for name in hostnames),
        default=bool(draft.desired.default_hostnames) and selection.target == slot.tag,
        born=slot.born,
    )


def _problems(draft: Draft, instances: tuple[InstanceStatus, ...], routing: Routing) -> list[tuple[str, str]]:
    found = [
        (item.reason or item.phase, f"{item.tag}: {item.message or item.phase}")
        for item in instances
        if item.phase in ("RolledBack", "Failed", "HeldOver", "Degraded")
    ]
    found += [("HostnameConflict", f"{name} is held by {who}") for name, who in sorted(routing.conflicts.items())]
    found += [(notice.reason, notice.message) for notice in draft.desired.notices]
    return found


def _conditions(
    draft: Draft, instances: tuple[InstanceStatus, ...], problems: list[tuple[str, str]], busy: bool
) -> tuple[Condition, ...]:
    going = [f"{item.tag}: {item.phase}" + (f" ({item.message})" if item.message else "") for item in instances]
    going = [text for text, item in zip(going, instances, strict=True) if draft.view(item.tag).busy]
    what = "; ".join(going[:SHOWN]) or "old containers leave"
    if busy:
        reason = problems[0][0] if problems else "Progressing"
        text = "; ".join([*[text for _, text in problems[:SHOWN]], what])
        found = [
            Condition(type="Ready", status="False", reason=reason, message=text),
            Condition(type="Reconciling", status="True", reason="Progressing", message=what),
        ]
    elif problems:
        text = "; ".join(text for _, text in problems)
        found = [
            Condition(type="Ready", status="False", reason=problems[0][0], message=text),
            Condition(type="Stalled", status="True", reason=problems[0][0], message=text),
        ]
    else:
        words = released(draft.desired) or _count(instances)
        found = [Condition(type="Ready", status="True", reason="Converged", message=words)]
    sick = [item for item in instances if item.health == "Unhealthy"]
    if sick:
        text = "; ".join(f"{item.tag}: {item.message or item.phase}" for item in sick)
        found.append(Condition(type="Healthy", status="False", reason="Unhealthy", message=text))
    elif any(item.health == "Healthy" for item in instances):
        found.append(Condition(type="Healthy", status="True", reason="Healthy", message=""))
    moved = [item.tag for item in instances if item.declared and draft.memory.of(item.tag).moved]
    if moved:
        text = f"{', '.join(moved)}: pushed again; what runs keeps its digest"
        found.append(Condition(type="TagMoved", status="True", reason="TagMoved", message=text))
    found += [
        Condition(type=notice.reason, status="True", reason=notice.reason, message=notice.message)
        for notice in draft.desired.notices
    ]
    return one_per_type(found)


def _sentence(draft: Draft, instances: tuple[InstanceStatus, ...], problems: list[tuple[str, str]]) -> str:
    acting = [action for action in draft.actions if not action.only_looks]
    if acting:
        first = f"{type(acting[0]).__name__}: {acting[0].reason}"
        return first + (f", and {len(acting) - 1} more" if len(acting) > 1 else "")
    waiting = [item for item in instances if draft.view(item.tag).busy]
    if waiting:
        item = waiting[0]
        return f"waiting: {item.tag} is {item.phase}" + (f" ({item.message})" if item.message else "")
    if draft.busy:
        return "waiting: old containers leave"
    if problems:
        return problems[0][1]
    return f"nothing to do: {released(draft.desired) or _count(instances)}"


def _count(instances: tuple[InstanceStatus, ...]) -> str:
    running = [item for item in instances if item.phase == "Running"]
    return f"{len(running)} instance{'' if len(running) == 1 else 's'} as declared"
