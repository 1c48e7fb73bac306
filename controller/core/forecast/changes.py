"""What a stage's course comes to: its first and its last look compared, per instance and per hostname."""

from collections.abc import Iterator, Sequence
from dataclasses import fields

from controller.core.forecast import effects
from controller.core.forecast.simulate import Course
from controller.core.forecast.types import Change
from controller.core.model import actions
from controller.core.model.observed import Container, Observed, Route
from controller.core.planning import spec_fields
from controller.core.planning.spec_fields import FieldChange

KNOWN_LATER = "(known after pull)"
DETAILS_UNKNOWN = "details unknown: the state folder was new"


def changes(course: Course) -> tuple[tuple[Change, ...], tuple[str, ...]]:
    """The changes of a stage, and the names of what is left alone; instances first, then routes."""
    found: list[Change] = []
    alone: list[str] = []
    for kind, name, change in [*_instances(course), *_routes(course)]:
        if change is None:
            alone.append(f"{kind} {name}")
        else:
            found.append(change)
    return tuple(found), tuple(alone)


Found = Iterator[tuple[str, str, Change | None]]


def _instances(course: Course) -> Found:
    declared = [item.tag for item in course.desired.instances]
    seen = {item.tag for look in (course.first, course.last) for item in look.containers}
    for tag in [*declared, *sorted(seen - set(declared))]:
        before, after = _best(course.first, tag), _best(course.last, tag)
        if before is not None or after is not None:
            yield "instance", tag, _instance(course, tag, before, after)


def _instance(course: Course, tag: str, before: Container | None, after: Container | None) -> Change | None:
    if after is None:  # then there was one before
        return Change("-", "instance", tag, _why_gone(course, before))
    if before is None or not _there(before):
        return Change("+", "instance", tag, _why_made(course, after)) if before != after else None
    if before.id == after.id:
        mended = _why_mended(course, after)
        return Change("~", "instance", tag, mended) if mended else None
    differs, detail = _spec(course, tag, before, after)
    reason = _why_made(course, after) + (f"; {detail}" if detail else "")
    return Change("-/+" if course.desired.recreate else "~", "instance", tag, reason, differs)


def _best(observed: Observed, tag: str) -> Container | None:
    """The container that stands for a tag: what passed before what runs before the newest."""
    mine = [item for item in observed.containers if item.tag == tag and item.role == "app"]
    usable = [item for item in mine if item.state not in ("removing", "dead")]
    return min(usable, key=lambda item: (not item.passed, not item.running, -item.attempt, item.id), default=None)


def _there(container: Container) -> bool:
    return container.passed or container.state in ("running", "paused", "restarting")


def _why_made(course: Course, after: Container) -> str:
    making = (item for item in course.actions if isinstance(item, actions.Create) and item.spec.name == after.name)
    begun = _why_begun(course, after.tag, ("deploy", "update", "repair"))
    return begun or next((item.reason for item in making), "") or _why_mended(course, after)


def _why_mended(course: Course, container: Container) -> str:
    mending = actions.Start | actions.Restart | actions.Unpause | actions.Connect
    found = (item for item in course.actions if isinstance(item, mending) and item.container.id == container.id)
    return next((item.reason for item in found), "")


def _why_gone(course: Course, before: Container | None) -> str:
    if before is None:
        return ""
    ending = actions.Stop | actions.Remove
    found = (item for item in course.actions if isinstance(item, ending) and item.container.id == before.id)
    return _why_begun(course, before.tag, ("remove",)) or next((item.reason for item in found), "")


def _why_begun(course: Course, tag: str, kinds: Sequence[str]) -> str:
    """What the log would say of the tag's last rollout of such a kind; empty when it had begun before."""
    begun = [item for item in course.transitions if item.kind == "started" and item.tag == tag]
    words = next((item.message for item in reversed(begun) if item.rollout_kind in kinds), "")
    return words.removeprefix(f"{tag}: ").replace(f"{tag} ", "it ", 1)


def _spec(course: Course, tag: str, before: Container, after: Container) -> tuple[tuple[FieldChange, ...], str]:
    """Fields that differ between two containers of a tag, and what can be said where no field tells it."""
    known = course.first.memory.of(tag).spec
    new = spec_fields.flatten(course.desired, tag)
    found: list[FieldChange] = []
    detail = ""
    if before.template != after.template:
        found += spec_fields.fields(known, new) if known else ()
        if not known:
            detail = f"spec changed ({DETAILS_UNKNOWN})"
        elif not found:
            found += (FieldChange(path, spec_fields.MASK, spec_fields.MASK) for path in spec_fields.masked(new))
            detail = "a masked value changed" if found else "spec changed"
    if before.digest != after.digest:
        found.append(FieldChange("digest", before.digest or None, shown(after.digest)))
    if before.secrets != after.secrets:
        found.append(FieldChange("secrets", *(spec_fields.MASK if item.secrets else None for item in (before, after))))
    return tuple(found), detail


def shown(digest: str) -> str:
    """A digest for a person; one that stands for a tag that was never pulled says so."""
    return KNOWN_LATER if digest.startswith(effects.UNKNOWN_DIGEST) else digest


def _routes(course: Course) -> Found:
    key = course.desired.key
    first, last = course.first.routes.routes, course.last.routes.routes
    own = {name for table in (first, last) for name, route in table.items() if route.stage == key}
    ranked = [name for name in course.desired.default_hostnames if name in own]
    for name in [*ranked, *sorted(own - set(ranked))]:
        before, after = first.get(name), last.get(name)
        if after is None:
            yield "route", name, Change("-", "route", name, _why_unrouted(course, name))
        elif after.stage != key:
            continue  # its new stage tells
        elif before is None:
            yield "route", name, Change("+", "route", name, _why_routed(course, after), _target(after))
        elif before == after:
            yield "route", name, None
        else:
            differs = _differs(before, after)
            follows = before.marker and before.container != after.container and not differs
            why = f"follows {after.tag} to its new container" if follows else _why_routed(course, after)
            yield "route", name, Change("~", "route", name, why, differs)


def _target(route: Route) -> tuple[FieldChange, ...]:
    """Where a default route leads; an instance route has its tag in its name."""
    return (FieldChange("tag", None, route.tag),) if route.kind == "default" else ()


def _why_routed(course: Course, route: Route) -> str:
    setting = [item for item in course.actions if isinstance(item, actions.SetRoute)]
    found = next((item.reason for item in reversed(setting) if item.route == route), "")
    return found.replace(route.hostname, "it", 1)


def _why_unrouted(course: Course, hostname: str) -> str:
    deleting = (item for item in course.actions if isinstance(item, actions.DeleteRoute) and item.hostname == hostname)
    return next((item.reason for item in deleting), "").replace(hostname, "it", 1)


def _differs(before: Route, after: Route) -> tuple[FieldChange, ...]:
    """What a person can tell two routes by; the address and the marker follow from it."""
    flat = [
        {"stage": item.stage, "tag": item.tag, "kind": item.kind, "port": str(item.port)}
        | {f"options.{field.name}": str(getattr(item.options, field.name)) for field in fields(item.options)}
        for item in (before, after)
    ]
    return spec_fields.fields(*flat)
