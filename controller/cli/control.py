"""Speaks with a running controller over its unix socket. A socket file that nobody listens on means: no controller."""

from pathlib import Path
from typing import Any

import httpx

from controller.core.model.errors import Conflict, Diagnostic, HoldfastError, InvalidInput, Unreachable


class Client:
    """One running controller; every call raises an error of `core.errors`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._http = httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://holdfast", timeout=30)

    @staticmethod
    def find(path: Path) -> "Client | None":
        """The controller behind the socket, or None when nobody listens.

        Raises `Unreachable` when it may not be opened.
        """
        try:
            path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unreachable(f"no permission to look for {path}; use the controller's user") from error
        client = Client(path)
        try:
            client._http.get("/api/v1/status").raise_for_status()
        except httpx.ConnectError as error:
            if "ermission" in str(error):
                raise Unreachable(f"no permission to open {path}; use the controller's user") from error
            return None
        except httpx.HTTPError as error:
            raise Unreachable(f"the controller behind {path} does not answer: {error}") from error
        return client

    def status(self) -> dict[str, Any]:
        """Version, pid, stages, holds and statuses."""
        return self._call("GET", "status")

    def lines(self, after: int) -> list[dict[str, Any]]:
        """Log lines with an id greater than `after`."""
        found: list[dict[str, Any]] = self._call("GET", f"lines?after={after}")["lines"]
        return found

    def post(self, verb: str, **body: Any) -> dict[str, Any]:
        """Ask for a change: reload, reconcile, retry, confirm, suspend or resume."""
        return self._call("POST", verb, body)

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        try:
            answer = self._http.request(method, f"/api/v1/{path}", json=body if method == "POST" else None)
        except httpx.HTTPError as error:
            raise Unreachable(f"the controller behind {self._path} does not answer: {error}") from error
        if answer.is_success:
            found: dict[str, Any] = answer.json()
            return found
        raise _error(answer)


def _error(answer: httpx.Response) -> HoldfastError:
    try:
        body = answer.json()
        reason, detail = str(body["title"]), str(body["detail"])
    except (ValueError, KeyError, TypeError):
        return Unreachable(f"the controller answered {answer.status_code}")
    if body.get("diagnostics"):
        return InvalidInput([Diagnostic(**item) for item in body["diagnostics"]])
    if answer.status_code == 503:
        return Unreachable(detail, reason=reason)
    return Conflict(detail, reason=reason)
