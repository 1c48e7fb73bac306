"""Documents for the tests of catalog and guard, written as in YAML."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from controller.core.catalog import build
from controller.core.catalog.types import Catalog, CatalogRules, Incumbents, Sourced
from controller.core.documents.spec import API_VERSION, DeployRequest, Project
from controller.core.model.desired import StageKey

A, B = "files:./a", "files:./b"
RULES = CatalogRules("home-1", "example.com", sources=(A, B))
NOTHING = Incumbents()


def project(
    name: str = "shop", *, at: str = "shop.yaml", source: str = A, line: int = 1, stages: Any = (), **spec: Any
) -> Sourced:
    """A project; `stages` as in YAML."""
    body = {"image": f"registry.example.com/{name}", "port": 8080, "stages": list(stages), **spec}
    body = {key: value for key, value in body.items() if value is not None}
    text = {"apiVersion": API_VERSION, "kind": "Project", "metadata": {"name": name}, "spec": body}
    return Sourced.of_file(Project.model_validate(text), source, at, line)


def request(
    tag: str,
    *,
    to: StageKey = "shop/dev",
    name: str = "",
    source: str = A,
    at: str = "requests.yaml",
    created: str | None = None,
    ttl: str | None = None,
) -> Sourced:
    """A DeployRequest of a tag for a stage."""
    owner, _, stage = to.partition("/")
    metadata = {"name": name or f"{owner}-{stage}-{tag.lower().replace('_', '-')}", "creationTimestamp": created}
    spec = {"project": owner, "stage": stage, "tag": tag, "ttl": ttl}
    text = {"apiVersion": API_VERSION, "kind": "DeployRequest", "metadata": metadata, "spec": spec}
    return Sourced.of_file(DeployRequest.model_validate(text), source, at)


def of_source(document: Sourced, source: str) -> Sourced:
    """The same document in another source."""
    return replace(document, origin=replace(document.origin, source=source))


def stage(name: str = "dev", *tags: str, **fields: Any) -> dict[str, Any]:
    """A stage that lists these tags."""
    return {"name": name, "instances": [{"tag": tag} for tag in tags], **fields}


def catalog_of(*documents: Sourced, incumbents: Incumbents = NOTHING, rules: CatalogRules = RULES) -> Catalog:
    """The catalog of these documents."""
    return build.catalog(documents, rules, incumbents)


def running(
    tags: Mapping[StageKey, Sequence[str]],
    sources: Mapping[StageKey, str] | None = None,
    hostnames: Mapping[str, tuple[StageKey, str]] | None = None,
) -> Incumbents:
    """What runs: tags by stage, declared by source A unless said otherwise."""
    sets = {key: frozenset(value) for key, value in tags.items()}
    return Incumbents(sets, sources if sources is not None else dict.fromkeys(tags, A), hostnames or {})


def serving(catalog: Catalog) -> Incumbents:
    """Everything of a catalog runs and is routed, as after its last rollout; what is suspended never came up."""
    up = {key: declared for key, declared in catalog.stages.items() if not declared.suspend}
    wanted = {
        key: declared.instances[-(declared.max_instances or len(declared.instances)) :] for key, declared in up.items()
    }
    hostnames: dict[str, tuple[StageKey, str]] = {}
    for key, declared in up.items():
        for instance in wanted[key]:
            hostnames |= dict.fromkeys(declared.default_hostnames, (key, instance.tag))
            if instance.hostname is not None:
                hostnames[instance.hostname] = (key, instance.tag)
    tags = {key: frozenset(instance.tag for instance in instances) for key, instances in wanted.items()}
    return Incumbents(
        tags, {key: declared.origin.source for key, declared in up.items() if declared.instances}, hostnames
    )


def tags(catalog: Catalog, key: StageKey = "shop/dev") -> list[str]:
    """Tags of a stage, oldest first."""
    return [instance.tag for instance in catalog.stages[key].instances]


def reasons(catalog: Catalog, key: StageKey | None = "shop/dev") -> list[str]:
    """Reasons of the notices of a stage, or of the catalog itself."""
    notices = catalog.notices if key is None else catalog.stages[key].notices
    return [notice.reason for notice in notices]
