"""Documents from standard input: read once, they never change."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

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
        found = read_text(self._data, self.name)
        documents = tuple(replace(item, source=self.name) for item in found.documents)
        empty = not documents and not found.diagnostics
        detail = "there are no documents in it" if empty else ""
        unread = (self.name,) if found.diagnostics else ()
        return Delivery(self.name, documents, tuple(found.diagnostics), not empty, detail, unread)

    async def changes(self) -> AsyncIterator[None]:
        """Waits for ever."""
        await asyncio.Event().wait()
        yield
