"""Queries on the state file. A row that this version cannot read counts as missing, and the log says so."""

import json
import sqlite3
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from controller.core.catalog.types import Sourced
from controller.core.documents.spec import KINDS
from controller.core.model.desired import StageKey
from controller.core.model.memory import StageMemory
from controller.core.model.status import HistoryRow, LogLine, StageStatus
from controller.telemetry import log

M = TypeVar("M", bound=BaseModel)
ORIGIN_MORE = ("generation", "revision", "author")
"""Keys of an origin that are stored only where the source knows them: an earlier version reads the row without them."""


def parsed(model: type[M], data: str, key: str) -> M | None:
    """A stored row; None when this version cannot read it."""
    try:
        return model.model_validate_json(data)
    except ValidationError:
        log.warning("stored row cannot be read by this version, taken for unknown", kind=model.__name__, key=key)
        return None


def memory(db: sqlite3.Connection, stage: StageKey) -> StageMemory:
    """What is remembered of a stage; blank when nothing is."""
    row = db.execute("SELECT data FROM memory WHERE stage = ?", (stage,)).fetchone()
    return (parsed(StageMemory, row[0], stage) if row is not None else None) or StageMemory()


def stages(db: sqlite3.Connection) -> tuple[StageKey, ...]:
    """Names of all stages with a memory or a status."""
    rows = db.execute("SELECT stage FROM memory UNION SELECT stage FROM status ORDER BY 1").fetchall()
    return tuple(row[0] for row in rows)


def statuses(db: sqlite3.Connection) -> dict[StageKey, StageStatus]:
    """The newest status of each stage."""
    rows = db.execute("SELECT stage, data FROM status")
    statuses = {key: parsed(StageStatus, data, key) for key, data in rows}
    return {key: status for key, status in statuses.items() if status is not None}


def last_good(db: sqlite3.Connection, source: str) -> tuple[Sourced, ...] | None:
    """Documents last accepted from a source; None when nothing is known.

    All or nothing: a set without the one document that cannot be read would look like its deletion.
    """
    row = db.execute("SELECT data FROM good WHERE source = ?", (source,)).fetchone()
    if row is None:
        return None
    try:
        return tuple(_sourced(stored) for stored in json.loads(row[0]))
    except (ValidationError, ValueError, KeyError, TypeError):
        log.warning("last good documents cannot be read by this version, taken for unknown", source=source)
        return None


def history(db: sqlite3.Connection, prefix: str | None, limit: int) -> list[HistoryRow]:
    """The newest rollouts of a project or stage, newest first."""
    where, values = _below(prefix)
    rows = db.execute(
        "SELECT id, stage, tag, kind, revision, status, started_at, ended_at, reason, message FROM history "
        f"WHERE {where} ORDER BY number DESC LIMIT ?",
        (*values, max(0, limit)),
    )
    names = ("id", "key", "tag", "kind", "revision", "status", "started_at", "ended_at", "reason", "message")
    return [HistoryRow.model_validate(dict(zip(names, row, strict=True))) for row in rows]


def oldest_record(db: sqlite3.Connection) -> float | None:
    """When the oldest log line that is kept was written; None without any."""
    row = db.execute("SELECT time FROM line ORDER BY id LIMIT 1").fetchone()
    return float(row[0]) if row is not None else None


def lines(db: sqlite3.Connection, prefix: str | None, rollout: str | None, limit: int, after: int) -> list[LogLine]:
    """Log lines in their order: those after an id, or the newest ones when `after` is 0."""
    where, values = _below(prefix)
    if rollout is not None:
        where, values = f"{where} AND rollout = ?", (*values, rollout)
    rows = db.execute(
        "SELECT id, time, level, stage, tag, rollout, step, message, data FROM line "
        f"WHERE {where} AND id > ? ORDER BY id {'ASC' if after > 0 else 'DESC'} LIMIT ?",
        (*values, max(0, after), max(0, limit)),
    )
    names = ("id", "time", "level", "key", "tag", "rollout", "step", "message")
    fields = [{**dict(zip(names, row[:-1], strict=True)), "data": json.loads(row[-1])} for row in rows]
    lines = [LogLine.model_validate(line) for line in fields]
    return lines if after > 0 else lines[::-1]


def _below(prefix: str | None) -> tuple[str, tuple[str, ...]]:
    """A condition for stages at or below a prefix; by segment, so that `shop` never finds `shopper/dev`."""
    if prefix is None:
        return "1", ()
    return "(stage = ? OR (stage > ? AND stage < ?))", (prefix, f"{prefix}/", f"{prefix}0")


def _sourced(stored: dict[str, Any]) -> Sourced:
    document = KINDS[stored["kind"]].model_validate(stored["document"])
    sourced = Sourced.of_file(document, stored["source"], stored["path"], stored["line"])
    more = {name: stored[name] for name in ORIGIN_MORE if name in stored}
    return replace(sourced, origin=replace(sourced.origin, **more)) if more else sourced
