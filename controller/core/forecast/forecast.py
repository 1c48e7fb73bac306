"""What would happen to all stages if nothing failed: what `holdfast plan` shows, and what a saved plan is bound to."""

from collections.abc import Iterator, Mapping, Sequence

from controller.core.catalog.build import generation
from controller.core.forecast.changes import changes
from controller.core.forecast.downtime import downtime
from controller.core.forecast.simulate import ROUNDS, Simulation, simulate
from controller.core.forecast.types import Forecast, StageForecast
from controller.core.model.actions import Create
from controller.core.model.decision import Rules
from controller.core.model.desired import DesiredStage
from controller.core.model.digests import digest_of
from controller.core.model.observed import Observed
from controller.core.model.policy import PolicyRules, violations
from controller.core.model.status import Phase
from controller.core.planning import report

DIGITS = 16
PHASES: Mapping[Phase, str] = {
    "RolledBack": "was rolled back",
    "Failed": "failed",
    "HeldOver": "is held over",
    "Evicted": "stays away",
    "Expired": "stays away",
    "Degraded": "is degraded",
}
"""Words for the phases in which an instance does not run as declared."""


def forecast(stages: Sequence[tuple[DesiredStage, Observed]], rules: Rules, now: float, digest: str) -> Forecast:
    """Simulate all stages and say what changes. `digest` names the catalog, `now` is in Unix seconds."""
    forecasts = tuple(_stage(simulation, rules.policy) for simulation in simulate(stages, rules, now))
    prints = [(stage.key, stage.fingerprint) for stage in forecasts]
    return Forecast(forecasts, digest_of((digest, prints), DIGITS))


def fingerprint(desired: DesiredStage, observed: Observed) -> str:
    """Digest of what the plan of a stage depends on: the documents and the world, not the time."""
    memory = observed.memory
    hostnames = {one.hostname for one in desired.instances if one.hostname} | {*desired.default_hostnames}
    routes = [
        (name, route.stage, route.container, route.marker, name in desired.claimed_elsewhere)
        for name, route in sorted(observed.routes.routes.items())
        if route.stage == desired.key or name in hostnames
    ]
    containers = sorted((one.id, one.revision, one.state, one.passed, one.connected) for one in observed.containers)
    remembered = [
        (tag, one.digest, one.moved, one.expired, one.quarantine.revision if one.quarantine else "")
        for tag, one in sorted(memory.instances.items())
    ]
    world = (
        containers,
        routes,
        sorted(hostnames & observed.routes.foreign.keys()),
        (observed.secrets.label, sorted(observed.secrets.missing)),
        (memory.suspended, remembered, sorted(memory.retries.items())),
    )
    return digest_of((generation(desired), world), DIGITS)


def _stage(simulation: Simulation, policy: PolicyRules | None) -> StageForecast:
    changed, unchanged = changes(simulation)
    seconds, why = downtime(simulation, changed)
    return StageForecast(
        simulation.desired.key,
        changed,
        seconds,
        why,
        unchanged,
        tuple(dict.fromkeys([*_notices(simulation), *(_refused(simulation, policy) if policy is not None else ())])),
        fingerprint(simulation.desired, simulation.first),
        simulation.desired.strategy,
        simulation.desired.strategy_why,
    )


def _notices(simulation: Simulation) -> Iterator[str]:
    """What a person has to know beside the changes: what will not happen, why, and what helps."""
    desired, memory, key = simulation.desired, simulation.last.memory, simulation.desired.key
    yield from (f"{notice.reason}: {notice.message}" for notice in desired.notices)
    if text := report.removed_default_text(desired):
        yield text
    if not simulation.settled:
        yield f"does not settle: it still acts after {ROUNDS} passes"
        return
    if memory.suspended or desired.suspend:
        resume = f"'holdfast resume {key}' ends it" if memory.suspended else report.suspended_by(desired)
        yield f"suspended, nothing will happen: {resume}"
        return
    reasons = [*_waiting(simulation), *_phases(simulation)]
    yield from reasons
    if not reasons and not simulation.plan.status.ready and desired.declared:
        yield from _unready(simulation)


def _waiting(simulation: Simulation) -> Iterator[str]:
    yield from (f"a secret is missing: {sentence}" for sentence in simulation.last.secrets.missing)
    wanted = {*simulation.desired.default_hostnames, *(one.hostname for one in simulation.desired.instances)}
    for hostname, holder in sorted(simulation.last.routes.foreign.items()):
        if hostname in wanted:
            yield f"{hostname} is held by {holder}, and stays so"


def _phases(simulation: Simulation) -> Iterator[str]:
    """Instances that do not end up running as declared."""
    for instance in simulation.plan.status.instances:
        if instance.phase in PHASES:
            parts = [part for part in (instance.reason, instance.message) if part and part != instance.phase]
            yield ": ".join([f"{instance.tag} {PHASES[instance.phase]}", *parts])


def _refused(simulation: Simulation, policy: PolicyRules) -> Iterator[str]:
    """Containers that the policy will refuse, by what a document can ask for: image and mounts."""
    for action in simulation.actions:
        if isinstance(action, Create):
            mounts = [{"Type": "bind" if one.bind else "volume", "Source": one.source} for one in action.spec.mounts]
            body = {"Image": action.spec.image, "HostConfig": {"Mounts": mounts}}
            yield from (f"{action.tag} will be refused by the policy: {text}" for text in violations(body, policy))


def _unready(simulation: Simulation) -> Iterator[str]:
    status = simulation.plan.status
    condition = status.condition("Stalled") or status.condition("Ready")
    if condition is not None and condition.reason not in {notice.reason for notice in simulation.desired.notices}:
        parts = ["will not be ready", condition.reason, condition.message]
        yield ": ".join(part for part in parts if part)
