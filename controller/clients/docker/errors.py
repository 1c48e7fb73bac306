"""Errors at the Docker border: what requests, urllib3 and the Engine raise becomes one of `core.errors`.

Status codes and texts differ between Engine 20.10 and 29 (20.10 answers 500 where newer ones answer 404), so failures
are told apart by meaning: first the texts that point at the world, then those that point at the revision.
"""

import re

import urllib3.exceptions

from controller.core.model.errors import HoldfastError, RevisionBad, Unreachable, WorldBad


class EngineError(Exception):
    """The Engine answered with a status of 400 or more."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message
        self.text = message.lower()

    def says(self, *texts: str) -> bool:
        """True when the message holds one of these lower-case texts."""
        return any(text in self.text for text in texts)


class ReplyLost(Exception):
    """The request may have been carried out, but no whole answer came."""


_NEVER_SENT = (
    FileNotFoundError,
    ConnectionRefusedError,
    PermissionError,
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
)


def never_sent(error: BaseException) -> BaseException | None:
    """The error that shows that no connection was made, or None when the request may have reached the Engine."""
    todo: list[object] = [error]
    seen: set[int] = set()
    while todo:
        item = todo.pop()
        if not isinstance(item, BaseException) or id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, _NEVER_SENT):
            return item
        todo += [*item.args, item.__cause__, item.__context__, getattr(item, "reason", None)]
    return None


def unreachable(error: BaseException, host: str) -> Unreachable:
    """Say in a person's words why the Engine does not answer."""
    cause = never_sent(error)
    if isinstance(cause, PermissionError):
        text = f"no permission to use Docker at {host}: add this user to the group that owns the socket"
    elif isinstance(cause, FileNotFoundError):
        text = f"no Docker Engine at {host}: the socket does not exist"
    elif isinstance(cause, ConnectionRefusedError):
        text = f"no Docker Engine at {host}: connection refused"
    else:
        text = f"Docker Engine at {host} does not answer: {type(error).__name__}: {str(error)[:200]}"
    return Unreachable(text)


def engine_failure(error: EngineError, doing: str, reason: str = "DockerError") -> HoldfastError:
    """Any refusal that has no special meaning."""
    if error.says("no space left on device"):
        return WorldBad(f"{doing}: {error.message}", reason="DiskFull")
    return WorldBad(f"{doing}: {error.message} (status {error.status})", reason=reason)


def create_failure(error: EngineError, name: str, image: str) -> HoldfastError:
    """Why Docker refused to create a container (409 is not decided here)."""
    doing = f"cannot create {name}"
    if error.status == 404 and error.says("no such image", "not found", "does not exist", "no such manifest"):
        if error.says("network"):
            return WorldBad(f"{doing}: {error.message}", reason="NetworkMissing")
        return WorldBad(f"image {image} is no longer here", reason="ImageGone")
    if error.says("bind source path does not exist"):
        return WorldBad(f"{doing}: {error.message}", reason="MountMissing")
    if error.status == 400:
        return RevisionBad(f"{doing}: {error.message}", reason="InvalidConfig")
    return engine_failure(error, doing, "CreateFailed")


_REVISION_FIRST = ("memory limit too low", "container init was oom-killed")
_WORLD = (
    "port is already allocated",
    "address already in use",
    "programming external connectivity",
    "failed to set up container networking",
    "failed to create endpoint",
    "iptables",
    "cgroup",
    "cannot allocate memory",
    "too many open files",
    "resource temporarily unavailable",
    "no space left on device",
    "context deadline exceeded",
    "bind source path does not exist",
    "ttrpc: closed",
    "connection refused",
)
_REVISION = (
    "executable file not found",
    "exec format error",
    "no such file or directory",
    "permission denied",
    "is a directory",
    "not a directory",
    "unable to find user",
    "unable to find group",
    "no matching entries in passwd",
    "no matching entries in group",
    "no command specified",
    "invalid argument",
    "argument list too long",
    "read-only file system",
)
_PORT = ("port is already allocated", "address already in use", "programming external connectivity")


def start_failure(error: EngineError, name: str) -> HoldfastError:
    """Why a container did not start: a command that does not exist is the revision's fault, a taken port is not."""
    doing = f"cannot start {name}"
    if error.says("marked for removal", "no such container"):
        return WorldBad(f"{doing}: it is gone", reason="ContainerGone")
    if error.says("paused"):
        return WorldBad(f"{doing}: it is paused", reason="Paused")
    if not error.says(*_REVISION_FIRST):
        if error.says(*_PORT):
            return WorldBad(f"{doing}: {error.message}", reason="PortTaken")
        if error.says(*_WORLD):
            return engine_failure(error, doing, "StartFailed")
        if not error.says(*_REVISION) and error.status != 400:
            return engine_failure(error, doing, "StartFailed")
    return RevisionBad(f"{doing}: {error.message}", reason="StartFailed")


_RETRY_AFTER = re.compile(r"retry[- ]after:?\s*\"?(\d{1,6})")


def registry_failure(status: int, message: str, reference: str) -> HoldfastError | None:  # noqa: PLR0911 - one per outcome
    """Which of the outcomes of a registry this is; None when neither status nor text tells.

    401 and 403 are `WorldBad` (RegistryDenied): a login mends them without a new revision.
    """
    text = message.lower()
    doing = f"cannot get {reference}"
    if "no space left on device" in text:
        return WorldBad(f"{doing}: {message}", reason="DiskFull")
    if status == 429 or re.search(r"toomanyrequests|too many requests|rate ?limit|\b429\b", text):
        after = _RETRY_AFTER.search(text)
        wait = float(after.group(1)) if after else None
        return WorldBad(f"{doing}: {message}", reason="RateLimited", retry_after=wait)
    if status in (401, 403) or re.search(
        r"unauthorized|authentication required|denied|forbidden|no basic auth credentials|\b40[13]\b", text
    ):
        return WorldBad(f"{doing}: {message}", reason="RegistryDenied")
    if re.search(r"blob|layer|filesystem layer verification|digest verification|unexpected eof|size validation", text):
        return WorldBad(f"{doing}: {message}", reason="RegistryError")
    if status == 404 or re.search(
        r"manifest unknown|name unknown|manifest for .* not found|\b404 not found\b|\bhttp 404\b", text
    ):
        return RevisionBad(f"{doing}: {message}", reason="ManifestMissing")
    if re.search(
        r"\b50[0234]\b|timeout|timed out|refused|no such host|reset by peer|unreachable|internal server error"
        r"|unavailable|bad gateway|eof|tls|x509|certificate|unknown: |server gave http|error parsing http",
        text,
    ):
        return WorldBad(f"{doing}: {message}", reason="RegistryError")
    return None
