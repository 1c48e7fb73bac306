"""The reverse proxy, and what answers through it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from controller.core.model.observed import Route, RouteChange, RouteTable


@dataclass(frozen=True)
class Answer:
    """What came back through the proxy: the marker of the configuration that answered, and the status code."""

    marker: str
    status: int
    detail: str = ""


class Proxy(Protocol):
    """One reverse proxy. Only `work/route_writer` calls `write`, one call at a time."""

    batch: bool
    """True when many changes can be written in one go (Caddy); else they are written one by one (NPM)."""

    async def read(self) -> RouteTable:
        """All our routes and the hostnames that others hold. Raises `Unreachable`."""

    async def write(self, changes: Sequence[RouteChange]) -> None:
        """Make these changes and read them back; nothing is written when nothing differs.

        Raises `WorldBad` when refused or unproven, `Conflict` when a hostname is held by somebody else; then the
        whole batch counts as not done (the caller retries singly).
        """

    async def ask(self, route: Route) -> Answer:
        """One request to the hostname through the proxy's public side, as a client would. Raises `WorldBad`."""
