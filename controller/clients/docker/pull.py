"""Pulls: our own reader of the progress stream, and what a registry's refusal means.

docker-py's `images.pull()` can return an older local image without an error, and has no deadline. Here any error line
fails the pull, the digest is the one that the stream names, and the image is looked up by that digest afterwards.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import requests

from controller.clients.docker.auth import auth_header
from controller.clients.docker.engine import READ_TIMEOUT, TRANSPORT_ERRORS, Engine, hang_up, image_path
from controller.clients.docker.errors import EngineError, ReplyLost, registry_failure
from controller.core.model.errors import HoldfastError, Unreachable, WorldBad

STALL = 90.0
"""Seconds without a word from the Engine after which a pull is given up."""
TOTAL = 1800.0
"""Seconds that a whole pull may take."""
RESOLVE_TIMEOUT = 60.0

_DIGEST = re.compile(r"^Digest: (sha256:[0-9a-f]{64})$")


class StreamError(Exception):
    """An error line inside a pull stream."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Pull:
    """One pull; runs in a thread, `cancel` may be called from another one."""

    def __init__(
        self, engine: Engine, config: str | None, image: str, tag: str, digest: str, *, stall: float = STALL
    ) -> None:
        self._engine = engine
        self._config = config
        self._image = image
        self._tag = tag
        self._digest = digest
        self._stall = stall
        self._response: requests.Response | None = None
        self._cancelled = False

    def cancel(self) -> None:
        """Give up by closing the connection, which makes the Engine give up too."""
        self._cancelled = True
        if self._response is not None:
            hang_up(self._response)

    def run(self, progress: Callable[[str], None]) -> str:
        """Pull and return the digest. Errors as in `Runtime.pull`."""
        if self._digest and has_image(self._engine, f"{self._image}@{self._digest}"):
            return self._digest
        reference = f"{self._image}@{self._digest}" if self._digest else f"{self._image}:{self._tag}"
        headers = auth_header(self._image, self._config)
        try:
            digest = self._stream(headers, progress)
        except EngineError as error:
            raise self._failure(error.status, error.message, reference) from error
        except StreamError as error:
            raise self._failure(error.status, error.message, reference) from error
        except (ReplyLost, *TRANSPORT_ERRORS) as error:
            if self._cancelled:
                raise WorldBad(f"the pull of {reference} was given up", reason="PullTimeout") from error
            if "timeout" in f"{error!r}{error.__cause__!r}".lower() or "timed out" in str(error).lower():
                message = f"the pull of {reference} made no progress for {self._stall:g} seconds"
                raise WorldBad(message, reason="PullTimeout") from error
            raise Unreachable(f"the pull of {reference} broke: {type(error).__name__}") from error
        if self._cancelled:
            raise WorldBad(f"the pull of {reference} was given up", reason="PullTimeout")
        if not digest or (self._digest and digest != self._digest):
            message = f"the pull of {reference} ended with digest {digest or 'unknown'}"
            raise WorldBad(message, reason="PullUnproven")
        if not has_image(self._engine, f"{self._image}@{digest}"):
            raise WorldBad(f"{self._image}@{digest} is not here after its pull", reason="PullUnproven")
        return digest

    def _stream(self, headers: dict[str, str], progress: Callable[[str], None]) -> str:
        response = self._engine.request(
            "POST",
            "/images/create",
            params={"fromImage": self._image, "tag": self._digest or self._tag},
            headers=headers,
            timeout=self._stall,
            stream=True,
        )
        self._response = response
        digest = ""
        meter = Meter(progress)
        try:
            for line in lines(response):
                if self._cancelled:
                    break
                digest = digest_of(line) or digest
                meter.add(line)
        finally:
            response.close()
        return digest

    def _failure(self, status: int, message: str, reference: str) -> HoldfastError:
        # Engine 20.10 answers 500 for everything: its status says nothing about the registry.
        told = registry_failure(status if status < 500 else 0, message, reference)
        if told is not None:
            return told
        try:
            resolve(self._engine, self._config, self._image, self._digest or self._tag)
        except HoldfastError as error:
            return error
        return WorldBad(f"cannot get {reference}: {message}", reason="RegistryError")


class Meter:
    """Turns progress lines into one short sentence, and says it only when it changes by a percent or a layer."""

    def __init__(self, progress: Callable[[str], None]) -> None:
        self._progress = progress
        self._layers: dict[str, tuple[int, int]] = {}
        self._done: set[str] = set()
        self._said = ""

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
        total = sum(want for _, want in self._layers.values())
        share = f", {100 * min(current, total) // total} %" if total else ""
        text = f"{len(self._done)} of {len(self._layers)} layers{share}"
        if text != self._said:
            self._said = text
            self._progress(text)


def lines(response: requests.Response) -> Iterator[dict[str, Any]]:
    """Yield the JSON lines of a stream as they come. An error line raises `StreamError`, nothing is swallowed."""
    for raw in text_lines(response):
        try:
            line = json.loads(raw)
        except ValueError:
            raise StreamError(0, f"the Engine sent a line that is not JSON: {raw[:200]!r}") from None
        if not isinstance(line, dict):
            continue
        detail = line.get("errorDetail")
        if line.get("error") or detail:
            found = detail if isinstance(detail, dict) else {}
            code = found.get("code")
            message = str(line.get("error") or found.get("message") or detail)
            raise StreamError(code if isinstance(code, int) else 0, " ".join(message.split())[:2000])
        yield line


def text_lines(response: requests.Response) -> Iterator[bytes]:
    """Lines of a chunked answer, each as soon as it is whole."""
    rest = b""
    for chunk in response.raw.stream(65536, decode_content=True):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (item for item in whole if item.strip())
    if rest.strip():
        yield rest


def digest_of(line: dict[str, Any]) -> str:
    """The digest that a status line names, or ""."""
    match = _DIGEST.match(str(line.get("status") or "").strip())
    return match[1] if match else ""


def has_image(engine: Engine, reference: str) -> bool:
    """True when the Engine has the image. Raises `Unreachable`."""
    try:
        engine.request("GET", f"/images/{image_path(reference)}/json", timeout=READ_TIMEOUT)
    except EngineError as error:
        if error.status == 404:
            return False
        raise Unreachable(f"cannot look for {reference}: {error.message}") from error
    return True


def resolve(engine: Engine, config: str | None, image: str, tag: str) -> str:
    """Ask the registry, through the Engine, which digest the tag has now. Errors as in `Runtime.pull`."""
    reference = f"{image}@{tag}" if tag.startswith("sha256:") else f"{image}:{tag}"
    headers = auth_header(image, config)
    path = f"/distribution/{image_path(reference)}/json"
    try:
        found = engine.json("GET", path, headers=headers, timeout=RESOLVE_TIMEOUT)
    except EngineError as error:
        told = registry_failure(error.status if error.status < 500 else 0, error.message, reference)
        raise told or WorldBad(f"cannot get {reference}: {error.message}", reason="RegistryError") from error
    except Unreachable as error:
        if isinstance(error.__cause__, requests.exceptions.ReadTimeout):
            message = f"no answer about {reference} within {RESOLVE_TIMEOUT:g} seconds"
            raise WorldBad(message, reason="RegistryError") from error
        raise
    descriptor = (found or {}).get("Descriptor") or {}
    digest = str(descriptor.get("digest") or descriptor.get("Digest") or "")
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        raise WorldBad(f"the registry names no digest for {reference}", reason="RegistryError")
    return digest
