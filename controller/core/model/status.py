"""What a pass reports: conditions as Kubernetes has them, one line per instance, and transitions for history.

`Ready` sums up; `Reconciling` and `Stalled` are present only while true (kstatus).
"""

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Phase = Literal[
    "Pending", "Pulling", "Creating", "Starting", "PreDeploy", "Gating", "Routing", "Verifying", "Baking",
    "Running", "Degraded", "RolledBack", "Failed", "HeldOver", "Draining", "Evicted", "Expired", "Suspended",
]  # fmt: skip
Outcome = Literal["Running", "Succeeded", "RolledBack", "Failed", "Superseded"]
TransitionKind = Literal["started", "step", "succeeded", "rolledBack", "failed", "superseded", "notice"]


SUSPENDED_BY_HAND = "SuspendedByHand"
"""Reason of the condition `Suspended` of a stage that `holdfast suspend` holds."""


class _Status(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Condition(_Status):
    """One condition; `since` stays while status and reason stay the same."""

    type: str
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str = ""
    since: float = 0.0


def one_per_type(conditions: Iterable[Condition]) -> tuple[Condition, ...]:
    """Merge conditions of one type, as Kubernetes keys them by it: status and reason of the first, messages joined."""
    by_type: dict[str, list[Condition]] = {}
    for condition in conditions:
        by_type.setdefault(condition.type, []).append(condition)
    return tuple(
        first.model_copy(update={"message": "; ".join(dict.fromkeys(one.message for one in (first, *more)))})
        if more
        else first
        for first, *more in by_type.values()
    )


class InstanceStatus(_Status):
    """One declared, held over or leaving instance."""

    tag: str
    phase: Phase
    sync: Literal["Synced", "OutOfSync", "Unknown"] = "Unknown"
    health: Literal["Healthy", "Unhealthy", "Progressing", "Missing", "Unknown"] = "Unknown"
    reason: str = ""
    message: str = ""
    declared: bool = True
    revision: str = ""
    digest: str = ""
    container: str = ""
    """Name of the container that serves, or of the candidate."""
    urls: tuple[str, ...] = ()
    default: bool = False
    """The default route points here."""
    born: float = 0.0


class StageStatus(_Status):
    """One stage after a pass."""

    key: str
    reason: str = ""
    """One sentence: what the pass did and why, also when it did nothing."""
    generation: str = ""
    conditions: tuple[Condition, ...] = ()
    instances: tuple[InstanceStatus, ...] = ()
    urls: tuple[str, ...] = ()
    observed_at: float = 0.0

    def condition(self, kind: str) -> Condition | None:
        """The condition of this type, if present."""
        return next((condition for condition in self.conditions if condition.type == kind), None)

    def dated(self, before: "StageStatus | None") -> "StageStatus":
        """With each condition dated from when its status and reason became what they are; `before`: the last status."""
        earlier = {(one.type, one.status, one.reason): one.since for one in (before.conditions if before else ())}
        dated = []
        for one in self.conditions:
            since = earlier.get((one.type, one.status, one.reason)) or one.since or self.observed_at
            dated.append(one if since == one.since else one.model_copy(update={"since": since}))
        return self.model_copy(update={"conditions": tuple(dated)})

    @property
    def ready(self) -> bool:
        """True when everything declared runs, is routed and verified."""
        condition = self.condition("Ready")
        return condition is not None and condition.status == "True"

    @property
    def settled(self) -> bool:
        """True when nothing is going on: ready, or stalled until somebody changes something."""
        return self.condition("Reconciling") is None


def waiting(key: str) -> StageStatus:
    """The status of a stage that had no pass yet."""
    return StageStatus(key=key, conditions=(Condition(type="Reconciling", status="True", reason="Waiting"),))


class Transition(_Status):
    """One step of a rollout: a log line, and for the first and last steps a history row and a notification."""

    rollout: str
    """Id of the rollout; empty for stage-wide notices."""
    tag: str
    kind: TransitionKind
    step: str
    """One word: pull, create, start, preDeploy, gate, route, verify, bake, drain, remove, rollback …"""
    level: Literal["info", "warning", "error"] = "info"
    message: str = ""
    reason: str = ""
    rollout_kind: str = ""
    revision: str = ""
    data: dict[str, Any] = {}


class HistoryRow(_Status):
    """One rollout, open or closed."""

    id: str
    key: str
    """project/stage."""
    tag: str
    kind: str
    """deploy, update, switch, repair or remove."""
    revision: str
    status: Outcome
    started_at: float
    ended_at: float | None = None
    reason: str = ""
    message: str = ""


class LogLine(_Status):
    """One structured line of a rollout's log, or a stage-wide notice."""

    id: int
    """Grows by one per line; the id of server-sent events later."""
    time: float
    level: Literal["info", "warning", "error"]
    key: str
    tag: str
    rollout: str
    step: str
    message: str
    data: dict[str, Any] = {}
