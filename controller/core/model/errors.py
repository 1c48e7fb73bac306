"""The errors of Holdfast, one class per answer to "who is at fault?".

::

    HoldfastError
    ├── InvalidInput      a document or a setting is wrong; carries diagnostics; nothing was changed
    ├── RevisionBad       this revision cannot run; quarantined, nothing retries it by itself
    ├── WorldBad          Docker, the registry, the proxy, the disk or the network; retried with backoff for ever
    │   ├── Unreachable   nobody answered: nothing is known, so nothing may be planned on it
    │   └── OutcomeUnknown  the call may have happened: read the world before anything else
    ├── Conflict          an object that is not ours stands in the way; reported, never replaced
    └── Locked            another controller, or a newer one, holds the state folder

Anything else that reaches the manager is a bug and is logged once with its traceback.
A client translates the errors of its library into these at its border and chains the cause.
`reason` is a CamelCase constant, as in Kubernetes conditions; `message` is for a person and never holds a secret.
"""

from dataclasses import dataclass, field


class HoldfastError(Exception):
    """Base of all errors that Holdfast raises on purpose."""

    reason = "Error"

    def __init__(self, message: str, *, reason: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if reason is not None:
            self.reason = reason


@dataclass(frozen=True)
class Diagnostic:
    """One mistake in one place, as compilers report it."""

    code: str
    """Stable code, such as E0103."""
    message: str
    source: str
    """File name, URL or object the text came from."""
    line: int = 0
    """1-based; 0 when the place is unknown."""
    column: int = 0
    path: str = ""
    """Path inside the document, such as spec.stages[0].maxInstances."""
    excerpt: str = ""
    """The source line itself."""
    help: str = ""
    """What to write instead."""
    cut: int = 0
    """Characters of the line that the excerpt leaves out before the column."""


class InvalidInput(HoldfastError):
    """Documents or settings that cannot be used; holds every mistake found in one run."""

    reason = "InvalidInput"

    def __init__(self, diagnostics: list[Diagnostic]) -> None:
        super().__init__(f"{len(diagnostics)} error(s)" if len(diagnostics) != 1 else diagnostics[0].message)
        self.diagnostics = diagnostics


class RevisionBad(HoldfastError):
    """The revision itself is at fault: gate failed, exits, bad command, manifest missing, policy."""

    reason = "RevisionBad"

    def __init__(self, message: str, *, reason: str | None = None, logs: tuple[str, ...] = ()) -> None:
        super().__init__(message, reason=reason)
        self.logs = logs


class WorldBad(HoldfastError):
    """Something around the revision is at fault and may get well by itself."""

    reason = "WorldBad"

    def __init__(self, message: str, *, reason: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message, reason=reason)
        self.retry_after = retry_after
        """Seconds the other side asked us to wait, if it said so."""


class Unreachable(WorldBad):
    """No answer at all; a partial look is never planned on."""

    reason = "Unreachable"


class OutcomeUnknown(WorldBad):
    """The reply was lost: the effect may have happened."""

    reason = "OutcomeUnknown"


class Conflict(HoldfastError):
    """A foreign object holds a name or hostname that we need."""

    reason = "Conflict"


class Locked(HoldfastError):
    """The state folder is held by another process."""

    reason = "Locked"


@dataclass(frozen=True)
class Failure:
    """An error as data, for plans, status and history."""

    reason: str
    message: str
    revision_bad: bool
    logs: tuple[str, ...] = field(default=())

    @staticmethod
    def of(error: HoldfastError) -> "Failure":
        """Turn an error of this tree into data."""
        logs = error.logs if isinstance(error, RevisionBad) else ()
        return Failure(error.reason, error.message, isinstance(error, RevisionBad), logs)
