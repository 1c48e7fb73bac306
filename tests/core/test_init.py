"""`holdfast init`: a folder that can be used at once, and nothing that is there is touched."""

import json
import os
from pathlib import Path

import pytest

from controller.cli.main import execute
from controller.settings import load_settings


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working folder, and no settings from outside."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("HOLDFAST_")]:
        monkeypatch.delenv(name)


def test_init_leaves_a_folder_that_validates(capsys: pytest.CaptureFixture[str]) -> None:
    """Settings load, and the example of desired/ is a document without a mistake."""
    assert execute(["init"]) == 0
    assert capsys.readouterr().out == "holdfast.yaml\ndesired/hello.yaml\n"
    loaded = load_settings(Path("holdfast.yaml"), {})
    assert loaded.id.startswith("home-")
    assert loaded.domain == "localhost"
    assert execute(["validate", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"] == {"desired/hello.yaml": 1}


def test_init_never_overwrites(capsys: pytest.CaptureFixture[str]) -> None:
    """Settings that are there end it; a desired/ that is there is left alone."""
    Path("desired").mkdir()
    assert execute(["init", "--id", "mine", "--domain", "example.com"]) == 0
    assert capsys.readouterr().out == "holdfast.yaml\n"
    assert list(Path("desired").iterdir()) == []
    assert execute(["init", "--id", "other"]) == 1
    assert "holdfast.yaml is there already" in capsys.readouterr().err
    assert load_settings(Path("holdfast.yaml"), {}).id == "mine"


def test_init_refuses_an_id_that_cannot_be_used(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is written that would not load; the command line is wrong, no file."""
    assert execute(["init", "--id", "My Home"]) == 64
    assert "'My Home' is not a controller id" in capsys.readouterr().err
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("verb", ["schema", "crds"])
def test_schemas_are_printed_as_json(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What editors and kubectl take comes on stdout, one JSON document or several."""
    assert execute([verb]) == 0
    parts = [json.loads(part) for part in capsys.readouterr().out.split("---\n") if part]
    assert len(parts) == {"schema": 1, "crds": 2}[verb]


def test_definitions_as_json_are_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    """A list of both, as kubectl takes it."""
    assert execute(["crds", "-o", "json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["kind"], [definition["spec"]["names"]["kind"] for definition in printed["items"]]) == (
        "List",
        ["Project", "DeployRequest"],
    )


def test_a_missing_settings_file_leads_to_init(capsys: pytest.CaptureFixture[str]) -> None:
    """A command without settings says how to get them."""
    assert execute(["get"]) == 65
    assert "holdfast init" in capsys.readouterr().err
