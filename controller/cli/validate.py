"""`validate`: check documents, each by itself and beside the others, by the same catalog that `apply` uses.

What runs decides conflicts too and is not looked at here: which of two documents loses may differ, never that one does.
"""

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli import context
from controller.cli.output import OPTIONS, Exit, Stop, emit, fail, say

if TYPE_CHECKING:
    from controller.core.catalog.types import CatalogRules, Sourced
    from controller.core.model.errors import Diagnostic

SOURCE = "these documents"
"""Stands for the source where documents are checked that no source of the settings holds."""
PENDING = ("UnknownProject", "UnknownStage")
"""Reasons of what only waits: its project may be declared elsewhere."""
OF_SETTINGS = ("UnsupportedOption",)
"""Reasons that only settings can give."""


def validate(
    paths: Annotated[list[Path] | None, typer.Argument(metavar="PATH", help="File, folder or - (stdin).")] = None,
    file: Annotated[list[Path] | None, typer.Option("-f", "--file", metavar="PATH", help="File or folder.")] = None,
) -> None:
    """Check documents, each by itself and beside the others; all mistakes of all files in one run."""
    from controller.intake.sources.reader import read_text

    chosen = [*(paths or []), *(file or [])]
    declared = [_relative(source.files.path) for source in context.settings().sources] if not chosen else []
    mistakes: list[Diagnostic] = []
    documents: list[Sourced] = []
    counts: dict[str, int] = {}
    files, problems = find_files(chosen or declared, Exit.INVALID if declared else Exit.USAGE)
    for path in files:
        try:
            text = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        except OSError as error:
            fail(f"error: {path}: {error.strerror}", Exit.INVALID)
        result = read_text(text, str(path))
        counts[str(path)] = len(result.documents)
        mistakes += result.diagnostics
        documents += result.documents
    refused, pending = find_conflicts(documents)
    for problem in problems:
        say(problem)
    if mistakes:
        report(mistakes)
    for sentence in refused:
        say(f"error: {sentence}")
    for sentence in pending if not mistakes else ():
        say(f"note: {sentence}")
    if mistakes or problems:
        raise Stop(Exit.INVALID)
    if OPTIONS.data:
        emit({"diagnostics": [], "conflicts": refused, "files": counts})
    elif not refused:
        for name, count in counts.items():
            print(f"{name}: {count} document{'' if count == 1 else 's'}")
    if refused:
        raise Stop(Exit.INVALID)
    if not any(counts.values()):
        fail("error: there are no documents; what was declared last would stay", Exit.INVALID)


def report(mistakes: "Sequence[Diagnostic]") -> None:
    """Diagnostics as compilers give them on stderr, or as data on stdout."""
    if OPTIONS.data:
        emit({"diagnostics": [asdict(mistake) for mistake in mistakes]})
        return
    from controller.core.documents.diagnostics import render

    say(render(mistakes).rstrip("\n"))


def find_files(paths: Sequence[Path], code: Exit = Exit.USAGE) -> tuple[list[Path], list[str]]:
    """The files below these paths that a source reads, and a sentence for each that cannot be read.

    A path that is missing, or no file or folder, ends the command with `code`.
    """
    from controller.intake.sources import folder

    files: list[Path] = []
    problems: list[str] = []
    for path in paths:
        if str(path) == "-":
            files.append(path)
            continue
        content = folder.list_documents(path)
        if "" in content.troubles:
            fail(f"error: {path} {content.troubles['']}", code)
        if not content.files and not content.troubles:
            problems.append(f"error: {path} holds no documents (*.yaml, *.yml, *.json)")
        files += [path / name if name else path for name in sorted(content.files)]
        problems += [f"error: {path / name} {trouble}" for name, trouble in content.troubles.items()]
    return files, problems


def find_conflicts(documents: "Sequence[Sourced]") -> tuple[list[str], list[str]]:
    """A sentence for each document that would be refused, and for each that would wait for another one."""
    from controller.core.catalog import build
    from controller.core.catalog.types import Incumbents

    rules, left_out = _rules()
    here = [replace(document, origin=replace(document.origin, source=SOURCE)) for document in documents]
    catalog = build.catalog(here, rules, Incumbents())
    notices = [*catalog.notices, *(notice for stage in catalog.stages.values() for notice in stage.notices)]
    reasons = {notice.message: notice.reason for notice in notices if notice.reason not in left_out}
    refused = [message for message, reason in reasons.items() if reason not in PENDING]
    return refused, [message for message, reason in reasons.items() if reason in PENDING]


def _rules() -> "tuple[CatalogRules, tuple[str, ...]]":
    """The rules of the settings and no reasons; without usable settings default rules, and the reasons to leave out."""
    from controller.core.catalog.types import CatalogRules
    from controller.core.model.errors import InvalidInput
    from controller.settings import load_settings

    try:
        rules = load_settings(OPTIONS.config, os.environ).catalog_rules()
    except InvalidInput:
        return CatalogRules("", "example.com", sources=(SOURCE,)), OF_SETTINGS
    return replace(rules, sources=(SOURCE,)), ()


def _relative(path: Path) -> Path:
    """A path as a person in the working folder would write it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
