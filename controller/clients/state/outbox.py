"""The outbox: notifications, written in the transaction of the transition that they report, and delivered later.

A notification has a stable id made from its transition, so that a receiver can drop what it gets twice. The progress of
each target with each notification is kept beside it. The newest thousand are kept, for a week.
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
WANTED_BY_TARGET = "o.time >= t.since AND instr(t.events, o.event) > 0"
MAX_ITEMS = 1000
MAX_AGE_S = 7 * 86400.0
"""The notifier gives up long before; this is for notifications without any target."""


@dataclass(frozen=True)
class Notification:
    """One notification for a target that has not received it yet."""

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


def add(db: sqlite3.Connection, stage: StageKey, transition: Transition, now: float) -> None:
    """Put a transition into the outbox, once, if it is worth a notification.

    These are the ends of rollouts except superseded ones, and notices of errors, such as a failing health check.
    """
    is_failure = transition.kind == "notice" and transition.level == "error"
    event = EVENTS.get(transition.kind, "failure" if is_failure else None)
    if event is None:
        return
    project, _, name = stage.partition("/")
    # A rollout ends once; a notice may come again, and is another notification then.
    identity: tuple[str, ...] = (stage, transition.rollout, transition.kind)
    if not transition.rollout:
        identity = (stage, transition.tag, transition.kind, transition.step, repr(now))
    delivery = hashlib.sha256("\0".join(identity).encode()).hexdigest()[:32]
    body = {
        "id": delivery,
        "event": event,
        "time": now,
        "project": project,
        "stage": name,
        "tag": transition.tag,
        "rollout": transition.rollout,
        "kind": transition.rollout_kind,
        "revision": transition.revision,
        "step": transition.step,
        "reason": transition.reason,
        "message": transition.message,
    }
    db.execute("UPDATE target SET since = ? WHERE since > ?", (now, now))  # in the future: the clock was set back
    db.execute(
        "INSERT OR IGNORE INTO outbox (id, event, time, body) VALUES (?, ?, ?, ?)",
        (delivery, event, now, json.dumps(body, separators=(",", ":"))),
    )


def trim(db: sqlite3.Connection, now: float) -> None:
    """Drop notifications that are too old or too many."""
    last = db.execute(
        "SELECT max(coalesce((SELECT number FROM outbox ORDER BY number DESC LIMIT 1 OFFSET ?), 0), "
        "coalesce((SELECT max(number) FROM outbox WHERE time < ?), 0))",
        (MAX_ITEMS, now - MAX_AGE_S),
    ).fetchone()[0]
    lost = db.execute(
        f"SELECT count(*) FROM outbox o JOIN target t ON {WANTED_BY_TARGET} WHERE o.number <= ? AND NOT EXISTS "
        "(SELECT 1 FROM delivery d WHERE d.item = o.id AND d.target = t.key AND d.done)",
        (last,),
    ).fetchone()[0]
    if lost:
        log.error("notifications dropped, the outbox is full", count=lost)
    db.execute("DELETE FROM delivery WHERE item IN (SELECT id FROM outbox WHERE number <= ?)", (last,))
    db.execute("DELETE FROM outbox WHERE number <= ?", (last,))


def set_targets(db: sqlite3.Connection, targets: Mapping[str, Sequence[str]], now: float) -> None:
    """Deliver to exactly these targets, by key, these events; a new target gets what is written from now on."""
    marks = ", ".join("?" * len(targets))
    db.execute(f"DELETE FROM delivery WHERE target NOT IN ({marks})", tuple(targets))
    db.execute(f"DELETE FROM target WHERE key NOT IN ({marks})", tuple(targets))
    db.executemany(
        "INSERT INTO target VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET events = excluded.events",
        [(key, now, " ".join(events)) for key, events in targets.items()],
    )


def waiting(db: sqlite3.Connection, target: str, limit: int) -> list[Notification]:
    """What the target has not received yet, soonest first."""
    rows = db.execute(
        "SELECT o.id, o.event, o.time, o.body, coalesce(d.failures, 0), coalesce(d.next_at, 0) FROM outbox o "
        f"JOIN target t ON t.key = ? AND {WANTED_BY_TARGET} LEFT JOIN delivery d ON d.item = o.id AND d.target = t.key "
        "WHERE coalesce(d.done, 0) = 0 ORDER BY coalesce(d.next_at, 0), o.number LIMIT ?",
        (target, limit),
    )
    return [Notification(*row) for row in rows]


def mark_delivered(db: sqlite3.Connection, notification: str, target: str) -> None:
    """Deliver it to the target no more: it was received, or it is given up."""
    db.execute(
        "INSERT INTO delivery (item, target, done) VALUES (?, ?, 1) ON CONFLICT (item, target) DO UPDATE SET done = 1",
        (notification, target),
    )


def postpone(db: sqlite3.Connection, notification: str, target: str, next_at: float, failures: int) -> None:
    """Try again later."""
    db.execute(
        "INSERT INTO delivery (item, target, failures, next_at) VALUES (?, ?, ?, ?) ON CONFLICT (item, target) "
        "DO UPDATE SET failures = excluded.failures, next_at = excluded.next_at",
        (notification, target, failures, next_at),
    )
