"""The last lines of a container's output, made safe to show."""

import re
import struct
from collections.abc import Iterable, Iterator

import requests

LINE_MAX = 2000
"""Characters of one line; the rest is cut."""
BYTES_MAX = 4 * 1024 * 1024
"""Bytes of raw output that are kept; older ones are dropped."""

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def read_tail(response: requests.Response) -> bytes:
    """The end of a stream, at most `BYTES_MAX` bytes and whatever the last chunk adds."""
    parts: list[bytes] = []
    size = 0
    for chunk in response.raw.stream(65536, decode_content=True):
        parts.append(chunk)
        size += len(chunk)
        if size > 2 * BYTES_MAX:
            parts = [b"".join(parts)]
            size = len(parts[0])
            if size > 4 * BYTES_MAX:
                break
    return b"".join(parts)


def lines(raw: bytes, tty: bool, tail: int) -> tuple[str, ...]:
    """Split into at most `tail` clean lines; without a terminal stdout and stderr come in frames of 8 header bytes."""
    found = list(_split(raw)) if tty else list(_frames(raw))
    return tuple(clean(line) for line in found[-tail:]) if tail > 0 else ()


def clean(line: bytes) -> str:
    """One line without escape sequences, its control characters replaced."""
    text = _ESCAPES.sub("", line[: 8 * LINE_MAX].decode("utf-8", "replace").rstrip("\r"))
    text = _CONTROLS.sub("\ufffd", text.replace("\t", "    "))
    return text if len(text) <= LINE_MAX else text[: LINE_MAX - 1] + "\u2026"


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
    yield from (clean(item) for item in rest.values() if item)


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
    yield from (item for item in rest.values() if item)
