"""Plain data to a document: which kind it is, everything that is wrong with it, and the model when nothing is.

Every source uses this: files, Git and custom resources are checked by the same rules, with the same messages.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from controller.core.documents import rules
from controller.core.documents.codes import Code
from controller.core.documents.diagnostics import Problem, did_you_mean
from controller.core.documents.spec import API_VERSION, KINDS, Document
from controller.core.documents.wording import ErrorTranslator, place_of
from controller.core.documents.yaml_tree import Broken, Loc

_SPEC_RULES: Mapping[str, Callable[[dict[str, Any]], Iterator[Problem]]] = {
    "Project": rules.project,
    "DeployRequest": rules.request,
}

_LISTS_THAT_MAY_BE_EMPTY = frozenset({"instances", "env", "volumes", "stages", "domains", "args"})


def read(data: Any, written: Callable[[Loc], str | None]) -> tuple[Document | None, list[Problem]]:
    """The document, or everything that is wrong with it; `written` gives a scalar as it stands in the text."""
    if isinstance(data, Broken):
        return None, []
    if not isinstance(data, dict):
        help = f"begin with 'apiVersion: {API_VERSION}' and 'kind: Project'"
        return None, [Problem((), Code.NOT_A_MAPPING, "a document must be a mapping of fields", help)]
    problems = [
        *_header(data, "apiVersion", Code.API_VERSION, (API_VERSION,)),
        *_header(data, "kind", Code.KIND, list(KINDS)),
    ]
    kind = data.get("kind")
    model = KINDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        return None, problems
    if "spec" in data:
        problems += _fields_without_value(data["spec"], ("spec",))
    document: Document | None = None
    try:
        document = model.model_validate(data, by_alias=True, by_name=False)
    except ValidationError as error:
        places = [problem.loc for problem in problems]
        translated = ErrorTranslator(model, written).problems(error)
        problems += [problem for problem in translated if not _is_explained(problem, places)]
    metadata, spec = data.get("metadata"), data.get("spec")
    if isinstance(metadata, dict):
        problems += rules.metadata(metadata)
    if isinstance(spec, dict):
        problems += _SPEC_RULES[model.__name__](spec)
    return (None if problems else document), problems


def _is_explained(problem: Problem, places: Sequence[Loc]) -> bool:
    """Whether a problem that is reported already, at or below the same place, explains this one."""
    if problem.code is Code.EXACTLY_ONE:
        return any(place[: len(problem.loc)] == problem.loc for place in places)
    return problem.loc in places


def _header(data: dict[str, Any], field: str, code: Code, choices: Sequence[str]) -> Iterator[Problem]:
    """What is wrong with apiVersion or kind."""
    value = data.get(field)
    if isinstance(value, Broken) or (isinstance(value, str) and value in choices):
        return
    if field not in data:
        yield Problem((), code, f"'{field}' is missing", f"add '{field}: {choices[0]}'")
    elif isinstance(value, str):
        yield Problem((field,), code, f"unknown {field} '{value[:64]}'", did_you_mean(value, choices))
    else:
        yield Problem((field,), code, f"'{field}' must be text", f"write {field}: {choices[0]}")


def _fields_without_value(data: Any, at: Loc) -> Iterator[Problem]:
    """Fields without a value are refused: nothing says whether absent, empty or none is meant."""
    match data:
        case dict():
            for key, value in data.items():
                yield from _fields_without_value(value, (*at, key))
        case list():
            for index, value in enumerate(data):
                yield from _fields_without_value(value, (*at, index))
        case None:
            write = f"write {at[-1]}: [] to have none" if at[-1] in _LISTS_THAT_MAY_BE_EMPTY else "write one"
            yield Problem(at, Code.NO_VALUE, f"{place_of(at)} has no value", f"{write}, or remove the line")
