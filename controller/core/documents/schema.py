"""Schemas made from the models: JSON Schema for editors, CustomResourceDefinitions for Kubernetes.

A CRD takes only structural schemas, so `_structural` rewrites what pydantic makes: references are written out, null and
closed mappings are left out, every string and list has an upper bound (else the API server's cost estimate refuses the
CEL rules). The descriptions name the defaults; the API server does not set them: a default that it wrote into a stage
would look like the stage's own value and override the project's.
"""

from collections.abc import Mapping
from typing import Any

from pydantic.json_schema import models_json_schema

from controller.core.documents.cel_rules import RULES
from controller.core.documents.crd_status import DeployRequestStatus, ProjectStatus
from controller.core.documents.spec import API_VERSION, KINDS
from controller.core.documents.spec_parts import ExactlyOne, Model
from controller.core.model.names import PREFIX

DIALECT = "https://json-schema.org/draft/2020-12/schema"
GROUP, VERSION = API_VERSION.split("/")
MAX_TEXT = 255
"""Length limit for the API server's estimate, where the pattern sets none that it can see."""

STATUSES: Mapping[str, type[Model]] = {"Project": ProjectStatus, "DeployRequest": DeployRequestStatus}
"""The status of each kind."""

LIST_KEYS = {"stages": "name", "env": "name", "volumes": "name", "conditions": "type"}
"""Lists whose items have a name, so that several appliers can own single items."""

SETS = ("domains",)

Schema = dict[str, Any]


def editor_schema() -> Schema:
    """The JSON Schema of the documents: strict, with a sentence on each field."""
    definitions = _definitions(*KINDS.values())
    for kind in KINDS:
        definitions[kind]["required"] = ["apiVersion", "kind", *definitions[kind]["required"]]
    return {
        "$schema": DIALECT,
        "title": "Holdfast documents",
        "type": "object",
        "required": ["apiVersion", "kind"],
        "properties": {"kind": {"enum": list(KINDS)}},
        "allOf": [
            {"if": {"properties": {"kind": {"const": kind}}}, "then": {"$ref": f"#/$defs/{kind}"}} for kind in KINDS
        ],
        "$defs": definitions,
    }


def crd(kind: str) -> Schema:
    """The CustomResourceDefinition of a kind. Raises `KeyError` for an unknown one."""
    plural = kind.lower() + "s"
    names = {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower(), **_NAMES[kind]}
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": _COLUMNS[kind],
        "schema": {"openAPIV3Schema": _resource(KINDS[kind], STATUSES[kind])},
        **({"selectableFields": _SELECTABLE[kind]} if kind in _SELECTABLE else {}),
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {"group": GROUP, "names": names, "scope": "Namespaced", "versions": [version]},
    }


def _resource(document: type[Model], status: type[Model]) -> Schema:
    definitions = _definitions(document, status)
    whole = definitions[document.__name__]
    fields: Schema = {
        name: {"type": "string", "description": whole["properties"][name]["description"]}
        for name in ("apiVersion", "kind")
    }
    fields["spec"] = _structural(whole["properties"]["spec"], definitions, "spec")
    # the API server allows nothing about metadata but its type and restrictions of the name
    name = _definition(whole["properties"]["metadata"], definitions)["properties"]["name"]
    fields["metadata"] = {"type": "object", "properties": {"name": _structural(name, definitions, "name")}}
    fields["status"] = _structural({"$ref": f"#/$defs/{status.__name__}"}, definitions, "status")
    return {
        "type": "object",
        "description": whole["description"],
        "required": ["metadata", "spec"],
        "properties": fields,
    }


def _definitions(*models: type[Model]) -> dict[str, Schema]:
    """The models' schemas by name, without what pydantic adds for itself."""
    _, made = models_json_schema([(model, "validation") for model in models], by_alias=True)
    definitions: dict[str, Schema] = {name: _tidy(schema) for name, schema in made["$defs"].items()}
    for model in ExactlyOne.__subclasses__():
        if model.__name__ in definitions:
            definitions[model.__name__]["oneOf"] = [{"required": [key]} for key in model.one_of_keys()]
    return definitions


def _tidy(schema: Schema) -> Schema:
    """One schema without titles and null, sentences on one line, names of mapping keys checked strictly."""
    tidy: Schema = {key: value for key, value in schema.items() if key not in ("title", "anyOf")}
    members = [member for member in schema.get("anyOf", []) if member != {"type": "null"}]
    if members:
        (member,) = members
        tidy = {**_tidy(member), **tidy}
    if tidy.get("default", ...) is None:
        del tidy["default"]
    if "description" in tidy:
        tidy["description"] = " ".join(tidy["description"].split())
    if "properties" in tidy:
        tidy["properties"] = {name: _tidy(inner) for name, inner in tidy["properties"].items()}
    if "items" in tidy:
        tidy["items"] = _tidy(tidy["items"])
    if "patternProperties" in tidy:
        ((pattern, inner),) = tidy.pop("patternProperties").items()
        reserved = {"not": {"pattern": f"^{PREFIX.replace('.', '[.]')}"}}
        tidy |= {"propertyNames": {"allOf": [{"pattern": pattern}, reserved]}, "additionalProperties": _tidy(inner)}
    return tidy


def _structural(schema: Schema, definitions: Mapping[str, Schema], name: str) -> Schema:
    """One schema as a CRD may hold it; `name` is the field's."""
    whole = {**_definition(schema, definitions), **schema}
    rules = RULES.get(str(schema.get("$ref", "")).rpartition("/")[2])
    drop = ("$ref", "default", "oneOf", "propertyNames", "properties", "items", "additionalProperties")
    structural = {key: value for key, value in whole.items() if key not in drop}
    if "description" in structural:
        structural["description"] = _with_default(structural["description"], whole.get("default"))
    if structural["type"] == "string" and "enum" not in structural:
        structural.setdefault("maxLength", MAX_TEXT)
    if structural["type"] == "integer":
        structural.setdefault("format", "int32")
    if "items" in whole:
        structural |= {"items": _structural(whole["items"], definitions, ""), **_list_type(name)}
    if isinstance(whole.get("additionalProperties"), dict):
        structural["additionalProperties"] = _structural(whole["additionalProperties"], definitions, "")
    if "properties" in whole:
        fields = whole["properties"].items()
        structural["properties"] = {key: _structural(field, definitions, key) for key, field in fields}
    if rules:
        structural["x-kubernetes-validations"] = [{"rule": rule, "message": message} for rule, message in rules]
    return structural


def _definition(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    return definitions[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else {}


def _list_type(name: str) -> Schema:
    if name in LIST_KEYS:
        return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [LIST_KEYS[name]]}
    return {"x-kubernetes-list-type": "set" if name in SETS else "atomic"}


def _with_default(description: str, default: object) -> str:
    if default in (None, [], {}) or "Default:" in description:
        return description
    return f"{description} Default: {str(default).lower() if isinstance(default, bool) else default}."


def _column(name: str, path: str, description: str, type: str = "string", priority: int = 0) -> Schema:
    wide = {"priority": priority} if priority else {}
    return {"name": name, "type": type, "jsonPath": path, "description": description, **wide}


_READY = _column("Ready", '.status.conditions[?(@.type=="Ready")].status', "True when everything declared runs.")
_STATUS = _column("Status", '.status.conditions[?(@.type=="Ready")].message', "One sentence about it.")
_AGE = _column("Age", ".metadata.creationTimestamp", "Time since it was declared.", type="date")
_COLUMNS: Mapping[str, list[Schema]] = {
    "Project": [_READY, _STATUS, _column("Image", ".spec.image", "Repository of the image.", priority=1), _AGE],
    "DeployRequest": [
        _column("Project", ".spec.project", "Name of the project."),
        _column("Stage", ".spec.stage", "Name of the stage."),
        _column("Tag", ".spec.tag", "Image tag."),
        _READY,
        _column("URL", ".status.url", "Where it can be reached."),
        {**_STATUS, "priority": 1},
        _AGE,
    ],
}
_NAMES: Mapping[str, Schema] = {
    "Project": {"categories": ["holdfast"]},
    "DeployRequest": {"categories": ["holdfast"], "shortNames": ["dr"]},
}
_SELECTABLE: Mapping[str, list[Schema]] = {
    "DeployRequest": [{"jsonPath": path} for path in (".spec.project", ".spec.stage", ".spec.tag")],
}
