"""Who should run and who gets the default route; derived anew in each pass, never remembered (design §2).

wanted: `defaultTag` (it counts) and the newest declared, unexpired tags without those that are quarantined with nothing
passed, up to `maxInstances`. What is beyond that is evicted once every wanted one has passed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from controller.core.planning.plan_builder import Draft
from controller.core.planning.tag_state import Slot

Slots = Mapping[str, Slot]


@dataclass(frozen=True)
class Selection:
    """The tags of a stage by the part they play; a tag that is in none of these leaves."""

    live: tuple[str, ...] = ()
    """Declared and not expired, oldest first."""
    wanted: tuple[str, ...] = ()
    over: tuple[str, ...] = ()
    """Beyond maxInstances; what they have keeps running until every wanted one has passed."""
    evicted: tuple[str, ...] = ()
    """Beyond maxInstances, and leaving."""
    designated: str | None = None
    """Who shall have the default route: defaultTag, else the newest declared."""
    target: str | None = None
    """Who has it for now: the designated one once it has passed, until then who serves."""
    held: tuple[str, ...] = ()
    """No longer declared, or not wanted any more, but needed until a successor has proven itself."""

    @property
    def kept(self) -> tuple[str, ...]:
        """All tags that stay up in this pass."""
        return tuple(dict.fromkeys((*self.wanted, *self.over, *self.held)))


def select(draft: Draft, slots: Slots) -> Selection:
    """Decide the parts of all tags."""
    if draft.selection is not None and draft.selection[0] is draft.memory:
        return draft.selection[1]
    desired, memory = draft.desired, draft.memory
    live = tuple(item.tag for item in desired.instances if not _expired(draft, slots[item.tag]))
    runnable = [tag for tag in live if not (slots[tag].quarantined and not slots[tag].proven)]
    wanted = _newest(runnable, desired.default_tag, desired.max_instances)
    designated = desired.default_tag if desired.default_tag in live else (live[-1] if live else None)
    over = tuple(tag for tag in runnable if tag not in wanted and slots[tag].proven)
    passed = all(slots[tag].settled for tag in wanted)
    over, evicted = ((), over) if passed else (over, ())
    target = _target(draft, slots, live, designated) if live else None
    successor = designated if designated and slots[designated].settled else None
    held = _holding(draft, slots, target, successor) if live else []
    held += _claimed_elsewhere(draft)
    if not desired.prune:
        held += [tag for tag, slot in slots.items() if slot.declared is None]
    kept = {*wanted, *over}
    held = [tag for tag in dict.fromkeys(held) if tag not in kept and tag in slots and slots[tag].proven]
    found = Selection(live, wanted, over, evicted, designated, target, tuple(held))
    draft.selection = (memory, found)
    return found


def ready(draft: Draft, slot: Slot | None) -> bool:
    """True when what is declared of this tag has passed and runs."""
    return slot is not None and slot.current is not None and slot.current.running


def _expired(draft: Draft, slot: Slot) -> bool:
    declared = slot.declared
    if declared is None or declared.ttl is None or slot.tag == draft.desired.default_tag:
        return False
    born = slot.born
    if born > draft.now:  # in the future: the clock was set back
        born = draft.remember(slot.tag, born=draft.now).born
    end = born + declared.ttl
    if slot.memory.expired or end <= draft.now:
        if not slot.memory.expired:
            draft.remember(slot.tag, expired=True)
        return True
    draft.wake_at(end)
    return False


def _newest(tags: list[str], default: str | None, limit: int | None) -> tuple[str, ...]:
    if limit is None or len(tags) <= limit:
        return tuple(tags)
    first = [default] if default in tags else []
    room = limit - len(first)
    chosen = {*first, *[tag for tag in tags if tag not in first][len(tags) - len(first) - room :]}
    return tuple(tag for tag in tags if tag in chosen)


def _target(draft: Draft, slots: Slots, live: tuple[str, ...], designated: str | None) -> str | None:
    """Who gets the default route now. A tag that serves is not left for an older one while it is being repaired."""
    if designated and ready(draft, slots[designated]):
        return designated
    incumbent = _incumbent(draft, slots, live)
    if draft.desired.default_tag:
        return incumbent
    able = [tag for tag in live if ready(draft, slots[tag]) or (tag == incumbent)]
    best = able[-1] if able else None
    if incumbent is None or incumbent in live:
        return best
    if best is None or slots[incumbent].born >= slots[best].born:
        return incumbent
    return best


def _incumbent(draft: Draft, slots: Slots, live: tuple[str, ...]) -> str | None:
    """Who has the default route now, if something of it that passed can serve; who had it, when the proxy lost it.

    Where that is forgotten too, it is the newest undeclared one that passed, unless a declared one has passed.
    """
    for hostname in draft.desired.default_hostnames:
        route = draft.observed.routes.routes.get(hostname)
        if route is not None and route.stage == draft.desired.key and _can_serve(slots.get(route.tag)):
            return route.tag
        former = draft.observed.container(draft.memory.previous.get(hostname, ""))
        if former is not None and _can_serve(slots.get(former.tag)):
            return former.tag
    if _can_serve(slots.get(draft.memory.target)):
        return draft.memory.target
    if any(slots[tag].proven for tag in live):
        return None
    undeclared = [slot for slot in slots.values() if slot.declared is None and slot.proven]
    return max(undeclared, key=lambda slot: slot.born).tag if undeclared else None


def _can_serve(slot: Slot | None) -> bool:
    return slot is not None and (slot.proven or (slot.once_passed and not slot.quarantined))


def _holding(draft: Draft, slots: Slots, target: str | None, successor: str | None) -> list[str]:
    """Tags that stay although nothing wants them: who serves, who served until the successor has proven itself."""
    held = [target] if target is not None else []
    previous = [item for name, item in draft.memory.previous.items() if name in draft.desired.default_hostnames]
    former = [draft.observed.container(container_id) for container_id in previous]
    held += [item.tag for item in former if item is not None]
    held += [tag for hostname in draft.desired.default_hostnames if (tag := _routed(draft, hostname)) is not None]
    if not draft.desired.default_hostnames and successor is None:
        undeclared = [slot for slot in slots.values() if slot.declared is None and slot.proven]
        held += [slot.tag for slot in sorted(undeclared, key=lambda slot: slot.born)[-1:]]
    return held


def _claimed_elsewhere(draft: Draft) -> list[str]:
    """Tags behind a hostname that another stage claims and has not taken yet."""
    return [
        tag for hostname in sorted(draft.desired.claimed_elsewhere) if (tag := _routed(draft, hostname)) is not None
    ]


def _routed(draft: Draft, hostname: str) -> str | None:
    route = draft.observed.routes.routes.get(hostname)
    return route.tag if route is not None and route.stage == draft.desired.key else None
