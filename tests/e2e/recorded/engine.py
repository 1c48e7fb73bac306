"""An Engine that says what was recorded of a real one; whatever would change something is refused and written down.

Lists are filtered here as Docker does it, so that a controller may ask in another way than the one that was recorded.
What was not recorded is answered with 404 and written down, because nobody knows what the real one would have said.
"""

import http.server
import json
import re
import socketserver
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

Row = Mapping[str, Any]


class Unknown(Exception):
    """Nothing was recorded that answers this."""


class RecordedEngine:
    """`url` is its DOCKER_HOST. `said`: what a real Engine said, as `engine.json` holds it."""

    def __init__(self, path: Path, said: Mapping[str, Any]) -> None:
        self.said = said
        self.url = f"unix://{path}"
        self.writes: list[str] = []
        """Calls that would have changed something."""
        self.unknown: list[str] = []
        """Looks at what was not recorded."""
        self.looks = 0
        """Lists that named every container."""
        self.closing = threading.Event()
        self._server = _Server(str(path), _Handler)
        self._server.engine = self
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def now(self) -> float:
        """Unix seconds at which it was recorded."""
        return datetime.fromisoformat(self.said["info"]["SystemTime"]).timestamp()

    def close(self) -> None:
        """Take no more calls, and end the streams."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def answer(self, target: str) -> Any:
        """What the real one said to a GET. Raises `Unknown`."""
        path, _, query = plain(target).partition("?")
        asked = dict(parse_qsl(query))
        filters = json.loads(asked.get("filters") or "{}")
        found: Any
        match unquote(path).strip("/").split("/"):
            case ["version" | "info" as word]:
                found = self.said[word]
            case ["containers", "json"]:
                found = self._list(filters, asked.get("all") in ("1", "true", "True"))
            case ["containers", name, "json"]:
                found = _one(self.said["inspected"], lambda item: name in (item["Id"], item["Name"].lstrip("/")))
            case ["images", "json"]:
                found = _filtered(self.said["images"], filters)
            case ["images", *words, "json"]:
                found = _one(self.said["images"], lambda item: "/".join(words) in _references(item))
            case ["distribution", *words, "json"] if "/".join(words) in self.said["distribution"]:
                found = self.said["distribution"]["/".join(words)]
            case ["networks"]:
                found = _filtered(self.said["networks"], filters)
            case ["networks", name]:
                found = _one(self.said["networks"], lambda item: name in (item["Id"], item["Name"]))
            case ["volumes"]:
                found = {"Volumes": _filtered(self.said["volumes"], filters), "Warnings": None}
            case ["volumes", name]:
                found = _one(self.said["volumes"], lambda item: name == item["Name"])
            case _:
                raise Unknown
        return found

    def _list(self, filters: Mapping[str, Any], stopped: bool) -> list[Row]:
        whole: list[Row] = self.said["containers"]
        found = [row for row in _filtered(whole, filters) if stopped or row["State"] == "running"]
        self.looks += found == whole
        return found


def plain(target: str) -> str:
    """A request's target without the API's version."""
    return re.sub(r"^/v[\d.]+(?=/)", "", target)


def _filtered(rows: list[Row], filters: Mapping[str, Any]) -> list[Row]:
    """The rows that pass all filters. Raises `Unknown` for a kind of filter that is not known here."""
    kinds: Mapping[str, Callable[[Row, str], bool]] = {
        "label": _labelled,
        "name": lambda row, name: name in row["Name"],
        "reference": lambda row, name: any(name in _names(text) for text in _references(row)),
        "ancestor": lambda row, name: name == row.get("ImageID"),
    }
    if filters.keys() - kinds.keys():
        raise Unknown
    joined = {"label": all}
    return [
        row
        for row in rows
        if all(joined.get(kind, any)(kinds[kind](row, text) for text in texts) for kind, texts in filters.items())
    ]


def _labelled(row: Row, text: str) -> bool:
    key, equals, value = text.partition("=")
    labels = row.get("Labels") or {}
    return key in labels and (not equals or labels[key] == value)


def _names(reference: str) -> tuple[str, str, str]:
    """What a reference of an image is found by: itself, and its repository with a digest or a tag cut off."""
    return reference, reference.partition("@")[0], reference.rpartition(":")[0]


def _references(image: Row) -> list[str]:
    return [image["Id"], *(image["RepoTags"] or ()), *(image["RepoDigests"] or ())]


def _one(rows: list[Row], wanted: Callable[[Row], bool]) -> Row:
    found = next((row for row in rows if wanted(row)), None)
    if found is None:
        raise Unknown
    return found


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """One thread per connection."""

    daemon_threads = True
    request_queue_size = 64
    engine: RecordedEngine


class _Handler(http.server.BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        """A look: what was recorded, or for events a stream that says nothing."""
        engine = self.server.engine
        if plain(self.path).startswith("/events"):
            self._silence()
            return
        try:
            self._send(200, engine.answer(self.path))
        except Unknown:
            engine.unknown.append(f"GET {unquote(plain(self.path))}")
            self._send(404, {"message": "this was not recorded"})

    def do_POST(self) -> None:
        """Refuse to change anything; only who waits for a container's end may wait."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if plain(self.path).partition("?")[0].endswith("/wait"):
            self._silence()
            return
        self.server.engine.writes.append(f"{self.command} {unquote(plain(self.path))}")
        self._send(500, {"message": "this Engine is a recording, nothing can be changed"})

    do_PUT = do_DELETE = do_PATCH = do_HEAD = do_POST

    def _silence(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        self.close_connection = True
        self.server.engine.closing.wait()

    def _send(self, status: int, told: Any) -> None:
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The hour at which it was recorded, so that ages in words fit the times beside them."""
        return formatdate(self.server.engine.now if timestamp is None else timestamp, usegmt=True)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""
