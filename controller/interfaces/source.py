"""Where documents come from, and what a source delivers."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from controller.core.catalog.types import Sourced
from controller.core.model.errors import Diagnostic


@dataclass(frozen=True)
class Delivery:
    """What a source delivered: every document it holds now, and what is wrong with the rest."""

    source: str
    documents: tuple[Sourced, ...]
    diagnostics: tuple[Diagnostic, ...] = ()
    complete: bool = True
    """False: the source could not be read as a whole; what is missing in it must not be read as deleted."""
    detail: str = ""
    unread: tuple[str, ...] = ()
    """Files or objects with errors: their last good documents stay."""
    deleted: tuple[Sourced, ...] = ()
    """Documents that somebody deleted on purpose, as with `kubectl delete`: losing them needs no confirmation."""
    revision: str = ""
    """Commit or resourceVersion that was read; empty: the source has none."""


class Source(Protocol):
    """Something that holds documents."""

    name: str

    async def load(self) -> Delivery:
        """Read everything now."""

    def changes(self) -> AsyncIterator[None]:
        """Yields when something may have changed."""
