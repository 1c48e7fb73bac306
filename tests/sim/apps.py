"""What the containers of the world run: applications with chosen behaviour, and the registry that serves them."""

import hashlib
from dataclasses import dataclass, field

from controller.core.errors import RevisionBad, WorldBad


@dataclass(frozen=True)
class App:
    """How a container of an image behaves. Seconds are counted from the container's start."""

    ready: float = 0.4
    """When its port begins to answer."""
    status: int = 200
    exits: float | None = None
    """When it ends by itself; None: never."""
    code: int = 1
    """With which exit code."""
    breaks: float | None = None
    """From when it answers 503; None: never."""
    missing: bool = False
    """The command does not exist: a start is refused (F25)."""
    stops: float = 0.2
    """Seconds from SIGTERM to its end; more than the grace period: it is killed."""
    every: int = 0
    """Every so manyth request is answered 500; 0: none."""
    health: str | None = None
    """What Docker's own HEALTHCHECK says once it is ready; None: the image has none."""
    job: float = 1.0
    """How long a preDeploy container runs."""
    job_code: int = 0
    """With which code it ends."""


@dataclass
class Registry:
    """Tags of repositories, and the applications behind digests."""

    tags: dict[tuple[str, str], str] = field(default_factory=dict)
    apps: dict[str, App] = field(default_factory=dict)
    down: bool = False
    pull_seconds: float = 2.0

    def push(self, image: str, tag: str, app: App) -> str:
        """Serve this application under the tag; returns the digest, a new one each time."""
        digest = "sha256:" + hashlib.sha256(f"{image}:{tag}#{len(self.apps)}".encode()).hexdigest()
        self.apps[digest] = app
        self.tags[image, tag] = digest
        return digest

    def digest(self, image: str, tag: str) -> str:
        """Digest under the tag. Raises `WorldBad` while the registry is down, `RevisionBad` for an unknown tag."""
        if self.down:
            raise WorldBad(f"cannot get {image}:{tag}: 503", reason="RegistryError")
        try:
            return self.tags[image, tag]
        except KeyError:
            message = f"cannot get {image}:{tag}: manifest unknown"
            raise RevisionBad(message, reason="ManifestMissing") from None
