"""Documents of one kind and one name: decides which of them counts, and what is said of the others.

The one with the most that runs wins, then the order of documents; the others are refused as a whole.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic

from controller.core.catalog.precedence import Kind, Placed, Precedence, precedence, where
from controller.core.catalog.types import CatalogRules, Incumbents
from controller.core.documents.spec import DeployRequest, Project
from controller.core.model import names
from controller.core.model.desired import DesiredStage, Notice, StageKey


@dataclass(frozen=True)
class Refused(Generic[Kind]):
    """A document that lost its name to another."""

    loser: Placed[Kind]
    winner: Placed[Kind]

    @property
    def message(self) -> str:
        """What a person is told, naming both."""
        what = f"{self.loser.document.kind} {self.loser.name} in {where(self.loser.origin)}"
        return f"{what} is refused: {where(self.winner.origin)} declares one of that name already"


def projects(
    documents: Iterable[Placed[Project]], rules: CatalogRules, incumbents: Incumbents
) -> tuple[list[Placed[Project]], list[Refused[Project]]]:
    """One project for each name, sorted by name, and those that were refused."""

    def running(project: Placed[Project]) -> tuple[int, int]:
        stages = {names.stage_key(project.name, stage.name): stage for stage in project.document.spec.stages}
        by_source = sum(incumbents.sources.get(key) == project.origin.source for key in stages)
        declared = [{stage.default_tag, *(instance.tag for instance in stage.instances)} for stage in stages.values()]
        running = [incumbents.running.get(key, frozenset()) for key in stages]
        return by_source, sum(len(tags & run) for tags, run in zip(declared, running, strict=True))

    return _one_each(documents, rules, running)


def requests(
    documents: Iterable[Placed[DeployRequest]], rules: CatalogRules, incumbents: Incumbents
) -> tuple[list[Placed[DeployRequest]], list[Refused[DeployRequest]]]:
    """One DeployRequest for each name, sorted by name, and those that were refused."""

    def running(request: Placed[DeployRequest]) -> tuple[int, int]:
        spec = request.document.spec
        key = names.stage_key(spec.project, spec.stage)
        runs = spec.tag in incumbents.running.get(key, ())
        return int(runs), int(runs and incumbents.sources.get(key) == request.origin.source)

    return _one_each(documents, rules, running)


def notices(
    refused_projects: Iterable[Refused[Project]],
    refused_requests: Iterable[Refused[DeployRequest]],
    stages: Mapping[StageKey, DesiredStage],
) -> tuple[dict[StageKey, list[Notice]], list[Notice]]:
    """What is said of refused documents: for each stage that they name, and what belongs to no stage."""
    refused: list[tuple[list[StageKey], Notice]] = []
    for project in refused_projects:
        keys = {names.stage_key(project.loser.name, stage.name) for stage in project.loser.document.spec.stages}
        refused.append((sorted(keys), Notice("DuplicateProject", project.message, origin=project.loser.origin)))
    for request in refused_requests:
        spec = request.loser.document.spec
        notice = Notice("DuplicateRequest", request.message, spec.tag, request.loser.origin)
        refused.append(([names.stage_key(spec.project, spec.stage)], notice))
    of_stages: dict[StageKey, list[Notice]] = {}
    of_none: list[Notice] = []
    for named, notice in sorted(refused, key=lambda pair: pair[1].message):
        declared = [key for key in named if key in stages]
        for key in declared:
            of_stages.setdefault(key, []).append(notice)
        if not declared:
            of_none.append(notice)
    return of_stages, of_none


def _one_each(
    documents: Iterable[Placed[Kind]], rules: CatalogRules, running: Callable[[Placed[Kind]], tuple[int, int]]
) -> tuple[list[Placed[Kind]], list[Refused[Kind]]]:
    by_name: dict[str, list[Placed[Kind]]] = {}
    for document in documents:
        by_name.setdefault(document.name, []).append(document)

    def rank(document: Placed[Kind]) -> tuple[int, int, Precedence, int, str]:
        first, second = running(document)
        place = precedence(document.origin, document.name, rules.sources)
        return (-first, -second, place, document.origin.line, document.document.model_dump_json())

    winners: list[Placed[Kind]] = []
    refused: list[Refused[Kind]] = []
    for _, same_name in sorted(by_name.items()):
        winner, *losers = sorted(same_name, key=rank) if len(same_name) > 1 else same_name
        winners.append(winner)
        refused += [Refused(loser, winner) for loser in losers]
    return winners, refused
