"""The client of a running controller's unix socket. A socket file that nobody listens on means: no controller."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from controller.core.model.errors import Conflict, Diagnostic, HoldfastError, InvalidInput, Unreachable
from controller.core.model.status import StageStatus
from controller.interfaces import Hold


@dataclass(frozen=True)
class ControllerStatus:
    """What a running controller says of itself."""

    pid: int
    stages: Sequence[str]
    holds: Sequence[Hold]
    notices: Sequence[str]
    diagnostics: Sequence[Diagnostic]
    statuses: Mapping[str, StageStatus]


class Client:
    """One running controller; every call raises an error of `core.model.errors`."""

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

    def status(self) -> ControllerStatus:
        """What it declares, holds back, refused and last reported."""
        body = self._call("GET", "status")
        return ControllerStatus(
            pid=body["pid"],
            stages=body["stages"],
            holds=[Hold(hold["digest"], tuple(hold["losses"]), hold["message"]) for hold in body["holds"]],
            notices=body["notices"],
            diagnostics=[Diagnostic(**mistake) for mistake in body["diagnostics"]],
            statuses={key: StageStatus.model_validate(status) for key, status in body["statuses"].items()},
        )

    def reload(self) -> Sequence[Diagnostic]:
        """Have it read its sources and look at every stage; returns what is wrong with the documents."""
        return [Diagnostic(**mistake) for mistake in self.post("reload")["diagnostics"]]

    def post(self, verb: str, **body: Any) -> dict[str, Any]:
        """Ask for a change: reconcile, retry, confirm, suspend or resume."""
        return self._call("POST", verb, body)

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        try:
            answer = self._http.request(method, f"/api/v1/{path}", json=body if method == "POST" else None)
        except httpx.HTTPError as error:
            raise Unreachable(f"the controller behind {self._path} does not answer: {error}") from error
        if answer.is_success:
            content: dict[str, Any] = answer.json()
            return content
        raise _error(answer)


def _error(answer: httpx.Response) -> HoldfastError:
    try:
        body = answer.json()
        reason, detail = str(body["title"]), str(body["detail"])
    except (ValueError, KeyError, TypeError):
        return Unreachable(f"the controller answered {answer.status_code}")
    if body.get("diagnostics"):
        return InvalidInput([Diagnostic(**mistake) for mistake in body["diagnostics"]])
    if answer.status_code == 503:
        return Unreachable(detail, reason=reason)
    return Conflict(detail, reason=reason)
