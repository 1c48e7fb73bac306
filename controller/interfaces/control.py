"""What a person may ask a controller to change."""

from collections.abc import Sequence
from typing import Protocol

from controller.core.model.desired import StageKey
from controller.core.model.errors import Diagnostic


class Control(Protocol):
    """The changing calls of a running controller's unix socket; implemented by the manager."""

    async def reload(self) -> tuple[Diagnostic, ...]:
        """Read every source now, enqueue all stages, and return what is wrong with the documents."""

    async def reconcile(self, keys: Sequence[StageKey]) -> tuple[StageKey, ...]:
        """Ask for a pass of these stages (empty: all); returns those that exist."""

    async def retry(self, key: str) -> tuple[str, ...]:
        """Forget quarantines below a project, project/stage or project/stage/tag; returns project/stage/tag keys."""

    async def suspend(self, stage: StageKey, on: bool) -> None:
        """Suspend or resume a stage by hand. Raises `KeyError` for an unknown stage."""

    async def confirm(self, digest: str) -> bool:
        """Allow exactly the held change with this digest; False when there is none."""
