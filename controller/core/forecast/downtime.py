"""How long a stage gives no answer while its plan is carried out: no time, or an upper estimate with its reason."""

from controller.core.forecast.simulate import Outage, Simulation
from controller.core.forecast.types import Change
from controller.core.model.desired import Check

START_S = 2.0
"""Estimate for the start of a container and the write of its route."""


def downtime(simulation: Simulation, changes: tuple[Change, ...]) -> tuple[float, str]:
    """Seconds without an answer at most, and why so many or none."""
    outages = [outage for outage in simulation.outages if _comes_back(simulation, outage)]
    if not changes or not outages:
        return 0.0, _why_none(simulation, changes)
    each = " for each instance" if len(outages) > 1 else ""
    why = f"estimate{each}; {_strategy(simulation)}: the old one stops before the new one starts"
    return max(_gap(simulation, outage) for outage in outages), why


def _why_none(simulation: Simulation, changes: tuple[Change, ...]) -> str:
    key, first = simulation.desired.key, simulation.first
    if not changes:
        return "nothing changes"
    if not any(container.running and container.role == "app" for container in first.containers):
        return "nothing runs yet" if not first.containers else "already down: nothing runs"
    if all(change.symbol == "-" for change in changes):
        return "what is removed is no longer declared or wanted"
    if simulation.desired.port is not None and not any(route.stage == key for route in first.routes.routes.values()):
        return "no hostname leads to it yet"
    if any(change.symbol in ("~", "-/+") for change in changes):
        return f"{_strategy(simulation)}: the old one serves until the new one answers"
    return "what runs keeps running"


def _strategy(simulation: Simulation) -> str:
    desired = simulation.desired
    return desired.strategy + ("" if desired.strategy_why == "default" else f", {desired.strategy_why}")


def _comes_back(simulation: Simulation, outage: Outage) -> bool:
    """True when what the stop takes down is there again in the end; else it is a removal, not a gap."""
    if outage.hostnames:
        return any(name in simulation.last.routes.routes for name in outage.hostnames)
    return any(container.running and container.role == "app" for container in simulation.last.containers)


def _gap(simulation: Simulation, outage: Outage) -> float:
    desired = simulation.desired
    pre_deploy = desired.pre_deploy.timeout if desired.pre_deploy and outage.pre_deploy else 0.0
    return desired.stop_grace + START_S + pre_deploy + _gate(desired.check)


def _gate(check: Check) -> float:
    """Seconds until a gate has passed at the latest: every attempt used up its time, and the last one succeeded."""
    if check.type == "none":
        return max(1.0, check.start_period)
    attempts = check.retries + check.success_threshold - 1
    return check.start_period + attempts * check.timeout + (attempts - 1) * check.interval
