"""Commands that need no Engine: init, validate, schema, crds, version."""

import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli import context
from controller.cli.output import OPTIONS, Exit, Stop, emit, fail, say
from controller.core.model.errors import InvalidInput

if TYPE_CHECKING:
    from controller.core.catalog.types import Sourced
    from controller.core.model.errors import Diagnostic

EXAMPLE = """\
# A project and where its tags run. `holdfast validate` checks it, `holdfast plan` shows what would happen,
# `holdfast apply` makes it so. `holdfast schema >holdfast.schema.json` lets an editor know every field.
apiVersion: holdfast.dev/v1alpha1
kind: Project
metadata:
  name: hello
spec:
  image: docker.io/library/nginx    # repository, without a tag
  port: 80
  stages:
    - name: dev
      instances:                    # oldest first, newest last; each gets a hostname of its own
        - tag: 1.28-alpine
        - tag: 1.29-alpine
"""


def report(found: "Sequence[Diagnostic]") -> None:
    """Diagnostics as compilers give them on stderr, or as data on stdout."""
    if OPTIONS.data:
        emit({"diagnostics": [asdict(item) for item in found]})
        return
    from controller.core.documents.diagnostics import render

    say(render(found).rstrip("\n"))


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder; made when missing.")] = Path(),
    id: Annotated[str, typer.Option("--id", help="Name of this controller; drawn when not given.")] = "",
    domain: Annotated[str, typer.Option(help="Domain below which hostnames are made.")] = "localhost",
) -> None:
    """Write holdfast.yaml and desired/ with one example; never overwrites."""
    from controller.settings import init_text

    try:
        text = init_text(id or f"home-{secrets.token_hex(3)}", domain)
    except InvalidInput as error:
        told = (f"error: {item.message}\n  = help: {item.help}" for item in error.diagnostics)
        fail("\n".join(told), Exit.USAGE)
    files = {
        folder / "holdfast.yaml": text,
        folder / "desired" / "hello.yaml": EXAMPLE,
    }
    try:
        _write_new(files)
    except FileExistsError as error:
        fail(f"error: {error.filename} is there already and stays as it is")
    except OSError as error:
        fail(f"error: {error.filename}: {error.strerror}")


def _write_new(files: Mapping[Path, str]) -> None:
    """Write the settings, and the example where there is no desired/ yet. Raises `FileExistsError` for the settings."""
    (settings, text), *examples = files.items()
    settings.parent.mkdir(parents=True, exist_ok=True)
    with settings.open("x", encoding="utf-8") as file:
        file.write(text)
    print(settings)
    for path, example in examples:
        if not path.parent.exists():
            path.parent.mkdir()
            path.write_text(example, encoding="utf-8")
            print(path)


def _shown(path: Path) -> Path:
    """A path as a person in the working folder would write it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def documents(paths: Sequence[Path], code: Exit = Exit.USAGE) -> tuple[list[Path], list[str]]:
    """The files below these paths, those that a source reads, and what is in the way of reading others.

    A path that is missing, or no file or folder, ends the command with `code`.
    """
    from controller.intake.sources.folder import look

    files: list[Path] = []
    troubles: list[str] = []
    for path in paths:
        if str(path) == "-":
            files.append(path)
            continue
        found = look(path)
        if "" in found.troubles:
            fail(f"error: {path} {found.troubles['']}", code)
        if not found.files and not found.troubles:
            troubles.append(f"error: {path} holds no documents (*.yaml, *.yml, *.json)")
        files += [path / name if name else path for name in sorted(found.files)]
        troubles += [f"error: {path / name} {trouble}" for name, trouble in found.troubles.items()]
    return files, troubles


def validate(
    paths: Annotated[list[Path] | None, typer.Argument(metavar="PATH", help="File, folder or - (stdin).")] = None,
    file: Annotated[list[Path] | None, typer.Option("-f", "--file", help="File or folder.")] = None,
) -> None:
    """Check documents, each by itself and beside the others; all mistakes of all files in one run."""
    from controller.cli import conflicts
    from controller.intake.sources.reader import read_text

    chosen = [*(paths or []), *(file or [])]
    declared = [_shown(item.files.path) for item in context.settings().sources] if not chosen else []
    wrong: list[Diagnostic] = []
    good: list[Sourced] = []
    counts: dict[str, int] = {}
    files, troubles = documents(chosen or declared, Exit.INVALID if declared else Exit.USAGE)
    for path in files:
        try:
            text = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        except OSError as error:
            fail(f"error: {path}: {error.strerror}", Exit.INVALID)
        result = read_text(text, str(path))
        counts[str(path)] = len(result.documents)
        wrong += result.diagnostics
        good += result.documents
    refused, waits = conflicts.look(good)
    for trouble in troubles:
        say(trouble)
    if wrong:
        report(wrong)
    for sentence in refused:
        say(f"error: {sentence}")
    for sentence in waits if not wrong else ():
        say(f"note: {sentence}")
    if wrong or troubles:
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


def schema(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="Project or DeployRequest.")] = "",
) -> None:
    """Print the JSON Schema of the documents, for editors."""
    import json

    from controller.core.documents.schema import editor_schema

    found = editor_schema()
    if kind:
        definitions = found.get("$defs", {})
        if kind not in definitions:
            fail(f"error: there is no kind {kind}; use Project or DeployRequest", Exit.USAGE)
        found = {**definitions[kind], "$defs": definitions}
    print(json.dumps(found, indent=2))


def crds() -> None:
    """Print the CustomResourceDefinitions for kubectl."""
    import json

    from controller.core.documents.schema import crd
    from controller.core.documents.spec import KINDS

    found = [crd(kind) for kind in KINDS]
    if OPTIONS.output == "json":
        print(json.dumps({"apiVersion": "v1", "kind": "List", "items": found}, indent=2))
        return
    for item in found:
        print("---\n" + json.dumps(item, indent=2))


def version() -> None:
    """Print the versions of this program and of what it uses."""
    import platform
    from importlib.metadata import version as of

    found = {"holdfast": of("holdfast"), "python": platform.python_version()}
    found |= {name: of(name) for name in ("docker", "httpx", "pydantic", "fastapi", "uvicorn")}
    if OPTIONS.data:
        emit(found)
        return
    for name, number in found.items():
        print(f"{name} {number}")


COMMANDS = {"init": init, "validate": validate, "schema": schema, "crds": crds, "version": version}
