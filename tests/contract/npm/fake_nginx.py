"""The nginx behind the fake NPM: reads the configuration text, judges it, and serves what it last reloaded.

Only what NPM's own templates and our lines use is known; any other directive is an error, as in nginx. What it must
not be kinder in: `add_header` around a location with an `add_header` of its own is not inherited; a reload takes a
moment; one bad file anywhere fails every test of the whole.
"""

import asyncio
import base64
import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.contract.npm import http
from tests.contract.npm.http import Request

RELOAD_S = 0.03
"""Seconds from a reload to its effect; a real one takes 0.1 and more."""
KNOWN = {
    *("add_header", "proxy_hide_header", "proxy_method", "proxy_set_header", "proxy_pass", "location", "limit_except"),
    *("auth_basic", "auth_basic_user_file", "auth_request", "allow", "deny", "return", "ssl_password_file"),
}


class Bad(Exception):
    """The configuration test failed; the text is nginx's."""


@dataclass
class Statement:
    """One directive with what is in its braces."""

    words: list[str]
    line: int
    inner: "list[Statement]" = field(default_factory=list)

    @property
    def name(self) -> str:
        """The directive."""
        return self.words[0]


def parse(text: str) -> list[Statement]:
    """The directives of a text. Raises `Bad`."""
    tokens = list(_tokens(text))
    statements, rest = _block(tokens, 0)
    if rest < len(tokens):
        raise Bad(f'unexpected "}}":{tokens[rest][1]}')
    return statements


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    line = 1
    for match in re.finditer(r"#[^\n]*|\n|[;{}]|\"[^\"]*\"|'[^']*'|[^\s;{}]+|[^\S\n]+", text):
        token = match[0]
        if token == "\n":
            line += 1
        elif not token.isspace() and not token.startswith("#"):
            yield token.strip("\"'") or '""', line


def _block(tokens: list[tuple[str, int]], at: int) -> tuple[list[Statement], int]:
    statements: list[Statement] = []
    words: list[str] = []
    while at < len(tokens):
        token, line = tokens[at]
        if token == "}":
            break
        at += 1
        if token == ";":
            statements.append(Statement(words, line))
            words = []
        elif token == "{":
            inner, at = _block(tokens, at)
            if at >= len(tokens):
                raise Bad(f'unexpected end of file, expecting "}}":{line}')
            at += 1
            statements.append(Statement(words, line, inner))
            words = []
        else:
            words.append(token)
    if words:
        raise Bad(f'unexpected end of file, expecting ";" or "}}":{tokens[at - 1][1]}')
    return statements, at


@dataclass
class Server:
    """One proxy host as a configuration file says it."""

    number: int
    row: Mapping[str, Any]
    text: str
    access: Mapping[str, Any] | None = None
    tls: bool = False

    @property
    def extra(self) -> list[Statement]:
        """What stands in the advanced configuration."""
        return parse(self.text)


class Nginx:
    """`files` is what the next test reads, `live` what requests meet. `exists` tells of files beside them."""

    def __init__(self, exists: Callable[[str], bool]) -> None:
        self.files: dict[int, Server] = {}
        self.live: dict[int, Server] = {}
        self.pending = 0
        """Reloads that have not taken effect."""
        self._exists = exists

    def test(self) -> None:
        """`nginx -t`. Raises `Bad`."""
        for number, server in sorted(self.files.items()):
            name = f"/data/nginx/proxy_host/{number}.conf"
            try:
                self._judge(server.extra, name)
            except Bad as error:
                words, _, line = str(error).rpartition(":")
                where = f" in {name}:{line}" if line.isdigit() else ""
                text = words if where else str(error)
                raise Bad(f"nginx: [emerg] {text}{where}\nnginx: configuration file test failed") from None
            if server.tls and not self._exists(f"/data/custom_ssl/npm-{server.row['certificate_id']}"):
                file = f"/data/custom_ssl/npm-{server.row['certificate_id']}/fullchain.pem"
                raise Bad(f'nginx: [emerg] cannot load certificate "{file}": BIO_new_file() failed')

    def _judge(self, statements: list[Statement], name: str) -> None:
        for statement in statements:
            if statement.name not in KNOWN:
                raise Bad(f'unknown directive "{statement.name}":{statement.line}')
            if statement.name == "ssl_password_file" and not self._exists(statement.words[1]):
                raise Bad(f'cannot open() "{statement.words[1]}" (2: No such file or directory):{statement.line}')
            self._judge(statement.inner, name)

    def reload(self) -> None:
        """`nginx -t` and `nginx -s reload`: effective a moment later. Raises `Bad`."""
        self.test()
        self.pending += 1
        snapshot = dict(self.files)
        asyncio.get_running_loop().call_later(RELOAD_S, self._take, snapshot)

    def _take(self, snapshot: dict[int, Server]) -> None:
        self.pending -= 1
        self.live = snapshot

    def find(self, hostname: str, tls: bool = False) -> Server | None:
        """The server of a hostname: the exact name wins over a wildcard."""
        wild = "*." + hostname.partition(".")[2]
        for name in (hostname, wild):
            for server in self.live.values():
                if name in map(str.lower, server.row["domain_names"]) and (server.tls or not tls):
                    return server
        return None

    async def serve(self, request: Request, tls: bool) -> bytes:
        """Answer a request as a client sees it; to HEAD without a body."""
        reply = await self._serve(request, tls)
        return reply if request.method != "HEAD" else reply.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"

    async def _serve(self, request: Request, tls: bool) -> bytes:
        server = self.find(request.host, tls)
        if server is None:
            return http.answer(404, b"<html>default site</html>")
        if server.tls and server.row["ssl_forced"] and not tls:
            where = (("Location", f"https://{request.host}{request.path}"),)
            return http.answer(301, b"", where)
        around = server.extra
        for statement in around:
            if statement.words == ["location", "=", request.path]:
                return await _location(server, statement.inner, around, request)
        access = server.access
        if access is not None and (refusal := _refused(access, request)):
            return http.answer(refusal, b"")
        if _value(around, "auth_basic", "off") != "off":
            return http.answer(401, b"")
        # NPM's `location /` adds a header of its own, so those of the server around it are not inherited.
        hidden = [header.words[1].lower() for header in _named(around, "proxy_hide_header")]
        return await _proxied(server, request, request.path, hidden, (("X-Served-By", request.host),))


async def _location(server: Server, inside: list[Statement], around: list[Statement], request: Request) -> bytes:
    headers = _named(inside, "add_header") or _named(around, "add_header")
    added = tuple((header.words[1], header.words[2]) for header in headers)
    if any(request.method not in limit.words[1:] for limit in _named(inside, "limit_except")):
        return http.answer(403, b"", added)
    if _value(inside, "auth_basic", _value(around, "auth_basic", "off")) != "off":
        return http.answer(401, b"", added)
    if not _named(inside, "proxy_pass"):
        return http.answer(404, b"", added)
    hiding = _named(inside, "proxy_hide_header") or _named(around, "proxy_hide_header")
    hidden = [header.words[1].lower() for header in hiding]
    target = _value(inside, "proxy_pass", "")
    path = "/" + target.partition("$port/")[2] if "$port/" in target else request.path
    asked = dataclasses.replace(request, method=_value(inside, "proxy_method", request.method))
    return await _proxied(server, asked, path, hidden, added)


async def _proxied(
    server: Server,
    request: Request,
    path: str,
    hidden: list[str],
    added: tuple[tuple[str, str], ...],
) -> bytes:
    row = server.row
    drop = ("connection", "content-length") if row["allow_websocket_upgrade"] else ("connection", "upgrade")
    lines = [f"{request.method} {path} HTTP/1.1", f"Host: {request.host}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in request.headers.items() if name not in (*drop, "host")]
    try:
        target = str(row["forward_host"]).strip("[]")
        reply = await http.forwarded(target, row["forward_port"], ("\r\n".join(lines) + "\r\n\r\n").encode())
    except OSError:
        return http.answer(502, b"<html>502 Bad Gateway</html>", added)
    top, _, body = reply.partition(b"\r\n\r\n")
    first, *headers = top.decode("latin-1").split("\r\n")
    kept = [line for line in headers if line.partition(":")[0].lower() not in (*hidden, "connection")]
    lines = [first, *kept, *(f"{name}: {value}" for name, value in added), "Connection: close"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def _refused(access: Mapping[str, Any], request: Request) -> int:
    """Status by which an access list turns a request away; 0 when it does not."""
    if access["items"]:
        pairs = [f"{pair['username']}:{pair['password']}".encode() for pair in access["items"]]
        given = request.headers.get("authorization", "").removeprefix("Basic ")
        if given not in [base64.b64encode(pair).decode() for pair in pairs]:
            return 401
    if access["clients"] and {"address": "127.0.0.1", "directive": "allow"} not in access["clients"]:
        return 403
    return 0


def _value(statements: list[Statement], name: str, usual: str) -> str:
    return next((statement.words[1] for statement in _named(statements, name)), usual)


def _named(statements: list[Statement], name: str) -> list[Statement]:
    return [statement for statement in statements if statement.name == name]
