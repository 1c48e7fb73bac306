"""Reads the Engine's streams of lines, and makes one short sentence of a pull's progress."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import requests

from controller.clients.docker.errors import EngineError

_DIGEST = re.compile(r"^Digest: (sha256:[0-9a-f]{64})$")


def text_lines(response: requests.Response) -> Iterator[bytes]:
    """Lines of a chunked answer, each as soon as it is whole."""
    rest = b""
    for chunk in response.raw.stream(65536, decode_content=True):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line for line in whole if line.strip())
    if rest.strip():
        yield rest


def pull_lines(response: requests.Response) -> Iterator[dict[str, Any]]:
    """Yield the lines of a pull as they come. An error line raises `EngineError`, nothing is swallowed."""
    for text in text_lines(response):
        try:
            line = json.loads(text)
        except ValueError:
            raise EngineError(0, f"the Engine sent a line that is not JSON: {text[:200]!r}") from None
        if not isinstance(line, dict):
            continue
        detail = line.get("errorDetail")
        if line.get("error") or detail:
            fields = detail if isinstance(detail, dict) else {}
            code = fields.get("code")
            message = str(line.get("error") or fields.get("message") or detail)
            raise EngineError(code if isinstance(code, int) else 0, " ".join(message.split())[:2000])
        yield line


def digest_of(line: dict[str, Any]) -> str:
    """The digest that a status line names, or ""."""
    match = _DIGEST.match(str(line.get("status") or "").strip())
    return match[1] if match else ""


class Meter:
    """Turns progress lines into one short sentence, and says it only when it changes by a percent or a layer."""

    def __init__(self, progress: Callable[[str], None]) -> None:
        self._progress = progress
        self._layers: dict[str, tuple[int, int]] = {}
        self._done: set[str] = set()
        self._sentence = ""

    def add(self, line: dict[str, Any]) -> None:
        """Take one line of the stream."""
        layer, status = str(line.get("id") or ""), str(line.get("status") or "")
        if not layer or status.startswith("Pulling from"):
            return
        self._layers.setdefault(layer, (0, 0))
        detail = line.get("progressDetail") or {}
        if status == "Downloading" and detail.get("total"):
            self._layers[layer] = (int(detail.get("current") or 0), int(detail["total"]))
        elif status in ("Pull complete", "Already exists", "Download complete"):
            self._done.add(layer)
        current = sum(have for have, _ in self._layers.values())
        total = sum(size for _, size in self._layers.values())
        share = f", {100 * min(current, total) // total} %" if total else ""
        sentence = f"{len(self._done)} of {len(self._layers)} layers{share}"
        if sentence != self._sentence:
            self._sentence = sentence
            self._progress(sentence)
