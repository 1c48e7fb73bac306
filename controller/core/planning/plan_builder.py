"""A plan in the making: what the steps of one pass read, and what they add to, one after the other.

Only `plan.plan` makes one; it lives for one call, so that the plan as a whole stays a pure function. Names of steps say
what they do to it: `is_`, `has_` and `can_` only read; `ensure_` may request one action and returns whether the world
shows it already; `note_` may change what is remembered; `give_up_if_` may end a rollout.
"""

from collections import defaultdict
from dataclasses import dataclass, field

from controller.core.model import backoff, digests, keys
from controller.core.model.actions import Action
from controller.core.model.decision import Rules
from controller.core.model.desired import DesiredStage
from controller.core.model.errors import Failure
from controller.core.model.memory import InstanceMemory, StageMemory
from controller.core.model.observed import Container, Fact, Key, KeyKind, Observed
from controller.core.model.status import Phase, Transition


@dataclass
class View:
    """The status of one instance after this pass; the last step that sets it wins."""

    phase: Phase = "Pending"
    reason: str = ""
    message: str = ""
    busy: bool = False
    """Something is going on or will be tried again."""

    def show(self, phase: Phase, reason: str = "", message: str = "", *, busy: bool) -> None:
        """Set everything at once."""
        self.phase, self.reason, self.message, self.busy = phase, reason, message, busy

    def show_progress(self, phase: Phase, fact: Fact | None, waiting: str = "") -> None:
        """Show an operation under way: its failure, else `waiting`, else its note."""
        failure = failure_of(fact)
        note = waiting or (fact.note if fact is not None else "")
        self.show(phase, failure.reason if failure else "", failure.message if failure else note, busy=True)


@dataclass
class PlanBuilder:
    """The inputs of a pass, and what was decided so far."""

    desired: DesiredStage
    observed: Observed
    rules: Rules
    now: float
    memory: StageMemory
    """What will be remembered after the pass."""
    actions: dict[Key, Action] = field(default_factory=dict)
    """In the order in which they were requested."""
    transitions: list[Transition] = field(default_factory=list)
    keep: set[Key] = field(default_factory=set)
    """Keys of the facts that the stage goes on to go by."""
    views: defaultdict[str, View] = field(default_factory=lambda: defaultdict(View))
    """By tag."""
    busy: bool = False
    """Something of the stage is going on that belongs to no declared instance, such as a container that leaves."""
    wake: float | None = None
    template: str = field(init=False)
    """Template hash of what is declared."""
    containers: dict[str, list[Container]] = field(init=False)
    """The observed containers by tag."""
    by_id: dict[str, Container] = field(init=False)
    routed: set[str] = field(init=False)
    """Ids of containers that a route leads to, of whatever stage."""

    def __post_init__(self) -> None:
        desired = self.desired
        self.template = digests.template_hash(desired.template, self.published_port) if desired.declared else ""
        self.containers = {}
        for container in self.observed.containers:
            self.containers.setdefault(container.tag, []).append(container)
        self.by_id = {container.id: container for container in self.observed.containers}
        self.routed = {route.container for route in self.observed.routes.routes.values()}

    @property
    def published_port(self) -> int | None:
        """Port to publish on the host, where the proxy reaches containers that way."""
        return self.desired.port if self.rules.reach == "published" else None

    def remember(self, tag: str, **changes: object) -> InstanceMemory:
        """Change what is remembered of a tag."""
        before = self.memory.of(tag)
        if all(getattr(before, name) == value for name, value in changes.items()):
            return before
        changed = before.model_copy(update=changes)
        self.memory = self.memory.with_instance(tag, changed)
        return changed

    def remember_stage(self, **changes: object) -> None:
        """Change what is remembered of the stage."""
        self.memory = self.memory.model_copy(update=changes)

    def wake_at(self, when: float) -> None:
        """Come back then, if nothing happens before."""
        self.wake = when if self.wake is None else min(self.wake, when)

    def peek(self, key: Key) -> Fact | None:
        """What is known of an operation; only reads."""
        return self.observed.facts.get(key)

    def follow(self, key: Key) -> Fact | None:
        """What is known of an operation, which this stage goes on to go by: it is neither called off nor forgotten."""
        fact = self.observed.facts.get(key)
        if fact is not None:
            self.keep.add(key)
        return fact

    def unfollow(self, *kinds: KeyKind) -> None:
        """Forget what is known of operations of these kinds, so that they begin anew."""
        self.keep = {key for key in self.keep if key.kind not in kinds}

    def request(self, action: Action) -> Fact | None:
        """Have this done once: begun when nothing is known of it, and again when a failure of the world is due.

        Returns what is known: None when it begins now.
        """
        fact = self.follow(action.key)
        if fact is None or (_failed_by_world(fact) and self._is_due(fact)):
            self._issue(action)
        return fact

    def request_until_seen(self, action: Action) -> Fact | None:
        """Have this done although it succeeded before: the world, which is the truth, does not show it."""
        fact = self.follow(action.key)
        if fact is None or fact.status == "succeeded" or (fact.status == "failed" and self._is_due(fact)):
            self._issue(action)
        return fact

    def is_active(self, container: Container) -> bool:
        """True while a process of the container may be there, or is being started, also by this very pass."""
        key = keys.start(container)
        return container.alive or is_running(self.peek(key)) or key in self.actions

    def retry_at(self, fact: Fact, least: float = 0.0) -> float:
        """Unix seconds from when a failed fact may be tried again, at least so many seconds after its end.

        That is now for what ended in the future: the clock was set back, and nobody waits until it has caught up.
        """
        ended = fact.ended_at or fact.started_at
        return self.now if ended > self.now else max(backoff.due(fact), ended + least)

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
        self.actions.setdefault(action.key, action)  # two steps may want the same, such as Unpause

    def _is_due(self, fact: Fact) -> bool:
        when = self.retry_at(fact)
        if when > self.now:
            self.wake_at(when)
        return when <= self.now


def is_running(fact: Fact | None) -> bool:
    """True while the operation is under way."""
    return fact is not None and fact.status == "running"


def failure_of(fact: Fact | None) -> Failure | None:
    """Why an operation failed, if it did."""
    if fact is None or fact.status != "failed":
        return None
    return fact.failure or Failure("Unknown", "it failed without a reason", False)


def _failed_by_world(fact: Fact) -> bool:
    return fact.status == "failed" and not (fact.failure and fact.failure.revision_bad)
