"""`init`: the first settings and one example document."""

import secrets
from pathlib import Path
from typing import Annotated

import typer

from controller.cli.output import Exit, fail

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


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder; made when missing.")] = Path(),
    id: Annotated[str, typer.Option("--id", help="Name of this controller; random by default.")] = "",
    domain: Annotated[str, typer.Option(help="Domain below which hostnames are made.")] = "localhost",
) -> None:
    """Write holdfast.yaml and desired/ with one example; never overwrites."""
    from controller.core.model.errors import InvalidInput
    from controller.settings import init_text

    try:
        text = init_text(id or f"home-{secrets.token_hex(3)}", domain)
    except InvalidInput as error:
        messages = (f"error: {mistake.message}\n  = help: {mistake.help}" for mistake in error.diagnostics)
        fail("\n".join(messages), Exit.USAGE)
    try:
        _write(folder / "holdfast.yaml", text, folder / "desired" / "hello.yaml")
    except FileExistsError as error:
        fail(f"error: {error.filename} is there already and stays as it is")
    except OSError as error:
        fail(f"error: {error.filename}: {error.strerror}")


def _write(settings: Path, text: str, example: Path) -> None:
    """Write the settings, and the example where there is no desired/ yet. Raises `FileExistsError` for the settings."""
    settings.parent.mkdir(parents=True, exist_ok=True)
    with settings.open("x", encoding="utf-8") as file:
        file.write(text)
    print(settings)
    if not example.parent.exists():
        example.parent.mkdir()
        example.write_text(EXAMPLE, encoding="utf-8")
        print(example)
