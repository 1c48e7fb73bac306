"""Documents in a file, or in a folder and the folders below it.

Read: *.yaml, *.yml and *.json; hidden files and folders are passed over. What cannot be read whole deletes nothing.
"""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import watchfiles

from controller.core.catalog.types import Sourced
from controller.core.model.errors import Diagnostic
from controller.intake.sources import folder
from controller.intake.sources.reader import Reading, read_text
from controller.interfaces import Delivery

PERIOD_S = 2.0
"""Between listings that need no event: networks, replaced folders and targets of links send none."""

_State = dict[str, folder.Mark | str]
"""Marks and troubles by path: what a listing is compared by."""


class FilesSource:
    """A file or a folder of documents. The name is what the settings call it, and paths are shown as it writes them."""

    def __init__(self, path: Path, name: str | None = None) -> None:
        self.name = name or f"files:{path}"
        self._path = path
        self._shown = self.name.removeprefix("files:") if self.name.startswith("files:") else str(path)
        self._loaded: _State | None = None
        """What was there when it was loaded; None: it was not at rest, so it may differ."""
        self._readings: dict[str, tuple[folder.Mark, Reading]] = {}
        """What was read of each file, and the mark it had."""

    async def load(self) -> Delivery:
        """Read everything now. A file that did not change since is not parsed again."""
        return await asyncio.to_thread(self._load)

    async def changes(self) -> AsyncGenerator[None, None]:
        """Yields when the folder may differ from what was loaded last, however often it is taken away and put back."""
        while True:
            async with aclosing(self._hints()) as hints:
                async for is_sure in hints:
                    if is_sure or await asyncio.to_thread(self._differs):
                        yield

    async def _hints(self) -> AsyncGenerator[bool, None]:
        """True for an event of a document, False when it is time to compare; ends when another folder is there."""
        yield False
        watched, recursive = self._watched()
        before = _identity(watched)
        watch = watchfiles.awatch(
            watched,
            watch_filter=None,
            debounce=400,
            step=50,
            rust_timeout=int(PERIOD_S * 1000),
            yield_on_timeout=True,
            recursive=recursive,
        )
        try:
            async with aclosing(watch):
                async for events in watch:
                    yield any(self._is_document(path) for _, path in events)
                    if _identity(self._watched()[0]) != before:
                        return
        except (OSError, RuntimeError):
            await asyncio.sleep(PERIOD_S)

    def _watched(self) -> tuple[Path, bool]:
        """The folder that is watched, and whether with all below it; a file is watched by its name in its folder."""
        return (self._path, True) if self._path.is_dir() else (self._path.parent, False)

    def _is_document(self, path: str) -> bool:
        return path.lower().endswith(folder.SUFFIXES) or Path(path).name == self._path.name

    def _differs(self) -> bool:
        return _state(folder.list_documents(self._path)) != self._loaded

    def _load(self) -> Delivery:
        listing, is_settled = folder.settled_listing(self._path)
        self._loaded = _state(listing) if is_settled else None
        if "" in listing.troubles:
            return Delivery(self.name, (), complete=False, detail=f"{self._shown} {listing.troubles['']}")
        details = [] if is_settled else [f"{self._shown} is being written"]
        details += [f"{self._name(path)} {trouble}" for path, trouble in listing.troubles.items()]
        readings: dict[str, Reading] = {}
        for path, mark in sorted(listing.files.items()):
            try:
                readings[path] = self._read(path, mark)
            except OSError as error:
                self._loaded = None
                details.append(f"{self._name(path)} cannot be read: {(error.strerror or str(error)).lower()}")
        self._readings = {path: (listing.files[path], reading) for path, reading in readings.items()}
        return self._delivery(readings, listing, details)

    def _read(self, path: str, mark: folder.Mark) -> Reading:
        before = self._readings.get(path)
        if before is not None and before[0] == mark:
            return before[1]
        return read_text(folder.content(self._path, path, mark), self._name(path), self.name)

    def _delivery(self, readings: dict[str, Reading], listing: folder.Listing, details: list[str]) -> Delivery:
        documents: list[Sourced] = []
        diagnostics: list[Diagnostic] = []
        unread = {self._name(path) for path in (*listing.files, *listing.troubles) if path not in readings}
        complete = not details
        for path, reading in readings.items():
            documents += reading.documents
            diagnostics += reading.diagnostics
            if reading.diagnostics or not reading.documents:
                unread.add(self._name(path))
            if not reading.diagnostics and not reading.documents:
                details.append(f"{self._name(path)} is empty; what it declared last stays until the file is removed")
        if not documents and not diagnostics:
            complete = False
            details = details or [f"{self._shown} holds no documents (*.yaml, *.yml, *.json)"]
        detail = "; ".join(details)
        return Delivery(self.name, tuple(documents), tuple(diagnostics), complete, detail, tuple(sorted(unread)))

    def _name(self, path: str) -> str:
        """The path as a person wrote the source, and printable whatever bytes a file's name has."""
        shown = os.path.normpath(os.path.join(self._shown, path)) if path else self._shown
        return os.fsencode(shown).decode("utf-8", "backslashreplace")


def _state(listing: folder.Listing) -> _State:
    return {**listing.files, **listing.troubles}


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino)
