"""Small notes in the state folder, each a file of its own: which images were pulled, which mass change was confirmed.

A note that is lost or damaged counts as never written. A note is written whole or not at all.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from controller.core.model.errors import WorldBad
from controller.telemetry import log


class PulledNote:
    """Implements `housekeeping.Pulled`."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "pulled.json"

    def load(self) -> Mapping[str, Sequence[str]]:
        """Digests by repository, oldest pull first."""
        note = _load(self._path)
        if not isinstance(note, dict):
            return {}
        return {str(name): [str(one) for one in digests] for name, digests in note.items() if isinstance(digests, list)}

    def save(self, pulled: Mapping[str, Sequence[str]]) -> None:
        """Remember exactly this. Raises `WorldBad`."""
        _save(self._path, pulled)


class ConfirmedNote:
    """Implements `guard.Confirmed`."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "confirmed.json"

    def load(self) -> str:
        """Digest of the change that was confirmed last and is still under way; empty: none."""
        note = _load(self._path)
        return note if isinstance(note, str) else ""

    def save(self, digest: str) -> None:
        """Remember exactly this. Raises `WorldBad`."""
        _save(self._path, digest)


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        log.warning("note lost", path=str(path), error=type(error).__name__)
        return None


def _save(path: Path, value: object) -> None:
    draft = path.with_name(f"{path.name}.new")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(value, file, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror or error}"
        raise WorldBad(message, reason="StateUnusable") from error
