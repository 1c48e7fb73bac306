"""A plan in the making: what the steps of one pass add to, one after the other.

Only `plan.plan` makes one; it lives for one call, so that the plan as a whole stays a pure function.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from controller.core.model import backoff, digests, keys
from controller.core.model.actions import Action
from controller.core.model.decision import Rules
from controller.core.model.desired import DesiredStage
from controller.core.model.errors import Failure
from controller.core.model.memory import InstanceMemory, StageMemory
from controller.core.model.observed import Container, Fact, Key, Observed
from controller.core.model.status import Phase, Transition

if TYPE_CHECKING:
    from controller.core.planning.selection import Selection
    from controller.core.planning.tag_state import Slot


@dataclass
class View:
    """What a person is told of one instance after this pass; the last step that has something to say wins."""

    phase: Phase = "Pending"
    reason: str = ""
    message: str = ""
    busy: bool = False
    """Something is going on or will be tried again."""

    def say(self, phase: Phase, reason: str = "", message: str = "", *, busy: bool) -> None:
        """Set everything at once."""
        self.phase, self.reason, self.message, self.busy = phase, reason, message, busy


@dataclass
class Draft:
    """The inputs of a pass, and what was decided so far."""

    desired: DesiredStage
    observed: Observed
    rules: Rules
    now: float
    memory: StageMemory
    actions: list[Action] = field(default_factory=list)
    transitions: list[Transition] = field(default_factory=list)
    keep: set[Key] = field(default_factory=set)
    views: dict[str, View] = field(default_factory=dict)
    busy: bool = False
    """Something of the stage is going on that belongs to no declared instance, such as a container that leaves."""
    wake: float | None = None
    template: str = ""
    """Template hash of what is declared."""
    slots: "tuple[StageMemory, dict[str, Slot]] | None" = None
    """The slots that were found, and with which memory; only `slots.slots` uses it."""
    selection: "tuple[StageMemory, Selection] | None" = None
    """The same of `wanted.select`."""

    def __post_init__(self) -> None:
        desired = self.desired
        publish = desired.port if self.rules.reach == "published" else None
        self.template = digests.template_hash(desired.template, publish) if desired.declared else ""

    def view(self, tag: str) -> View:
        """What is told of this tag."""
        return self.views.setdefault(tag, View())

    def remember(self, tag: str, **changes: object) -> InstanceMemory:
        """Change what is remembered of a tag."""
        known = self.memory.of(tag)
        if all(getattr(known, name) == value for name, value in changes.items()):
            return known
        changed = known.model_copy(update=changes)
        self.memory = self.memory.with_instance(tag, changed)
        return changed

    def change(self, **changes: object) -> None:
        """Change what is remembered of the stage."""
        self.memory = self.memory.model_copy(update=changes)

    def wake_at(self, when: float) -> None:
        """Come back then, if nothing happens before."""
        self.wake = when if self.wake is None else min(self.wake, when)

    def fact(self, key: Key) -> Fact | None:
        """What is known of an operation, which this stage goes on to go by."""
        found = self.observed.fact(key)
        if found is not None:
            self.keep.add(key)
        return found

    def ask(self, action: Action) -> Fact | None:
        """Have this done once: begun when nothing is known of it, and again when a failure of the world is due.

        Returns what is known: None when it begins now.
        """
        fact = self.fact(action.key)
        if fact is None or (_failed_by_world(fact) and self._due(fact)):
            self._issue(action)
        return fact

    def enforce(self, action: Action) -> Fact | None:
        """Have this done although it succeeded before: the world, which is the truth, does not show it."""
        fact = self.fact(action.key)
        if fact is None or fact.status == "succeeded" or (fact.status == "failed" and self._due(fact)):
            self._issue(action)
        return fact

    def active(self, item: Container) -> bool:
        """True while a process of the container may be there, or is being started, also by this very pass."""
        key = keys.start(item)
        return runs(item) or self.running(key) or any(action.key == key for action in self.actions)

    def running(self, key: Key) -> bool:
        """True while this operation is under way."""
        fact = self.fact(key)
        return fact is not None and fact.status == "running"

    def log(self, step: str, message: str, *, tag: str = "", level: str = "info", **data: object) -> None:
        """A log line; of the tag's open rollout if it has one."""
        rollout = self.memory.of(tag).rollout if tag else None
        self.transitions.append(
            Transition(
                rollout=rollout.id if rollout else "",
                tag=tag,
                kind="step" if rollout else "notice",
                step=step,
                level=level,
                message=message,
                rollout_kind=rollout.kind if rollout else "",
                revision=rollout.revision if rollout else "",
                data=data,
            )
        )

    def _issue(self, action: Action) -> None:
        self.keep.add(action.key)
        if all(other.key != action.key for other in self.actions):  # two steps may want the same, such as Unpause
            self.actions.append(action)

    def due(self, fact: Fact, least: float = 0.0) -> float:
        """Unix seconds from when a failed fact may be tried again, at least so many seconds after its end.

        That is now for what ended in the future: the clock was set back, and nobody waits until it has caught up.
        """
        ended = fact.ended_at or fact.started_at
        return self.now if ended > self.now else max(backoff.due(fact), ended + least)

    def _due(self, fact: Fact) -> bool:
        when = self.due(fact)
        if when > self.now:
            self.wake_at(when)
        return when <= self.now


def _failed_by_world(fact: Fact) -> bool:
    return fact.status == "failed" and not (fact.failure and fact.failure.revision_bad)


def failure(fact: Fact | None) -> Failure | None:
    """Why an operation failed, if it did."""
    if fact is None or fact.status != "failed":
        return None
    return fact.failure or Failure("Unknown", "it failed without a reason", False)


def runs(container: Container) -> bool:
    """True while a process of the container may be there."""
    return container.state in ("running", "paused", "restarting")
