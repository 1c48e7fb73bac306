"""The key of the digests of secret values, in a file of the state folder.

With another key all digests differ. So a lost or damaged key is made anew, and digests of an unknown key count as
unchanged.
"""

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from controller.clients.state import folder as state_folder
from controller.core.model.errors import WorldBad
from controller.telemetry import log

KEY_BYTES = 32


def load(path: Path) -> bytes:
    """The key; made when it is missing or unusable. Raises `WorldBad` (KeyUnusable)."""
    state_folder.prepare(path.parent)
    try:
        key = _stored(path)
        if key is not None and len(key) != KEY_BYTES:
            log.warning("secret key is damaged, made anew", path=str(path))
            path.unlink()
            key = None
        if key is None:
            _make(path)
            key = path.read_bytes()
    except OSError as error:
        message = f"cannot use the key of the secrets, {path}: {error.strerror or error}"
        raise WorldBad(message, reason="KeyUnusable") from error
    return key


def _stored(path: Path) -> bytes | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        if stat.S_IMODE(os.fstat(descriptor).st_mode) & 0o077:
            os.fchmod(descriptor, 0o600)
        return os.read(descriptor, KEY_BYTES + 1)
    finally:
        os.close(descriptor)


def _make(path: Path) -> None:
    """Put a key on the disk, whole or not at all; when another process was faster, its key stays."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(descriptor)
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
