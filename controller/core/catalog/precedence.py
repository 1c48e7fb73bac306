"""The order in which documents win when two of them want the same thing and nothing of either runs.

The order of the sources in the settings, then path or namespace, then name. A source that the settings do not name
comes last. What runs goes before this order; each kind of conflict looks at that itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from controller.core.documents.spec import DeployRequest, Project
from controller.core.model.desired import Origin

STDIN = "-"
"""Name of the source that is standard input."""
Precedence = tuple[int, str, str, str]
Kind = TypeVar("Kind", bound=Project | DeployRequest)


@dataclass(frozen=True)
class Placed(Generic[Kind]):
    """A document of one kind and the place it came from."""

    document: Kind
    origin: Origin

    @property
    def name(self) -> str:
        """Name of the document, unique per kind."""
        return self.document.metadata.name


def precedence(origin: Origin, name: str, sources: Sequence[str]) -> Precedence:
    """Sort key of a document; the lowest wins."""
    place = sources.index(origin.source) if origin.source in sources else len(sources)
    return (place, origin.source, origin.path, name)


def where(origin: Origin) -> str:
    """Words that name the place of a document: `shop.yaml of files:./desired`."""
    return "stdin" if origin.source == STDIN else f"{origin.path} of {origin.source}"
