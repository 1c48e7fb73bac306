"""What is generated from the models: the editor's schema, the CustomResourceDefinitions, the reference page."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from controller.cli.generate import files, stale, write
from controller.cli.output import yaml_text
from controller.core.documents.cel_rules import RULES
from controller.core.documents.schema import crd, editor_schema
from controller.core.documents.spec import KINDS

ROOT = Path(__file__).resolve().parents[2]
ALLOWED = {
    "type", "description", "properties", "required", "items", "additionalProperties", "enum", "pattern", "format",
    "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "maxProperties",
    "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-validations",
}  # fmt: skip
"""Words that a structural schema may hold and that we need."""


def project(**spec: Any) -> dict[str, Any]:
    """A Project as plain data."""
    whole = {"image": "ghcr.io/example/app", **spec}
    return {"apiVersion": "holdfast.dev/v1alpha1", "kind": "Project", "metadata": {"name": "app"}, "spec": whole}


def stage(**fields: Any) -> list[dict[str, Any]]:
    """The stages of a project with one stage."""
    return [{"name": "dev", **fields}]


def root(kind: str) -> dict[str, Any]:
    """The schema inside a CRD."""
    schema: dict[str, Any] = crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema inside a schema, with its path."""
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from nodes(inner, f"{path}.{name}")
    for word in ("items", "additionalProperties"):
        if word in schema:
            yield from nodes(schema[word], path + "[]")


ACCEPTED = [
    project(),
    project(port=80, stages=stage(instances=[{"tag": "1.10"}, {"tag": "1.2", "ttl": "72h"}])),
    project(env=[{"name": "A", "value": ""}, {"name": "B", "valueFrom": {"file": "b"}}], labels={"team/x": "a"}),
    {
        "apiVersion": "holdfast.dev/v1alpha1",
        "kind": "DeployRequest",
        "metadata": {"name": "x"},
        "spec": {"project": "a", "stage": "b", "tag": "1"},
    },
]
REFUSED = [
    {},
    {**project(), "kind": "Projekt"},
    {**project(), "apiVersion": "holdfast.dev/v1"},
    {key: value for key, value in project().items() if key != "apiVersion"},
    {**project(), "metadata": {"name": "My_App"}},
    project(imagee="x"),
    project(port="80"),
    project(port=0),
    project(user=None),
    project(image="ghcr.io/example/app:1.0"),
    project(env=[{"name": "A"}]),
    project(env=[{"name": "A", "value": "x", "valueFrom": {"file": "a"}}]),
    project(env=[{"name": "A", "valueFrom": {}}]),
    project(env=[{"name": "A", "valueFrom": {"sops": "x"}}]),
    project(env=[{"name": "A", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}]),
    project(labels={"holdfast.dev/stage": "x"}),
    project(labels={"bad key": "x"}),
    project(healthCheck={"intervall": "5s"}),
    project(stages=stage(instances=[{"tag": 1.1}])),
    project(stages=stage(max_instances=3)),
    project(stages=stage(defaultTag="a b")),
]


def valid(document: dict[str, Any]) -> bool:
    """Whether an editor would be content with it."""
    return jsonschema.Draft202012Validator(editor_schema()).is_valid(document)


def test_the_editor_schema_is_a_schema_with_each_kind() -> None:
    """It is sound, strict at every mapping of known fields, and has a sentence on every field."""
    schema = editor_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert set(KINDS) <= set(schema["$defs"])
    for name, definition in schema["$defs"].items():
        assert definition["additionalProperties"] is False, name
        for field, inner in definition["properties"].items():
            assert inner["description"].endswith((".", ")")), f"{name}.{field}"


@pytest.mark.parametrize("document", ACCEPTED)
def test_the_editor_accepts_what_may_be_written(document: dict[str, Any]) -> None:
    """Both kinds, with and without optional fields."""
    assert valid(document)


@pytest.mark.parametrize("document", REFUSED)
def test_the_editor_marks_what_would_be_refused(document: dict[str, Any]) -> None:
    """Unknown fields, wrong types, empty fields, and fields that cannot be used yet."""
    assert not valid(document)


@pytest.mark.parametrize("kind", KINDS)
def test_a_crd_is_structural(kind: str) -> None:
    """Every node has a type, a sentence and bounds, and no word that the API server refuses."""
    for path, node in nodes(root(kind)):
        assert set(node) <= ALLOWED, f"{path}: {set(node) - ALLOWED}"
        assert node["type"] in ("object", "array", "string", "integer", "boolean"), path
        assert "description" in node or path.endswith("[]") or path == ".metadata", path
        bounded = "maxLength" in node or "enum" in node or path in (".apiVersion", ".kind")
        assert node["type"] != "string" or bounded, path
        assert node["type"] != "array" or ("maxItems" in node and "x-kubernetes-list-type" in node), path
        assert node["type"] != "object" or ("properties" in node) != ("additionalProperties" in node), path
        assert isinstance(node.get("minimum", 0), int), path
        assert set(node.get("required", ())) <= set(node.get("properties", ())), path
        for key in node.get("x-kubernetes-list-map-keys", ()):
            assert key in node["items"]["required"], path
            assert node["items"]["properties"][key]["type"] == "string", path


@pytest.mark.parametrize("kind", KINDS)
def test_metadata_of_a_crd_restricts_the_name_alone(kind: str) -> None:
    """The API server refuses a CRD that says more of metadata, even a description."""
    metadata = root(kind)["properties"]["metadata"]
    assert set(metadata) == {"type", "properties"}
    assert set(metadata["properties"]) == {"name"}


def test_maps_of_texts_are_bounded() -> None:
    """A mapping with free keys has a greatest number of them."""
    maps = [node for kind in KINDS for _, node in nodes(root(kind)) if "additionalProperties" in node]
    assert maps
    assert all(node["maxProperties"] <= 64 for node in maps)


def test_lists_of_named_things_are_merged_by_name() -> None:
    """Two appliers may each own a stage, a variable or a volume; the order of instances is their age."""
    spec = root("Project")["properties"]["spec"]["properties"]
    inner = spec["stages"]["items"]["properties"]
    for named_list in (spec["stages"], spec["env"], spec["volumes"], inner["env"]):
        assert (named_list["x-kubernetes-list-type"], named_list["x-kubernetes-list-map-keys"]) == ("map", ["name"])
    assert inner["domains"]["x-kubernetes-list-type"] == "set"
    assert inner["instances"]["x-kubernetes-list-type"] == "atomic"
    conditions = root("Project")["properties"]["status"]["properties"]["conditions"]
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]


def test_no_default_of_the_api_server_overrides_a_project() -> None:
    """A default that is written into a stage would look like the stage's own wish; the sentence tells it instead."""
    health = root("Project")["properties"]["spec"]["properties"]["healthCheck"]["properties"]
    assert health["retries"]["description"] == "Attempts before the gate fails. Default: 3."
    assert all("default" not in node for kind in KINDS for _, node in nodes(root(kind)))


def paths(rule: str) -> Iterator[tuple[str, list[str]]]:
    """The field paths in a CEL rule: variable and names."""
    for variable, names in re.findall(r"\b(self|[a-z])((?:\.[a-zA-Z]+\b(?!\())+)", rule):
        yield variable, names.strip(".").split(".")


@pytest.mark.parametrize("kind", KINDS)
def test_rules_name_fields_that_exist(kind: str) -> None:
    """Each path that begins with self leads to a field, and each other name is a field somewhere below."""
    for path, node in nodes(root(kind)):
        below = {name for _, inner in nodes(node) for name in inner.get("properties", {})}
        for rule in node.get("x-kubernetes-validations", ()):
            assert len(rule["message"]) < 200, path
            for variable, names in paths(rule["rule"]):
                inner = node
                for name in names:
                    assert name in below, (path, rule["rule"])
                    inner = inner["properties"][name] if variable == "self" else inner


def test_every_rule_reaches_the_crd() -> None:
    """No rule is written for a model that does not occur."""
    placed = [rule["rule"] for _, node in nodes(root("Project")) for rule in node.get("x-kubernetes-validations", ())]
    assert {rule for rules in RULES.values() for rule, _ in rules} <= set(placed)


@pytest.mark.parametrize("kind", KINDS)
def test_a_crd_has_what_kubectl_shows(kind: str) -> None:
    """Status subresource, one stored version, columns whose paths exist, names that agree."""
    definition = crd(kind)
    (version,) = definition["spec"]["versions"]
    names = definition["spec"]["names"]
    assert definition["metadata"]["name"] == f"{names['plural']}.{definition['spec']['group']}"
    assert version["served"]
    assert version["storage"]
    assert version["subresources"] == {"status": {}}
    columns = {column["name"]: column["jsonPath"] for column in version["additionalPrinterColumns"]}
    assert {"Ready", "Status", "Age"} <= set(columns)
    for path in [*columns.values(), *(field["jsonPath"] for field in version.get("selectableFields", ()))]:
        node = root(kind)
        for name in re.findall(r"\.([a-zA-Z]+)", re.sub(r"\[.*\]", "[]", path)):
            if "metadata" in path:
                break
            node = node.get("items", node)["properties"][name]


@pytest.mark.parametrize("kind", KINDS)
def test_the_checked_in_crd_is_what_the_program_prints(kind: str) -> None:
    """The file is read back to the same data."""
    path = ROOT / "crds" / f"{kind.lower()}s.holdfast.dev.yaml"
    assert yaml.safe_load(path.read_text()) == crd(kind)


def test_generated_files_are_fresh() -> None:
    """`make generate` would change nothing."""
    assert stale(ROOT) == ""


def test_a_stale_file_is_shown_and_written_anew(tmp_path: Path) -> None:
    """A missing or edited file shows up in the diff until it is written."""
    assert all(f"+++ {name} (generated)" in stale(tmp_path) for name in files())
    write(tmp_path)
    assert stale(tmp_path) == ""
    edited = tmp_path / "crds/projects.holdfast.dev.yaml"
    edited.write_text(edited.read_text().replace("Namespaced", "Cluster"))
    assert "-  scope: Cluster" in stale(tmp_path)


def test_block_yaml_is_read_back_as_it_was() -> None:
    """Words and numbers in texts stay texts; empty and nested things keep their shape."""
    data = {"a": ["no", "1.10", {"b": {"c": []}, "d": [[1, True], {}]}], "on": None, "e": 'x: "y" # z', "f": "é\n"}
    assert yaml.safe_load(yaml_text(data)) == data


def test_the_page_names_every_field_once() -> None:
    """Each field of the models and each settings key has its row."""
    page = (ROOT / "desired/README.md").read_text()
    for path in ("spec.image", "spec.stages[].instances[].ttl", "spec.env[].valueFrom.file", "proxy.tls.mode"):
        assert page.count(f"| `{path}` |") == 1
    fields = {name for definition in editor_schema()["$defs"].values() for name in definition["properties"]}
    assert {name for name in fields if f"{name}` |" not in page and f"`{name}`" not in page} == set()
