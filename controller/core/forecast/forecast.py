"""What would happen to all stages if nothing failed: what `holdfast plan` shows, and what a saved plan is bound to."""

from collections.abc import Iterator, Mapping, Sequence

from controller.core.catalog.build import generation
from controller.core.forecast.changes import changes
from controller.core.forecast.downtime import downtime
from controller.core.forecast.simulate import ROUNDS, Course, play
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
"""Where an instance may end up other than running, as words."""


def forecast(stages: Sequence[tuple[DesiredStage, Observed]], rules: Rules, now: float, digest: str) -> Forecast:
    """Play all stages to their rest and say what changes. `digest` names the catalog, `now` is in Unix seconds."""
    found = tuple(_stage(course, rules.policy) for course in play(stages, rules, now))
    prints = [(stage.key, stage.fingerprint) for stage in found]
    return Forecast(found, digest_of((digest, prints), DIGITS))


def fingerprint(desired: DesiredStage, observed: Observed) -> str:
    """Names what a plan of a stage goes by: it moves with the documents and the world, not with time."""
    memory = observed.memory
    hostnames = {item.hostname for item in desired.instances if item.hostname} | {*desired.default_hostnames}
    routes = [
        (name, route.stage, route.container, route.marker, name in desired.claimed_elsewhere)
        for name, route in sorted(observed.routes.routes.items())
        if route.stage == desired.key or name in hostnames
    ]
    containers = sorted(
        (item.id, item.revision, item.state, item.passed, item.connected) for item in observed.containers
    )
    remembered = [
        (tag, item.digest, item.moved, item.expired, item.quarantine.revision if item.quarantine else "")
        for tag, item in sorted(memory.instances.items())
    ]
    seen = (
        containers,
        routes,
        sorted(hostnames & observed.routes.foreign.keys()),
        (observed.secrets.label, sorted(observed.secrets.missing)),
        (memory.suspended, remembered, sorted(memory.retries.items())),
    )
    return digest_of((generation(desired), seen), DIGITS)


def _stage(course: Course, policy: PolicyRules | None) -> StageForecast:
    found, alone = changes(course)
    seconds, why = downtime(course, found)
    return StageForecast(
        course.desired.key,
        found,
        seconds,
        why,
        alone,
        tuple(dict.fromkeys([*_notices(course), *(_refused(course, policy) if policy is not None else ())])),
        fingerprint(course.desired, course.first),
        course.desired.strategy,
        course.desired.strategy_why,
    )


def _notices(course: Course) -> Iterator[str]:
    """What a person should know beside the changes: why something will not happen, and what helps."""
    desired, memory, key = course.desired, course.last.memory, course.desired.key
    yield from (f"{item.reason}: {item.message}" for item in desired.notices)
    if words := report.released(desired):
        yield words
    if not course.settled:
        yield f"does not settle: it still acts after {ROUNDS} passes"
        return
    if memory.suspended or desired.suspend:
        resume = f"'holdfast resume {key}' ends it" if memory.suspended else report.suspended_by(desired)
        yield f"suspended, nothing will happen: {resume}"
        return
    told = [*_waiting(course), *_phases(course)]
    yield from told
    if not told and not course.plan.status.ready and desired.declared:
        yield from _unready(course)


def _waiting(course: Course) -> Iterator[str]:
    yield from (f"a secret is missing: {sentence}" for sentence in course.last.secrets.missing)
    wanted = {*course.desired.default_hostnames, *(item.hostname for item in course.desired.instances)}
    for hostname, holder in sorted(course.last.routes.foreign.items()):
        if hostname in wanted:
            yield f"{hostname} is held by {holder}, and stays so"


def _phases(course: Course) -> Iterator[str]:
    """Instances that do not end up running as declared."""
    for item in course.plan.status.instances:
        if item.phase in PHASES:
            why = ": ".join(part for part in (item.reason, item.message) if part and part != item.phase)
            yield f"{item.tag} {PHASES[item.phase]}: {why}".rstrip(": ")


def _refused(course: Course, policy: PolicyRules) -> Iterator[str]:
    """Containers that the policy will not let be made, by what a document can ask for: image and mounts."""
    for action in course.actions:
        if isinstance(action, Create):
            mounts = [{"Type": "bind" if item.bind else "volume", "Source": item.source} for item in action.spec.mounts]
            body = {"Image": action.spec.image, "HostConfig": {"Mounts": mounts}}
            yield from (f"{action.tag} will be refused by the policy: {item}" for item in violations(body, policy))


def _unready(course: Course) -> Iterator[str]:
    status = course.plan.status
    found = status.condition("Stalled") or status.condition("Ready")
    if found is not None and found.message not in (item.message for item in course.desired.notices):
        yield f"will not be ready: {found.reason}: {found.message}".rstrip(": ")
