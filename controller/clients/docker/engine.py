"""One connection to a Docker Engine: lazily made, made again when it broke, every call with its own deadline.

Built on docker-py's `APIClient` for the transport (unix socket, TLS, version negotiation); the calls themselves are
plain requests, because docker-py hides the timeouts, swallows pull errors and inspects each item of a list.
"""

import os
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import docker
import docker.errors
import docker.utils
import requests

from controller.clients.docker.errors import EngineError
from controller.clients.docker.transport import TRANSPORT_ERRORS, ReplyLost, never_sent, unreachable
from controller.core.model.errors import Unreachable

READ_TIMEOUT_S = 15.0
"""How long a list or an inspect may take."""
WRITE_TIMEOUT_S = 120.0
"""How long create, start, remove, connect or update may take: a slow daemon is not a dead one."""
CONNECT_TIMEOUT_S = 10.0
CONNECTIONS_MAX = 64


class Engine:
    """Requests to one Engine; safe to use from several threads."""

    def __init__(self, host: str | None) -> None:
        self._host = host
        self._lock = threading.Lock()
        self._api: docker.APIClient | None = None

    @property
    def host(self) -> str:
        """Where the Engine is, for messages."""
        return self._host or os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"

    @property
    def socket_path(self) -> str | None:
        """Path of the unix socket; None for a remote Engine."""
        return self.host.removeprefix("unix://").removeprefix("http+unix://") if "unix:" in self.host else None

    def close(self) -> None:
        """Drop the connections; the next call makes new ones."""
        with self._lock:
            api, self._api = self._api, None
        if api is not None:
            api.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = READ_TIMEOUT_S,
        stream: bool = False,
    ) -> requests.Response:
        """Make one call. A reading call that broke is repeated once on a new connection.

        Raises `Unreachable` when nothing can have happened, `ReplyLost` when a changing call may have happened, and
        `EngineError` for a refusal.
        """
        reads = method == "GET"
        for attempt in (1, 2):
            api = self._connect()
            try:
                url, limits = f"{api.base_url}/v{api.api_version}{path}", (CONNECT_TIMEOUT_S, timeout)
                response = api.request(
                    method, url, params=params, json=body, headers=dict(headers or {}), timeout=limits, stream=stream
                )
            except TRANSPORT_ERRORS as error:
                if never_sent(error):
                    self.close()
                    raise unreachable(error, self.host) from error
                if not reads:
                    raise ReplyLost(f"{method} {path}: {type(error).__name__}") from error
                if attempt == 2 or isinstance(error, requests.exceptions.ReadTimeout):
                    self.close()
                    raise unreachable(error, self.host) from error
                continue
            if response.status_code >= 400:
                raise self._refusal(response)
            return response
        raise AssertionError

    def _refusal(self, response: requests.Response) -> EngineError | Unreachable:
        refusal = EngineError(response.status_code, _message(response))
        response.close()
        if refusal.status == 400 and "client version" in refusal.message.lower():
            self.close()  # the Engine was exchanged under us: negotiate again
            return Unreachable(f"Docker Engine at {self.host}: {refusal.message}")
        return refusal

    def json(self, method: str, path: str, **options: Any) -> Any:
        """Make one call and decode its answer; None for an empty one."""
        response = self.request(method, path, **options)
        if not response.content:
            return None
        try:
            return response.json()
        except ValueError as error:
            if method != "GET":
                raise ReplyLost(f"{method} {path}: the answer is not JSON") from error
            raise Unreachable(f"Docker Engine at {self.host}: the answer to {path} is not JSON") from error

    def read(self, path: str, task: str, params: Mapping[str, Any] | None = None) -> Any:
        """Ask a question. Raises `Unreachable` for a refusal too. `task`: such as `list networks`."""
        try:
            return self.json("GET", path, params=params)
        except EngineError as error:
            raise Unreachable(f"Docker Engine at {self.host} cannot {task}: {error.message}") from error

    def find(self, path: str, task: str) -> Any:
        """Ask about one thing; None when there is no such thing. Raises `Unreachable`."""
        try:
            return self.json("GET", path)
        except EngineError as error:
            if error.status == 404:
                return None
            raise Unreachable(f"Docker Engine at {self.host} cannot {task}: {error.message}") from error

    def _connect(self) -> docker.APIClient:
        with self._lock:
            if self._api is not None:
                return self._api
            environment = dict(os.environ)
            if self._host:
                environment["DOCKER_HOST"] = self._host
            try:
                where = docker.utils.kwargs_from_env(environment=environment)
                timeout = int(READ_TIMEOUT_S)
                api = docker.APIClient(version="auto", timeout=timeout, max_pool_size=CONNECTIONS_MAX, **where)
            except (docker.errors.DockerException, *TRANSPORT_ERRORS, ValueError) as error:
                raise unreachable(error, self.host) from error
            if api.base_url.startswith("http+docker:"):
                api.trust_env = False  # no proxies and no .netrc on a unix socket
            self._api = api
            return api


def image_path(reference: str) -> str:
    """Quote an image reference or a container id for a URL path."""
    return quote(reference, safe="/:@")


def _message(response: requests.Response) -> str:
    try:
        text = str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        text = response.text if response.text else str(response.reason)
    except TRANSPORT_ERRORS:
        text = str(response.reason)
    return " ".join(text.split())[:2000]
