"""The changes of a stage: its first and its last observation compared, per instance and per hostname."""

from collections.abc import Iterator, Sequence

from controller.core.forecast import effects
from controller.core.forecast.simulate import Simulation
from controller.core.forecast.types import Change
from controller.core.model import actions
from controller.core.model.observed import Container, Observed, Route
from controller.core.planning import spec_fields
from controller.core.planning.spec_fields import FieldChange

KNOWN_LATER = "(known after pull)"
DETAILS_UNKNOWN = "details unknown: the state folder was new"


def changes(simulation: Simulation) -> tuple[tuple[Change, ...], tuple[str, ...]]:
    """The changes of a stage, and the names of what is left alone; instances first, then routes."""
    changed: list[Change] = []
    unchanged: list[str] = []
    for kind, name, change in [*_instances(simulation), *_routes(simulation)]:
        if change is None:
            unchanged.append(f"{kind} {name}")
        else:
            changed.append(change)
    return tuple(changed), tuple(unchanged)


Compared = Iterator[tuple[str, str, Change | None]]
"""Kind and name of each instance or route, with its change; None: it is left alone."""


def _instances(simulation: Simulation) -> Compared:
    declared = [instance.tag for instance in simulation.desired.instances]
    observed = {container.tag for one in (simulation.first, simulation.last) for container in one.containers}
    for tag in [*declared, *sorted(observed - set(declared))]:
        before, after = _best(simulation.first, tag), _best(simulation.last, tag)
        if before is not None or after is not None:
            yield "instance", tag, _instance(simulation, tag, before, after)


def _instance(simulation: Simulation, tag: str, before: Container | None, after: Container | None) -> Change | None:
    if after is None:  # then there was one before
        return Change("-", "instance", tag, _why_gone(simulation, before))
    if before is None or not _is_up(before):
        return Change("+", "instance", tag, _why_made(simulation, after)) if before != after else None
    if before.id == after.id:
        repaired = _why_repaired(simulation, after)
        return Change("~", "instance", tag, repaired) if repaired else None
    fields, detail = _spec(simulation, tag, before, after)
    reason = _why_made(simulation, after) + (f"; {detail}" if detail else "")
    return Change("-/+" if simulation.desired.recreate else "~", "instance", tag, reason, fields)


def _best(observed: Observed, tag: str) -> Container | None:
    """The container that stands for a tag: what passed before what runs before the newest."""
    usable = [
        container
        for container in observed.containers
        if container.tag == tag and container.role == "app" and container.state not in ("removing", "dead")
    ]
    return min(usable, key=lambda one: (not one.passed, not one.running, -one.attempt, one.id), default=None)


def _is_up(container: Container) -> bool:
    return container.passed or container.state in ("running", "paused", "restarting")


def _why_made(simulation: Simulation, after: Container) -> str:
    creations = (one for one in simulation.actions if isinstance(one, actions.Create))
    created = (one.reason for one in creations if one.spec.name == after.name)
    begun = _why_begun(simulation, after.tag, ("deploy", "update", "repair"))
    return begun or next(created, "") or _why_repaired(simulation, after)


def _why_repaired(simulation: Simulation, container: Container) -> str:
    kinds = actions.Start | actions.Restart | actions.Unpause | actions.Connect
    repairs = (one for one in simulation.actions if isinstance(one, kinds))
    return next((one.reason for one in repairs if one.container.id == container.id), "")


def _why_gone(simulation: Simulation, before: Container | None) -> str:
    if before is None:
        return ""
    ends = actions.Stop | actions.Remove
    reasons = (one.reason for one in simulation.actions if isinstance(one, ends) and one.container.id == before.id)
    return _why_begun(simulation, before.tag, ("remove",)) or next(reasons, "")


def _why_begun(simulation: Simulation, tag: str, kinds: Sequence[str]) -> str:
    """What the log says of the tag's last rollout of such a kind; empty when that had begun before."""
    begun = (one for one in reversed(simulation.transitions) if one.kind == "started" and one.tag == tag)
    return next((one.message for one in begun if one.rollout_kind in kinds), "")


def _spec(simulation: Simulation, tag: str, before: Container, after: Container) -> tuple[tuple[FieldChange, ...], str]:
    """Fields that differ between two containers of a tag, and what can be said where no field tells it."""
    old = simulation.first.memory.of(tag).spec
    new = spec_fields.flatten(simulation.desired, tag)
    changed: list[FieldChange] = []
    detail = ""
    if before.template != after.template:
        changed += spec_fields.fields(old, new) if old else ()
        if not old:
            detail = f"spec changed ({DETAILS_UNKNOWN})"
        elif not changed:
            changed += (FieldChange(path, spec_fields.MASK, spec_fields.MASK) for path in spec_fields.masked(new))
            detail = "a masked value changed" if changed else "spec changed"
    if before.digest != after.digest:
        changed.append(FieldChange("digest", before.digest or None, shown(after.digest)))
    if before.secrets != after.secrets:
        masks = (spec_fields.MASK if container.secrets else None for container in (before, after))
        changed.append(FieldChange("secrets", *masks))
    return tuple(changed), detail


def shown(digest: str) -> str:
    """A digest for a person; the stand-in for one that only the pull will tell says so."""
    return KNOWN_LATER if digest.startswith(effects.UNKNOWN_DIGEST) else digest


def _routes(simulation: Simulation) -> Compared:
    key = simulation.desired.key
    first, last = simulation.first.routes.routes, simulation.last.routes.routes
    own = {name for table in (first, last) for name, route in table.items() if route.stage == key}
    ranked = [name for name in simulation.desired.default_hostnames if name in own]
    for name in [*ranked, *sorted(own - set(ranked))]:
        before, after = first.get(name), last.get(name)
        if after is None:
            yield "route", name, Change("-", "route", name, _why_unrouted(simulation, name))
        elif after.stage != key:
            continue  # it is a change of the stage that has it now
        elif before is None:
            yield "route", name, Change("+", "route", name, _why_routed(simulation, after), _target(after))
        elif before == after:
            yield "route", name, None
        else:
            fields = _route_fields(before, after)
            follows = before.marker and before.container != after.container and not fields
            why = f"it follows {after.tag} to its new container" if follows else _why_routed(simulation, after)
            yield "route", name, Change("~", "route", name, why, fields)


def _target(route: Route) -> tuple[FieldChange, ...]:
    """Where a default route leads; an instance route has its tag in its name."""
    return (FieldChange("tag", None, route.tag),) if route.kind == "default" else ()


def _why_routed(simulation: Simulation, route: Route) -> str:
    writes = (one for one in reversed(simulation.actions) if isinstance(one, actions.SetRoute))
    return next((one.reason for one in writes if one.route == route), "")


def _why_unrouted(simulation: Simulation, hostname: str) -> str:
    writes = (one for one in simulation.actions if isinstance(one, actions.DeleteRoute))
    return next((one.reason for one in writes if one.hostname == hostname), "")


def _route_fields(before: Route, after: Route) -> tuple[FieldChange, ...]:
    """The fields of two routes that differ for a person; address and marker follow from them."""
    flat = [
        {"stage": route.stage, "tag": route.tag, "kind": route.kind, "port": str(route.port)}
        | {f"options.{name}": str(value) for name, value in vars(route.options).items()}
        for route in (before, after)
    ]
    return spec_fields.fields(*flat)
