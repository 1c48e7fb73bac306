"""The list of images that this controller pulled, as a small file in the state folder."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from controller.core.errors import WorldBad
from controller.telemetry import log

FILE = "pulled.json"


class PulledFile:
    """Implements `housekeeping.Pulled`; written whole, or not at all."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE

    def load(self) -> Mapping[str, Sequence[str]]:
        """Digests by repository, oldest pull first; nothing when the file is missing or damaged."""
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
            return {str(name): [str(digest) for digest in digests] for name, digests in found.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError, TypeError) as error:
            log.warning("list of pulled images lost", path=str(self._path), error=type(error).__name__)
            return {}

    def save(self, pulled: Mapping[str, Sequence[str]]) -> None:
        """Replace the file. Raises `WorldBad`."""
        draft = self._path.with_name(f"{FILE}.new")
        try:
            draft.write_text(json.dumps(pulled, sort_keys=True), encoding="utf-8")
            draft.chmod(0o600)
            os.replace(draft, self._path)
        except OSError as error:
            message = f"{self._path} cannot be written: {error.strerror or error}"
            raise WorldBad(message, reason="StateUnusable") from error
