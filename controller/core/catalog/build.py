"""Merges the documents of all sources into one catalog of stages.

Pure: documents, settings and what runs in, one `Catalog` out. The order of the documents does not matter; only the list
of a stage is in an order, its age. A document that loses a conflict never holds up the others: it is refused with a
notice that names both.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from controller.core.catalog import claims, duplicates, expand, instances, route_options
from controller.core.catalog.precedence import Kind, Placed, where
from controller.core.catalog.types import Catalog, CatalogRules, Incumbents, Sourced
from controller.core.documents.spec import DeployRequest, Project
from controller.core.model import digests, names
from controller.core.model.desired import DesiredStage, Notice, Origin, StageKey

DIGITS = 12
"""Hex digits of a generation and of a catalog's digest."""

_Requests = Mapping[StageKey, Sequence[Placed[DeployRequest]]]


def catalog(documents: Sequence[Sourced], rules: CatalogRules, incumbents: Incumbents) -> Catalog:
    """Merge the documents of all sources into stages; raises nothing for documents that passed the reader."""
    projects, refused_projects = duplicates.projects(_of_kind(documents, Project), rules, incumbents)
    requests, refused_requests = duplicates.requests(_of_kind(documents, DeployRequest), rules, incumbents)
    requests_of = _by_stage(requests)
    stages = _expanded(projects, requests_of, rules, incumbents)
    stages = claims.refuse_shared_volumes(stages, rules, incumbents)
    stages, claimants = claims.grant_hostnames(stages, rules, incumbents)
    of_stages, pending = duplicates.notices(refused_projects, refused_requests, stages)
    for key, more in of_stages.items():
        stages[key] = replace(stages[key], notices=(*stages[key].notices, *more))
    pending += _unknown(projects, requests_of)
    notices = tuple(sorted(pending, key=lambda notice: (notice.reason, notice.message)))
    generations = [(key, generation(stage)) for key, stage in stages.items()]
    digest = digests.digest_of((generations, sorted(claimants.items()), _without_origin(notices)), DIGITS)
    return Catalog(stages, notices, claimants, digest)


@digests.cache
def generation(stage: DesiredStage) -> str:
    """Digest of what is desired of a stage: 12 hex. Where it was written down, and what others claim, is left out."""
    nowhere = Origin("", "")
    bare = replace(
        stage,
        origin=nowhere,
        instances=tuple(replace(instance, origin=nowhere) for instance in stage.instances),
        notices=_without_origin(stage.notices),
        claimed_elsewhere=frozenset(),
    )
    return digests.digest_of(bare, DIGITS)


def _without_origin(notices: Iterable[Notice]) -> tuple[Notice, ...]:
    return tuple(replace(notice, origin=None) for notice in notices)


def _of_kind(documents: Iterable[Sourced], kind: type[Kind]) -> list[Placed[Kind]]:
    return [Placed(sourced.document, sourced.origin) for sourced in documents if isinstance(sourced.document, kind)]


def _by_stage(requests: Iterable[Placed[DeployRequest]]) -> _Requests:
    requests_of: dict[StageKey, list[Placed[DeployRequest]]] = {}
    for request in requests:
        spec = request.document.spec
        requests_of.setdefault(names.stage_key(spec.project, spec.stage), []).append(request)
    return requests_of


def _expanded(
    projects: Iterable[Placed[Project]], requests_of: _Requests, rules: CatalogRules, incumbents: Incumbents
) -> dict[StageKey, DesiredStage]:
    """The stages that this controller takes, sorted by key, with the hostnames that they want."""
    stages: dict[StageKey, DesiredStage] = {}
    for project in projects:
        for stage in project.document.spec.stages:
            if stage.host in (None, rules.controller_id):
                blank = expand.stage(project.document, stage, project.origin, rules)
                listed = stage.instances if "instances" in stage.model_fields_set else None
                whole = instances.with_instances(blank, listed, requests_of.get(blank.key, ()), rules, incumbents)
                stages[blank.key] = route_options.with_possible_options(whole, rules.proxy, rules.tls)
    return dict(sorted(stages.items()))


def _unknown(projects: Iterable[Placed[Project]], requests_of: _Requests) -> Iterable[Notice]:
    """The DeployRequests that wait for their project or stage; a stage of another controller is a known one."""
    declared = {project.name: {stage.name for stage in project.document.spec.stages} for project in projects}
    for request in (request for requests in requests_of.values() for request in requests):
        spec = request.document.spec
        waits = f"DeployRequest {request.name} ({where(request.origin)}) waits for"
        if spec.project not in declared:
            message = f"{waits} project {spec.project} with a stage {spec.stage}: no such project is declared"
            yield Notice("UnknownProject", message, spec.tag, request.origin)
        elif spec.stage not in declared[spec.project]:
            message = f"{waits} stage {spec.stage} of project {spec.project}: the project has no such stage"
            yield Notice("UnknownStage", message, spec.tag, request.origin)
