"""From what Docker shows to `Container`: list rows, inspect documents, ages in words. Pure functions.

Addresses are read from `Networks.<name>` only: the top-level ones are gone from API 1.52 on.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

from controller.clients.docker.ownership import Document
from controller.core.model.identity import Identity
from controller.core.model.observed import Container, ContainerState

Health = Literal["starting", "healthy", "unhealthy"]


@dataclass(frozen=True)
class Details:
    """What only an inspect tells. Valid while `shape` is what the list says."""

    shape: tuple[object, ...]
    started_at: float | None
    finished_at: float | None
    exit_code: int
    oom_killed: bool
    error: str
    restart_count: int
    passed: bool


UNKNOWN_DETAILS = Details(
    shape=(), started_at=None, finished_at=None, exit_code=0, oom_killed=False, error="", restart_count=0, passed=True
)
"""Stands for the details of a container that cannot be inspected: it counts as passed, so that nothing ends it."""


def details(document: Document) -> Details:
    """Read an inspect document."""
    state = document.get("State") or {}
    policy = (document.get("HostConfig") or {}).get("RestartPolicy") or {}
    return Details(
        shape=shape(str(state.get("Status", "")), networks(document)),
        started_at=timestamp(state.get("StartedAt")),
        finished_at=timestamp(state.get("FinishedAt")),
        exit_code=int(state.get("ExitCode") or 0),
        oom_killed=bool(state.get("OOMKilled")),
        error=str(state.get("Error") or ""),
        restart_count=int(document.get("RestartCount") or 0),
        passed=policy.get("Name") == "unless-stopped",
    )


def networks(document: Document) -> Mapping[str, Document]:
    """Attached networks by name, of a list row or an inspect document."""
    return (document.get("NetworkSettings") or {}).get("Networks") or {}


def shape(state: str, attached: Mapping[str, Document]) -> tuple[object, ...]:
    """What a list row and an inspect document both show; another shape means that the details are old."""
    return (state, *sorted((name, str((end or {}).get("IPAddress") or "")) for name, end in attached.items()))


def is_current(inspected: Details, row: Document, now: float) -> bool:
    """False when a list row contradicts the details: other state, other address, or an age that does not fit.

    `now` is the Engine's clock, Unix seconds.
    """
    state, status = str(row.get("State", "")), str(row.get("Status", ""))
    if state == "restarting" or inspected.shape != shape(state, networks(row)):
        return False
    code = re.match(r"Exited \((-?\d+)\)", status)
    if code and int(code.group(1)) != inspected.exit_code:
        return False
    span = age(status)
    since = inspected.finished_at if state in ("exited", "dead") else inspected.started_at
    return span is None or since is None or span[0] - 3 <= now - since <= span[1] + 3


_AGE = re.compile(r"(?:^Up|\)) (?P<words>[A-Z0-9a-z ]+?)(?: ago)?(?: \(.*\))?$")
_UNITS = {
    "second": 1.0,
    "minute": 60.0,
    "hour": 3600.0,
    "day": 86_400.0,
    "week": 604_800.0,
    "month": 2_592_000.0,
    "year": 31_536_000.0,
}


def age(status: str) -> tuple[float, float] | None:
    """Least and most seconds that a Status text such as "Up 5 minutes (healthy)" allows; None when it says nothing."""
    match = _AGE.search(status)
    if match is None:
        return None
    words = match["words"]
    if words == "Less than a second":
        return 0.0, 1.0
    one = re.fullmatch(r"About an? (minute|hour)", words)
    many = re.fullmatch(r"(\d+) (second|minute|hour|day|week|month|year)s?", words)
    if one:
        count, unit = 1, _UNITS[one[1]]
    elif many:
        count, unit = int(many[1]), _UNITS[many[2]]
    else:
        return None
    return (count - 1) * unit if unit > 1 else float(count), (count + 1) * unit


def health(document: Document) -> Health | None:
    """Health of a list row (text, or the key of API 1.52) or of an inspect document; None: no HEALTHCHECK."""
    state = document.get("State")
    record = document.get("Health") or (state.get("Health") if isinstance(state, Mapping) else None)
    if isinstance(record, Mapping):
        value = record.get("Status")
        return cast(Health, value) if value in ("starting", "healthy", "unhealthy") else None
    text = str(document.get("Status", ""))
    for value in ("unhealthy", "healthy"):
        if f"({value})" in text:
            return cast(Health, value)
    return "starting" if "(health: starting)" in text else None


def container(
    document: Document, identity: Identity, inspected: Details, *, network: str, network_id: str | None
) -> Container:
    """Build a `Container` from a list row or an inspect document of ours and its details."""
    state = document.get("State")
    status = str(state.get("Status") if isinstance(state, Mapping) else state)
    running = status == "running"
    end = endpoint(networks(document), network, network_id)
    address = None
    if running and end is not None:
        address = end.get("IPAddress") or end.get("GlobalIPv6Address") or None
    return Container(
        **vars(identity),
        id=str(document["Id"]),
        name=identity.name,
        image=repository(document),
        state=cast(ContainerState, status),
        started_at=inspected.started_at,
        exit_code=inspected.exit_code if status in ("exited", "dead") else None,
        oom_killed=inspected.oom_killed,
        error=inspected.error,
        restart_count=inspected.restart_count,
        passed=inspected.passed,
        health=health(document) if running else None,
        connected=end is not None,
        address=address,
        published=published_port(document) if running else None,
    )


def endpoint(attached: Mapping[str, Document], network: str, network_id: str | None) -> Mapping[str, Any] | None:
    """The endpoint on the network of the settings, found by name or id."""
    for name, end in attached.items():
        if name in (network, network_id) or (network_id and (end or {}).get("NetworkID") == network_id):
            return end or {}
    return None


def repository(document: Document) -> str:
    """`repository` of the `repository@sha256:…` that a container was made from; empty when Docker shows only an id."""
    image = str((document.get("Config") or {}).get("Image") or document.get("Image") or "")
    name, at, _ = image.partition("@")
    return name if at else ""


def published_port(document: Document) -> int | None:
    """The port of the host that is published on 127.0.0.1, of a list row or an inspect document."""
    ports = document.get("Ports")
    if isinstance(ports, list):
        return next((int(port["PublicPort"]) for port in ports if port.get("PublicPort")), None)
    bindings = (document.get("NetworkSettings") or {}).get("Ports") or {}
    bound = (binding for several in bindings.values() for binding in several or ())
    return next((int(binding["HostPort"]) for binding in bound if binding.get("HostPort")), None)


def timestamp(text: object) -> float | None:
    """Unix seconds of a Docker time; None for Go's zero time."""
    if not isinstance(text, str) or text.startswith("0001-") or not text:
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None
