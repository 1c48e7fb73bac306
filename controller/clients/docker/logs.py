"""Lines of a container's output, made safe to show: the last ones, and those that come."""

import re
import struct
from collections.abc import Iterable, Iterator

import requests

from controller.clients.docker.engine import READ_TIMEOUT_S
from controller.clients.docker.errors import EngineError
from controller.clients.docker.handle import Handle
from controller.clients.docker.ownership import Document
from controller.clients.docker.transport import TRANSPORT_ERRORS
from controller.core.model.errors import Unreachable
from controller.core.model.observed import Container

LINE_CHARS_MAX = 2000
"""The rest of a line is cut."""
TAIL_BYTES_MAX = 4 * 1024 * 1024
"""Raw output that is kept; older bytes are dropped."""
FOLLOW_TIMEOUT_S = 86_400.0
"""How long a followed container may print nothing."""

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def last_lines(handle: Handle, container: Container, tail: int) -> tuple[str, ...]:
    """See `Runtime.logs`. Nothing where the container is gone or its log driver cannot be read."""
    document = handle.look(container.id)
    if document is None:
        return ()
    try:
        response = _request(handle, container, tail, READ_TIMEOUT_S)
    except EngineError:
        return ()
    try:
        raw = read_tail(response)
    except TRANSPORT_ERRORS as error:
        raise _broke_off(container, error) from error
    finally:
        response.close()
    return lines(raw, _has_terminal(document), tail)


def follow_lines(handle: Handle, container: Container, tail: int) -> Iterator[str]:
    """See `Diagnosable.follow_logs`."""
    document = handle.look(container.id)
    if document is None:
        return
    response = _request(handle, container, tail, FOLLOW_TIMEOUT_S, follow="1")
    try:
        yield from follow(response.raw.stream(65536, decode_content=True), _has_terminal(document))
    except TRANSPORT_ERRORS as error:
        raise _broke_off(container, error) from error
    finally:
        response.close()


def _request(handle: Handle, container: Container, tail: int, timeout: float, **more: str) -> requests.Response:
    params = {"stdout": "1", "stderr": "1", "tail": str(max(0, tail)), **more}
    path = f"/containers/{container.id}/logs"
    return handle.engine.request("GET", path, params=params, stream=True, timeout=timeout)


def _has_terminal(document: Document) -> bool:
    return bool((document.get("Config") or {}).get("Tty"))


def _broke_off(container: Container, error: BaseException) -> Unreachable:
    return Unreachable(f"the logs of {container.name} broke off: {type(error).__name__}")


def read_tail(response: requests.Response) -> bytes:
    """What a stream holds; reading stops after the chunk that brings it beyond four times `TAIL_BYTES_MAX`."""
    parts: list[bytes] = []
    size = 0
    for chunk in response.raw.stream(65536, decode_content=True):
        parts.append(chunk)
        size += len(chunk)
        if size > 4 * TAIL_BYTES_MAX:
            break
    return b"".join(parts)


def lines(raw: bytes, tty: bool, tail: int) -> tuple[str, ...]:
    """Split into at most `tail` clean lines; without a terminal stdout and stderr come in frames of 8 header bytes."""
    whole = list(_split(raw)) if tty else list(_frames(raw))
    return tuple(clean(line) for line in whole[-tail:]) if tail > 0 else ()


def clean(line: bytes) -> str:
    """One line without escape sequences, its control characters replaced."""
    text = _ESCAPES.sub("", line[: 8 * LINE_CHARS_MAX].decode("utf-8", "replace").rstrip("\r"))
    text = _CONTROLS.sub("\ufffd", text.replace("\t", "    "))
    return text if len(text) <= LINE_CHARS_MAX else text[: LINE_CHARS_MAX - 1] + "\u2026"


def follow(chunks: Iterable[bytes], tty: bool) -> Iterator[str]:
    """Clean lines as they come in; a last one without its end comes when the stream ends."""
    unframed, rest = b"", {0: b"", 1: b"", 2: b""}
    for chunk in chunks:
        if tty:
            *whole, rest[0] = (rest[0] + chunk).split(b"\n")
            yield from map(clean, whole)
            continue
        unframed += chunk
        while len(unframed) >= 8:
            kind, size = struct.unpack_from(">BxxxL", unframed)
            if len(unframed) < 8 + size:
                break
            *whole, rest[kind] = (rest.get(kind, b"") + unframed[8 : 8 + size]).split(b"\n")
            unframed = unframed[8 + size :]
            yield from map(clean, whole)
    yield from (clean(line) for line in rest.values() if line)


def _split(raw: bytes) -> Iterator[bytes]:
    whole = raw.split(b"\n")
    if whole and not whole[-1]:
        whole.pop()
    yield from whole


def _frames(raw: bytes) -> Iterator[bytes]:
    rest = {0: b"", 1: b"", 2: b""}
    at = 0
    while at + 8 <= len(raw):
        kind, size = struct.unpack_from(">BxxxL", raw, at)
        if kind not in rest:  # not framed after all
            yield from _split(raw[at:])
            return
        *whole, rest[kind] = (rest[kind] + raw[at + 8 : at + 8 + size]).split(b"\n")
        yield from whole
        at += 8 + size
    yield from (line for line in rest.values() if line)
