"""What the documents say, read plainly for the oracles: on purpose not with the catalog that they judge."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from controller.core.documents.spec import DeployRequest, Document, Project, Shared, Stage

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
DOMAIN = "test"
CONTROLLER = "sim-1"
OTHER = "sim-3"
"""Id of a second controller on the same Engine and proxy."""


@dataclass(frozen=True)
class ExpectedStage:
    """One declared stage as far as oracles go."""

    key: str
    tags: tuple[str, ...]
    """Oldest first."""
    default_tag: str | None
    limit: int | None
    recreate: bool
    shared_volumes: frozenset[str]
    """Writable volumes."""
    drain: float
    threshold: int
    probed: bool
    """The gate asks a port."""
    routed: bool
    tag_routes: bool
    domains: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    surge: int = 1
    lasting: bool = True
    """Not all of its tags end by the calendar, which a clock that is set may do at once."""

    @property
    def wanted(self) -> tuple[str, ...]:
        """Tags that should run when all of them can."""
        kept = self.tags if self.limit is None else self.tags[-self.limit :]
        if self.default_tag is not None and self.default_tag not in kept:
            room = [self.default_tag, *kept]
            kept = tuple(room if self.limit is None or len(room) <= self.limit else [self.default_tag, *kept[1:]])
        return kept

    @property
    def designated(self) -> str | None:
        """Tag behind the default route when all of them can."""
        return self.default_tag or (self.tags[-1] if self.tags else None)

    def host(self, tag: str = "") -> str:
        """Hostname of the default route or, with a tag, of its instance route. Plain names and tags only."""
        project, stage = self.key.split("/")
        tail = f"-{tag.lower().replace('.', '-')}" if tag else ""
        return f"stage-{stage}-{project}{tail}.{DOMAIN}"

    def hosts(self) -> dict[str, str]:
        """Hostname to tag, when all of them can."""
        if not self.routed or not self.tags or self.designated is None:
            return {}
        tags_by_host = dict.fromkeys((self.host(), *self.domains), self.designated)
        return tags_by_host | ({self.host(tag): tag for tag in self.wanted} if self.tag_routes else {})


def expected_stages(documents: Sequence[Document], controller: str = CONTROLLER) -> dict[str, ExpectedStage]:
    """All stages of all projects that this controller takes, without conflicts between them."""
    stages: dict[str, ExpectedStage] = {}
    requests = sorted(
        (d for d in documents if isinstance(d, DeployRequest)), key=lambda document: document.metadata.name
    )
    for document in documents:
        if not isinstance(document, Project):
            continue
        for stage in document.spec.stages:
            if stage.host not in (None, controller):
                continue
            key = f"{document.metadata.name}/{stage.name}"
            requested = [r.spec.tag for r in requests if f"{r.spec.project}/{r.spec.stage}" == key]
            stages[key] = _stage(key, document, stage, requested)
    return stages


def seconds(text: str) -> float:
    """A duration."""
    return sum(float(amount) * _UNITS[unit] for amount, unit in re.findall(r"([0-9.]+)(ms|s|m|h|d)", text))


def _stage(key: str, document: Project, stage: Stage, requested: list[str]) -> ExpectedStage:
    def pick(name: str, default: str) -> str:
        layers: tuple[Shared, ...] = (stage, document.spec)
        return next((str(value) for layer in layers if (value := getattr(layer, name)) is not None), default)

    listed = [one.tag for one in stage.instances if one.tag not in requested]
    tags = tuple(dict.fromkeys([*listed, *requested]))
    if stage.default_tag and tags and stage.default_tag not in tags:
        tags = (stage.default_tag, *tags)
    passing = {one.tag for one in stage.instances if one.ttl is not None} - {stage.default_tag, *requested}
    volumes = frozenset(v.name for v in document.spec.volumes if not v.read_only)
    strategy = pick("strategy", "Recreate" if volumes else "BlueGreen")
    check = stage.health_check or document.spec.health_check
    env = {one.name: one.value for layer in (document.spec, stage) for one in layer.env if one.value is not None}
    kind = (check.type if check else None) or ("http" if document.spec.port else "none")
    return ExpectedStage(
        key=key,
        lasting=not set(tags) <= passing,
        tags=tags,
        default_tag=stage.default_tag if tags else None,
        limit=1 if strategy == "Recreate" else stage.max_instances,
        recreate=strategy == "Recreate",
        shared_volumes=volumes,
        drain=seconds(pick("drain", "10s")),
        threshold=check.success_threshold if check else 1,
        probed=kind in ("http", "tcp"),
        routed=document.spec.port is not None,
        tag_routes=pick("tag_routes", "True") == "True",
        domains=tuple(stage.domains),
        env=tuple(sorted(env.items())),
    )
