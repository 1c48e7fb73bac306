"""Statuses, history and log lines as text; pure, the time is a value."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from controller.core.model.status import HistoryRow, InstanceStatus, LogLine, StageStatus

COLUMNS = ("PROJECT/STAGE", "TAG", "PHASE", "SYNC", "HEALTH", "DEFAULT", "AGE", "URL")
WIDE_COLUMNS = ("REVISION", "DIGEST", "CONTAINER", "REASON")


def age(seconds: float) -> str:
    """A duration in its largest unit: 42s, 7m, 3h, 12d."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(0, int(seconds))}s"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as their widest cell, two spaces apart."""
    cells = [list(columns), *([cell or "-" for cell in row] for row in rows)]
    widths = [max(len(row[index]) for row in cells) for index in range(len(columns))]
    return "".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() + "\n" for row in cells)


def stages(statuses: "Mapping[str, StageStatus]", now: float, wide: bool = False, notes: Sequence[str] = ()) -> str:
    """The table of `get`, with what needs a person above it: what the statuses say, and `notes`."""
    needs = [
        f"! {key}: {condition.reason}: {condition.message}"
        for key, status in sorted(statuses.items())
        for condition in status.conditions
        if condition.type == "Stalled" and condition.status == "True"
    ]
    rows = [
        (key, one.tag, one.phase, one.sync, one.health, "*" if one.default else "")
        + (age(now - one.born) if one.born else "", " ".join(one.urls))
        + ((one.revision, one.digest[:19], one.container, one.reason) if wide else ())
        for key, status in sorted(statuses.items())
        for one in status.instances
    ]
    columns = COLUMNS + (WIDE_COLUMNS if wide else ())
    return "".join(line + "\n" for line in [*needs, *notes]) + table(columns, rows)


def describe(status: "StageStatus", now: float) -> str:
    """Everything the status of a stage says."""
    lines = [f"{status.key}: {status.reason or 'no pass yet'}"]
    lines += [f"  {one.type}={one.status} {one.reason}: {one.message}".rstrip(": ") for one in status.conditions]
    lines += [f"  {url}" for url in status.urls]
    for instance in status.instances:
        lines += _instance(instance, now)
    return "\n".join(lines) + "\n"


def headline(instance: "InstanceStatus") -> str:
    """Tag, phase, sync and health of an instance, and whether the default route points at it."""
    return "  ".join([instance.tag, instance.phase, instance.sync, instance.health, *["default"] * instance.default])


def _instance(instance: "InstanceStatus", now: float) -> list[str]:
    fields = {
        "reason": f"{instance.reason}: {instance.message}" if instance.message else instance.reason,
        "revision": instance.revision,
        "digest": instance.digest,
        "container": instance.container,
        "urls": " ".join(instance.urls),
        "age": age(now - instance.born) if instance.born else "",
        "declared": "" if instance.declared else "no",
    }
    return [f"  {headline(instance)}", *(f"    {name}: {value}" for name, value in fields.items() if value)]


def history(rows: "Sequence[HistoryRow]", now: float) -> str:
    """Rollouts, as given."""
    columns = ("AGE", "PROJECT/STAGE", "TAG", "KIND", "STATUS", "TOOK", "REASON")
    return table(columns, (_rollout(row, now) for row in rows))


def _rollout(row: "HistoryRow", now: float) -> tuple[str, ...]:
    took = age(row.ended_at - row.started_at) if row.ended_at is not None else ""
    return (age(now - row.started_at), row.key, row.tag, row.kind, row.status, took, row.message or row.reason)


def line(row: "LogLine") -> str:
    """One log line; the output of a container that it carries follows below it."""
    stamp = datetime.fromtimestamp(row.time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    data = "".join(f" {key}={value}" for key, value in sorted(row.data.items()) if key != "logs")
    where = f"{row.key}/{row.tag}" if row.tag else row.key
    output = row.data.get("logs")
    below = [f"  | {text}" for text in output] if isinstance(output, list | tuple) else []
    return "\n".join([f"{stamp} {row.level:<7} {where} {row.step}: {row.message}{data}", *below])
