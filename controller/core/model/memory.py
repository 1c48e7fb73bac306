"""What the store remembers of a stage: intent, attempts, pins, quarantine. Losing it removes and restarts nothing.

Written by `reconcile` before the effects of a pass, together with the transitions of that pass, in one transaction.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict

CLOCK_DRIFT_MAX_S = 2.0
"""Two clocks that moved apart by more than this between two passes did not drift: one was set."""

RolloutKind = Literal["deploy", "update", "switch", "repair", "remove"]


class _Memory(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Quarantine(_Memory):
    """A revision that failed and is not tried again by itself."""

    revision: str
    digest: str = ""
    """Empty when it failed before a digest was known."""
    gate: str = ""
    """Hash of check, preDeploy, port and deadline at the time: a change of them ends the quarantine."""
    reason: str
    message: str
    at: float
    logs: tuple[str, ...] = ()


class Rollout(_Memory):
    """One open rollout; closed ones are history rows."""

    id: str
    kind: RolloutKind
    revision: str
    started_at: float
    step: str = ""
    """Last step that was written to the log."""
    tries: int = 0
    """Containers of this rollout that failed while nothing had passed yet."""
    retry_at: float = 0.0
    """Unix seconds before which no further container is made after such a failure."""
    reason: str = ""
    problem: str = ""
    """Reason and message of the last failure, shown until the next try."""
    discarded: tuple[str, ...] = ()
    """Ids of its containers that failed; they are on their way out."""


class InstanceMemory(_Memory):
    """One (project, stage, tag)."""

    born: float = 0.0
    seen: float = 0.0
    digest: str = ""
    """Pinned once, used for every later container of the instance."""
    image: str = ""
    """Repository that the digest belongs to."""
    attempts: dict[str, int] = {}
    """Highest attempt number recorded, by revision."""
    passed: tuple[str, ...] = ()
    """Revisions that once passed their gate here, newest last, at most 8."""
    migrated: str = ""
    """Revision whose preDeploy ended with 0; it does not run for it again."""
    quarantine: Quarantine | None = None
    rollout: Rollout | None = None
    switched_at: float = 0.0
    """When the newest container was first seen to serve everything it shall; starts the bake."""
    settled: str = ""
    """Container (64-hex id) that has proven itself: passed, marked, verified, baked."""
    sick: bool = False
    """Its liveness probe failed at the last look, and that is logged."""
    expired: bool = False
    """TTL ended; stays away until undeclared."""
    moved: str = ""
    """Digest that the registry serves under the tag now, when it is not the pinned one."""
    spec: dict[str, str] = {}
    """`spec_fields.flatten` of the revision that passed last; empty when the state folder is newer than that."""


_BLANK = InstanceMemory()


class StageMemory(_Memory):
    """All instances of a stage, by tag, and what was set by hand."""

    instances: dict[str, InstanceMemory] = {}
    draining: dict[str, float] = {}
    """Containers (64-hex ids) that leave, with the time since when no route leads to them."""
    previous: dict[str, str] = {}
    """By hostname the container (64-hex id) that served it before the last switch, until that has proven itself."""
    target: str = ""
    """Tag that was last proven behind the default route: it stays the target though the proxy lost the route."""
    suspended: bool = False
    """`holdfast suspend`."""
    retries: dict[str, float] = {}
    """Tags whose quarantine `holdfast retry` asked to forget, with the time it was asked."""

    def of(self, tag: str) -> InstanceMemory:
        """Memory of a tag; blank when nothing is known."""
        return self.instances.get(tag, _BLANK)

    def with_instance(self, tag: str, memory: InstanceMemory | None) -> "StageMemory":
        """A copy in which the tag has this memory, or none."""
        rest = {key: value for key, value in self.instances.items() if key != tag}
        return self.model_copy(update={"instances": rest | ({tag: memory} if memory else {})})

    def shifted_by(self, seconds: float) -> "StageMemory":
        """The same on a clock that was set by so many seconds: what is being waited for takes as long as before.

        Births stay, because a TTL ends by the calendar. A smaller difference is drift, and changes nothing.
        """
        if abs(seconds) <= CLOCK_DRIFT_MAX_S:
            return self
        instances = {tag: _shifted(memory, seconds) for tag, memory in self.instances.items()}
        draining = {key: since + seconds for key, since in self.draining.items()}
        return self.model_copy(update={"instances": instances, "draining": draining})


def _shifted(memory: InstanceMemory, seconds: float) -> InstanceMemory:
    switched = memory.switched_at and memory.switched_at + seconds
    rollout = memory.rollout
    if rollout is not None:
        retry_at = rollout.retry_at and rollout.retry_at + seconds
        rollout = rollout.model_copy(update={"started_at": rollout.started_at + seconds, "retry_at": retry_at})
    return memory.model_copy(update={"switched_at": switched, "rollout": rollout})
