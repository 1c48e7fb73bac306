"""Everything that the command line and the API show."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from controller.core.catalog.safeguards import Hold
from controller.core.model.desired import StageKey
from controller.core.model.errors import Diagnostic
from controller.core.model.memory import StageMemory
from controller.core.model.status import HistoryRow, LogLine, StageStatus


class Reads(Protocol):
    """What is known, for showing; nothing here changes anything.

    The manager implements it from its own memory and the state folder. The reader of the state folder implements it
    without a controller, and knows no holds, notices and diagnostics. `memory`, `history`, `lines` and `oldest_record`
    read a file, so an event loop calls them in a thread; they raise `Locked` for the file of a newer version, and
    `WorldBad` for one that cannot be read.
    """

    def stages(self) -> tuple[StageKey, ...]:
        """All declared stages, and undeclared ones that still have something running."""

    def statuses(self) -> Mapping[StageKey, StageStatus]:
        """Newest status of each stage; a stage without a pass yet is missing."""

    def memory(self, stage: StageKey) -> StageMemory:
        """What is remembered of a stage; blank when nothing is."""

    def history(self, prefix: str | None, limit: int) -> Sequence[HistoryRow]:
        """The newest rollouts at or below `project` or `project/stage` (None: all), newest first."""

    def lines(self, prefix: str | None, rollout: str | None, limit: int, after: int) -> Sequence[LogLine]:
        """Log lines at or below `project` or `project/stage`, of one rollout or of all, in their order.

        With `after`: those with a greater id, at most `limit`. With 0: the newest `limit`.
        """

    def oldest_record(self) -> float | None:
        """Unix seconds of the oldest log line that is kept; None when there is none."""

    def holds(self) -> tuple[Hold, ...]:
        """What the guard holds back now."""

    def notices(self) -> tuple[str, ...]:
        """What was refused and belongs to no stage, such as a DeployRequest for an unknown project."""

    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What was wrong with the documents when the sources were last read."""
