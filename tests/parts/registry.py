"""The real docker-registry, and pushing images to it without a daemon, a few milliseconds each."""

import hashlib
import json
import shutil
import urllib.request
from pathlib import Path

from tests.parts.images import Image
from tests.parts.process import CLEAN_PATH, Process, answers, free_port

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


def find_registry() -> str | None:
    """Path of the program, None when it is not installed."""
    return shutil.which("docker-registry", path=CLEAN_PATH) or shutil.which("registry", path=CLEAN_PATH)


def sha256(data: bytes) -> str:
    """Digest as registries write it."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Registry(Process):
    """A registry of its own; 127.0.0.0/8 needs no TLS with any Engine."""

    def __init__(self, folder: Path, program: str, port: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._layers: set[tuple[str, str]] = set()
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        config = folder / "registry.yml"
        config.write_text(
            json.dumps(
                {
                    "version": 0.1,
                    "log": {"level": "error", "accesslog": {"disabled": True}},
                    "storage": {"filesystem": {"rootdirectory": str(folder / "data")}, "delete": {"enabled": True}},
                    "http": {"addr": self.address},
                }
            )
        )
        super().__init__(
            [program, "serve", str(config)], folder / "registry.log", lambda: answers(f"http://{self.address}/v2/")
        )

    def push(self, repository: str, tag: str, **behaviour: str) -> str:
        """Push the test app under a tag, with behaviour as in `Image.test_app`; returns the manifest's digest."""
        image = Image.test_app(tag, **behaviour)
        self._blob(repository, image.layer)
        self._blob(repository, image.config)
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": _descriptor("application/vnd.docker.container.image.v1+json", image.config),
                "layers": [_descriptor("application/vnd.docker.image.rootfs.diff.tar.gzip", image.layer)],
            }
        ).encode()
        self._send("PUT", f"/v2/{repository}/manifests/{tag}", manifest, MANIFEST)
        return sha256(manifest)

    def delete(self, repository: str, digest: str) -> None:
        """Remove a manifest, so that its tags answer 404."""
        self._send("DELETE", f"/v2/{repository}/manifests/{digest}", None, "")

    def _blob(self, repository: str, data: bytes) -> None:
        digest = sha256(data)
        if (repository, digest) in self._layers:
            return
        upload = self._send("POST", f"/v2/{repository}/blobs/uploads/", b"", "application/octet-stream")
        where = upload + ("&" if "?" in upload else "?") + f"digest={digest}"
        self._send("PUT", where, data, "application/octet-stream")
        self._layers.add((repository, digest))

    def _send(self, method: str, where: str, data: bytes | None, kind: str) -> str:
        url = where if where.startswith("http") else f"http://{self.address}{where}"
        request = urllib.request.Request(url, data=data, method=method, headers={"Content-Type": kind} if kind else {})
        with self._opener.open(request, timeout=30) as reply:
            location: str = reply.headers.get("Location", "")
            return location


def _descriptor(kind: str, data: bytes) -> dict[str, object]:
    return {"mediaType": kind, "size": len(data), "digest": sha256(data)}
