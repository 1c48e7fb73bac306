"""Status, history and log lines as text; pure, the time is a value."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches

from controller.core.model.status import HistoryRow, InstanceStatus, LogLine, StageStatus

HEAD = ("PROJECT/STAGE", "TAG", "PHASE", "SYNC", "HEALTH", "DEFAULT", "AGE", "URL")
WIDE = ("REVISION", "DIGEST", "CONTAINER", "REASON")


def age(seconds: float) -> str:
    """A duration in its largest unit: 42s, 7m, 3h, 12d."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(0, int(seconds))}s"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as their widest cell, two spaces apart."""
    cells = [list(head), *([cell or "-" for cell in row] for row in rows)]
    widths = [max(len(row[index]) for row in cells) for index in range(len(head))]
    return "".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() + "\n" for row in cells)


def stages(found: Mapping[str, StageStatus], now: float, wide: bool = False, more: Sequence[str] = ()) -> str:
    """The table of `get`, with what needs a person above it: what the statuses say, and `more`."""
    needs = [
        f"! {key}: {item.reason}: {item.message}"
        for key, status in sorted(found.items())
        for item in status.conditions
        if (item.type == "Stalled" and item.status == "True") or item.type == "Held"
    ]
    rows = [
        (key, item.tag, item.phase, item.sync, item.health, "*" if item.default else "")
        + (age(now - item.born) if item.born else "", " ".join(item.urls))
        + ((item.revision, item.digest[:19], item.container, item.reason) if wide else ())
        for key, status in sorted(found.items())
        for item in status.instances
    ]
    return "".join(line + "\n" for line in [*needs, *more]) + table(HEAD + (WIDE if wide else ()), rows)


def describe(status: StageStatus, now: float) -> str:
    """Everything the status of a stage says."""
    lines = [f"{status.key}: {status.reason or 'no pass yet'}"]
    lines += [f"  {c.type}={c.status} {c.reason}: {c.message}".rstrip(": ") for c in status.conditions]
    lines += [f"  {url}" for url in status.urls]
    for item in status.instances:
        lines += _instance(item, now)
    return "\n".join(lines) + "\n"


def headline(item: InstanceStatus) -> str:
    """Tag, phase, sync and health of an instance, and whether the default route points at it."""
    return "  ".join([item.tag, item.phase, item.sync, item.health, *["default"] * item.default])


def _instance(item: InstanceStatus, now: float) -> list[str]:
    fields = {
        "reason": f"{item.reason}: {item.message}" if item.message else item.reason,
        "revision": item.revision,
        "digest": item.digest,
        "container": item.container,
        "urls": " ".join(item.urls),
        "age": age(now - item.born) if item.born else "",
        "declared": "" if item.declared else "no",
    }
    return [f"  {headline(item)}", *(f"    {name}: {value}" for name, value in fields.items() if value)]


def history(rows: Sequence[HistoryRow], now: float) -> str:
    """Rollouts, as given."""
    head = ("AGE", "PROJECT/STAGE", "TAG", "KIND", "STATUS", "TOOK", "REASON")
    return table(head, (_rollout(row, now) for row in rows))


def _rollout(row: HistoryRow, now: float) -> tuple[str, ...]:
    took = age(row.ended_at - row.started_at) if row.ended_at is not None else ""
    return (age(now - row.started_at), row.key, row.tag, row.kind, row.status, took, row.message or row.reason)


def line(item: LogLine) -> str:
    """One log line; the output of a container that it carries follows below it."""
    stamp = datetime.fromtimestamp(item.time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    extra = "".join(f" {key}={value}" for key, value in sorted(item.data.items()) if key != "logs")
    where = f"{item.key}/{item.tag}" if item.tag else item.key
    output = item.data.get("logs")
    below = [f"  | {text}" for text in output] if isinstance(output, list | tuple) else []
    return "\n".join([f"{stamp} {item.level:<7} {where} {item.step}: {item.message}{extra}", *below])


def split(key: str) -> tuple[str, str]:
    """A KEY as the prefix of stage keys and a tag: `a` → (a, ""), `a/b/c` → (a/b, c)."""
    parts = key.split("/", 2)
    return "/".join(parts[:2]), parts[2] if len(parts) == 3 else ""


def below(stage: str, prefix: str) -> bool:
    """True for a stage at or below a project or stage."""
    return stage == prefix or stage.startswith(prefix + "/")


def select(found: Mapping[str, StageStatus], key: str | None) -> dict[str, StageStatus]:
    """The stages at or below a KEY, with only that tag when it names one. Raises `KeyError` with a suggestion."""
    if key is None:
        return dict(found)
    prefix, tag = split(key)
    chosen = {name: item for name, item in found.items() if below(name, prefix)}
    if tag:
        kept = {n: tuple(i for i in item.instances if i.tag == tag) for n, item in chosen.items()}
        chosen = {n: chosen[n].model_copy(update={"instances": items}) for n, items in kept.items() if items}
    if chosen:
        return chosen
    if not found:
        raise KeyError(f"nothing is known of {key}: no stage has had a pass yet; 'holdfast apply' gives them one")
    known = {name.split("/")[0] for name in found} | set(found)
    known |= {f"{name}/{item.tag}" for name, status in found.items() for item in status.instances}
    near = get_close_matches(key, sorted(known), 1)
    raise KeyError(f"nothing is known of {key}" + (f"; did you mean {near[0]}?" if near else ""))
