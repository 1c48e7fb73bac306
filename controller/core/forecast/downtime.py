"""How long a stage gives no answer while its course is carried out: nothing, or an upper estimate with its reason."""

from controller.core.forecast.simulate import Course, Cut
from controller.core.forecast.types import Change
from controller.core.model.desired import Check

START = 2.0
"""Seconds that the start of a container and the write of its route may take, for an estimate."""


def downtime(course: Course, changes: tuple[Change, ...]) -> tuple[float, str]:
    """Seconds without an answer at most, and why so many or none."""
    cuts = [cut for cut in course.cuts if _comes_back(course, cut)]
    if not changes or not cuts:
        return 0.0, _why_none(course, changes)
    each = " for each instance" if len(cuts) > 1 else ""
    why = f"estimate{each}; {_strategy(course)}: the old one stops before the new one starts"
    return max(_gap(course, cut) for cut in cuts), why


def _why_none(course: Course, changes: tuple[Change, ...]) -> str:
    key, first = course.desired.key, course.first
    if not changes:
        return "nothing changes"
    if not any(item.running and item.role == "app" for item in first.containers):
        return "nothing runs yet" if not first.containers else "nothing runs now"
    if all(change.symbol == "-" for change in changes):
        return "what is removed is no longer declared or wanted"
    if course.desired.port is not None and not any(route.stage == key for route in first.routes.routes.values()):
        return "no hostname leads to it yet"
    if any(change.symbol in ("~", "-/+") for change in changes):
        return f"{_strategy(course)}: the old one serves until the new one answers"
    return "what runs keeps running"


def _strategy(course: Course) -> str:
    desired = course.desired
    return desired.strategy + ("" if desired.strategy_why == "default" else f", {desired.strategy_why}")


def _comes_back(course: Course, cut: Cut) -> bool:
    """True when what the stop takes down is there again in the end: else it is a removal and no gap."""
    if cut.hostnames:
        return any(name in course.last.routes.routes for name in cut.hostnames)
    return any(item.running and item.role == "app" for item in course.last.containers)


def _gap(course: Course, cut: Cut) -> float:
    desired = course.desired
    one_off = desired.pre_deploy.timeout if desired.pre_deploy and cut.pre_deploy else 0.0
    return desired.stop_grace + START + one_off + _gate(desired.check)


def _gate(check: Check) -> float:
    """Seconds until a gate has passed at the latest: every attempt used up its time, and the last one succeeded."""
    if check.type == "none":
        return max(1.0, check.start_period)
    attempts = check.retries + check.success_threshold - 1
    return check.start_period + attempts * check.timeout + (attempts - 1) * check.interval
