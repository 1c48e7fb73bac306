"""`explain`: why something happened or did not; the status, memory and log of a stage put together as text."""

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from controller.cli import context, keys, show, tables
from controller.cli.keys import Key
from controller.cli.output import OPTIONS, emit

if TYPE_CHECKING:
    from controller.core.model.desired import StageKey
    from controller.core.model.memory import InstanceMemory, Quarantine, StageMemory
    from controller.core.model.status import Condition, HistoryRow, InstanceStatus, LogLine, StageStatus
    from controller.interfaces import Reads

ROLLOUTS = 200
"""Rollouts that are searched for what is gone."""
SEARCHED_LINES = 200
RECENT_LINES = 20
"""Log lines that are shown of each stage."""
OUTPUT_LINES = 20
"""Lines of a failed container's output that are shown."""


def explain(key: Key) -> None:
    """Say why something happened or did not: reasons, what comes next, and the last log lines."""
    reads = context.stored(context.settings())
    prefix, tag = keys.split(key)
    rows = reads.history(prefix, ROLLOUTS)
    lines = reads.lines(prefix, None, SEARCHED_LINES, 0)
    data: dict[str, Any] = {}
    texts: list[str] = []
    for name, status in sorted(_stages(reads, key, rows).items()):
        memory = reads.memory(name)
        own = [row for row in rows if row.key == name]
        recent = [line for line in lines if line.key == name and tag in ("", line.tag)][-RECENT_LINES:]
        texts.append(render(status, memory, own, recent, time.time(), tag=tag))
        data[name] = {
            "status": status.model_dump(mode="json"),
            "memory": memory.model_dump(mode="json", exclude={"instances": {"__all__": {"spec"}}}),
            "lines": [line.model_dump(mode="json") for line in recent],
        }
    if OPTIONS.data:
        emit(data)
    else:
        print("\n".join(texts), end="")


def _stages(reads: "Reads", key: str, rows: "Sequence[HistoryRow]") -> "dict[str, StageStatus]":
    """The stages that KEY names; what is gone has no status any more, but its rollouts are still there."""
    from controller.core.model.status import StageStatus

    prefix, tag = keys.split(key)
    if not any(tag in ("", row.tag) for row in rows):
        return show.select(reads, key)
    gone = {row.key: StageStatus(key=row.key, reason="not declared, and nothing of it is there") for row in rows}
    return gone | {name: status for name, status in reads.statuses().items() if keys.is_below(name, prefix)}


def render(
    status: "StageStatus",
    memory: "StageMemory",
    rows: "Sequence[HistoryRow]",
    lines: "Sequence[LogLine]",
    now: float,
    *,
    tag: str = "",
) -> str:
    """The stage, or one tag of it: where it is, why, what comes next, and its last log lines.

    `rows` are rollouts, newest first; `lines` come in their order; both of this stage only.
    """
    text = [f"{status.key}: {status.reason or 'no pass yet'}"]
    text += [f"  {_condition(condition, now)}" for condition in status.conditions]
    if memory.suspended:
        text.append(f"  suspended by hand; 'holdfast resume {status.key}' ends it")
    chosen = [instance for instance in status.instances if tag in ("", instance.tag)]
    for instance in chosen:
        text += ["", *(f"  {line}" for line in _instance(status.key, instance, memory.of(instance.tag), now))]
    if tag and not chosen:
        text += ["", *(f"  {line}" for line in _absent(status.key, tag, memory.of(tag), rows, now))]
    recent = [line for line in lines if tag in ("", line.tag)]
    if recent:
        text += ["", "  log:", *(f"    {line}" for row in recent for line in _log(row, memory.of(row.tag)))]
    return "\n".join(text) + "\n"


def _log(row: "LogLine", memory: "InstanceMemory") -> list[str]:
    """A log line, without the output that was shown with the quarantine already."""
    shown = memory.quarantine is not None and list(memory.quarantine.logs) == row.data.get("logs")
    return tables.line(row).splitlines()[: 1 if shown else None]


def _condition(condition: "Condition", now: float) -> str:
    since = f"  (for {tables.age(now - condition.since)})" if condition.since else ""
    why = ": ".join(part for part in (condition.reason, condition.message) if part)
    return f"{condition.type}={condition.status}  {why}{since}"


def _instance(key: "StageKey", instance: "InstanceStatus", memory: "InstanceMemory", now: float) -> Iterator[str]:
    yield tables.headline(instance)
    why = ": ".join(part for part in (instance.reason, instance.message) if part)
    if why and memory.quarantine is None:  # a quarantine says the same, and more
        yield f"  why: {why}"
    if not instance.declared:
        yield "  it is not declared any more"
    yield from _remembered(key, instance.tag, memory, now)


def _absent(
    key: "StageKey", tag: str, memory: "InstanceMemory", rows: "Sequence[HistoryRow]", now: float
) -> Iterator[str]:
    yield f"{tag}  not declared, and nothing of it is there"
    last = next((row for row in rows if row.tag == tag), None)
    if last is not None:
        ended = f"{last.status} {tables.age(now - (last.ended_at or last.started_at))} ago"
        why = last.message or last.reason
        yield f"  last rollout: {last.kind}, {ended}" + (f": {why}" if why else "")
    yield from _remembered(key, tag, memory, now)


def _remembered(key: "StageKey", tag: str, memory: "InstanceMemory", now: float) -> Iterator[str]:
    """What the status does not say: what is tried again and when, what failed, what is left alone."""
    rollout = memory.rollout
    if rollout is not None:
        yield f"  {rollout.kind} going on for {tables.age(now - rollout.started_at)}, at step {rollout.step or 'start'}"
        if rollout.tries:
            wait = rollout.retry_at - now
            when = f"in {tables.age(wait)}" if wait >= 1 else "now"
            yield f"  failed {rollout.tries} time{'s' if rollout.tries > 1 else ''}, next try {when}"
    if memory.quarantine is not None:
        yield from _quarantined(key, tag, memory.quarantine, now)
    if memory.expired:
        yield "  its TTL has ended; remove the entry and add it again to run it once more"
    if memory.moved:
        yield f"  the registry now serves {memory.moved[:19]} under this tag; {memory.digest[:19]} is kept"


def _quarantined(key: "StageKey", tag: str, quarantine: "Quarantine", now: float) -> Iterator[str]:
    ago = tables.age(now - quarantine.at)
    yield f"  revision {quarantine.revision} failed {ago} ago: {quarantine.reason}: {quarantine.message}"
    yield f"  it is not tried again by itself; 'holdfast retry {key}/{tag}' does, and so does a change of its spec"
    if quarantine.logs:
        yield "  last output of it:"
        yield from (f"    | {line}" for line in quarantine.logs[-OUTPUT_LINES:])
