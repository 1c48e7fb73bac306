"""The decision of one pass as data, and the settings that it depends on."""

from dataclasses import dataclass
from typing import Literal

from controller.core.model.actions import Action
from controller.core.model.memory import StageMemory
from controller.core.model.observed import Key
from controller.core.model.policy import PolicyRules
from controller.core.model.status import StageStatus, Transition


@dataclass(frozen=True)
class Rules:
    """The part of the settings that plans depend on."""

    reach: Literal["ip", "name", "published"] = "ip"
    """How the proxy reaches containers."""
    surge: int = 1
    """Replacements of a stage at a time."""
    digest_interval: float = 3600.0
    """Seconds between looks at what a tag points to, where a push is only reported."""
    track_interval: float = 300.0
    """The same where trackDigest follows it."""
    url: str = "http://{hostname}"
    """How a hostname looks to a person, such as http://{hostname}:8080."""
    policy: PolicyRules | None = None
    """A forecast names what it will refuse; None: it names nothing. The Docker client enforces it."""


@dataclass(frozen=True)
class Plan:
    """One pass: `memory` and `transitions` are made durable first, then the actions are carried out in order."""

    actions: tuple[Action, ...]
    memory: StageMemory
    """What is to be remembered; equal to the observed one when nothing changed."""
    transitions: tuple[Transition, ...]
    status: StageStatus
    keep: frozenset[Key]
    """Keys of facts that this stage still goes by. A running operation that is missing here is called off where that
    is harmless (gate, watch, verify, pull, digest check), an ended one is forgotten."""
    wake: float | None
    """Unix seconds when to come back although nothing happened; None: the resync is enough."""

    @property
    def reason(self) -> str:
        """One sentence: what the pass did and why."""
        return self.status.reason
