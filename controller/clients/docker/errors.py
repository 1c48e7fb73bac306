"""What the Engine's refusals mean: one table per call, one row per outcome; the first row that applies decides.

Engines 20.10 to 29 word and number their refusals differently (20.10 answers 500 where newer ones answer 404), so the
rows that a status decides come first, and the text is read below them. Names are taken out of the text before: an image
called `ratelimiter` says nothing about a rate limit.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from controller.clients.docker.answer_text import without_names
from controller.core.model.errors import HoldfastError, RevisionBad, WorldBad


class EngineError(Exception):
    """The Engine refused: with this status, or with 0 inside a stream that began well."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


@dataclass(frozen=True)
class Outcome:
    """One row. It applies when the status is among `statuses` and the text matches `says`; empty ones match all."""

    error: type[RevisionBad] | type[WorldBad] | None
    """None: the call's effect is there already."""
    reason: str = ""
    means: str = ""
    """What happened, in plain words."""
    helps: str = ""
    """What a person can do."""
    quoted: bool = True
    """The Engine's own words are shown too."""
    mendable: bool = False
    """The caller can mend this by itself and try once more."""
    statuses: tuple[int, ...] = ()
    says: str = ""

    def when(self, *statuses: int, says: str = "") -> "Outcome":
        """The same outcome, recognised by other signs."""
        return replace(self, statuses=statuses, says=says)

    def failure(self, refusal: EngineError, task: str, retry_after: float | None = None) -> HoldfastError:
        """The error that says what we wanted, what came back and what helps."""
        answer = refusal.message if self.means else f"{refusal.message} (status {refusal.status})"
        parts = [f"cannot {task}", self.means, answer if self.quoted else ""]
        text = "; ".join(filter(None, (": ".join(filter(None, parts)), self.helps)))
        if self.error is RevisionBad:
            return RevisionBad(text, reason=self.reason)
        return WorldBad(text, reason=self.reason, retry_after=retry_after)


Table = Sequence[Outcome]

DONE = Outcome(None)
GONE = DONE.when(404)
DISK_FULL = Outcome(
    WorldBad,
    "DiskFull",
    "the Engine's disk is full",
    "'docker system df' shows what takes the space",
    says="no space left on device",
)

RATE_LIMITED = Outcome(WorldBad, "RateLimited", "the registry limits how often it may be asked")
DENIED = Outcome(
    WorldBad, "RegistryDenied", "the registry refuses access", "log in with 'docker login', or correct the image's name"
)
MISSING = Outcome(RevisionBad, "ManifestMissing", "the registry does not have it")
BROKEN = Outcome(WorldBad, "RegistryError", "the registry cannot be reached")
PULL: Table = (
    RATE_LIMITED.when(429),
    DENIED.when(401, 403),
    DENIED.when(404, says=r"\bdenied\b|unauthorized|requires? auth"),
    BROKEN.when(404, says=r"\bblob"),
    MISSING.when(404),
    DISK_FULL,
    RATE_LIMITED.when(says=r"toomanyrequests|too many requests|rate ?limit|(?:http|status)\D*429\b"),
    DENIED.when(
        says=r"unauthorized|authentication required|\bdenied\b|forbidden|no basic auth|insufficient_scope"
        r"|(?:http|status)\D*40[13]\b"
    ),
    BROKEN.when(says=r"\bblob|\blayer|content descriptor|verification|commit digest|unexpected eof|size validation"),
    MISSING.when(
        says=r"manifest unknown|name unknown|manifest for .*not found|resolve reference .*not found"
        r"|(?:http|status)\D*404\b"
    ),
    BROKEN.when(
        says=r"(?:http|status)\D*50[0234]\b|timeout|timed out|deadline|refused|no such host|reset by peer|unreachable"
        r"|server misbehaving|internal server error|unavailable|bad gateway|eof|tls|x509|certificate|unknown: "
        r"|server gave http|error parsing http"
    ),
)
"""A pull, and the question which digest a tag has. Refused access mends by a login, without a new revision."""

CREATE: Table = (
    Outcome(WorldBad, "NetworkMissing", "its network is gone", mendable=True).when(
        404, says=r"\bnetwork \S+.*(?:not found|does not exist)|no such network"
    ),
    Outcome(WorldBad, "ImageGone", "its image is no longer here").when(
        404, says=r"no such image|not found|does not exist|no such manifest"
    ),
    Outcome(WorldBad, "MountMissing", "a folder that it binds is missing", says="bind source path does not exist"),
    Outcome(RevisionBad, "InvalidConfig", "Docker refuses its configuration").when(400),
    DISK_FULL,
    Outcome(WorldBad, "CreateFailed"),
)
"""Creating a container; a 409 is about the holder of its name, whom the caller looks at first."""

START: Table = (
    Outcome(WorldBad, "StartFailed", "it is attached to a network that is gone", mendable=True).when(
        says=r"already exists in network|no such network|could not find a network|\bnetwork \S+.*not found"
    ),
    Outcome(WorldBad, "ContainerGone", "it is gone", quoted=False).when(says="no such container|marked for removal"),
    Outcome(WorldBad, "Paused", "it is paused", quoted=False).when(409, says="paused"),
    Outcome(RevisionBad, "StartFailed", "its memory limit is too low").when(
        says=r"memory limit too low|container init was oom-killed"
    ),
    Outcome(RevisionBad, "StartFailed", "its image does not know the user").when(
        says=r"unable to find (?:user|group)|no matching entries in (?:passwd|group)"
    ),
    Outcome(WorldBad, "PortTaken", "a port or an address that it needs is taken").when(
        says=r"port is already allocated|address already in use|programming external connectivity"
    ),
    DISK_FULL,
    Outcome(WorldBad, "StartFailed", "the Engine's machine cannot run it now").when(
        says=r"failed to set up container networking|failed to create endpoint|iptables|cgroup|cannot allocate memory"
        r"|too many open files|resource temporarily unavailable|context deadline exceeded|ttrpc: closed"
        r"|bind source path does not exist|connection refused"
    ),
    Outcome(RevisionBad, "StartFailed", "Docker cannot run it as declared").when(400),
    Outcome(RevisionBad, "StartFailed", "Docker cannot run it as declared").when(
        says=r"executable file not found|exec format error|no such file or directory|permission denied"
        r"|is a directory|not a directory|no command specified|invalid argument|argument list too long"
        r"|read-only file system"
    ),
    Outcome(WorldBad, "StartFailed"),
)
"""Starting one. 400 is what Docker makes of a command that cannot run, but also of some troubles of the machine."""

RESTART: Table = (DONE.when(404, says="no such container"), *START)
STOP: Table = (GONE, DONE.when(says="is not running|no such container"), DISK_FULL, Outcome(WorldBad, "StopFailed"))
REMOVE: Table = (
    GONE,
    Outcome(WorldBad, "RemoveFailed", mendable=True).when(409, says="already in progress"),
    Outcome(WorldBad, "StillRunning", "it still runs").when(
        says=r"running container|is running|paused|restarting container|is restarting"
    ),
    DISK_FULL,
    Outcome(WorldBad, "RemoveFailed"),
)
"""Removing one; a removal that is under way already is awaited (F18)."""

UNPAUSE: Table = (GONE, DONE.when(says="is not paused|is not running"), DISK_FULL, Outcome(WorldBad, "UnpauseFailed"))
MARK: Table = (GONE, DONE.when(says="marked for removal|no such container"), DISK_FULL, Outcome(WorldBad, "MarkFailed"))
CONNECT: Table = (
    Outcome(WorldBad, "ConnectFailed", mendable=True).when(says="already exists|already connected|already attached"),
    DISK_FULL,
    Outcome(WorldBad, "ConnectFailed"),
)
"""Attaching one to the network; what is attached already may be attached to one of that name that is gone (F21)."""

DISCONNECT: Table = (
    DONE.when(403, 404),
    DONE.when(says="not connected|not found"),
    DISK_FULL,
    Outcome(WorldBad, "ConnectFailed"),
)
CREATE_NETWORK: Table = (DISK_FULL, Outcome(WorldBad, "NetworkMissing"))
REMOVE_IMAGE: Table = (DISK_FULL, Outcome(WorldBad, "DockerError"))


UNRECOGNISED = Outcome(WorldBad, "DockerError")


def outcome(table: Table, refusal: EngineError, *, image: str = "", name: str = "") -> Outcome:
    """The first row that applies, else `UNRECOGNISED`. `image`, `name`: those of the container, which are not read."""
    text = without_names(refusal.message, image, name)
    for row in table:
        if (not row.statuses or refusal.status in row.statuses) and re.search(row.says, text):
            return row
    return UNRECOGNISED


def raise_unless_done(table: Table, refusal: EngineError, task: str, *, image: str = "", name: str = "") -> None:
    """Return when the call's effect is there already, else raise what the refusal means. `task`: such as `stop a-1`."""
    row = outcome(table, refusal, image=image, name=name)
    if row.error is not None:
        raise row.failure(refusal, task) from refusal


_RETRY_AFTER = re.compile(r"retry[- ]after:?\s*\"?(\d{1,6})")


def registry_failure(status: int, message: str, reference: str) -> HoldfastError | None:
    """Which outcome of a registry this is; None when neither status nor text tells."""
    refusal = EngineError(status, message)
    row = outcome(PULL, refusal, image=reference)
    if row is UNRECOGNISED:
        return None
    wait = _RETRY_AFTER.search(message.lower()) if row.reason == RATE_LIMITED.reason else None
    return row.failure(refusal, f"get {reference}", float(wait[1]) if wait else None)
