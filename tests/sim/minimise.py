"""Cuts a failing history down to what its failure needs: fewer acts, fewer faults, plainer documents."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import ValidationError

from controller.core.documents.spec import Document
from tests.sim.scripts import FAILURES, Script, document, failure, written
from tests.sim.user_acts import Act

T = TypeVar("T")
Fails = Callable[[Script], bool]

BUDGET_S = 60.0
"""Real seconds that are spent on one history."""
OPTIONAL = ("preDeploy", "bake", "drain", "volumes", "tagRoutes", "trackDigest", "env", "progressDeadline")
OPTIONAL_IN_STAGES = ("defaultTag", "maxInstances", "domains", "suspend")


class _Over(Exception):
    """The time is over."""


def minimise(script: Script, kind: str, seconds: float = BUDGET_S) -> Script:
    """A part of the script that fails in the same way (`scripts.failure`); the script itself when it does not fail."""
    end = time.monotonic() + seconds
    best = [script]

    def fails(candidate: Script) -> bool:
        if time.monotonic() > end:
            raise _Over
        if not fails_as(candidate, kind):
            return False
        best[0] = candidate
        return True

    try:
        before: Script | None = None
        while best[0] != before:
            before = best[0]
            _fewer_faults(best[0], fails)
            _fewer_acts(best[0], fails)
            _plainer(best[0], fails)
            _quicker(best[0], fails)
    except _Over:
        pass
    return best[0]


def fails_as(script: Script, kind: str) -> bool:
    """True when playing the script fails in this way."""
    try:
        script.play()
    except FAILURES as error:
        return failure(error) == kind
    return False


def _fewer_faults(script: Script, fails: Fails) -> None:
    events = _fewer(script.events, lambda some: fails(replace(script, events=some)))
    script = replace(script, events=events)
    faults = _fewer(script.faults, lambda some: fails(replace(script, faults=some)))
    script = replace(script, faults=faults)
    if script.npm:
        fails(replace(script, npm=False))


def _fewer_acts(script: Script, fails: Fails) -> None:
    last = script.acts[-1]
    acts = _fewer(script.acts[:-1], lambda some: fails(replace(script, acts=(*some, last))))
    script = replace(script, acts=(*acts, last))
    words = repr(script.acts)
    fails(replace(script, apps={tag: app for tag, app in script.apps.items() if f"'{tag}'" in words}))


def _fewer(items: Sequence[T], fails: Callable[[tuple[T, ...]], bool]) -> tuple[T, ...]:
    """Leave out all, halves, quarters … and single ones, as long as it still fails."""
    kept, size = tuple(items), len(items)
    while size:
        start = 0
        while start < len(kept):
            rest = (*kept[:start], *kept[start + size :])
            if fails(rest):
                kept = rest
            else:
                start += size
        size = min(size, len(kept) + 1) // 2
    return kept


def _plainer(script: Script, fails: Fails) -> None:
    for place, act in enumerate(script.acts):
        if "documents" not in act.arguments:
            continue
        documents: tuple[Document, ...] = tuple(act.arguments["documents"])
        for nth in reversed(range(len(documents))):
            for changed in _variants(documents, nth):
                candidate = _with(script, place, Act(act.name, {**act.arguments, "documents": changed}, act.wait))
                if fails(candidate):
                    script, documents = candidate, changed


def _variants(documents: tuple[Document, ...], nth: int) -> Iterator[tuple[Document, ...]]:
    """The documents without this one, or with less in it; each differs from the given ones in one thing."""
    rest = documents[:nth], documents[nth + 1 :]
    if len(documents) > 1:
        yield (*rest[0], *rest[1])
    for data in smaller(written(documents[nth])):
        try:
            yield (*rest[0], document(data), *rest[1])
        except ValidationError:
            continue


def smaller(data: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The document without an optional field, a tag or a stage, one at a time; some of them may be invalid."""
    spec = data["spec"]
    for name in OPTIONAL:
        if name in spec:
            yield {**data, "spec": _without(spec, name)}
    stages = spec.get("stages", [])
    for nth, stage in enumerate(stages):
        less = [_without(stage, name) for name in OPTIONAL_IN_STAGES if name in stage]
        instances = stage.get("instances", [])
        less += [{**stage, "instances": instances[:one] + instances[one + 1 :]} for one in range(len(instances))]
        changed = [[*stages[:nth], item, *stages[nth + 1 :]] for item in less]
        if len(stages) > 1:
            changed.append([*stages[:nth], *stages[nth + 1 :]])
        for some in changed:
            yield {**data, "spec": {**spec, "stages": some}}


def _quicker(script: Script, fails: Fails) -> None:
    for place, act in enumerate(script.acts[:-1]):
        for wait in (0.0, 1.0, 10.0):
            if act.wait is None or act.wait <= wait:
                break
            candidate = _with(script, place, replace(act, wait=wait))
            if fails(candidate):
                script = candidate
                break
    for place, fault in enumerate(script.faults):
        if fault.delay:
            plain = (*script.faults[:place], replace(fault, delay=0.0), *script.faults[place + 1 :])
            if fails(replace(script, faults=plain)):
                script = replace(script, faults=plain)


def _with(script: Script, place: int, act: Act) -> Script:
    return replace(script, acts=(*script.acts[:place], act, *script.acts[place + 1 :]))


def _without(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key != name}
