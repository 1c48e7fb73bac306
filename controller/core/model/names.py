"""Names that Holdfast gives: DNS-safe labels, hostnames, containers, volumes, and the labels that mark what is ours.

Deterministic: the same input gives the same name for ever, so that Docker's name conflict is our lock.
"""

import hashlib
import re
from functools import lru_cache

from controller.core.model.desired import StageKey
from controller.core.model.observed import Role

LABEL_MAX = 63
"""RFC 1035: a DNS label has at most 63 characters; Docker itself would take more."""

cache = lru_cache(maxsize=4096)
"""Names are asked for at each look at a container, and there are few."""

PREFIX = "holdfast.dev/"
CONTROLLER = PREFIX + "controller"
STAGE = PREFIX + "stage"
TAG = PREFIX + "tag"
REVISION = PREFIX + "revision"
TEMPLATE = PREFIX + "template"
SECRETS = PREFIX + "secrets"
DIGEST = PREFIX + "digest"
ATTEMPT = PREFIX + "attempt"
BORN = PREFIX + "born"
SEEN = PREFIX + "seen"
ROLE = PREFIX + "role"
SOURCE = PREFIX + "source"


@cache
def dns_label(text: str) -> str:
    """Make one DNS label: lower case, anything outside [a-z0-9-] to dashes, runs to one, none at either end.

    Over 63 characters it is cut and closed with `-` and 6 hex of the original's digest. Text without a single usable
    character becomes `x-` and that digest.
    """
    return shorten(dns_label_unbounded(text), text, LABEL_MAX)


def shorten(label: str, original: str, limit: int) -> str:
    """Cut a label to the limit, closing it with 6 hex of the original's digest; unchanged when it fits."""
    if len(label) <= limit:
        return label
    return label[: limit - 7].rstrip("-") + "-" + short_hash(original, 6)


def short_hash(text: str, digits: int) -> str:
    """The first hex digits of the text's SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:digits]


def stage_key(project: str, stage: str) -> StageKey:
    """`project/stage`."""
    return f"{project}/{stage}"


def hostname(pattern: str, domain: str, project: str, stage: str, tag: str = "") -> str:
    """Fill a hostname pattern of the settings; the parts and the label they form are made DNS-safe.

    A pattern may hold dots, then each label is made safe by itself. Without a domain the pattern is the whole name.
    """
    safe = {"project": dns_label(project), "stage": dns_label(stage), "tag": dns_label(tag) if tag else ""}
    labels = []
    for part in pattern.split("."):
        filled = part.format(**safe)
        raw = part.format(project=project, stage=stage, tag=tag)
        labels.append(shorten(dns_label(filled), raw, LABEL_MAX) if len(filled) <= LABEL_MAX else _cut(filled, raw))
    return ".".join([*labels, domain.lower()] if domain else labels)


def _cut(filled: str, raw: str) -> str:
    return shorten(re.sub(r"-+", "-", filled).strip("-"), raw, LABEL_MAX)


@cache
def container_name(stage: StageKey, tag: str, revision: str, attempt: int, role: Role = "app") -> str:
    """`{project}-{stage}-{tag}-{revision}-{attempt}`, DNS-safe, at most 63 characters; revision and attempt stay whole.

    Keys with dashes would collide (`a-b/c` and `a/b-c`, tags 1.0 and 1-0): the revision, which is a digest over key and
    tag too, keeps them apart.
    """
    tail = f"-{revision}-{attempt}" + ("-pre" if role == "preDeploy" else "")
    raw = f"{stage}/{tag}"
    base = dns_label_unbounded(raw)
    return shorten(base, raw, LABEL_MAX - len(tail)) + tail


def dns_label_unbounded(text: str) -> str:
    """`dns_label` without the length limit."""
    label = re.sub(r"-+", "-", re.sub(r"[^a-z0-9-]", "-", text.lower())).strip("-")
    return label or "x-" + short_hash(text, 6)


def volume_name(project: str, stage: str, name: str) -> str:
    """`{project}-{stage}-{name}`."""
    return f"{project}-{stage}-{name}"
