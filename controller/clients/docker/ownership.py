"""Whose a container or a network is, by what Docker shows of it: rows of a list and inspect documents alike.

Labels alone prove nothing, because a container inherits those of its image and a copy keeps them: the name must be the
one that the labels give.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from controller.core.model import identity, names
from controller.core.model.desired import StageKey
from controller.core.model.identity import Identity
from controller.core.model.observed import Container

Document = Mapping[str, Any]

NETWORK_LABEL = names.PREFIX + "network"


@dataclass(frozen=True)
class Shown:
    """What a list row and an inspect document both show of a container."""

    id: str
    name: str
    labels: Mapping[str, str]

    def identity(self, controller_id: str) -> Identity | None:
        """Instance and revision of a container of ours; None when it is not ours."""
        if not identity.is_ours(self.name, self.labels, controller_id):
            return None
        return identity.read(self.labels)

    def is_lookalike(self, controller_id: str) -> bool:
        """It carries our labels, and not the name that these give: renamed, or made from an image of ours."""
        return self.labels.get(names.CONTROLLER) == controller_id and not identity.agrees(self.name, self.labels)

    def is_still(self, container: Container, controller_id: str) -> bool:
        """It is the very container that was observed, and ours."""
        return (
            (self.id, self.name) == (container.id, container.name)
            and identity.is_ours(self.name, self.labels, controller_id)
            and identity.is_same(container, self.labels)
        )

    def carries(self, labels: Mapping[str, str]) -> bool:
        """It has all of these labels with these values."""
        return all(self.labels.get(key) == value for key, value in labels.items())


def shown(document: Document) -> Shown:
    """Read a list row (`Names`, `Labels`) or an inspect document (`Name`, `Config.Labels`)."""
    if "Names" in document:
        # Names with a second slash are those by which linked containers call it.
        name = next((text[1:] for text in document["Names"] or () if text.count("/") == 1), "")
        return Shown(str(document["Id"]), name, document.get("Labels") or {})
    labels = (document.get("Config") or {}).get("Labels") or {}
    return Shown(str(document["Id"]), str(document.get("Name", "")).lstrip("/"), labels)


def label_filters(controller_id: str, stage: StageKey | None = None) -> list[str]:
    """Docker's filters for containers with our labels, of one stage or of all."""
    return [f"{names.CONTROLLER}={controller_id}", *([f"{names.STAGE}={stage}"] if stage is not None else [])]


def list_params(controller_id: str, stage: StageKey | None = None) -> dict[str, str]:
    """Parameters of GET /containers/json for all containers with our labels, stopped ones too."""
    return {"all": "1", "filters": json.dumps({"label": label_filters(controller_id, stage)})}


def is_our_network(network: Document, controller_id: str) -> bool:
    """True for a network that this controller made."""
    return bool((network.get("Labels") or {}).get(NETWORK_LABEL) == controller_id)
