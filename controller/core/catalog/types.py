"""What the catalog is built from and what it is: the documents of all sources merged into stages."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from controller.core.catalog.route_options import ProxyKind
from controller.core.documents.spec import Document
from controller.core.model.desired import DesiredStage, Notice, Origin, StageKey
from controller.core.model.memory import StageMemory
from controller.core.model.observed import Container, Route


@dataclass(frozen=True)
class Sourced:
    """A document and where it came from."""

    document: Document
    origin: Origin

    @classmethod
    def of_file(cls, document: Document, source: str, path: str, line: int = 0) -> "Sourced":
        """A document of a file, which knows no more of its origin than what is written in it."""
        metadata = document.metadata
        return cls(document, Origin(source, path, line, document.kind, metadata.namespace or "", metadata.name))


@dataclass(frozen=True)
class CatalogRules:
    """The part of the settings that the catalog depends on."""

    controller_id: str
    domain: str
    default_pattern: str = "stage-{stage}-{project}"
    instance_pattern: str = "stage-{stage}-{project}-{tag}"
    sources: tuple[str, ...] = ()
    """Names of the sources in the order of the settings."""
    proxy: ProxyKind = "caddy"
    tls: bool = False
    """Which proxy carries the routes, and whether it serves TLS: not each can carry out every option."""


@dataclass(frozen=True)
class Incumbents:
    """What runs and is routed now: it wins conflicts, and gives DeployRequests their age. Empty knows nothing."""

    running: Mapping[StageKey, frozenset[str]] = field(default_factory=dict)
    """Tags that have a container which passed or serves, by stage."""
    sources: Mapping[StageKey, str] = field(default_factory=dict)
    """Source that the newest container of a stage was declared by."""
    hostnames: Mapping[str, tuple[StageKey, str]] = field(default_factory=dict)
    """Our routes: hostname to stage and tag they point at."""
    seen: Mapping[tuple[StageKey, str], float] = field(default_factory=dict)
    """When a DeployRequest's instance was first seen, Unix seconds."""


@dataclass(frozen=True)
class Catalog:
    """Everything declared, expanded."""

    stages: Mapping[StageKey, DesiredStage] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()
    """What was refused and belongs to no stage, such as a DeployRequest for an unknown project."""
    claims: Mapping[str, StageKey] = field(default_factory=dict)
    """Each hostname's one claimant."""
    digest: str = ""
    """Names exactly this catalog."""
    prune: bool = True
    """False: a stage that is not in here must not be taken for one that is gone."""
    spared: frozenset[StageKey] = frozenset()
    """Stages that are left alone although they are not in here, until somebody confirms that they may go."""

    def stage(self, key: StageKey) -> DesiredStage:
        """One stage with what others claim; a stage that is not in here is one that is gone."""
        elsewhere = frozenset(hostname for hostname, claimant in self.claims.items() if claimant != key)
        stage = self.stages.get(key)
        if stage is not None:
            return replace(stage, claimed_elsewhere=elsewhere)
        project, _, name = key.partition("/")
        prune = self.prune and key not in self.spared
        return DesiredStage(key, project, name, declared=False, claimed_elsewhere=elsewhere, prune=prune)


def incumbents(
    containers: Iterable[Container], routes: Iterable[Route], memories: Mapping[StageKey, StageMemory]
) -> Incumbents:
    """Gather it from one look at Docker, one at the proxy, and what is remembered."""
    apps = [container for container in containers if container.role == "app"]
    apps = [container for container in apps if container.state not in ("removing", "dead")]
    apps.sort(key=lambda container: (container.born, container.attempt, container.id))
    by_hostname = {route.hostname: route for route in routes}
    routed = {route.container for route in by_hostname.values()}
    running: dict[StageKey, set[str]] = {}
    for container in apps:
        if container.passed or container.id in routed:
            running.setdefault(container.stage, set()).add(container.tag)
    by_label = {(container.stage, container.tag): container.seen for container in apps if container.seen}
    remembered = {
        (key, tag): instance.seen
        for key, memory in memories.items()
        for tag, instance in memory.instances.items()
        if instance.seen
    }
    return Incumbents(
        running={key: frozenset(tags) for key, tags in running.items()},
        sources={container.stage: container.source for container in apps if container.source},
        hostnames={hostname: (route.stage, route.tag) for hostname, route in by_hostname.items()},
        seen={**by_label, **remembered},
    )
