"""A plan as text: one line per instance and route, its fields below it, the sum at the end."""

from controller.core.forecast_types import Forecast, StageForecast


def render(forecast: Forecast) -> str:
    """The plan as a person reads it; ends with the sum and a newline."""
    lines = [line for stage in forecast.stages for line in _stage(stage)]
    add, change, remove = forecast.counts()
    return "\n".join([*lines, f"Plan: {add} to add, {change} to change, {remove} to remove."]) + "\n"


def _stage(stage: StageForecast) -> list[str]:
    lines = [stage.key]
    for change in stage.changes:
        lines.append(f"  {change.symbol:<3} {change.kind:<8} {change.name}  ({change.reason})")
        lines += [f"        {item.path}: {_value(item.old)} → {_value(item.new)}" for item in change.fields]
    lines += [f"  !   {notice}" for notice in stage.notices]
    if stage.changes:
        why = f" ({stage.downtime_why})" if stage.downtime_why else ""
        lines.append(f"  downtime: {stage.downtime:g} s{why}")
    if stage.unchanged:
        lines.append(f"  left alone: {stage.unchanged}")
    return [*lines, ""]


def _value(value: str | None) -> str:
    return "(none)" if value is None else value
