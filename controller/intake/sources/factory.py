"""Makes the sources that the settings name: each kind of entry is one case here."""

from typing import TYPE_CHECKING

from controller.intake.sources.files import FilesSource
from controller.interfaces import Source

if TYPE_CHECKING:
    from controller.settings.blocks import Source as Entry


def source(entry: "Entry") -> Source:
    """Make the source that an entry of the settings describes; nothing is read yet."""
    match entry.kind:
        case "files":
            return FilesSource(entry.files.path, entry.name)
