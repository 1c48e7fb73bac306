"""`get`, `describe`, `history`, `logs`, `events`: what is stored of statuses, rollouts and log lines."""

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli import context, keys, tables
from controller.cli.keys import Key, MaybeKey
from controller.cli.output import OPTIONS, emit, fail, say, stream

if TYPE_CHECKING:
    from controller.core.model.status import StageStatus
    from controller.interfaces import Reads
    from controller.settings import Settings

SEARCHED = 5000
"""Rollouts or log lines of a stage among which those of one tag are looked for."""
FOLLOW_INTERVAL_S = 0.5
Follow = Annotated[bool, typer.Option("-f", "--follow", help="Go on with what comes.")]


def get(key: MaybeKey = None) -> None:
    """Show what runs, and above it what needs a person."""
    settings, reads, statuses = _look(key)
    if OPTIONS.data:
        _emit(statuses)
        return
    notes = [*_suspended(reads, statuses), *_controller(settings)]
    if not statuses:
        say("\n".join([*notes, "nothing runs yet; 'holdfast apply' starts what is declared"]))
        return
    print(tables.stages(statuses, time.time(), OPTIONS.output == "wide", notes), end="")


def describe(key: Key) -> None:
    """Show everything known of a project, stage or tag."""
    _, _, statuses = _look(key)
    if OPTIONS.data:
        _emit(statuses)
        return
    print("\n".join(tables.describe(status, time.time()) for _, status in sorted(statuses.items())), end="")


def history(key: MaybeKey = None, limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50) -> None:
    """Show past rollouts, the newest first."""
    reads = context.stored(context.settings())
    prefix, tag = keys.split(key) if key else (None, "")
    rows = [row for row in reads.history(prefix, SEARCHED if tag else limit) if tag in ("", row.tag)][:limit]
    if key and not rows:
        select(reads, key)
    if OPTIONS.data:
        emit([row.model_dump(mode="json") for row in rows])
        return
    print(tables.history(rows, time.time()), end="")


def logs(
    key: Key,
    follow: Follow = False,
    limit: Annotated[int, typer.Option(min=1, help="Begin with so many lines.")] = 200,
    app: Annotated[bool, typer.Option("--app", help="Output of the container that serves, or that failed.")] = False,
) -> None:
    """Show the log lines of rollouts, or with --app what the container prints; -f goes on."""
    if app:
        from controller.cli import app_logs

        app_logs.show(context.settings(), key, follow, limit)
    else:
        _show_lines(key, follow, limit)


def events(
    key: MaybeKey = None,
    follow: Follow = False,
    limit: Annotated[int, typer.Option(min=1, help="Begin with so many lines.")] = 50,
) -> None:
    """Show the newest log lines of all stages, or of one project or stage."""
    _show_lines(key, follow, limit)


def select(reads: "Reads", key: str | None) -> "dict[str, StageStatus]":
    """The statuses that KEY names; without any the command ends with a suggestion."""
    try:
        return keys.select(reads.statuses(), key)
    except KeyError as error:
        fail(f"error: {error.args[0]}")


def _show_lines(key: str | None, follow: bool, limit: int) -> None:
    reads = context.stored(context.settings())
    prefix, tag = keys.split(key) if key else (None, "")
    after = 0
    while True:
        rows = reads.lines(prefix, None, SEARCHED if tag else limit, after)
        if key and not rows and not after:
            select(reads, key)
        after = max([after, *(row.id for row in rows)])
        shown = [row for row in rows if tag in ("", row.tag)][-limit:]
        if OPTIONS.data:
            stream(row.model_dump(mode="json") for row in shown)
        elif shown:
            print("\n".join(tables.line(row) for row in shown), flush=True)
        if not follow:
            return
        time.sleep(FOLLOW_INTERVAL_S)


def _emit(statuses: "dict[str, StageStatus]") -> None:
    emit({key: status.model_dump(mode="json") for key, status in sorted(statuses.items())})


def _look(key: str | None) -> "tuple[Settings, Reads, dict[str, StageStatus]]":
    """The stored statuses at or below a key, with a warning when the controller knows newer ones."""
    from controller.cli import staleness

    settings = context.settings()
    reads = context.stored(settings)
    statuses = select(reads, key)
    staleness.warn(settings, reads, statuses)
    return settings, reads, statuses


def _suspended(reads: "Reads", statuses: "Mapping[str, StageStatus]") -> Iterator[str]:
    """Suspended stages; of those suspended or resumed by hand also what no pass has taken up yet."""
    from controller.core.model.status import SUSPENDED_BY_HAND

    for key, status in sorted(statuses.items()):
        by_hand, condition = reads.memory(key).suspended, status.condition("Suspended")
        if by_hand:
            yield f"! {key}: suspended; 'holdfast resume {key}' ends it"
        elif condition is not None and condition.reason == SUSPENDED_BY_HAND:
            yield f"! {key}: resumed, not reconciled yet; run 'holdfast apply'"
        elif condition is not None and status.condition("Stalled") is None:
            yield f"! {key}: suspended: {condition.message}"


def _controller(settings: "Settings") -> Iterator[str]:
    """What a running controller holds back, could not read or refused."""
    from controller.core.model.errors import HoldfastError

    try:
        controller = context.client(settings)
        status = controller.status() if controller is not None else None
    except HoldfastError as error:
        yield f"! {error.message}"
        return
    if status is None:
        return
    for hold in status.holds:
        yield f"! held back: {hold.message}; 'holdfast confirm {hold.digest}' allows it"
    for mistake in status.diagnostics:
        where = f"{mistake.source}:{mistake.line}:{mistake.column}" if mistake.line else mistake.source
        yield f"! {where}: {mistake.message}; the last good documents stay"
    for notice in status.notices:
        yield f"! refused: {notice}"
