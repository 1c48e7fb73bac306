"""Pulls, and the question which digest a tag has.

docker-py's `images.pull()` can return an older local image without an error, and has no deadline. Here any error line
fails the pull, the digest is the one that the stream names, and the image is looked up by that digest afterwards.
"""

import re
from collections.abc import Callable

import requests

from controller.clients.docker.auth import auth_header
from controller.clients.docker.engine import Engine, image_path
from controller.clients.docker.errors import EngineError, registry_failure
from controller.clients.docker.stream import Meter, digest_of, pull_lines
from controller.clients.docker.transport import TRANSPORT_ERRORS, ReplyLost, hang_up
from controller.core.model.errors import HoldfastError, Unreachable, WorldBad

STALL_TIMEOUT_S = 90.0
"""Without a word from the Engine for so long a pull is given up."""
PULL_TIMEOUT_S = 1800.0
"""How long a whole pull may take."""
RESOLVE_TIMEOUT_S = 60.0


class Pull:
    """One pull; runs in a thread, `cancel` may be called from another one."""

    def __init__(
        self, engine: Engine, config: str | None, image: str, tag: str, digest: str, *, stall: float = STALL_TIMEOUT_S
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
            raise self._failure(error, reference) from error
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
        path, params = "/images/create", {"fromImage": self._image, "tag": self._digest or self._tag}
        response = self._engine.request("POST", path, params=params, headers=headers, timeout=self._stall, stream=True)
        self._response = response
        digest = ""
        meter = Meter(progress)
        try:
            for line in pull_lines(response):
                if self._cancelled:
                    break
                digest = digest_of(line) or digest
                meter.add(line)
        finally:
            response.close()
        return digest

    def _failure(self, refusal: EngineError, reference: str) -> HoldfastError:
        failure = registry_failure(refusal.status, refusal.message, reference)
        if failure is not None:
            return failure
        try:
            resolve(self._engine, self._config, self._image, self._digest or self._tag)
        except HoldfastError as error:
            return error
        return _unclear(refusal, reference)


def has_image(engine: Engine, reference: str) -> bool:
    """True when the Engine has the image. Raises `Unreachable`."""
    return engine.find(f"/images/{image_path(reference)}/json", f"look for {reference}") is not None


def resolve(engine: Engine, config: str | None, image: str, tag: str) -> str:
    """Ask the registry, through the Engine, which digest the tag has now. Errors as in `Runtime.pull`."""
    reference = f"{image}@{tag}" if tag.startswith("sha256:") else f"{image}:{tag}"
    headers = auth_header(image, config)
    path = f"/distribution/{image_path(reference)}/json"
    try:
        answer = engine.json("GET", path, headers=headers, timeout=RESOLVE_TIMEOUT_S)
    except EngineError as error:
        failure = registry_failure(error.status, error.message, reference)
        raise failure or _unclear(error, reference) from error
    except Unreachable as error:
        if isinstance(error.__cause__, requests.exceptions.ReadTimeout):
            message = f"cannot get {reference}: the registry did not answer within {RESOLVE_TIMEOUT_S:g} seconds"
            raise WorldBad(message, reason="RegistryError") from error
        raise
    descriptor = (answer or {}).get("Descriptor") or {}
    digest = str(descriptor.get("digest") or descriptor.get("Digest") or "")
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        raise WorldBad(f"cannot get {reference}: the registry names no digest for it", reason="RegistryError")
    return digest


def _unclear(refusal: EngineError, reference: str) -> WorldBad:
    return WorldBad(f"cannot get {reference}: {refusal.message}", reason="RegistryError")
