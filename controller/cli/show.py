"""Commands that only read the state folder: get, describe, explain, history, logs, events."""

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from controller.cli import context
from controller.cli.keys import Key, MaybeKey
from controller.cli.output import OPTIONS, emit, fail, say, stream

if TYPE_CHECKING:
    from controller.clients.state.store import SqliteStore
    from controller.core.model.status import StageStatus
    from controller.settings import Settings

RECENT = 20
"""Log lines that `explain` shows of each stage."""
SEARCHED = 5000
"""Log lines of a stage among which those of one tag are looked for."""


def _chosen(store: "SqliteStore", key: str | None) -> "dict[str, StageStatus]":
    from controller.cli.tables import select

    try:
        return select(store.statuses(), key)
    except KeyError as error:
        fail(f"error: {error.args[0]}")


def _emit(found: "dict[str, StageStatus]") -> None:
    emit({key: item.model_dump(mode="json") for key, item in sorted(found.items())})


def _warn(settings: "Settings", store: "SqliteStore", found: "Mapping[str, StageStatus]") -> None:
    from controller.cli import staleness

    staleness.warn(settings, store, found)


def get(key: MaybeKey = None) -> None:
    """Show what runs, and above it what needs a person."""
    settings = context.settings()
    store = context.store(settings)
    found = _chosen(store, key)
    _warn(settings, store, found)
    if OPTIONS.data:
        _emit(found)
        return
    needs = [*_suspended(store, found), *_controller(settings)]
    if not found:
        say("\n".join([*needs, "nothing runs yet; 'holdfast apply' makes run what is declared"]))
        return
    from controller.cli import tables

    print(tables.stages(found, time.time(), OPTIONS.output == "wide", needs), end="")


def _suspended(store: "SqliteStore", found: "Mapping[str, StageStatus]") -> Iterator[str]:
    """Stages that are left alone because somebody said so; by hand also when no pass has seen that yet."""
    for name, status in sorted(found.items()):
        suspended, shown = store.remembered(name).suspended, status.condition("Suspended")
        if suspended:
            yield f"! {name}: suspended; 'holdfast resume {name}' ends it"
        elif shown is not None and shown.message == context.BY_HAND:
            yield f"! {name}: resumed, and not looked at since; 'holdfast apply' does"
        elif shown is not None and status.condition("Stalled") is None:
            yield f"! {name}: suspended: {shown.message}"


def _controller(settings: "Settings") -> Iterator[str]:
    """What a running controller holds back, could not read or refused."""
    from controller.core.model.errors import HoldfastError

    try:
        running = context.client(settings)
        seen = running.status() if running is not None else {}
    except HoldfastError as error:
        yield f"! {error.message}"
        return
    for hold in seen.get("holds", ()):
        yield f"! held back: {hold['message']}; 'holdfast confirm {hold['digest']}' allows it"
    for item in seen.get("diagnostics", ()):
        where = f"{item['source']}:{item['line']}:{item['column']}" if item["line"] else item["source"]
        yield f"! {where}: {item['message']}; the last good documents stay"
    for item in seen.get("notices", ()):
        yield f"! {item['message']}"


def describe(key: Key) -> None:
    """Show everything known of a project, stage or tag."""
    settings = context.settings()
    store = context.store(settings)
    found = _chosen(store, key)
    _warn(settings, store, found)
    if OPTIONS.data:
        _emit(found)
        return
    from controller.cli import tables

    print("\n".join(tables.describe(item, time.time()) for _, item in sorted(found.items())), end="")


def explain(key: Key) -> None:
    """Say why something happened or did not: reasons, what comes next, and the last log lines."""
    from controller.cli import explain as explanation
    from controller.cli import tables
    from controller.core.model.status import StageStatus

    store = context.store(context.settings())
    prefix, tag = tables.split(key)
    rows = store.history(prefix, 200)
    lines = store.lines(prefix, None, 200, 0)
    if any(tag in ("", row.tag) for row in rows):  # what is gone has no status, but its rollouts tell of it
        gone = "not declared, and nothing of it is there"
        stages = {row.key: StageStatus(key=row.key, reason=gone) for row in rows}
        stages |= {name: status for name, status in store.statuses().items() if tables.below(name, prefix)}
    else:
        stages = _chosen(store, key)
    parts: dict[str, dict[str, Any]] = {}
    texts: list[str] = []
    for name, status in sorted(stages.items()):
        memory = store.remembered(name)
        own = [row for row in rows if row.key == name]
        recent = [line for line in lines if line.key == name and tag in ("", line.tag)][-RECENT:]
        texts.append(explanation.explain(status, memory, own, recent, time.time(), tag=tag))
        parts[name] = {
            "status": status.model_dump(mode="json"),
            "memory": memory.model_dump(mode="json", exclude={"instances": {"__all__": {"spec"}}}),
            "lines": [line.model_dump(mode="json") for line in recent],
        }
    if OPTIONS.data:
        emit(parts)
    else:
        print("\n".join(texts), end="")


def history(key: MaybeKey = None, limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50) -> None:
    """Show past rollouts, the newest first."""
    from controller.cli import tables

    store = context.store(context.settings())
    prefix, tag = tables.split(key) if key else (None, "")
    found = store.history(prefix, SEARCHED if tag else limit)
    rows = [row for row in found if tag in ("", row.tag)][:limit]
    if key and not rows:
        _chosen(store, key)
    if OPTIONS.data:
        emit([row.model_dump(mode="json") for row in rows])
        return
    print(tables.history(rows, time.time()), end="")


def logs(
    key: Key,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with what comes.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Begin with so many lines.")] = 200,
    app: Annotated[bool, typer.Option("--app", help="Output of the container that serves, or that failed.")] = False,
) -> None:
    """Show the log lines of rollouts, or with --app what the container prints; -f goes on."""
    if app:
        from controller.cli import app_logs

        app_logs.show(context.settings(), key, follow, limit)
    else:
        _lines(key, follow, limit)


def events(
    key: MaybeKey = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with what comes.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Begin with so many lines.")] = 50,
) -> None:
    """Show the newest log lines of all stages, or of one project or stage."""
    _lines(key, follow, limit)


def _lines(key: str | None, follow: bool, limit: int) -> None:
    from controller.cli import tables

    store = context.store(context.settings())
    prefix, tag = tables.split(key) if key else (None, "")
    after = 0
    while True:
        found = store.lines(prefix, None, SEARCHED if tag else limit, after)
        if key and not found and not after:
            _chosen(store, key)
        after = max([after, *(item.id for item in found)])
        shown = [item for item in found if tag in ("", item.tag)][-limit:]
        if OPTIONS.data:
            stream(item.model_dump(mode="json") for item in shown)
        elif shown:
            print("\n".join(tables.line(item) for item in shown), flush=True)
        if not follow:
            return
        time.sleep(0.5)


COMMANDS = {
    "get": get,
    "describe": describe,
    "explain": explain,
    "history": history,
    "logs": logs,
    "events": events,
}
