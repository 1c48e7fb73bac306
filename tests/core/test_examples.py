"""desired/ is the manual: it is read without a mistake, shows every field, and is what the demo expects."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from controller.core.catalog import build
from controller.core.catalog.types import Catalog, CatalogRules, Incumbents, Sourced
from controller.core.documents import spec, spec_parts
from controller.core.model.desired import DesiredStage
from controller.intake.sources.reader import read_text

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "desired").glob("*.yaml"))
LATER = {("ValueFrom", "sops"), ("ValueFrom", "secret_key_ref")}
"""Fields that are refused until they can be used."""


def documents() -> list[Sourced]:
    """Every document of desired/."""
    sourced: list[Sourced] = []
    for path in FILES:
        reading = read_text(path.read_bytes(), str(path))
        assert reading.diagnostics == []
        sourced += reading.documents
    return sourced


def catalog() -> Catalog:
    """What a controller named demo makes of desired/."""
    return build.catalog(documents(), CatalogRules("demo", "localhost", sources=("",)), Incumbents())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_each_example_is_valid(path: Path) -> None:
    """No mistake, at least one document, and a schema for the editor at the top."""
    reading = read_text(path.read_bytes(), str(path))
    assert reading.diagnostics == []
    assert reading.documents
    first = path.read_text().splitlines()[0]
    schema = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert schema is not None
    assert (path.parent / schema[1]).is_file()


def written(model: BaseModel) -> Iterator[tuple[str, str]]:
    """The fields that a document sets, each with the model that defines it."""
    for name in model.model_fields_set:
        owner = next(kind for kind in type(model).__mro__ if name in vars(kind).get("__annotations__", {}))
        yield owner.__name__, name
        value = getattr(model, name)
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, BaseModel):
                yield from written(inner)


def test_every_field_is_shown() -> None:
    """Each field of each model stands in an example as real YAML."""
    shown = {field for sourced in documents() for field in written(sourced.document)}
    kinds = [*vars(spec).values(), *vars(spec_parts).values()]
    models = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, spec_parts.Model)]
    every = {
        (kind.__name__, name) for kind in models for name in kind.model_fields if name in vars(kind)["__annotations__"]
    }
    assert every - shown - LATER == set()


def test_every_field_of_the_manual_has_a_comment() -> None:
    """In manual.yaml the first line of each field says what it is for."""
    seen = {"apiVersion", "kind", "metadata", "spec"}
    bare: list[str] = []
    for line in (ROOT / "desired/manual.yaml").read_text().splitlines():
        field = re.match(r"\s*(?:- )?([a-zA-Z]+):", line)
        if field is not None and field[1] not in seen:
            seen.add(field[1])
            bare += [] if " # " in line else [line]
    assert bare == []


def demo() -> dict[str, DesiredStage]:
    """The stages that the demo's controller takes."""
    return dict(catalog().stages)


def test_the_manual_runs_nothing() -> None:
    """Its stages belong to another controller, so that the demo can copy the whole folder."""
    assert {key.split("/")[0] for key in demo()} == {"shop", "guestbook"}
    assert catalog().notices == ()


def test_the_demo_shows_tags_side_by_side() -> None:
    """Several tags of one project with hostnames of their own, and the one that the script replaces is the newest."""
    stage = demo()["shop/dev"]
    assert [instance.tag for instance in stage.instances] == ["1.0.0", "1.1.0", "1.2.0"]
    assert stage.default_hostnames == ("stage-dev-shop.localhost",)
    assert stage.instances[-1].hostname == "stage-dev-shop-1-2-0.localhost"
    assert [instance.tag for instance in demo()["shop/preview"].instances] == ["1.0.0"]
    assert demo()["guestbook/prod"].recreate
    text = (ROOT / "desired/demo.yaml").read_text()
    assert len(re.findall(r"(?m)^\s*- tag: 1\.2\.0$", text)) == 1


def test_the_demo_pulls_from_its_own_registry_alone() -> None:
    """Only images that the demo builds are named by stages that run."""
    assert {stage.template.image for stage in demo().values()} == {
        "127.0.0.1:5000/demo/shop",
        "127.0.0.1:5000/demo/guestbook",
    }
    assert "127.0.0.1" not in (ROOT / "desired/manual.yaml").read_text()
