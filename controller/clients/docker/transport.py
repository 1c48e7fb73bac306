"""What breaks between us and the Engine: which errors these are, and whether the request can have arrived."""

import contextlib
import http.client

import requests
import urllib3.exceptions

from controller.core.model.errors import Unreachable

TRANSPORT_ERRORS = (
    requests.exceptions.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
)

_NEVER_SENT = (
    FileNotFoundError,
    ConnectionRefusedError,
    PermissionError,
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
)


class ReplyLost(Exception):
    """The request may have been carried out, but no whole answer came."""


def never_sent(error: BaseException) -> BaseException | None:
    """The error that shows that no connection was made, or None when the request may have reached the Engine."""
    causes: list[object] = [error]
    visited: set[int] = set()
    while causes:
        cause = causes.pop()
        if not isinstance(cause, BaseException) or id(cause) in visited:
            continue
        visited.add(id(cause))
        if isinstance(cause, _NEVER_SENT):
            return cause
        causes += [*cause.args, cause.__cause__, cause.__context__, getattr(cause, "reason", None)]
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


def hang_up(response: requests.Response) -> None:
    """End a stream that another thread is reading; the reader gets an error or the end."""
    with contextlib.suppress(*TRANSPORT_ERRORS, AttributeError, ValueError):
        response.raw.shutdown()
