"""A small registry whose answers can be made wrong: statuses for manifests, truncated, corrupt or stalled blobs.

Plain HTTP on 127.0.0.1, which every Engine accepts without being told.
"""

import gzip
import hashlib
import io
import json
import re
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
APPLETS = ("sh", "sleep", "true", "false", "cat", "printf", "kill", "env", "id", "nc", "mkdir", "touch", "ls")


def sha256(data: bytes) -> str:
    """Digest as registries write it."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def layer(busybox: str, extra: str = "") -> bytes:
    """An uncompressed tar with busybox, its applets and one file that makes the layer differ."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for folder in ("bin", "etc", "tmp"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        for name, data, mode in (
            ("bin/busybox", Path(busybox).read_bytes(), 0o755),
            ("etc/extra", extra.encode(), 0o644),
            ("bin/plain", b"no", 0o644),
        ):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), mode
            tar.addfile(entry, io.BytesIO(data))
        for applet in APPLETS:
            entry = tarfile.TarInfo("bin/" + applet)
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(entry)
    return packed.getvalue()


class FaultyRegistry:
    """Serves what `push` was given. `manifest_status` and `blob_fault` switch the faults, `login` asks for one."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, bytes] = {}
        self.manifest_status = 0
        self.manifest_body = b""
        self.blob_fault = ""
        self.login = ""
        self.requests: list[tuple[str, str, str]] = []
        self.release = threading.Event()
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                registry.answer(self, True)

            def do_HEAD(self) -> None:
                registry.answer(self, False)

            def log_message(self, format: str, *args: Any) -> None:
                """Stay silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.address = f"127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """Stop serving and let stalled requests go."""
        self.release.set()
        self._server.shutdown()
        self._server.server_close()

    def heal(self) -> None:
        """Switch all faults off."""
        self.release.set()
        self.release = threading.Event()
        self.manifest_status, self.manifest_body, self.blob_fault, self.login = 0, b"", "", ""
        self.requests.clear()

    def push(self, repository: str, tag: str, tar: bytes, labels: dict[str, str] | None = None, **config: Any) -> str:
        """Offer an image of one layer under a tag; returns its digest."""
        packed = gzip.compress(tar, 1, mtime=0)
        described = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {"Env": ["PATH=/bin"], "Cmd": ["/bin/sleep", "600"], "Labels": labels or {}, **config},
                "rootfs": {"type": "layers", "diff_ids": [sha256(tar)]},
                "history": [{"created_by": "test"}],
                "created": "2026-01-01T00:00:00Z",
            }
        ).encode()
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {
                    "mediaType": "application/vnd.docker.container.image.v1+json",
                    "size": len(described),
                    "digest": sha256(described),
                },
                "layers": [
                    {
                        "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
                        "size": len(packed),
                        "digest": sha256(packed),
                    }
                ],
            }
        ).encode()
        self.blobs |= {sha256(packed): packed, sha256(described): described}
        digest = sha256(manifest)
        self.manifests |= {f"{repository}:{tag}": manifest, f"{repository}:{digest}": manifest}
        return digest

    def answer(self, handler: BaseHTTPRequestHandler, body: bool) -> None:
        """Answer one request."""
        self.requests.append((handler.command, handler.path, handler.headers.get("Authorization") or ""))
        if self.login and handler.headers.get("Authorization") != self.login:
            headers = {"WWW-Authenticate": 'Basic realm="test"'}
            self._send(handler, body, 401, b'{"errors":[{"code":"UNAUTHORIZED","message":"login"}]}', headers)
        elif handler.path == "/v2/":
            self._send(handler, body, 200, b"{}", {})
        elif match := re.fullmatch(r"/v2/(.+)/manifests/(.+)", handler.path):
            found = self.manifests.get(f"{match[1]}:{match[2]}")
            if self.manifest_status:
                headers = {"Retry-After": "7"} if self.manifest_status == 429 else {}
                self._send(handler, body, self.manifest_status, self.manifest_body, headers)
            elif found is None:
                text = b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}'
                self._send(handler, body, 404, text, {})
            else:
                headers = {"Content-Type": MANIFEST, "Docker-Content-Digest": sha256(found)}
                self._send(handler, body, 200, found, headers)
        elif match := re.fullmatch(r"/v2/(.+)/blobs/(.+)", handler.path):
            self._blob(handler, body, match[2])
        else:
            self._send(handler, body, 404, b"{}", {})

    def _blob(self, handler: BaseHTTPRequestHandler, body: bool, digest: str) -> None:
        data = self.blobs.get(digest)
        if data is None or self.blob_fault == "404":
            self._send(handler, body, 404, b'{"errors":[{"code":"BLOB_UNKNOWN","message":"blob unknown"}]}', {})
        elif self.blob_fault == "corrupt":
            self._send(handler, body, 200, data[:-10] + b"0123456789", {})
        elif self.blob_fault == "stall":
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(data)))
            handler.end_headers()
            handler.wfile.write(data[:64])
            handler.wfile.flush()
            self.release.wait(60)
            handler.close_connection = True
        else:
            self._send(handler, body, 200, data, {})

    @staticmethod
    def _send(handler: BaseHTTPRequestHandler, body: bool, status: int, data: bytes, headers: dict[str, str]) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(data)))
        for name, value in {"Content-Type": "application/json", **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        if body:
            handler.wfile.write(data)
