"""Documents from standard input: read once, they never change."""

import asyncio
from collections.abc import AsyncIterator

from controller.core.catalog.precedence import STDIN
from controller.intake.sources.reader import read_text
from controller.interfaces import Delivery


class TextSource:
    """Implements `interfaces.Source` for a text that is given whole. Its name is what it is called in messages."""

    def __init__(self, data: bytes, name: str = STDIN) -> None:
        self.name = name
        self._data = data

    async def load(self) -> Delivery:
        """The documents of the text; a text without any is nothing that was read."""
        reading = read_text(self._data, self.name, self.name)
        empty = not reading.documents and not reading.diagnostics
        detail = "there are no documents in it" if empty else ""
        unread = (self.name,) if reading.diagnostics else ()
        return Delivery(self.name, reading.documents, tuple(reading.diagnostics), not empty, detail, unread)

    async def changes(self) -> AsyncIterator[None]:
        """Waits for ever."""
        await asyncio.Event().wait()
        yield
