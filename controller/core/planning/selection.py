"""Who should run and who gets the default route; derived anew in each pass, never remembered.

wanted: `defaultTag` (it counts) and the newest declared, unexpired tags without those that are quarantined with nothing
passed, up to `maxInstances`. What is beyond that is evicted once every wanted one has passed.
"""

from collections.abc import Iterable

from controller.core.model.desired import DesiredStage
from controller.core.model.observed import Container
from controller.core.planning.plan_builder import PlanBuilder
from controller.core.planning.tag_state import Slots, reread
from controller.core.planning.types import Selection, Slot


def note_expired(builder: PlanBuilder, slots: Slots) -> Slots:
    """Remember which declared tags have come to the end of their TTL, and come back when the next one does."""
    for slot in slots.values():
        if slot.declared is None or not _can_expire(builder.desired, slot):
            continue
        born = slot.born
        if born > builder.now:  # in the future: the clock was set back
            born = builder.remember(slot.tag, born=builder.now).born
        end = born + (slot.declared.ttl or 0.0)
        if end <= builder.now:
            builder.remember(slot.tag, expired=True)
        elif not slot.memory.expired:
            builder.wake_at(end)
    return reread(builder, slots)


def select(builder: PlanBuilder, slots: Slots) -> Selection:
    """Decide the parts of all tags; only reads."""
    desired = builder.desired
    live = tuple(instance.tag for instance in desired.instances if not _is_expired(desired, slots[instance.tag]))
    runnable = [tag for tag in live if slots[tag].has_passed or not slots[tag].quarantined]
    wanted = _newest(runnable, desired.default_tag, desired.max_instances)
    designated = desired.default_tag if desired.default_tag in live else (live[-1] if live else None)
    over = tuple(tag for tag in runnable if tag not in wanted and slots[tag].has_passed)
    if all(slots[tag].has_proven_itself for tag in wanted):
        over = ()
    target = _target(builder, slots, live, designated) if live else None
    successor = designated if designated and slots[designated].has_proven_itself else None
    held = _held_for_route(builder, slots, target, successor) if live else []
    held += _behind(builder, sorted(desired.claimed_elsewhere))
    if not desired.prune:
        held += [tag for tag, slot in slots.items() if slot.declared is None]
    kept = {*wanted, *over}
    held = [tag for tag in dict.fromkeys(held) if tag not in kept and tag in slots and slots[tag].has_passed]
    return Selection(live, wanted, over, designated, target, tuple(held))


def _can_expire(desired: DesiredStage, slot: Slot) -> bool:
    return slot.declared is not None and slot.declared.ttl is not None and slot.tag != desired.default_tag


def _is_expired(desired: DesiredStage, slot: Slot) -> bool:
    return slot.memory.expired and _can_expire(desired, slot)


def _is_ready(slot: Slot) -> bool:
    """True when what is declared of this tag has passed and runs."""
    return slot.current is not None and slot.current.running


def _newest(tags: list[str], default: str | None, limit: int | None) -> tuple[str, ...]:
    if limit is None or len(tags) <= limit:
        return tuple(tags)
    first = [default] if default in tags else []
    room = limit - len(first)
    chosen = {*first, *[tag for tag in tags if tag not in first][len(tags) - len(first) - room :]}
    return tuple(tag for tag in tags if tag in chosen)


def _target(builder: PlanBuilder, slots: Slots, live: tuple[str, ...], designated: str | None) -> str | None:
    """Who gets the default route now. A tag that serves is not left for an older one while it is being repaired."""
    if designated and _is_ready(slots[designated]):
        return designated
    incumbent = _incumbent(builder, slots, live)
    if builder.desired.default_tag:
        return incumbent
    best = next((tag for tag in reversed(live) if tag == incumbent or _is_ready(slots[tag])), None)
    if incumbent is None or incumbent in live:
        return best
    if best is None or slots[incumbent].born >= slots[best].born:
        return incumbent
    return best


def _incumbent(builder: PlanBuilder, slots: Slots, live: tuple[str, ...]) -> str | None:
    """Who has the default route now, if something of it that passed can serve; who had it, when the proxy lost it.

    Where that is forgotten too, it is the newest undeclared one that passed, unless a declared one has passed.
    """
    for hostname in builder.desired.default_hostnames:
        former = _former(builder, hostname)
        for tag in [*_behind(builder, [hostname]), *([former.tag] if former is not None else [])]:
            if _can_serve(slots.get(tag)):
                return tag
    if _can_serve(slots.get(builder.memory.target)):
        return builder.memory.target
    if any(slots[tag].has_passed for tag in live):
        return None
    newest = max(_undeclared(slots), key=lambda slot: slot.born, default=None)
    return newest.tag if newest is not None else None


def _can_serve(slot: Slot | None) -> bool:
    return slot is not None and (slot.has_passed or (slot.passed_before and not slot.quarantined))


def _held_for_route(builder: PlanBuilder, slots: Slots, target: str | None, successor: str | None) -> list[str]:
    """Tags that stay although nothing wants them: who serves, who served until the successor has proven itself."""
    hostnames = builder.desired.default_hostnames
    held = [target] if target is not None else []
    served = [name for name in builder.memory.previous if name in hostnames]
    held += [former.tag for name in served if (former := _former(builder, name)) is not None]
    held += _behind(builder, hostnames)
    if not hostnames and successor is None:
        held += [slot.tag for slot in _undeclared(slots)[-1:]]
    return held


def _undeclared(slots: Slots) -> list[Slot]:
    """The undeclared tags that passed, oldest first."""
    undeclared = [slot for slot in slots.values() if slot.declared is None and slot.has_passed]
    return sorted(undeclared, key=lambda slot: slot.born)


def _former(builder: PlanBuilder, hostname: str) -> Container | None:
    """The container that served a hostname before the last switch, until that has proven itself."""
    return builder.by_id.get(builder.memory.previous.get(hostname, ""))


def _behind(builder: PlanBuilder, hostnames: Iterable[str]) -> list[str]:
    """Tags of this stage that the routes of these hostnames lead to."""
    routes = [builder.observed.routes.routes.get(hostname) for hostname in hostnames]
    return [route.tag for route in routes if route is not None and route.stage == builder.desired.key]
