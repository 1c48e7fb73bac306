"""Reads the settings: the file, the variables that beat it, and every mistake of both in one run."""

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from controller.core.documents.codes import Code
from controller.core.documents.diagnostics import DiagnosticCollector, Problem, path_text
from controller.core.documents.yaml_tree import MappingNode, Mark, Node, locate, to_data
from controller.core.model.errors import Diagnostic, InvalidInput
from controller.core.model.limits import MAX_FILE_BYTES
from controller.settings import environment, mistakes
from controller.settings.model import Settings
from controller.yaml_text import scan

NO_FILE = "E0303"

_PRIVATE = re.compile(r"(?i)(secret|url|password|passwd|token|credential)[a-z_]*[\"']?\s*:")
"""Lines that may hold a secret in plain text, written by mistake; no excerpt shows them."""


def load_settings(path: Path, environ: Mapping[str, str]) -> Settings:
    """The settings of a file and of the variables. Raises `InvalidInput` with everything that is wrong."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError as error:
        missing = Diagnostic(NO_FILE, f"there is no {path}", str(path), help="'holdfast init' writes one")
        raise InvalidInput([missing]) from error
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise InvalidInput([Diagnostic(NO_FILE, message, str(path), help="name a file that you may read")]) from error
    return parse(data, path, environ)


def parse(data: bytes | str, path: Path, environ: Mapping[str, str]) -> Settings:
    """The settings of a text that stands, or would stand, in `path`. Raises `InvalidInput`."""
    text = scan(data, str(path))
    collector = text.collector
    root: Node = MappingNode(Mark(1, 1), {})
    if len(text.trees) > 1:
        collector.add(Mark(text.trees[1].line, 1), Code.NODES, "there is a second document here", "keep one document")
    if text.trees:
        root = text.trees[0].root
        if not isinstance(root, MappingNode):
            collector.add(
                root.mark, Code.NOT_A_MAPPING, "settings must be a mapping", "write 'key: value' lines, as init does"
            )
    overlay = environment.read(environ)
    unreadable = not isinstance(root, MappingNode) or (not text.trees and bool(collector.diagnostics))
    if unreadable:
        raise InvalidInput([_without_secret(item) for item in (*collector.diagnostics, *overlay.diagnostics)])
    values: dict[str, Any] = overlay.onto(to_data(root))
    problems: list[Problem] = []
    settings = None
    file = Path(os.path.abspath(path))
    try:
        settings = Settings.model_validate(values, context={"base": file.parent})
    except ValidationError as error:
        problems = mistakes.problems(error, values)
    diagnostics = _report(problems, collector, root, overlay)
    if diagnostics or settings is None:
        raise InvalidInput(diagnostics)
    settings._file = file
    return settings


def _report(
    problems: list[Problem], collector: DiagnosticCollector, root: Node, overlay: environment.Overlay
) -> list[Diagnostic]:
    """All mistakes: those of the file with their place, those of a variable with its name."""
    in_variables: list[Diagnostic] = list(overlay.diagnostics)
    for problem in problems:
        variable, path = overlay.variable(problem.loc), path_text(problem.loc)
        if variable:
            in_variables.append(
                Diagnostic(problem.code, problem.message, environment.PLACE, path=variable, help=problem.help)
            )
        else:
            mark = locate(root, problem.loc, problem.on_key)
            collector.add(mark, problem.code, problem.message, problem.help, path)
    return [_without_secret(item) for item in (*collector.diagnostics, *in_variables)]


def _without_secret(diagnostic: Diagnostic) -> Diagnostic:
    return replace(diagnostic, excerpt="") if _PRIVATE.search(diagnostic.excerpt) else diagnostic
