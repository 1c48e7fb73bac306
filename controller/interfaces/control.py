"""What a person may ask of a controller."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from controller.core.catalog.safeguards import Hold
from controller.core.model.desired import StageKey
from controller.core.model.errors import Diagnostic
from controller.core.model.status import StageStatus


class Control(Protocol):
    """What a running controller offers on its unix socket; implemented by the manager."""

    async def reload(self) -> tuple[Diagnostic, ...]:
        """Read every source now, enqueue all stages, and return what is wrong with the documents."""
        ...

    async def reconcile(self, keys: Sequence[StageKey]) -> tuple[StageKey, ...]:
        """Ask for a pass of these stages (empty: all); returns those that exist."""
        ...

    async def retry(self, key: str) -> tuple[str, ...]:
        """Forget quarantines below a project, project/stage or project/stage/tag; returns project/stage/tag keys."""
        ...

    async def suspend(self, stage: StageKey, on: bool) -> None:
        """Suspend or resume a stage by hand. Raises `KeyError` for an unknown stage."""
        ...

    async def confirm(self, digest: str) -> bool:
        """Allow exactly the held change with this digest; False when there is none."""
        ...

    def holds(self) -> tuple[Hold, ...]:
        """What the guard holds back now."""
        ...

    def notices(self) -> tuple[str, ...]:
        """What was refused and belongs to no stage, such as a DeployRequest for an unknown project."""
        ...

    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What was wrong with the documents when the sources were last read."""
        ...

    def statuses(self) -> Mapping[StageKey, StageStatus]:
        """Newest status of each stage; a stage without a pass yet is missing."""
        ...

    def stages(self) -> tuple[StageKey, ...]:
        """All declared stages, and undeclared ones that still have something running."""
        ...
