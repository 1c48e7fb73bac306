"""Commands that only read the state folder: get, describe, explain, history, logs, events."""

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli import context
from controller.cli.output import OPTIONS, emit, fail

if TYPE_CHECKING:
    from controller.clients.store import SqliteStore
    from controller.core.status import LogLine, StageStatus

Key = Annotated[str, typer.Argument(metavar="KEY", help="project, project/stage or project/stage/tag")]
MaybeKey = Annotated[str | None, typer.Argument(metavar="[KEY]")]


def _chosen(store: "SqliteStore", key: str | None) -> "dict[str, StageStatus]":
    from controller.cli.tables import select

    try:
        return select(store.statuses(), key)
    except KeyError as error:
        fail(f"error: {error.args[0]}")


def _emit(found: "dict[str, StageStatus]") -> None:
    emit({key: item.model_dump(mode="json") for key, item in sorted(found.items())})


def get(key: MaybeKey = None) -> None:
    """Show what runs."""
    found = _chosen(context.store(context.settings()), key)
    if OPTIONS.data:
        _emit(found)
        return
    from controller.cli import tables

    print(tables.stages(found, time.time(), OPTIONS.output == "wide"), end="")


def describe(key: Key) -> None:
    """Show everything known of a project, stage or tag."""
    found = _chosen(context.store(context.settings()), key)
    if OPTIONS.data:
        _emit(found)
        return
    from controller.cli import tables

    for item in found.values():
        print(tables.describe(item), end="")


def explain(key: Key) -> None:
    """Say why something happened or did not: reasons, conditions and the last log lines."""
    store = context.store(context.settings())
    found = _chosen(store, key)
    from controller.cli import tables

    _, tag = tables.split(key)
    logs = {name: [x for x in store.lines(name, None, 50, 0) if tag in ("", x.tag)][-20:] for name in found}
    if OPTIONS.data:
        lines = {name: [x.model_dump(mode="json") for x in items] for name, items in logs.items()}
        emit({n: {"status": s.model_dump(mode="json"), "lines": lines[n]} for n, s in found.items()})
        return
    for name, item in found.items():
        print(tables.describe(item, tag), end="")
        for entry in logs[name]:
            print("  " + tables.line(entry, _stamp(entry)))


def history(key: MaybeKey = None, limit: Annotated[int, typer.Option(min=1)] = 50) -> None:
    """Show past rollouts."""
    from controller.cli import tables

    prefix, tag = tables.split(key) if key else (None, "")
    rows = [row for row in context.store(context.settings()).history(prefix, limit) if tag in ("", row.tag)]
    if OPTIONS.data:
        emit([row.model_dump(mode="json") for row in rows])
        return
    print(tables.history(rows, time.time()), end="")


def logs(
    key: Key,
    follow: Annotated[bool, typer.Option("-f", "--follow")] = False,
    limit: Annotated[int, typer.Option()] = 200,
) -> None:
    """Show the log lines of rollouts; -f goes on."""
    _lines(key, follow, limit)


def events(key: MaybeKey = None, follow: Annotated[bool, typer.Option("-f", "--follow")] = False) -> None:
    """Show the newest log lines of all stages."""
    _lines(key, follow, 50)


def _lines(key: str | None, follow: bool, limit: int) -> None:
    from controller.cli import tables

    store = context.store(context.settings())
    if key:
        _chosen(store, key)
    prefix, tag = tables.split(key) if key else (None, "")
    after = 0
    while True:
        for item in store.lines(prefix, None, limit, after):
            after = max(after, item.id)
            if tag in ("", item.tag):
                emit(item.model_dump(mode="json")) if OPTIONS.data else print(
                    tables.line(item, _stamp(item)), flush=True
                )
        if not follow:
            return
        time.sleep(0.5)


def _stamp(item: "LogLine") -> str:
    return datetime.fromtimestamp(item.time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


COMMANDS = {
    "get": get,
    "describe": describe,
    "explain": explain,
    "history": history,
    "logs": logs,
    "events": events,
}
