"""The API of a running controller: what the command line needs, as JSON under /api/v1.

It is served on a unix socket that only its owner can open, so there is no other authentication. The reading part is
also served on a TCP address where the settings give one. Errors are problem+json (RFC 9457).
"""

import asyncio
import os
from collections.abc import Callable
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
from controller.interfaces import Control, Reads

MAX_LINES = 1000
"""Log lines in one reply."""


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


def build(control: Control, reads: Reads) -> FastAPI:
    """The app of the unix socket: it reads and changes."""
    app = FastAPI(title="Holdfast", version=version("holdfast"), docs_url=None, redoc_url=None)
    _add_errors(app)
    _add_changes(app, control, reads)
    _add_status(app, reads, excerpts=True)
    _add_lines(app, reads)
    return app


def build_reads(reads: Reads, ready: Callable[[], bool], host: str) -> FastAPI:
    """The app of a TCP address: it only reads. `host` is the address it listens on.

    Requests for other host names are refused, so that no web page can reach it through a name of its own (DNS
    rebinding); on a wildcard address any name is taken.
    """
    app = FastAPI(title="Holdfast", version=version("holdfast"), docs_url=None, redoc_url=None, openapi_url=None)
    any_name = host in ("0.0.0.0", "::")

    @app.middleware("http")
    async def check_host(request: Request, answer: RequestResponseEndpoint) -> Response:
        if any_name or _hostname(request.headers.get("host", "")) in ("localhost", "127.0.0.1", "::1", host):
            return await answer(request)
        return problem(400, "UnknownHost", "this address does not go by that host name")

    _add_errors(app)
    _add_status(app, reads, excerpts=False)

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


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(RequestValidationError)
    async def invalid_request(_: Request, error: RequestValidationError) -> Response:
        text = "; ".join(f"{'.'.join(map(str, part['loc']))}: {part['msg']}" for part in error.errors())
        return problem(422, "InvalidRequest", text)

    @app.exception_handler(HoldfastError)
    async def failed(_: Request, error: HoldfastError) -> Response:
        if isinstance(error, InvalidInput):
            return problem(422, error.reason, error.message, diagnostics=[asdict(one) for one in error.diagnostics])
        return problem(503 if isinstance(error, Unreachable) else 409, error.reason, error.message)


def _add_changes(app: FastAPI, control: Control, reads: Reads) -> None:
    @app.post("/api/v1/reload")
    async def reload() -> dict[str, Any]:
        return {"diagnostics": [asdict(mistake) for mistake in await control.reload()]}

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
        return await _suspend(control, reads, body.key, True)

    @app.post("/api/v1/resume", response_model=None)
    async def resume(body: Key) -> Response | dict[str, Any]:
        return await _suspend(control, reads, body.key, False)


async def _suspend(control: Control, reads: Reads, key: str, on: bool) -> Response | dict[str, Any]:
    if key not in reads.stages():
        return problem(404, "UnknownStage", f"there is no stage {key}")
    await control.suspend(key, on)
    return {"key": key, "suspended": on}


def _add_status(app: FastAPI, reads: Reads, *, excerpts: bool) -> None:
    """The status. An excerpt of a document may hold what only its owner may read: `excerpts` False leaves it out."""

    def diagnostic(mistake: Diagnostic) -> dict[str, Any]:
        return asdict(mistake if excerpts else replace(mistake, excerpt=""))

    @app.get("/api/v1/status")
    async def status() -> dict[str, Any]:
        return {
            "version": app.version,
            "pid": os.getpid(),
            "stages": list(reads.stages()),
            "holds": [asdict(hold) for hold in reads.holds()],
            "notices": list(reads.notices()),
            "diagnostics": [diagnostic(mistake) for mistake in reads.diagnostics()],
            "statuses": {key: status.model_dump(mode="json") for key, status in reads.statuses().items()},
        }


def _add_lines(app: FastAPI, reads: Reads) -> None:
    @app.get("/api/v1/lines")
    async def log_lines(after: int = 0) -> dict[str, Any]:
        rows = await asyncio.to_thread(reads.lines, None, None, MAX_LINES, after)
        return {"lines": [row.model_dump(mode="json") for row in rows]}
