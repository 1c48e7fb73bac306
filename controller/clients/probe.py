"""`HttpProber`: asks a container directly on its own address, never through the proxy.

Each probe has a connection of its own, so that the answer is the container's now and not an old connection's.
"""

import asyncio
import errno
import os

import httpx

from controller.core.model.desired import Check
from controller.core.model.observed import Container
from controller.interfaces import Probe

_NOT_YET_ERRNOS = (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH)
"""Nothing listens yet, or the network of a container that has just started is not up yet."""


class HttpProber:
    """Probes over HTTP and TCP, and reads Docker's own health from what was observed."""

    def __init__(self) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        headers = {"User-Agent": "Holdfast", "Connection": "close"}
        self._client = httpx.AsyncClient(
            trust_env=False, follow_redirects=False, timeout=None, limits=limits, headers=headers
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def probe(self, check: Check, container: Container) -> Probe:
        """One request; bounded by `check.timeout` as a whole; follows no redirect; never raises."""
        match check.type:
            case "none":
                return Probe(container.running, "runs" if container.running else f"is {container.state}")
            case "docker":
                return _health(container)
            case "http" | "tcp":
                return await self._ask(check, container)

    async def _ask(self, check: Check, container: Container) -> Probe:
        target = _target(check, container)
        if target is None:
            return Probe(False, f"is {container.state} and has no address")
        try:
            async with asyncio.timeout(check.timeout):
                if check.type == "tcp":
                    return await _connect(*target)
                return await self._get(check, *target)
        except TimeoutError:
            return Probe(False, f"no answer within {check.timeout:g} s")
        except (OSError, httpx.HTTPError, httpx.InvalidURL) as error:
            return _failure(error, container)

    async def _get(self, check: Check, host: str, port: int) -> Probe:
        authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        request = self._client.build_request("GET", f"http://{authority}{check.path}")
        response = await self._client.send(request, stream=True)
        await response.aclose()
        status = response.status_code
        return Probe(any(low <= status <= high for low, high in check.statuses), f"status {status}")


def _target(check: Check, container: Container) -> tuple[str, int] | None:
    if container.address is not None and check.port is not None:
        return container.address, check.port
    if container.published is not None:
        return "127.0.0.1", container.published
    return None


async def _connect(host: str, port: int) -> Probe:
    _, writer = await asyncio.open_connection(host, port)
    writer.transport.abort()
    return Probe(True, f"port {port} accepts connections")


def _health(container: Container) -> Probe:
    match container.health:
        case None:
            return Probe(False, "the image has no HEALTHCHECK" if container.running else f"is {container.state}")
        case "starting":
            return Probe(False, "Docker's health is starting", refused=True)
        case status:
            return Probe(status == "healthy", f"Docker's health is {status}")


def _failure(error: BaseException, container: Container) -> Probe:
    if isinstance(error, OSError | httpx.ConnectError):
        cause = _cause(error)
        return Probe(False, _sentence(cause or error), cause is not None and cause.errno in _NOT_YET_ERRNOS)
    # Docker's own forwarder of a published port accepts before the container listens, and then hangs up.
    hung_up = isinstance(error, httpx.ReadError | httpx.WriteError | httpx.RemoteProtocolError)
    return Probe(False, _sentence(error), hung_up and container.address is None)


def _cause(error: BaseException) -> OSError | None:
    """The operating system's error that a failed connection comes from."""
    causes: list[BaseException | None] = [error]
    while causes:
        cause = causes.pop()
        if isinstance(cause, OSError) and cause.errno is not None:
            return cause
        if cause is not None:
            causes += [cause.__cause__, cause.__context__, *getattr(cause, "exceptions", ())]
    return None


def _sentence(error: BaseException) -> str:
    words = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
    text = words or type(error).__name__
    return text[:1].lower() + text[1:].rstrip(".")
