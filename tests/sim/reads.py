"""`Reads` of the simulated world: what is in the state folder, beside whoever writes it."""

from controller.clients.state.write import OUTCOMES
from controller.core.model.desired import StageKey
from controller.core.model.errors import Diagnostic
from controller.core.model.memory import StageMemory
from controller.core.model.status import HistoryRow, LogLine, StageStatus
from controller.interfaces import Hold, Reads
from tests.sim.store import Disk

LINE_FIELDS = {"level", "tag", "rollout", "step", "message", "data"}


class SimReads(Reads):
    """The disk, for showing; holds, notices and diagnostics are known to a controller only."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def stages(self) -> tuple[StageKey, ...]:
        """Names of all stages of which something is remembered or reported."""
        return tuple(sorted({*self._disk.memory, *self._disk.statuses}))

    def statuses(self) -> dict[StageKey, StageStatus]:
        """The newest status of each stage."""
        return dict(self._disk.statuses)

    def memory(self, stage: StageKey) -> StageMemory:
        """What is remembered of a stage."""
        return self._disk.memory.get(stage) or StageMemory()

    def history(self, prefix: str | None, limit: int) -> list[HistoryRow]:
        """The newest rollouts, newest first; the disk keeps no times of them."""
        rows = [
            HistoryRow(
                id=row.rollout, key=row.stage, tag=row.tag, kind=row.kind, revision=row.revision, reason=row.reason,
                status=next((name for kind, name in OUTCOMES.items() if kind == row.status), "Running"), started_at=0,
            )
            for row in self._disk.rows.values()
            if _is_below(row.stage, prefix)
        ]  # fmt: skip
        return rows[::-1][:limit]

    def lines(self, prefix: str | None, rollout: str | None, limit: int, after: int) -> list[LogLine]:
        """Log lines in their order."""
        lines = [
            LogLine(id=number, time=time, key=stage, **transition.model_dump(include=LINE_FIELDS))
            for number, (time, stage, transition) in enumerate(self._disk.lines, 1)
            if number > after and rollout in (None, transition.rollout) and _is_below(stage, prefix)
        ]
        return lines[:limit] if after else lines[-limit:]

    def oldest_record(self) -> float | None:
        """When the first line was written."""
        return self._disk.lines[0][0] if self._disk.lines else None

    def holds(self) -> tuple[Hold, ...]:
        """None."""
        return ()

    def notices(self) -> tuple[str, ...]:
        """None."""
        return ()

    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """None."""
        return ()


def _is_below(stage: StageKey, prefix: str | None) -> bool:
    return prefix is None or f"{stage}/".startswith(f"{prefix}/")
