"""A secret value in every world, and where it must never be found (S20): everything that is written down or told.

The value itself is only ever in a container's configuration.
"""

import base64
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import quote

from controller.core.documents.spec import Document, Project
from controller.core.documents.spec_parts import EnvVar, ValueFrom
from controller.core.model.desired import SecretRef

if TYPE_CHECKING:
    from tests.world import Simulation

REF = SecretRef("file", "/run/secrets/canary")
VALUE = "canary/4f9d:hush+hush?"
VARIABLE = EnvVar.model_validate({"name": "CANARY", "valueFrom": ValueFrom(file=REF.name)})


def entrusted(document: Document) -> Document:
    """The document, with the secret among its variables."""
    if not isinstance(document, Project):
        return document
    spec = document.spec.model_copy(update={"env": [*document.spec.env, VARIABLE]})
    return document.model_copy(update={"spec": spec})


def spilled(sim: "Simulation") -> list[str]:
    """Places in which a secret of this world can be read, in whatever form; none is right."""
    forms = [form for value in {VALUE, *sim.secrets.values()} for form in _forms(value)]
    return [f"S20: a secret is in {place}" for place, text in _places(sim) if any(form in text for form in forms)]


def _forms(value: str) -> Iterable[str]:
    raw = value.encode()
    if len(raw) < len(VALUE):
        return ()  # too short to be told from other text
    return value, quote(value), raw.hex(), base64.b64encode(raw).decode().rstrip("="), repr(value)[1:-1]


def _places(sim: "Simulation") -> Iterator[tuple[str, str]]:
    yield "the trace", sim.trace()
    disk = sim.disk
    yield "what is remembered of stages", repr(disk.memory)
    yield "a status", repr(disk.statuses)
    yield "the history", repr(disk.rows)
    yield "a line of the history", repr(disk.lines)
    yield "the last good documents", repr(disk.good)
    yield "a label or name", repr([(box.name, box.image, box.labels) for box in sim.engine.boxes.values()])
    yield "a route", repr(sim.proxy.routes)
    yield "the log", repr(sim.log)
