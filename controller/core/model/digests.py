"""What a container is made from, as short hashes: a container whose hashes are the declared ones is left alone.

The template hash leaves defaults out and carries the version of its rule, so that an upgrade of Holdfast, which may add
fields with defaults, recreates nothing.
"""

import dataclasses
import hashlib
import json
from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Any

from controller.core.model.desired import Check, DesiredStage, StageKey, Template
from controller.core.model.observed import Container, Route, SecretsSeen

cache = lru_cache(maxsize=4096)
"""Hashes are asked for in every pass, of values that seldom change."""

VERSION = "1"
"""Version of the hashing rule. A new rule must still be able to compute the old hash of a container that has it."""


def plain(value: object) -> object:
    """A frozen value as plain data, without the fields that have their default."""
    if is_dataclass(value) and not isinstance(value, type):
        changed: dict[str, object] = {}
        for field in fields(value):
            content = getattr(value, field.name)
            if content != field.default:
                changed[field.name] = plain(content)
        return changed
    if isinstance(value, tuple | list):
        return [plain(element) for element in value]
    return value


def digest_of(value: object, digits: int) -> str:
    """The first hex digits of the SHA-256 over the canonical JSON of a value."""
    text = json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:digits]


@cache
def template_hash(template: Template, publish: int | None = None) -> str:
    """Label value for what a container is made from; `publish`: its port, where the proxy goes through the host."""
    made_from: tuple[object, ...] = (template,) if publish is None else (template, publish)
    return f"{VERSION}-{digest_of(made_from, 12)}"


@cache
def revision(key: StageKey, tag: str, template: str, digest: str, secrets: str) -> str:
    """Short name of one revision of one instance: 8 hex. It goes into container names and keeps those apart."""
    return digest_of((VERSION, key, tag, template, digest, secrets), 8)


def gate_hash(desired: DesiredStage) -> str:
    """What decides whether a container passes, apart from the container: check, preDeploy, port, deadline."""
    return _gate_hash(desired.check, desired.pre_deploy, desired.port, desired.progress_deadline)


@cache
def _gate_hash(*decides: object) -> str:
    return digest_of(decides, 8)


@cache
def check_hash(check: Check) -> str:
    """Names one health check, in the keys of gates and watches."""
    return digest_of(check, 6)


def secrets_agree(container: Container, secrets: SecretsSeen) -> bool:
    """False only when the values provably changed: an unknown key or a missing secret counts as unchanged."""
    if not secrets.digest or not container.secrets:
        return True
    key_id = container.secrets.partition(":")[0]
    return key_id != secrets.key_id or container.secrets == secrets.label


def made_from(container: Container, template: str, digest: str, secrets: SecretsSeen) -> bool:
    """True when the container is what is declared; an empty digest means that none is pinned yet."""
    same_image = container.template == template and (not digest or container.digest == digest)
    return same_image and secrets_agree(container, secrets)


MARKER_DIGITS = 16
"""64 bits: two routes of one hostname never get one marker by chance."""


def route_fields(route: Route) -> dict[str, Any]:
    """What a marker is made from and a proxy stores of a route: all of it, without options that have their default."""
    fields = {**vars(route), "options": plain(route.options)}
    del fields["marker"]
    return fields


def marker(route: Route) -> str:
    """The marker that belongs to the route, whatever its own `marker` field says: 16 hex digits."""
    text = json.dumps(route_fields(route), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:MARKER_DIGITS]


@lru_cache(maxsize=4096)
def with_marker(route: Route) -> Route:
    """The same route with the marker that belongs to it."""
    return dataclasses.replace(route, marker=marker(route))
