"""The probe: one check of a container, asked directly."""

from dataclasses import dataclass
from typing import Protocol

from controller.core.model.desired import Check
from controller.core.model.observed import Container


@dataclass(frozen=True)
class Probe:
    """Result of one check. `refused`: nothing listens yet, ask again soon inside the same attempt."""

    ok: bool
    detail: str
    refused: bool = False


class Prober(Protocol):
    """Asks a container directly, never through the proxy."""

    async def probe(self, check: Check, container: Container) -> Probe:
        """One request; bounded by `check.timeout`; follows no redirect; never raises."""
