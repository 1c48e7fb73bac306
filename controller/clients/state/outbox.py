"""The outbox: notifications written in the transaction of what they tell of, delivered later and apart.

An item has a stable id made from what it tells of, so that a receiver can drop what it gets twice. How far each target
is with each item is kept beside it. Bounded: the newest thousand items, for a week.
"""

import hashlib
import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from controller.core.model.desired import StageKey
from controller.core.model.status import Transition, TransitionKind
from controller.telemetry import log

Event = Literal["success", "failure", "rollback"]
EVENTS: dict[TransitionKind, Event] = {"succeeded": "success", "failed": "failure", "rolledBack": "rollback"}
WANTED = "o.time >= t.since AND instr(t.events, o.event) > 0"
MAX_ITEMS = 1000
MAX_AGE = 7 * 86400.0
"""Seconds; the notifier gives up long before, this is for items without any target."""


@dataclass(frozen=True)
class OutboxItem:
    """One notification that a target has not got yet."""

    id: str
    """The same at every attempt, after a restart too."""
    event: Event
    time: float
    body: str
    """JSON."""
    failures: int
    """Attempts so far at this target."""
    next_at: float
    """Unix seconds of the next attempt."""


def add(db: sqlite3.Connection, stage: StageKey, item: Transition, now: float) -> None:
    """Put a transition into the outbox, once, if somebody wants to hear of it.

    These are the ends of rollouts but superseded ones, and notices of errors, such as a failing health check.
    """
    event = EVENTS.get(item.kind, "failure" if item.kind == "notice" and item.level == "error" else None)
    if event is None:
        return
    project, _, name = stage.partition("/")
    # A rollout ends once; a notice may come again and is another one then.
    told = (stage, item.rollout, item.kind) if item.rollout else (stage, item.tag, item.kind, item.step, repr(now))
    delivery = hashlib.sha256("\0".join(told).encode()).hexdigest()[:32]
    body = {
        "id": delivery,
        "event": event,
        "time": now,
        "project": project,
        "stage": name,
        "tag": item.tag,
        "rollout": item.rollout,
        "kind": item.rollout_kind,
        "revision": item.revision,
        "step": item.step,
        "reason": item.reason,
        "message": item.message,
    }
    db.execute("UPDATE target SET since = ? WHERE since > ?", (now, now))  # in the future: the clock was set back
    db.execute(
        "INSERT OR IGNORE INTO outbox (id, event, time, body) VALUES (?, ?, ?, ?)",
        (delivery, event, now, json.dumps(body, separators=(",", ":"))),
    )


def trim(db: sqlite3.Connection, now: float) -> None:
    """Drop items that are too old or too many."""
    last = db.execute(
        "SELECT max(coalesce((SELECT number FROM outbox ORDER BY number DESC LIMIT 1 OFFSET ?), 0), "
        "coalesce((SELECT max(number) FROM outbox WHERE time < ?), 0))",
        (MAX_ITEMS, now - MAX_AGE),
    ).fetchone()[0]
    lost = db.execute(
        f"SELECT count(*) FROM outbox o JOIN target t ON {WANTED} WHERE o.number <= ? AND NOT EXISTS "
        "(SELECT 1 FROM delivery d WHERE d.item = o.id AND d.target = t.key AND d.done)",
        (last,),
    ).fetchone()[0]
    if lost:
        log.error("notifications dropped, the outbox is full", count=lost)
    db.execute("DELETE FROM delivery WHERE item IN (SELECT id FROM outbox WHERE number <= ?)", (last,))
    db.execute("DELETE FROM outbox WHERE number <= ?", (last,))


def aim(db: sqlite3.Connection, targets: Mapping[str, Sequence[str]], now: float) -> None:
    """Deliver to exactly these targets, by key, these events; a new target gets what is written from now on."""
    marks = ", ".join("?" * len(targets))
    db.execute(f"DELETE FROM delivery WHERE target NOT IN ({marks})", tuple(targets))
    db.execute(f"DELETE FROM target WHERE key NOT IN ({marks})", tuple(targets))
    db.executemany(
        "INSERT INTO target VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET events = excluded.events",
        [(key, now, " ".join(events)) for key, events in targets.items()],
    )


def waiting(db: sqlite3.Connection, target: str, limit: int) -> list[OutboxItem]:
    """What the target has not got yet, soonest first."""
    rows = db.execute(
        "SELECT o.id, o.event, o.time, o.body, coalesce(d.failures, 0), coalesce(d.next_at, 0) FROM outbox o "
        f"JOIN target t ON t.key = ? AND {WANTED} LEFT JOIN delivery d ON d.item = o.id AND d.target = t.key "
        "WHERE coalesce(d.done, 0) = 0 ORDER BY coalesce(d.next_at, 0), o.number LIMIT ?",
        (target, limit),
    )
    return [OutboxItem(*row) for row in rows]


def settle(db: sqlite3.Connection, item: str, target: str) -> None:
    """The target has got the item, or will not get it any more."""
    db.execute(
        "INSERT INTO delivery (item, target, done) VALUES (?, ?, 1) ON CONFLICT (item, target) DO UPDATE SET done = 1",
        (item, target),
    )


def postpone(db: sqlite3.Connection, item: str, target: str, next_at: float, failures: int) -> None:
    """Try again later."""
    db.execute(
        "INSERT INTO delivery (item, target, failures, next_at) VALUES (?, ?, ?, ?) ON CONFLICT (item, target) "
        "DO UPDATE SET failures = excluded.failures, next_at = excluded.next_at",
        (item, target, failures, next_at),
    )
