"""The small API of a running controller: what the command line needs, as JSON under /api/v1.

It is served on a unix socket only its owner can open, so there is no other authentication. A part of it that only
reads is served on a TCP address as well, where the settings give one.
Errors are problem+json (RFC 9457).
"""

import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from pydantic import BaseModel, ConfigDict
from starlette.middleware.base import RequestResponseEndpoint

from controller.core.model.errors import Diagnostic, HoldfastError, InvalidInput, Unreachable
from controller.core.model.status import LogLine
from controller.interfaces import Control

Lines = Callable[[int], Awaitable[Sequence[LogLine]]]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Keys(_Body):
    """Stages to look at; empty: all."""

    keys: list[str] = []


class Key(_Body):
    """A project, project/stage or project/stage/tag."""

    key: str


class Digest(_Body):
    """Digest of a held change."""

    digest: str


def problem(status: int, title: str, detail: str, **more: Any) -> JSONResponse:
    """An error as problem+json."""
    body = {"type": "about:blank", "status": status, "title": title, "detail": detail, **more}
    return JSONResponse(body, status, media_type="application/problem+json")


def build(control: Control, lines: Lines | None = None) -> FastAPI:
    """The app over a running controller; `lines(after)` reads log lines with a greater id (without it: 404)."""
    app = FastAPI(title="Holdfast", version=version("holdfast"), docs_url=None, redoc_url=None)
    _errors(app)
    _changes(app, control)
    _reads(app, control, lines)
    return app


def build_reads(control: Control, ready: Callable[[], bool], host: str) -> FastAPI:
    """The app for a TCP address: it only reads. `host` is the address it listens on.

    Requests for other host names are refused, so that no web page can reach it through a name of its own (DNS
    rebinding); on a wildcard address any name is taken.
    """
    app = FastAPI(title="Holdfast", version=version("holdfast"), docs_url=None, redoc_url=None, openapi_url=None)
    any_name = host in ("0.0.0.0", "::")

    @app.middleware("http")
    async def named(request: Request, answer: RequestResponseEndpoint) -> Response:
        if any_name or _hostname(request.headers.get("host", "")) in ("localhost", "127.0.0.1", "::1", host):
            return await answer(request)
        return problem(400, "UnknownHost", "this address does not go by that host name")

    _errors(app)
    _status(app, control, excerpts=False)

    @app.get("/healthz")
    async def healthz() -> PlainTextResponse:
        return PlainTextResponse("ok\n")

    @app.get("/readyz")
    async def readyz() -> PlainTextResponse:
        return PlainTextResponse("ok\n") if ready() else PlainTextResponse("not ready\n", 503)

    return app


def _hostname(header: str) -> str:
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""


def _errors(app: FastAPI) -> None:
    @app.exception_handler(RequestValidationError)
    async def unusable(_: Request, error: RequestValidationError) -> Response:
        text = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        return problem(422, "InvalidRequest", text)

    @app.exception_handler(HoldfastError)
    async def refused(_: Request, error: HoldfastError) -> Response:
        if isinstance(error, InvalidInput):
            return problem(422, error.reason, error.message, diagnostics=[asdict(item) for item in error.diagnostics])
        return problem(503 if isinstance(error, Unreachable) else 409, error.reason, error.message)


def _changes(app: FastAPI, control: Control) -> None:
    @app.post("/api/v1/reload")
    async def reload() -> dict[str, Any]:
        return {"diagnostics": [asdict(item) for item in await control.reload()]}

    @app.post("/api/v1/reconcile")
    async def reconcile(body: Keys) -> dict[str, Any]:
        return {"keys": list(await control.reconcile(body.keys))}

    @app.post("/api/v1/retry")
    async def retry(body: Key) -> dict[str, Any]:
        return {"keys": list(await control.retry(body.key))}

    @app.post("/api/v1/confirm", response_model=None)
    async def confirm(body: Digest) -> Response | dict[str, Any]:
        if await control.confirm(body.digest):
            return {"digest": body.digest}
        return problem(404, "UnknownDigest", f"nothing is held back under the digest {body.digest}")

    @app.post("/api/v1/suspend", response_model=None)
    async def suspend(body: Key) -> Response | dict[str, Any]:
        return await _suspend(control, body.key, True)

    @app.post("/api/v1/resume", response_model=None)
    async def resume(body: Key) -> Response | dict[str, Any]:
        return await _suspend(control, body.key, False)


async def _suspend(control: Control, key: str, on: bool) -> Response | dict[str, Any]:
    if key not in control.stages():
        return problem(404, "UnknownStage", f"there is no stage {key}")
    await control.suspend(key, on)
    return {"key": key, "suspended": on}


def _status(app: FastAPI, control: Control, *, excerpts: bool) -> None:
    """The status. A document's line may hold what only its owner shall read: `excerpts` False leaves it out."""

    def told(item: Diagnostic) -> dict[str, Any]:
        return asdict(item if excerpts else replace(item, excerpt=""))

    @app.get("/api/v1/status")
    async def status() -> dict[str, Any]:
        return {
            "version": app.version,
            "pid": os.getpid(),
            "stages": list(control.stages()),
            "holds": [asdict(hold) for hold in control.holds()],
            "notices": list(control.notices()),
            "diagnostics": [told(item) for item in control.diagnostics()],
            "statuses": {key: item.model_dump(mode="json") for key, item in control.statuses().items()},
        }


def _reads(app: FastAPI, control: Control, lines: Lines | None) -> None:
    _status(app, control, excerpts=True)

    @app.get("/api/v1/lines", response_model=None)
    async def log_lines(after: int = 0) -> Response | dict[str, Any]:
        if lines is None:
            return problem(404, "NoLog", "this controller gives out no log lines")
        return {"lines": [item.model_dump(mode="json") for item in await lines(after)]}
