"""`schema`, `crds`: what is generated from the models of the documents, for editors and kubectl."""

import json
from typing import Annotated

import typer

from controller.cli.output import OPTIONS, Exit, fail


def schema(kind: Annotated[str, typer.Argument(metavar="KIND", help="Project or DeployRequest.")] = "") -> None:
    """Print the JSON Schema of the documents, for editors."""
    from controller.core.documents.schema import editor_schema

    whole = editor_schema()
    if kind:
        definitions = whole.get("$defs", {})
        if kind not in definitions:
            fail(f"error: there is no kind {kind}; use Project or DeployRequest", Exit.USAGE)
        whole = {**definitions[kind], "$defs": definitions}
    print(json.dumps(whole, indent=2))


def crds() -> None:
    """Print the CustomResourceDefinitions for kubectl."""
    from controller.core.documents.schema import crd
    from controller.core.documents.spec import KINDS

    definitions = [crd(kind) for kind in KINDS]
    if OPTIONS.output == "json":
        print(json.dumps({"apiVersion": "v1", "kind": "List", "items": definitions}, indent=2))
        return
    for definition in definitions:
        print("---\n" + json.dumps(definition, indent=2))
