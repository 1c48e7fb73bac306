"""What the steps of a pass hand to each other: a slot per tag, the part that each tag plays, and the stage's routes."""

from dataclasses import dataclass, field

from controller.core.model.desired import DesiredInstance
from controller.core.model.memory import InstanceMemory
from controller.core.model.observed import Container


@dataclass(frozen=True)
class Slot:
    """One tag of the stage: what is declared for it, what it has, and which of its containers plays which part."""

    tag: str
    declared: DesiredInstance | None
    memory: InstanceMemory
    born: float
    containers: tuple[Container, ...] = ()
    """App containers, best first; without those that failed in the open rollout, or are being stopped."""
    one_offs: tuple[Container, ...] = ()
    """preDeploy containers, newest first."""
    template: str = ""
    digest: str = ""
    revision: str = ""
    """Template hash, digest and revision that are declared; empty when the tag is not declared."""
    quarantined: bool = False
    """The declared revision failed and is not tried again by itself."""
    current: Container | None = None
    """The container that is what is declared, and has passed."""
    candidate: Container | None = None
    """The container that is what is declared, and has still to pass."""
    stable: Container | None = None
    """The container that passed before and serves until `current` is there."""
    former: tuple[Container, ...] = ()
    """Containers that passed and are not what is declared now, best first."""

    @property
    def serving(self) -> Container | None:
        """The container that may have traffic."""
        return self.current or self.stable

    @property
    def has_passed(self) -> bool:
        """A container of the tag passed its gate and is still there."""
        return self.serving is not None

    @property
    def has_proven_itself(self) -> bool:
        """What is declared serves and has proven itself: what was before it may go."""
        return self.current is not None and self.memory.settled == self.current.id

    @property
    def passed_before(self) -> bool:
        """The declared revision passed here before: its failures are the world's."""
        return self.revision in self.memory.passed


@dataclass(frozen=True)
class Selection:
    """The tags of a stage by the part they play; a tag that is in none of these leaves."""

    live: tuple[str, ...] = ()
    """Declared and not expired, oldest first."""
    wanted: tuple[str, ...] = ()
    over: tuple[str, ...] = ()
    """Beyond maxInstances; what they have keeps running until every wanted one has passed."""
    designated: str | None = None
    """Who shall have the default route: defaultTag, else the newest declared."""
    target: str | None = None
    """Who has it for now: the designated one once it has passed, until then who serves."""
    held: tuple[str, ...] = ()
    """No longer declared, or not wanted any more, but needed until a successor has proven itself."""

    @property
    def kept(self) -> tuple[str, ...]:
        """All tags that stay up in this pass."""
        return tuple(dict.fromkeys((*self.wanted, *self.over, *self.held)))


@dataclass
class Routing:
    """What the routes of a stage come to in this pass."""

    claimed: dict[str, str] = field(default_factory=dict)
    """Hostnames that stay, with the tag they are for."""
    verified: set[str] = field(default_factory=set)
    """Hostnames that were seen to answer through the proxy."""
    conflicts: dict[str, str] = field(default_factory=dict)
    """Hostnames that are not ours, with a description of the holder."""

    def hostnames(self, tag: str) -> list[str]:
        """The hostnames that are for this tag."""
        return [hostname for hostname, owner in self.claimed.items() if owner == tag]

    def proven(self, tag: str) -> bool:
        """True when all hostnames for this tag that can be had answer through the proxy."""
        return all(hostname in self.verified or hostname in self.conflicts for hostname in self.hostnames(tag))
