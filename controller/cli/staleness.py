"""Whether the state folder still says what a running controller knows: on a full disk its statuses stay old."""

import time
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from controller.cli import context, tables
from controller.cli.output import say
from controller.core.model.errors import HoldfastError
from controller.core.model.status import StageStatus

if TYPE_CHECKING:
    from controller.clients.state.store import SqliteStore
    from controller.settings import Settings

STORING = 1.0
"""Seconds that a status may take from a pass into the state folder."""


def warn(settings: "Settings", store: "SqliteStore", shown: Collection[str]) -> None:
    """Say on standard error which of these stages have a stored status older than what the controller knows."""
    known = _known(settings)
    stored = store.statuses()
    if not any(old(stored, known, key) for key in shown):
        return
    time.sleep(STORING)
    stored = store.statuses()
    for key in sorted(shown):
        if old(stored, known, key):
            ready = known[key].condition("Ready")
            why = (ready.message if ready is not None else "") or known[key].reason
            age = tables.age(time.time() - stored[key].observed_at)
            say(f"! {key}: shown as it was {age} ago, what came since is not stored; the controller says: {why}")


def old(stored: Mapping[str, StageStatus], known: Mapping[str, StageStatus], key: str) -> bool:
    """True when the controller knows something later and else of the stage than what is stored."""
    before, after = stored.get(key), known.get(key)
    if before is None or after is None or before.observed_at >= after.observed_at:
        return False
    return _words(before) != _words(after)


def _words(status: StageStatus) -> StageStatus:
    """The status without its times."""
    conditions = tuple(item.model_copy(update={"since": 0.0}) for item in status.conditions)
    return status.model_copy(update={"conditions": conditions, "observed_at": 0.0})


def _known(settings: "Settings") -> dict[str, StageStatus]:
    try:
        running = context.client(settings)
        told = running.status()["statuses"] if running is not None else {}
    except HoldfastError:
        return {}
    return {key: StageStatus.model_validate(item) for key, item in told.items()}
