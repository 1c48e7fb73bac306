"""What the labels of a container say: which instance and revision it belongs to. Labels ↔ identity, and whose it is.

Labels alone prove nothing: a container inherits those of its image, and a copy keeps them. It is ours when the labels
carry this controller's id and give exactly the container's name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

from controller.core.model import names
from controller.core.model.desired import StageKey
from controller.core.model.observed import Container, Role

_FIELDS = {
    names.STAGE: "stage",
    names.TAG: "tag",
    names.REVISION: "revision",
    names.ATTEMPT: "attempt",
    names.TEMPLATE: "template",
    names.SECRETS: "secrets",
    names.DIGEST: "digest",
    names.BORN: "born",
    names.SEEN: "seen",
    names.SOURCE: "source",
    names.ROLE: "role",
}
"""The label of each field; `names.CONTROLLER` comes on top when the container is created."""


@dataclass(frozen=True)
class Identity:
    """What labels tell; the fields are those of `Container` with the same names."""

    stage: StageKey
    tag: str
    revision: str
    attempt: int
    template: str = ""
    secrets: str = ""
    digest: str = ""
    born: float = 0.0
    seen: float = 0.0
    source: str = ""
    role: Role = "app"

    @property
    def name(self) -> str:
        """The one name that a container of this identity has."""
        return names.container_name(self.stage, self.tag, self.revision, self.attempt, self.role)


def labels(identity: Identity) -> dict[str, str]:
    """The labels of an identity; times have milliseconds, and a `seen` of 0 is left empty."""
    values = {label: str(getattr(identity, field)) for label, field in _FIELDS.items()}
    seen = f"{identity.seen:.3f}" if identity.seen else ""
    return values | {names.BORN: f"{identity.born:.3f}", names.SEEN: seen}


def create_labels(given: Mapping[str, str], role: Role, controller_id: str) -> dict[str, str]:
    """Labels to create a container with: every label of ours is set, so that none is inherited from the image."""
    return {**dict.fromkeys(_FIELDS, ""), names.ROLE: role, **given, names.CONTROLLER: controller_id}


def read(given: Mapping[str, str]) -> Identity | None:
    """The identity that labels tell; None when a part that the name is made of is missing or is no number."""
    try:
        return Identity(
            stage=given[names.STAGE],
            tag=given[names.TAG],
            revision=given[names.REVISION],
            attempt=int(given[names.ATTEMPT]),
            template=given.get(names.TEMPLATE, ""),
            secrets=given.get(names.SECRETS, ""),
            digest=given.get(names.DIGEST, ""),
            born=_seconds(given.get(names.BORN, "")),
            seen=_seconds(given.get(names.SEEN, "")),
            source=given.get(names.SOURCE, ""),
            role="preDeploy" if given.get(names.ROLE) == "preDeploy" else "app",
        )
    except (KeyError, ValueError):
        return None


def agrees(name: str, given: Mapping[str, str]) -> bool:
    """True when a container's name is the one that its labels give: a copy or a rename is not ours."""
    identity = read(given)
    return identity is not None and name == identity.name


def is_ours(name: str, given: Mapping[str, str], controller_id: str) -> bool:
    """True for a container that the controller with this id made."""
    return given.get(names.CONTROLLER) == controller_id and agrees(name, given)


def is_same(container: Container, given: Mapping[str, str]) -> bool:
    """True when the labels still name this very container: asked before anything is done to it."""
    expected = (container.stage, container.tag, container.revision, str(container.attempt))
    return expected == tuple(given.get(label) for label in (names.STAGE, names.TAG, names.REVISION, names.ATTEMPT))


def _seconds(text: str) -> float:
    """Unix seconds of a label; 0 when it holds anything else."""
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if isfinite(value) else 0.0
