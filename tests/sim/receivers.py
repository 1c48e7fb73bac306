"""Who is told of rollouts in the simulated world: receivers that answer, are slow, or are not there.

The notifier and its outbox are the real ones; only the POST goes to a receiver of this world.
"""

import asyncio
import itertools
import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from controller.clients.notify import TIMEOUT_S, Notifier, Target
from controller.clients.state import outbox
from controller.clients.state.outbox import Notification
from controller.clients.state.schema import VERSIONS
from controller.clients.state.store import SqliteStore
from controller.core.model.desired import SecretRef, StageKey
from controller.core.model.status import Transition
from controller.interfaces import Clock, Secrets
from tests.sim.call_border import Life
from tests.sim.faults import Crash


@dataclass
class Receiver:
    """One entry of `notifications`, and who listens there."""

    name: str
    mode: Literal["up", "slow", "down", "silent"] = "up"
    got: Counter[str] = field(default_factory=Counter)
    """How often each delivery arrived, by its id."""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    attempts: int = 0
    secret: SecretRef | None = None
    events: Sequence[str] = ("success", "failure", "rollback")

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{self.name}.test/hook"

    async def post(self, item: Notification) -> str:
        """Take a delivery; empty, or what the sender sees instead of a receipt."""
        self.attempts += 1
        if self.mode == "down":
            return "cannot connect: refused"
        await asyncio.sleep({"up": 0.01, "slow": 4.0, "silent": TIMEOUT_S}[self.mode])
        if self.mode == "silent":
            return f"no answer within {TIMEOUT_S:g} s"
        self.got[item.id] += 1
        self.bodies.append(json.loads(item.body))
        return ""


class Outbox:
    """What is to be told, in the state folder: the tables and questions of the real store."""

    def __init__(self) -> None:
        self.db = sqlite3.connect(":memory:")
        for statement in itertools.chain.from_iterable(VERSIONS):
            self.db.execute(statement)
        self.wakes: list[Callable[[], None]] = []

    def add(self, stage: StageKey, transitions: Sequence[Transition], now: float) -> None:
        """In the transaction of what it tells of."""
        for item in transitions:
            outbox.add(self.db, stage, item, now)
        for wake in self.wakes:
            wake()


class SimOutbox:
    """The part of the open store that a notifier knows; dead with its life."""

    def __init__(self, life: Life, outbox: Outbox) -> None:
        self._life = life
        self._outbox = outbox

    def listen(self, wake: Callable[[], None]) -> None:
        """Have it called after each record."""
        self._outbox.wakes[:] = [wake]

    async def set_targets(self, targets: Mapping[str, Sequence[str]], now: float) -> None:
        """Deliver to exactly these targets."""
        outbox.set_targets(self._db, targets, now)

    async def outbox(self, target: str, limit: int) -> list[Notification]:
        """What the target has not got yet."""
        return outbox.waiting(self._db, target, limit)

    async def mark_delivered(self, item: str, target: str) -> None:
        """It has got it."""
        outbox.mark_delivered(self._db, item, target)

    async def postpone(self, item: str, target: str, next_at: float, failures: int) -> None:
        """It will be tried again."""
        outbox.postpone(self._db, item, target, next_at, failures)

    @property
    def _db(self) -> sqlite3.Connection:
        if self._life.dead:
            raise Crash
        return self._outbox.db


class SimNotifier(Notifier):
    """The real notifier, whose posts go to the receivers of the world."""

    def __init__(
        self, life: Life, outbox: Outbox, receivers: Sequence[Receiver], secrets: Secrets, clock: Clock
    ) -> None:
        super().__init__(cast(SqliteStore, SimOutbox(life, outbox)), receivers, secrets, clock)
        self._life = life

    async def _send(self, http: object, target: Target, item: Notification) -> str:
        if self._life.dead:
            raise Crash
        assert isinstance(target, Receiver)
        return await target.post(item)
