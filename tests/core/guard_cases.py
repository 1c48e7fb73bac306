"""Reads a golden case of `safeguards.decide`: what was accepted, what is delivered and what runs, in few words.

`shop: 1 2` is a project of source a with these tags in its stage dev, `b:shop` one of source b, and
`request shop/dev 2` a DeployRequest. What runs is what was accepted, unless `runs` says otherwise.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from controller.core.catalog import safeguards
from controller.core.catalog.safeguards import Accepted, Decision, Delivered, Limits
from controller.core.catalog.types import CatalogRules, Incumbents, Sourced
from controller.core.model.desired import StageKey
from tests.core.catalog_documents import RULES, catalog_of, project, request, serving, stage

FOLDER = Path(__file__).parent / "guard"


def cases() -> list[Mapping[str, Any]]:
    """All cases of all files, in order."""
    return [case for path in sorted(FOLDER.glob("*.yaml")) for case in yaml.safe_load(path.read_text())]


def decision(case: Mapping[str, Any]) -> Decision:
    """What is decided in a case."""
    limits = Limits(tuple(map(_source, case.get("sources", ["a"]))), case.get("percent", 25), case.get("prune", True))
    rules = replace(RULES, sources=limits.sources)
    new_rules = replace(rules, **case.get("rules", {}))
    delivered = _delivered(case)
    return safeguards.decide(
        delivered,
        _accepted(case, rules),
        new_rules,
        incumbents(case),
        limits,
        allowed=delivered.digest(new_rules) if case.get("allowed") else "",
    )


def incumbents(case: Mapping[str, Any]) -> Incumbents:
    """What runs."""
    accepted = _documents(case.get("accepted", {}))
    up = serving(catalog_of(*(document for documents in accepted.values() for document in documents)))
    if "runs" in case:
        tags = {key: frozenset(str(tags).split()) for key, tags in case["runs"].items()}
        hostnames = {name: target for name, target in up.hostnames.items() if target[1] in tags.get(target[0], ())}
        up = Incumbents(tags, up.sources, hostnames)
    return replace(up, sources={**up.sources, **{k: _source(v) for k, v in case.get("declared_by", {}).items()}})


def goes(case: Mapping[str, Any], decided: Decision) -> Iterator[str]:
    """What runs and may be removed by the catalog."""
    for key, tags in sorted(incumbents(case).running.items()):
        declared = decided.catalog.stage(key)
        if declared.prune and not declared.suspend:
            yield from (f"{key} {tag}" for tag in sorted(tags) if declared.instance(tag) is None)


def _delivered(case: Mapping[str, Any]) -> Delivered:
    documents = {_source(name): () for name in case.get("sources", ["a"])} | _documents(case["delivered"])
    return Delivered(
        documents,
        digests={source: repr(documents[source]) for source in documents},
        undelivered=frozenset(map(_source, case.get("undelivered", ()))),
        complete=case.get("complete", "undelivered" not in case),
        deleted=tuple(document for gone in _documents(case.get("deleted", {})).values() for document in gone),
    )


def _accepted(case: Mapping[str, Any], rules: CatalogRules) -> Accepted:
    if "accepted" not in case:
        return Accepted()
    removals: set[tuple[StageKey, str]] = set()
    for pair in case.get("removals", ()):
        key, tag = pair.split()
        removals.add((key, tag))
    known = None if case.get("restarted") else rules
    return Accepted(_documents(case["accepted"]), known, removals=frozenset(removals))


def _documents(written: Mapping[str, Any]) -> dict[str, tuple[Sourced, ...]]:
    documents: dict[str, tuple[Sourced, ...]] = {}
    for key, value in written.items():
        place, _, name = key.rpartition(":")
        source = _source(place or "a")
        documents[source] = (*documents.get(source, ()), _document(name, value, source))
    return documents


def _document(name: str, value: Any, source: str) -> Sourced:
    if name.startswith("request "):
        _, key, tag = name.split()
        return request(tag, to=key, source=source)
    fields = dict(value) if isinstance(value, Mapping) else {"tags": value}
    tags = str(fields.pop("tags")).split()
    return project(name, at=f"{name}.yaml", source=source, stages=[stage("dev", *tags, **fields)])


def _source(letter: str) -> str:
    return f"files:./{letter}"
