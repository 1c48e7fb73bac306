"""What the containers of the world run: applications with chosen behaviour, and the registry that serves them."""

import hashlib
from dataclasses import dataclass, field

from controller.clients.docker.errors import registry_failure
from controller.core.model.errors import RevisionBad, WorldBad


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
    oom: bool = False
    """The kernel ends it for its memory."""
    breaks: float | None = None
    """From when it answers 503; None: never."""
    turns: float | None = None
    """It answers for so long, then 503 for as long, and so on; None: it is steady."""
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

    def broken(self, age: float) -> bool:
        """It answers 503 at this age, whatever it would answer else."""
        turned = self.turns is not None and int(age / self.turns) % 2 == 1
        return turned or (self.breaks is not None and age >= self.breaks)


@dataclass
class Registry:
    """Tags of repositories, and the applications behind digests."""

    tags: dict[tuple[str, str], str] = field(default_factory=dict)
    apps: dict[str, App] = field(default_factory=dict)
    homes: dict[str, str] = field(default_factory=dict)
    """Repository of each digest."""
    down: bool = False
    status: int = 0
    """What it answers to every question instead of a manifest; 0: as it should."""
    hosts: set[str] = field(default_factory=lambda: {"registry.test"})
    """Registries that there are."""
    pull_seconds: float = 2.0

    def push(self, image: str, tag: str, app: App) -> str:
        """Serve this application under the tag; returns the digest, a new one each time."""
        digest = "sha256:" + hashlib.sha256(f"{image}:{tag}#{len(self.apps)}".encode()).hexdigest()
        self.apps[digest], self.homes[digest] = app, image
        self.tags[image, tag] = digest
        return digest

    def digest(self, image: str, tag: str) -> str:
        """Digest under the tag. Raises `WorldBad` while the registry is down, `RevisionBad` for an unknown tag."""
        self.asked(image, tag)
        try:
            return self.tags[image, tag]
        except KeyError:
            message = f"cannot get {image}:{tag}: manifest unknown"
            raise RevisionBad(message, reason="ManifestMissing") from None

    def asked(self, image: str, tag: str) -> None:
        """It is asked for a manifest. Raises what it answers instead, in the words of the real client."""
        host = image.partition("/")[0]
        status = 503 if self.down else self.status
        message = "" if host in self.hosts else f"dial tcp: lookup {host}: no such host"
        if status or message:
            failure = registry_failure(status, message or f"status {status}", f"{image}:{tag}")
            raise failure or WorldBad(f"cannot get {image}:{tag}: {status}", reason="RegistryError")
