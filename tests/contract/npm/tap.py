"""Stands between a client and NPM: counts what is asked, and loses or changes what a test wants lost or changed."""

import contextlib
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.contract.npm import http
from tests.contract.npm.http import Request

HTML = b"<html><head><title>502 Bad Gateway</title></head></html>"
CLASH = 'nginx: [emerg] unknown directive "bogus" in /data/nginx/proxy_host/999999999.conf:9'


@dataclass(frozen=True)
class Call:
    """One request that came by."""

    method: str
    path: str
    body: Any

    @property
    def changes(self) -> bool:
        """True for what makes NPM reload nginx."""
        return self.method != "GET" and self.path != "/tokens"


class Tap:
    """`faults` are used up one per changing call: lose its "request" or its "reply", or answer with "html".

    With "clash" the answer says, as in a clash of two changes, that another host's file made nginx refuse this one.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or "", parts.port or 80)
        self.url = ""
        self.calls: list[Call] = []
        self.faults: list[str] = []
        self.most = 0
        """Changing calls that were under way at a time."""
        self._under_way = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Tap"]:
        """Listen on a free port until the end."""
        async with http.serving(self._serve) as port:
            self.url = f"http://127.0.0.1:{port}"
            yield self

    def changes(self) -> list[Call]:
        """The changing calls since the last look, which are forgotten now with all others."""
        found = [call for call in self.calls if call.changes]
        self.calls.clear()
        return found

    async def _serve(self, request: Request) -> bytes:
        with contextlib.suppress(ValueError):
            body = json.loads(request.body) if request.body else None
        call = Call(request.method, request.path.removeprefix("/api"), body)
        self.calls.append(call)
        fault = self.faults.pop(0) if call.changes and self.faults else ""
        if fault == "html":
            return http.answer(502, HTML)
        if fault == "request":
            return b""
        plain = re.sub(rb"(?i)\r\naccept-encoding:[^\r]*", b"", request.raw, count=1)
        self._under_way += call.changes
        self.most = max(self.most, self._under_way)
        try:
            reply = await http.forwarded(*self._target, plain)
        finally:
            self._under_way -= call.changes
        if fault == "clash":
            row = json.loads(reply.partition(b"\r\n\r\n")[2])
            row["meta"] = {**row["meta"], "nginx_online": False, "nginx_err": CLASH}
            return http.answer(200, row)
        return b"" if fault == "reply" else reply
