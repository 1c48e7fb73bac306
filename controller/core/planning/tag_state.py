"""One slot per tag of a stage: what is declared for it, what it has, and which of its containers plays which part.

`current` is what is declared and has passed; `candidate` is what is declared and has still to pass; `stable` is what
passed before and serves until then. Everything else of the tag is on its way out.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from controller.core.model import digests, keys
from controller.core.model.desired import DesiredInstance
from controller.core.model.memory import InstanceMemory
from controller.core.model.observed import Container
from controller.core.planning.plan_builder import Draft, runs


@dataclass(frozen=True)
class Slot:
    """One tag of the stage in this pass."""

    tag: str
    declared: DesiredInstance | None
    memory: InstanceMemory
    born: float
    containers: tuple[Container, ...] = ()
    """App containers, best first."""
    one_offs: tuple[Container, ...] = ()
    """preDeploy containers, newest first."""
    template: str = ""
    digest: str = ""
    revision: str = ""
    quarantined: bool = False
    current: Container | None = None
    stable: Container | None = None
    candidate: Container | None = None
    former: tuple[Container, ...] = ()
    """Containers that passed and are not what is declared now, best first."""

    @property
    def serving(self) -> Container | None:
        """The container that may have traffic."""
        return self.current or self.stable

    @property
    def proven(self) -> bool:
        """Something of it passed and is still there."""
        return self.serving is not None

    @property
    def settled(self) -> bool:
        """What is declared serves and has proven itself: what was before it may go."""
        return self.current is not None and self.memory.settled == self.current.id

    @property
    def once_passed(self) -> bool:
        """The declared revision passed here before: its failures are the world's."""
        return self.revision in self.memory.passed


def gated(draft: Draft, container: Container) -> bool:
    """True when this start of the container passed its gate while we were looking."""
    fact = draft.fact(keys.gate(container, draft.desired.check))
    return container.running and fact is not None and fact.status == "succeeded"


def slots(draft: Draft) -> dict[str, Slot]:
    """All tags that are declared, run or are remembered."""
    if draft.slots is not None and draft.slots[0] is draft.memory:
        return draft.slots[1]
    desired = draft.desired
    tags = [item.tag for item in desired.instances]
    tags += sorted({item.tag for item in draft.observed.containers} - set(tags))
    tags += sorted(set(draft.memory.instances) - set(tags))
    known = draft.slots[1] if draft.slots is not None else {}
    found = {tag: _same(draft, known.get(tag)) or slot(draft, tag) for tag in tags}
    draft.slots = (draft.memory, found)
    return found


def _same(draft: Draft, known: Slot | None) -> Slot | None:
    """A slot that was found in this pass, while nothing that is remembered of its tag has changed since."""
    return known if known is not None and draft.memory.of(known.tag) is known.memory else None


def slot(draft: Draft, tag: str) -> Slot:
    """Look at one tag."""
    desired, memory = draft.desired, draft.memory.of(tag)
    declared = desired.instance(tag) if desired.declared else None
    mine = [item for item in draft.observed.containers if item.tag == tag]
    discarded = memory.rollout.discarded if memory.rollout else ()
    apps = [item for item in mine if item.role == "app" and item.id not in discarded and _usable(draft, item)]
    apps.sort(key=_rank)
    one_offs = sorted((item for item in mine if item.role == "preDeploy"), key=lambda item: -item.attempt)
    known = sorted(item.born for item in apps if item.born)
    born = memory.born or (known[0] if known else draft.now)
    passed = [item for item in apps if item.passed or gated(draft, item) or (item.running and _routed(draft, item))]
    if declared is None:
        return Slot(tag, None, memory, born, tuple(apps), tuple(one_offs), stable=_first(passed), former=tuple(passed))
    template = draft.template
    digest = pinned(draft, memory, apps)
    seen = draft.observed.secrets
    matching = [item for item in apps if digests.made_from(item, template, digest, seen)]
    name = matching[0].revision if matching else digests.revision(desired.key, tag, template, digest, seen.label)
    quarantine = memory.quarantine
    out = quarantine is not None and (quarantine.revision, quarantine.gate) == (name, digests.gate_hash(desired))
    current = None if out else _first(item for item in matching if item in passed)
    others = [item for item in passed if item not in matching]
    candidates = [item for item in matching if item not in passed]
    return Slot(
        tag,
        declared,
        memory,
        born,
        tuple(apps),
        tuple(one_offs),
        template=template,
        digest=digest,
        revision=name,
        quarantined=out,
        current=current,
        stable=None if current else _first(others),
        former=tuple(others),
        candidate=None if current or out else _first(sorted(candidates, key=lambda item: -item.attempt)),
    )


def pinned(draft: Draft, memory: InstanceMemory, apps: Iterable[Container]) -> str:
    """The digest that belongs to the tag here; empty when it has still to be resolved."""
    image = draft.desired.template.image
    if memory.digest and memory.image in ("", image):
        return memory.moved if memory.moved and draft.desired.track_digest else memory.digest
    return next((item.digest for item in apps if item.digest and item.image in ("", image)), "")


def publish(draft: Draft) -> int | None:
    """Port to publish on the host, where the proxy reaches containers that way."""
    return draft.desired.port if draft.rules.reach == "published" else None


def _routed(draft: Draft, item: Container) -> bool:
    key, routes = draft.desired.key, draft.observed.routes.routes.values()
    return any(route.container == item.id and route.stage == key for route in routes)


def _usable(draft: Draft, item: Container) -> bool:
    return item.state not in ("removing", "dead") and not draft.running(keys.stop(item))


def _rank(item: Container) -> tuple[bool, bool, int, str]:
    return (not item.passed, not runs(item), -item.attempt, item.id)


def _first(items: Iterable[Container]) -> Container | None:
    return next(iter(items), None)
