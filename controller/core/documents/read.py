"""Plain data to a document: which kind it is, what is wrong with it, and the model when nothing is.

Every door uses this: files, Git and custom resources are judged by the same rules with the same words.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from controller.core.documents import rules
from controller.core.documents.codes import Code
from controller.core.documents.diagnostics import Problem, did_you_mean
from controller.core.documents.spec import API_VERSION, KINDS, Document
from controller.core.documents.wording import Judge, place_of
from controller.core.documents.yaml_tree import Broken, Loc

_CHECKS: Mapping[str, Callable[[dict[str, Any]], Iterator[Problem]]] = {
    "Project": rules.project,
    "DeployRequest": rules.request,
}


def read(data: Any, written: Callable[[Loc], str | None]) -> tuple[Document | None, list[Problem]]:
    """The document, or everything that is wrong with it; `written` gives a scalar as it stands in the text."""
    if isinstance(data, Broken):
        return None, []
    if not isinstance(data, dict):
        help = f"begin with 'apiVersion: {API_VERSION}' and 'kind: Project'"
        return None, [Problem((), Code.NOT_A_MAPPING, "a document is a mapping of fields", help)]
    found = [*_header(data, "apiVersion", Code.API_VERSION, (API_VERSION,)), *_header(data, "kind", Code.KIND, KINDS)]
    kind = data.get("kind")
    model = KINDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        return None, found
    if "spec" in data:
        found += _nulls(data["spec"], ("spec",))
    document: Document | None = None
    try:
        document = model.model_validate(data, by_alias=True, by_name=False)
    except ValidationError as error:
        known = [item.loc for item in found]
        found += [item for item in Judge(model, written).problems(error) if not _said(item, known)]
    metadata, spec = data.get("metadata"), data.get("spec")
    if isinstance(metadata, dict):
        found += rules.metadata(metadata)
    if isinstance(spec, dict):
        found += _CHECKS[model.__name__](spec)
    return (None if found else document), found


def _said(item: Problem, known: Sequence[Loc]) -> bool:
    """True when a mistake at or below the same place explains this one."""
    if item.code is Code.EXACTLY_ONE:
        return any(loc[: len(item.loc)] == item.loc for loc in known)
    return item.loc in known


def _header(data: dict[str, Any], field: str, code: Code, known: Any) -> Iterator[Problem]:
    value, choices = data.get(field), list(known)
    if isinstance(value, Broken) or (isinstance(value, str) and value in choices):
        return
    if field not in data:
        yield Problem((), code, f"'{field}' is missing", f"add '{field}: {choices[0]}'")
    elif isinstance(value, str):
        yield Problem((field,), code, f"unknown {field} '{value[:64]}'", did_you_mean(value, choices))
    else:
        yield Problem((field,), code, f"'{field}' must be text", f"write {field}: {choices[0]}")


def _nulls(data: Any, at: Loc) -> Iterator[Problem]:
    """Fields without a value: nothing says whether absent, empty or none is meant."""
    match data:
        case dict():
            for key, value in data.items():
                yield from _nulls(value, (*at, key))
        case list():
            for index, value in enumerate(data):
                yield from _nulls(value, (*at, index))
        case None:
            empty = f"write {at[-1]}: [] to have none, " if at[-1] in _LISTS else "write one, "
            yield Problem(at, Code.NO_VALUE, f"{place_of(at)} has no value", empty + "or remove the line")


_LISTS = frozenset({"instances", "env", "volumes", "stages", "domains", "args"})
