"""A plan as text: one line per instance and route, its fields below it, the sum at the end."""

from collections.abc import Sequence

from controller.cli.output import GREEN, RED, YELLOW, paint
from controller.core.forecast.types import Change, Forecast, StageForecast
from controller.core.planning.spec_fields import FieldChange

HIDDEN = "***"
COLORS = {"+": GREEN, "~": YELLOW, "-": RED, "-/+": RED}
WIDEST = 72
"""Characters of a value that are shown; commands and labels can be much longer."""


def render(forecast: Forecast) -> str:
    """The plan as a person reads it; ends with the sum and a newline."""
    lines = [line for stage in forecast.stages for line in _stage(stage)]
    add, change, remove = forecast.counts()
    if not add + change + remove:
        return "\n".join([*lines, "Plan: nothing to do."]) + "\n"
    return "\n".join([*lines, f"Plan: {add} to add, {change} to change, {remove} to remove."]) + "\n"


def _stage(stage: StageForecast) -> list[str]:
    lines = [stage.key]
    for change in stage.changes:
        lines.append(_change(change))
        lines += [f"        {_field(item)}" for item in change.fields]
    lines += [f"  {paint('!', YELLOW)}   {notice}" for notice in stage.notices]
    if any(change.kind == "instance" and change.symbol != "-" for change in stage.changes):
        lines.append(f"  strategy: {stage.strategy} ({stage.strategy_why})")
    if stage.changes:
        lines.append(f"  downtime: {_downtime(stage)}")
    if stage.unchanged:
        lines.append(f"  left alone: {_alone(stage.unchanged)}")
    if len(lines) == 1:
        lines.append("  nothing declared, nothing there")
    return [*lines, ""]


def _change(change: Change) -> str:
    reason = f"  ({change.reason})" if change.reason else ""
    symbol = paint(f"{change.symbol:<3}", COLORS.get(change.symbol, ""))
    return f"  {symbol} {change.kind:<8} {change.name}{reason}"


def _field(field: FieldChange) -> str:
    if field.old == field.new == HIDDEN:
        return f"{field.path}: {HIDDEN} (hidden)"
    return f"{field.path}: {_value(field.old)} → {_value(field.new)}"


def _value(value: str | None) -> str:
    if value is None:
        return "(none)"
    if value.startswith("sha256:"):
        return value[:19]
    return value if len(value) <= WIDEST else value[: WIDEST - 1] + "…"


def _downtime(stage: StageForecast) -> str:
    seconds = round(stage.downtime)
    minutes, rest = divmod(seconds, 60)
    length = f"{minutes} min {rest} s" if minutes and rest else f"{minutes} min" if minutes else f"{seconds} s"
    why = f" ({stage.downtime_why})" if stage.downtime_why else ""
    return (f"up to {length}" if seconds else length) + why


def _alone(names: Sequence[str]) -> str:
    """Instances by name, routes by number: those follow from the instances."""
    routes = sum(name.startswith("route ") for name in names)
    shown = [name for name in names if not name.startswith("route ")]
    return ", ".join(shown + [f"{routes} route{'s' if routes != 1 else ''}"] * bool(routes))
