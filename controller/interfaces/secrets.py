"""The values that documents refer to."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from controller.core.model.desired import SecretRef
from controller.core.model.observed import SecretsSeen


class Secrets(Protocol):
    """Resolves references below `policy.secretRoots` and from HOLDFAST_SECRET_*."""

    async def look(self, refs: Sequence[SecretRef]) -> SecretsSeen:
        """Keyed digests now; missing ones are reported, never raised."""

    async def resolve(self, refs: Sequence[SecretRef]) -> Mapping[SecretRef, str]:
        """Values, for a create call only. Raises `WorldBad` (SecretMissing)."""
