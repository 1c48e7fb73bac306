"""`Store` and `Secrets` of the simulated world: a state folder that outlives the controller and may be lost."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import BaseModel

from controller.core.catalog.types import Sourced
from controller.core.model.desired import SecretRef, StageKey
from controller.core.model.errors import Locked, WorldBad
from controller.core.model.memory import StageMemory
from controller.core.model.observed import SecretsSeen
from controller.core.model.status import StageStatus, Transition
from controller.interfaces import Secrets, Store
from tests.sim.call_border import Border, Life
from tests.sim.faults import Crash
from tests.sim.receivers import Outbox

T = TypeVar("T")

DISK_S = 0.002


@dataclass
class Row:
    """One rollout in the history."""

    rollout: str
    stage: StageKey
    tag: str
    revision: str
    kind: str
    status: str = "Running"
    reason: str = ""


@dataclass
class Disk:
    """What is in the state folder."""

    memory: dict[StageKey, StageMemory] = field(default_factory=dict)
    statuses: dict[StageKey, StageStatus] = field(default_factory=dict)
    rows: dict[str, Row] = field(default_factory=dict)
    lines: list[tuple[float, StageKey, Transition]] = field(default_factory=list)
    good: dict[str, tuple[Sourced, ...]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    """Sentences about a history that never happened (S19)."""
    outbox: Outbox | None = None
    """What receivers are to be told; None where nobody listens."""
    confirmed: str = ""
    """Digest of the mass change that somebody allowed."""
    holder: Life | None = None
    """Who has the folder's lock; a life that ended has given it back."""

    def lock(self, life: Life) -> None:
        """Take the lock, as `clients.lock` does. Raises `Locked`."""
        if self.holder is not None and not self.holder.dead:
            raise Locked(f"the state folder is held by {self.holder.actor}")
        self.holder = life

    def wipe(self) -> None:
        """The folder is lost, or thrown away."""
        for part in (self.memory, self.statuses, self.rows, self.lines, self.good):
            part.clear()
        self.confirmed = ""

    def write(self, stage: StageKey, memory: StageMemory, transitions: Sequence[Transition], now: float) -> None:
        """One transaction."""
        self.memory[stage] = memory
        for item in transitions:
            self.lines.append((now, stage, item))
            self._row(stage, item)
        if self.outbox is not None:
            self.outbox.add(stage, transitions, now)

    def _row(self, stage: StageKey, item: Transition) -> None:
        if item.kind in ("step", "notice"):
            return
        row, who = self.rows.get(item.rollout), f"rollout {item.rollout} of {stage} {item.tag}"
        if row is None:
            row = Row(item.rollout, stage, item.tag, item.revision, item.rollout_kind)
            self.rows[item.rollout] = row
            if item.kind != "started":
                self.wrong.append(f"{who} ended ({item.kind}) without a beginning")
        elif item.kind == "started":
            self.wrong.append(f"{who} began twice")
        elif row.status != "Running":
            self.wrong.append(f"{who} ended twice: {row.status}, {item.kind}")
        if item.kind != "started" and row.status == "Running":
            row.status, row.reason = item.kind, item.reason


class SimNote:
    """`intake.Confirmed`: a line in the state folder."""

    def __init__(self, life: Life, disk: Disk) -> None:
        self._life = life
        self._disk = disk

    def load(self) -> str:
        """What was saved last."""
        return self._disk.confirmed

    def save(self, digest: str) -> None:
        """Keep it."""
        if self._life.dead:
            raise Crash
        self._disk.confirmed = digest


class SimStore(Store):
    """The open store of one life of the controller."""

    def __init__(self, border: Border, life: Life, disk: Disk) -> None:
        self._border = border
        self._life = life
        self._disk = disk

    async def memory(self, stage: StageKey) -> StageMemory:
        """What is remembered of a stage."""
        self._border.passes.append((self._border.clock.monotonic(), stage))
        act = lambda: self._disk.memory.get(stage) or StageMemory()  # noqa: E731
        return self._read(act)

    async def record(self, stage: StageKey, memory: StageMemory, transitions: Sequence[Transition], now: float) -> None:
        """Memory and transitions in one transaction."""
        kinds = " ".join(f"{item.tag}:{item.step or item.kind}" for item in transitions)
        await self._border.effect(
            self._life,
            "store.record",
            f"{stage} {kinds}".strip(),
            lambda: self._disk.write(stage, memory, transitions, now),
            DISK_S,
        )

    async def report(self, status: StageStatus) -> None:
        """The newest status; written only when more than its time differs."""
        old = self._disk.statuses.get(status.key)
        if old is not None and _same(old, status):
            return
        act = lambda: self._disk.statuses.__setitem__(status.key, status.dated(old))  # noqa: E731
        await self._border.effect(self._life, "store.report", status.key, act, DISK_S)

    async def stages(self) -> tuple[StageKey, ...]:
        """Names of all stages of which something is remembered or reported."""
        return self._read(lambda: tuple(sorted({*self._disk.memory, *self._disk.statuses})))

    async def forget(self, stage: StageKey) -> None:
        """Memory and status of a stage that is gone; what is open in its history ends."""

        def act() -> None:
            self._disk.memory.pop(stage, None)
            self._disk.statuses.pop(stage, None)
            for row in self._disk.rows.values():
                if row.stage == stage and row.status == "Running":
                    row.status, row.reason = "superseded", "StageGone"

        if stage in self._disk.memory or stage in self._disk.statuses:
            await self._border.effect(self._life, "store.forget", stage, act, DISK_S)

    async def last_good(self, source: str) -> tuple[Sourced, ...] | None:
        """What the guard last accepted."""
        return self._read(lambda: self._disk.good.get(source))

    async def keep_good(self, source: str, documents: Sequence[Sourced]) -> None:
        """Remember what the guard accepted."""
        if self._disk.good.get(source) != tuple(documents):
            act = lambda: self._disk.good.__setitem__(source, tuple(documents))  # noqa: E731
            await self._border.effect(self._life, "store.keep_good", source, act, DISK_S)

    def _read(self, act: Callable[[], T]) -> T:
        if self._life.dead:
            raise Crash
        return act()


def _same(old: StageStatus, new: StageStatus) -> bool:
    """Nothing but times differs."""
    if len(old.conditions) != len(new.conditions):
        return False
    pairs = [(old, new, "observed_at"), *((a, b, "since") for a, b in zip(old.conditions, new.conditions, strict=True))]
    return all(_without(a, time) == _without(b, time) for a, b, time in pairs)


def _without(item: BaseModel, time: str) -> dict[str, object]:
    return {name: value for name, value in vars(item).items() if name not in (time, "conditions")}


class SimSecrets(Secrets):
    """Secrets that can be missing or change; never written down."""

    def __init__(self, border: Border, life: Life, values: Mapping[SecretRef, str]) -> None:
        self._border = border
        self._life = life
        self._values = values

    async def look(self, refs: Sequence[SecretRef]) -> SecretsSeen:
        """Keyed digest of the values now."""
        if not refs:
            return SecretsSeen()
        missing = tuple(f"{ref.kind}:{ref.name} does not exist" for ref in refs if ref not in self._values)
        text = "" if missing else "\0".join(self._values[ref] for ref in refs)
        digest = "" if missing else hashlib.sha256(text.encode()).hexdigest()[:16]
        return SecretsSeen("k1", digest, missing)

    async def resolve(self, refs: Sequence[SecretRef]) -> Mapping[SecretRef, str]:
        """Values, or what is missing."""
        for ref in refs:
            if ref not in self._values:
                raise WorldBad(f"{ref.kind}:{ref.name} does not exist", reason="SecretMissing")
        return {ref: self._values[ref] for ref in refs}
