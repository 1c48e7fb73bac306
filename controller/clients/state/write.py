"""Statements that change the state file; each function runs inside one transaction of the one writer.

No secret is stored: memory, statuses and transitions carry references, digests and messages, never values.
"""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from controller.clients.state import outbox
from controller.clients.state.read import ORIGIN_MORE, parsed
from controller.core.catalog.types import Sourced
from controller.core.model.desired import StageKey
from controller.core.model.memory import StageMemory
from controller.core.model.status import Outcome, StageStatus, Transition, TransitionKind

OUTCOMES: dict[TransitionKind, Outcome] = {
    "succeeded": "Succeeded",
    "rolledBack": "RolledBack",
    "failed": "Failed",
    "superseded": "Superseded",
}
LINES_PER_ROLLOUT = 50
"""The log keeps so many lines for each rollout that the history may keep, all stages together."""


@dataclass(frozen=True)
class Keep:
    """How much history is kept; open rollouts are kept in any case."""

    max_age: float
    """Seconds."""
    max_count: int
    """Rollouts of all stages together, newest first."""


def record(
    db: sqlite3.Connection, stage: StageKey, memory: StageMemory, transitions: Sequence[Transition], now: float
) -> None:
    """Memory, history rows, log lines and outgoing notifications of one pass."""
    db.execute(
        "INSERT INTO memory VALUES (?, ?) ON CONFLICT (stage) DO UPDATE SET data = excluded.data "
        "WHERE data != excluded.data",
        (stage, _json(memory.model_dump(mode="json"))),
    )
    for transition in transitions:
        if transition.rollout and transition.kind in ("started", *OUTCOMES):
            _record_history(db, stage, transition, now)
        db.execute(
            "INSERT INTO line (time, level, stage, tag, rollout, step, message, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(now, transition.level, stage, transition.tag, transition.rollout, transition.step),
                *(transition.message, _json(transition.data)),
            ),
        )
        outbox.add(db, stage, transition, now)


def _record_history(db: sqlite3.Connection, stage: StageKey, end: Transition, now: float) -> None:
    """Insert the row of a rollout, or close it; a row is closed once, and one whose start was lost is inserted then.

    The revision is that of the end: at the start the digest, which is a part of it, need not be known.
    """
    db.execute(
        "INSERT OR IGNORE INTO history (id, stage, tag, kind, revision, status, started_at) "
        "VALUES (?, ?, ?, ?, ?, 'Running', ?)",
        (end.rollout, stage, end.tag, end.rollout_kind, end.revision, now),
    )
    if end.kind in OUTCOMES:
        db.execute(
            "UPDATE history SET status = ?, ended_at = ?, reason = ?, message = ?, "
            "revision = coalesce(nullif(?, ''), revision) WHERE id = ? AND ended_at IS NULL",
            (OUTCOMES[end.kind], now, end.reason, end.message, end.revision, end.rollout),
        )


def trim(db: sqlite3.Connection, keep: Keep, now: float) -> None:
    """Drop closed rollouts that are too old or too many with their lines, and lines that are too old or too many."""
    oldest = now - keep.max_age
    rows = db.execute(
        "SELECT id FROM history WHERE ended_at IS NOT NULL AND (ended_at < ? OR number <= "
        "(SELECT number FROM history ORDER BY number DESC LIMIT 1 OFFSET ?))",
        (oldest, keep.max_count),
    ).fetchall()
    for row in rows:
        db.execute("DELETE FROM history WHERE id = ?", row)
        db.execute("DELETE FROM line WHERE rollout = ?", row)
    db.execute(
        "DELETE FROM line WHERE id <= (SELECT coalesce(max(id), 0) FROM line) - ?",
        (keep.max_count * LINES_PER_ROLLOUT,),
    )
    # Ids grow with time: old lines are at the front, so looking at the first one is enough to know.
    first = db.execute("SELECT time FROM line ORDER BY id LIMIT 1").fetchone()
    if first is not None and first[0] < oldest:
        db.execute("DELETE FROM line WHERE time < ?", (oldest,))


def report(db: sqlite3.Connection, status: StageStatus) -> None:
    """The newest status of a stage; not written when only the time of the look differs."""
    row = db.execute("SELECT data FROM status WHERE stage = ?", (status.key,)).fetchone()
    before = parsed(StageStatus, row[0], status.key) if row is not None else None
    after = status.dated(before)
    if before is not None and before.model_copy(update={"observed_at": after.observed_at}) == after:
        return
    db.execute(
        "INSERT INTO status VALUES (?, ?) ON CONFLICT (stage) DO UPDATE SET data = excluded.data",
        (status.key, _json(after.model_dump(mode="json"))),
    )


def forget(db: sqlite3.Connection, stage: StageKey, now: float) -> None:
    """Memory and status of a stage; with the memory goes what could close its open rollouts, so they end here."""
    db.execute("DELETE FROM memory WHERE stage = ?", (stage,))
    db.execute("DELETE FROM status WHERE stage = ?", (stage,))
    db.execute(
        "UPDATE history SET status = 'Superseded', ended_at = ?, reason = 'StageGone', "
        "message = 'the stage is no longer declared and nothing of it is left' WHERE stage = ? AND ended_at IS NULL",
        (now, stage),
    )


def keep_good(db: sqlite3.Connection, source: str, documents: Sequence[Sourced]) -> None:
    """What the guard accepted from a source."""
    rows = [
        {
            "kind": one.document.kind,
            "source": one.origin.source,
            "path": one.origin.path,
            "line": one.origin.line,
            **{name: value for name in ORIGIN_MORE if (value := getattr(one.origin, name))},
            "document": one.document.model_dump(mode="json", by_alias=True, exclude_unset=True),
        }
        for one in documents
    ]
    db.execute(
        "INSERT INTO good VALUES (?, ?) ON CONFLICT (source) DO UPDATE SET data = excluded.data "
        "WHERE data != excluded.data",
        (source, _json(rows)),
    )


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True, default=str)
