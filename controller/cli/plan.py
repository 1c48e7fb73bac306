"""`plan`: forecast what apply would do, and show it as text; one line per instance and route, the sum at the end."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli import context
from controller.cli.output import GREEN, OPTIONS, RED, YELLOW, Exit, Stop, emit, paint, say

if TYPE_CHECKING:
    from controller.cli.outcome import Unapplied
    from controller.core.forecast.types import Change, Forecast, StageForecast
    from controller.core.model.errors import Diagnostic
    from controller.core.planning.spec_fields import FieldChange
    from controller.interfaces import Source
    from controller.settings import Settings

Files = Annotated[
    list[Path] | None, typer.Option("-f", "--file", metavar="PATH", help="File or folder, instead of the sources.")
]
HIDDEN = "***"
COLORS = {"+": GREEN, "~": YELLOW, "-": RED, "-/+": RED}
VALUE_MAX_CHARS = 72
"""Characters of a value that are shown; commands and labels can be much longer."""


def plan(
    file: Files = None,
    detailed_exitcode: Annotated[bool, typer.Option(show_default=False, help="Exit 2 when there are changes.")] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also save the plan here, for 'holdfast apply FILE'.")
    ] = None,
) -> None:
    """Show what apply would do, and why; changes nothing."""
    from controller.cli import saved_plan

    forecast, unapplied = asyncio.run(make_forecast(context.settings(), sources(file)))
    if OPTIONS.data:
        emit({**forecast.to_json(), **unapplied.to_json()})
    else:
        print(render(forecast), end="")
    unapplied.say()
    unapplied.fail_for_mistakes()
    if out is not None:
        saved_plan.write(forecast, out)
    if detailed_exitcode and (unapplied.holds or any(forecast.counts())):
        raise Stop(Exit.CHANGES)


def sources(paths: "list[Path] | None") -> "list[Source] | None":
    """The files, folders and stdin (-) of `-f` as sources; None for those of the settings."""
    import sys

    from controller.cli import validate
    from controller.intake.sources.files import FilesSource
    from controller.intake.sources.text import TextSource

    validate.find_files(paths or [])
    chosen: list[Source] = []
    for path in dict.fromkeys(paths or []):
        chosen.append(TextSource(sys.stdin.buffer.read()) if str(path) == "-" else FilesSource(path))
    return chosen or None


async def make_forecast(settings: "Settings", sources: "list[Source] | None") -> "tuple[Forecast, Unapplied]":
    """What would happen, and what is held back or refused; changes nothing, also beside a running controller.

    An invalid document blocks no other, as with `apply`. Raises `InvalidInput` when nothing else is declared.
    """
    from controller.cli.outcome import unapplied
    from controller.manager import Manager

    context.log_bugs_only()
    async with Manager.open(settings, sources=sources, lock=False, prune=sources is None) as manager:
        mistakes = await manager.prepare()
        warn(mistakes)
        return await manager.forecast(), replace(unapplied(manager), mistakes=mistakes)


def warn(mistakes: "Sequence[Diagnostic]") -> None:
    """Say at once what is wrong with documents; the others go on."""
    if mistakes and not OPTIONS.data:
        from controller.core.documents.diagnostics import render

        say(render(mistakes).rstrip("\n"))


def render(forecast: "Forecast") -> str:
    """The plan as a person reads it; ends with the sum and a newline."""
    lines = [line for stage in forecast.stages for line in _stage(stage)]
    add, change, remove = forecast.counts()
    if not add + change + remove:
        return "\n".join([*lines, "Plan: nothing to do."]) + "\n"
    return "\n".join([*lines, f"Plan: {add} to add, {change} to change, {remove} to remove."]) + "\n"


def _stage(stage: "StageForecast") -> list[str]:
    lines = [stage.key]
    for change in stage.changes:
        lines.append(_change(change))
        lines += [f"        {_field(field)}" for field in change.fields]
    lines += [f"  {paint('!', YELLOW)}   {notice}" for notice in stage.notices]
    if any(change.kind == "instance" and change.symbol != "-" for change in stage.changes):
        lines.append(f"  strategy: {stage.strategy} ({stage.strategy_why})")
    if stage.changes:
        lines.append(f"  downtime: {_downtime(stage)}")
    if stage.unchanged:
        lines.append(f"  left alone: {_unchanged(stage.unchanged)}")
    if len(lines) == 1:
        lines.append("  nothing declared, nothing there")
    return [*lines, ""]


def _change(change: "Change") -> str:
    reason = f"  ({change.reason})" if change.reason else ""
    symbol = paint(f"{change.symbol:<3}", COLORS.get(change.symbol, ""))
    return f"  {symbol} {change.kind:<8} {change.name}{reason}"


def _field(field: "FieldChange") -> str:
    if field.old == field.new == HIDDEN:
        return f"{field.path}: {HIDDEN} (hidden)"
    return f"{field.path}: {_value(field.old)} → {_value(field.new)}"


def _value(value: str | None) -> str:
    if value is None:
        return "(none)"
    if value.startswith("sha256:"):
        return value[:19]
    return value if len(value) <= VALUE_MAX_CHARS else value[: VALUE_MAX_CHARS - 1] + "…"


def _downtime(stage: "StageForecast") -> str:
    seconds = round(stage.downtime)
    minutes, rest = divmod(seconds, 60)
    length = f"{minutes} min {rest} s" if minutes and rest else f"{minutes} min" if minutes else f"{seconds} s"
    why = f" ({stage.downtime_why})" if stage.downtime_why else ""
    return (f"up to {length}" if seconds else length) + why


def _unchanged(names: Sequence[str]) -> str:
    """Instances by name, routes by number: those follow from the instances."""
    routes = sum(name.startswith("route ") for name in names)
    instances = [name for name in names if not name.startswith("route ")]
    return ", ".join(instances + [f"{routes} route{'s' if routes != 1 else ''}"] * bool(routes))
