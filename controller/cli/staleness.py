"""A warning where stored statuses are older than what the running controller knows, such as on a full disk."""

import time
from collections.abc import Collection, Mapping

from controller.cli import context, tables
from controller.cli.output import say
from controller.core.model.errors import HoldfastError
from controller.core.model.status import StageStatus
from controller.interfaces import Reads
from controller.settings import Settings

STORING_MAX_S = 1.0
"""From the end of a pass until its status is in the state folder."""


def warn(settings: Settings, stored: Reads, shown: Collection[str]) -> None:
    """Say on stderr which of these stages have a stored status older than what the controller knows."""
    current = _of_controller(settings)
    statuses = stored.statuses()
    if not any(is_stale(statuses, current, key) for key in shown):
        return
    time.sleep(STORING_MAX_S)
    statuses = stored.statuses()
    for key in sorted(shown):
        if is_stale(statuses, current, key):
            ready = current[key].condition("Ready")
            why = (ready.message if ready is not None else "") or current[key].reason
            age = tables.age(time.time() - statuses[key].observed_at)
            say(f"! {key}: shown as it was {age} ago, what came since is not stored; the controller says: {why}")


def is_stale(stored: Mapping[str, StageStatus], current: Mapping[str, StageStatus], key: str) -> bool:
    """True when the controller knows of something newer than what is stored of the stage."""
    before, after = stored.get(key), current.get(key)
    if before is None or after is None or before.observed_at >= after.observed_at:
        return False
    return _without_times(before) != _without_times(after)


def _without_times(status: StageStatus) -> StageStatus:
    conditions = tuple(one.model_copy(update={"since": 0.0}) for one in status.conditions)
    return status.model_copy(update={"conditions": conditions, "observed_at": 0.0})


def _of_controller(settings: Settings) -> Mapping[str, StageStatus]:
    try:
        controller = context.client(settings)
        return controller.status().statuses if controller is not None else {}
    except HoldfastError:
        return {}
