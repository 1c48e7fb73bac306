"""Why something happened or did not, as text: status, memory and log of one stage put together; pure."""

from collections.abc import Iterator, Sequence

from controller.cli import tables
from controller.core.model.desired import StageKey
from controller.core.model.memory import InstanceMemory, Quarantine, StageMemory
from controller.core.model.status import Condition, HistoryRow, InstanceStatus, LogLine, StageStatus

OUTPUT = 20
"""Lines of a failed container's output that are shown."""


def explain(
    status: StageStatus,
    memory: StageMemory,
    rows: Sequence[HistoryRow],
    lines: Sequence[LogLine],
    now: float,
    *,
    tag: str = "",
) -> str:
    """The stage, or one tag of it: where it is, why, what comes next, and its last log lines.

    `rows` are rollouts, newest first; `lines` come in their order; both of this stage only.
    """
    text = [f"{status.key}: {status.reason or 'no pass yet'}"]
    text += [f"  {_condition(item, now)}" for item in status.conditions]
    if memory.suspended:
        text.append(f"  suspended by hand; 'holdfast resume {status.key}' ends it")
    shown = [item for item in status.instances if tag in ("", item.tag)]
    for item in shown:
        text += ["", *(f"  {line}" for line in _instance(status.key, item, memory.of(item.tag), now))]
    if tag and not shown:
        text += ["", *(f"  {line}" for line in _absent(status.key, tag, memory.of(tag), rows, now))]
    recent = [line for line in lines if tag in ("", line.tag)]
    if recent:
        text += ["", "  log:", *(f"    {line}" for item in recent for line in _log(item, memory.of(item.tag)))]
    return "\n".join(text) + "\n"


def _log(item: LogLine, memory: InstanceMemory) -> list[str]:
    """A log line, without the output that was shown with the quarantine already."""
    told = memory.quarantine is not None and list(memory.quarantine.logs) == item.data.get("logs")
    return tables.line(item).splitlines()[: 1 if told else None]


def _condition(item: Condition, now: float) -> str:
    since = f"  (for {tables.age(now - item.since)})" if item.since else ""
    why = ": ".join(part for part in (item.reason, item.message) if part)
    return f"{item.type}={item.status}  {why}{since}"


def _instance(key: StageKey, item: InstanceStatus, memory: InstanceMemory, now: float) -> Iterator[str]:
    yield tables.headline(item)
    why = ": ".join(part for part in (item.reason, item.message) if part)
    if why and memory.quarantine is None:  # a quarantine says the same, and more
        yield f"  why: {why}"
    if not item.declared:
        yield "  it is not declared any more"
    yield from _remembered(key, item.tag, memory, now)


def _absent(key: StageKey, tag: str, memory: InstanceMemory, rows: Sequence[HistoryRow], now: float) -> Iterator[str]:
    yield f"{tag}  not declared, and nothing of it is there"
    last = next((row for row in rows if row.tag == tag), None)
    if last is not None:
        ended = f"{last.status} {tables.age(now - (last.ended_at or last.started_at))} ago"
        why = last.message or last.reason
        yield f"  last rollout: {last.kind}, {ended}" + (f": {why}" if why else "")
    yield from _remembered(key, tag, memory, now)


def _remembered(key: StageKey, tag: str, memory: InstanceMemory, now: float) -> Iterator[str]:
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
        yield "  its TTL has ended; it stays away until it is declared anew"
    if memory.moved:
        yield f"  the registry now serves {memory.moved[:19]} under this tag; {memory.digest[:19]} is kept"


def _quarantined(key: StageKey, tag: str, quarantine: Quarantine, now: float) -> Iterator[str]:
    ago = tables.age(now - quarantine.at)
    yield f"  revision {quarantine.revision} failed {ago} ago: {quarantine.reason}: {quarantine.message}"
    yield f"  it is not tried again by itself; 'holdfast retry {key}/{tag}' does, and so does a change of its spec"
    if quarantine.logs:
        yield "  last output of it:"
        yield from (f"    | {line}" for line in quarantine.logs[-OUTPUT:])
