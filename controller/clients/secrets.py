"""`FileSecrets`: resolves files below `policy.secretRoots` and variables named HOLDFAST_SECRET_*.

Values are read anew at each look and live only as long as the call that needs them. Beside them only a keyed digest and
sentences that name a reference leave this module: never a value, nor whether a file outside the roots exists.
"""

import asyncio
import hashlib
import hmac
import os
import stat
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from controller.clients import digest_key
from controller.core.documents.forms import SECRET_VARIABLE_PATTERN, fits
from controller.core.model.desired import SECRET_VARIABLE_PREFIX, SecretRef
from controller.core.model.errors import WorldBad
from controller.core.model.observed import SecretsSeen

SECRET_BYTES_MAX = 64 * 1024


class Unresolved(Exception):
    """A reference that cannot be resolved; the text says why, for a person."""


class FileSecrets:
    """Implements `interfaces.Secrets`.

    `key_path`: file with the key of the digests, made when it is missing. With another key all digests differ, so the
    key's id goes with them and a digest of an unknown key counts as unchanged.
    """

    def __init__(self, roots: Sequence[Path], environ: Mapping[str, str], key_path: Path) -> None:
        self._roots = tuple(roots)
        self._environ = environ
        self._key_path = key_path
        self._key = b""
        self._key_lock = threading.Lock()

    async def look(self, refs: Sequence[SecretRef]) -> SecretsSeen:
        """Keyed digest of all values now; missing ones are reported. Raises `WorldBad` when the key cannot be kept."""
        return await asyncio.to_thread(self._look, refs) if refs else SecretsSeen()

    async def resolve(self, refs: Sequence[SecretRef]) -> Mapping[SecretRef, str]:
        """Values now. Raises `WorldBad` (SecretMissing) that names every reference without one."""
        if not refs:
            return {}
        values, missing = await asyncio.to_thread(self._read, refs)
        if missing:
            raise WorldBad("; ".join(missing), reason="SecretMissing")
        return values

    def _look(self, refs: Sequence[SecretRef]) -> SecretsSeen:
        with self._key_lock:
            self._key = self._key or digest_key.load(self._key_path)
        key_id = hashlib.sha256(self._key).hexdigest()[:8]
        values, missing = self._read(refs)
        if missing:
            return SecretsSeen(key_id, "", missing, tuple(refs))
        digest = hmac.new(self._key, digestmod=hashlib.sha256)
        for ref, value in sorted(values.items(), key=lambda pair: (pair[0].kind, pair[0].name)):
            for part in (ref.kind, ref.name, value):
                data = part.encode()
                digest.update(len(data).to_bytes(4, "big") + data)
        return SecretsSeen(key_id, digest.hexdigest()[:16], (), tuple(refs))

    def _read(self, refs: Sequence[SecretRef]) -> tuple[dict[SecretRef, str], tuple[str, ...]]:
        values: dict[SecretRef, str] = {}
        missing: list[str] = []
        for ref in dict.fromkeys(refs):
            try:
                values[ref] = self._variable(ref.name) if ref.kind == "env" else self._file(ref.name)
            except Unresolved as error:
                missing.append(f"secret {ref.kind}:{ref.name} {error}")
        return values, tuple(missing)

    def _variable(self, name: str) -> str:
        if not fits(SECRET_VARIABLE_PATTERN, name):
            raise Unresolved(f"may not be used: the name must begin with {SECRET_VARIABLE_PREFIX}")
        value = self._environ.get(name)
        if value is None:
            raise Unresolved("is not set in the controller's environment")
        return _text(os.fsencode(value))

    def _file(self, name: str) -> str:
        """The file in the first root that has it."""
        if "\0" in name:
            raise Unresolved("is no file name")
        is_outside: list[bool] = []
        for root in self._roots:
            # An absolute name replaces the root here; the check below is the same for both.
            try:
                base, path = root.resolve(), (root / name).resolve()
            except (OSError, RuntimeError):
                continue
            is_outside.append(base == path or not path.is_relative_to(base))
            if is_outside[-1]:
                continue
            with suppress(FileNotFoundError, NotADirectoryError):
                return _text(_content(base, path.relative_to(base).parts))
        where = ", ".join(map(str, self._roots)) or "no folder: policy.secretRoots is empty"
        refused = all(is_outside) if os.path.isabs(name) else any(is_outside)
        raise Unresolved(f"is not below {where}" if refused else f"was not found below {where}")


def _content(base: Path, parts: Sequence[str]) -> bytes:
    """Bytes of a regular file, reached from `base` without following any link on the way.

    The path was resolved before, so a link met here was put there in between.
    """
    folder_flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    # O_NONBLOCK: opening a FIFO would wait for a writer.
    file_flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with ExitStack() as opened:
        try:
            folder = os.open(base, folder_flags)
            opened.callback(os.close, folder)
            for part in parts[:-1]:
                folder = os.open(part, folder_flags, dir_fd=folder)
                opened.callback(os.close, folder)
            file = os.open(parts[-1], file_flags, dir_fd=folder)
        except (FileNotFoundError, NotADirectoryError):
            raise
        except OSError as error:
            raise Unresolved(f"cannot be read: {error.strerror}") from None
        opened.callback(os.close, file)
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise Unresolved("is no regular file")
        try:
            data = os.read(file, SECRET_BYTES_MAX + 1)
        except OSError as error:
            raise Unresolved(f"cannot be read: {error.strerror}") from None
    if len(data) > SECRET_BYTES_MAX:
        raise Unresolved(f"is larger than {SECRET_BYTES_MAX // 1024} KiB")
    if data.endswith(b"\n"):
        data = data[:-1].removesuffix(b"\r")
    return data


def _text(data: bytes) -> str:
    """The value. An empty one is refused: it is a file that is being written, or a mistake."""
    if not data:
        raise Unresolved("is empty")
    if b"\0" in data:
        raise Unresolved("holds a NUL byte")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise Unresolved("is not UTF-8 text") from None
