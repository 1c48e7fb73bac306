"""The command line without an Engine: exit codes, global options, rendering."""

import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.routing import APIRoute

from controller.api import app
from controller.cli import context, keys, nudge, tables
from controller.cli.apply import duration
from controller.cli.main import VERBS, execute, move_options_first
from controller.cli.output import yaml_text
from controller.core.documents.forms import NAME_PATTERN, TAG_PATTERN
from controller.core.model.status import InstanceStatus, StageStatus


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "Missing command"),
        (["plna"], "Did you mean 'plan'?"),
        (["get", "--al"], "No such option"),
        (["get", "-o", "xml"], "use text, wide, json or yaml"),
        (["get", "-o"], "it needs a value"),
        (["get", "--config"], "it needs a value"),
        (["get", "a", "b"], "unexpected extra argument"),
        (["describe"], "Missing argument 'KEY'"),
        (["apply", "--timeout", "5"], "use a duration above 0"),
        (["apply", "--timeout", "0s"], "use a duration above 0"),
        (["apply", "nothing.json"], "nothing.json: No such file"),
        (["plan", "-f", "nothing.yaml"], "nothing.yaml is not there"),
        (["validate", "nothing.yaml"], "nothing.yaml is not there"),
        (["schema", "Pod"], "there is no kind Pod"),
        (["suspend", "shop"], "name one stage as project/stage"),
        (["resume", "shop/dev/1.0"], "name one stage as project/stage"),
        (["history", "--limit", "0"], "--limit"),
    ],
)
def test_a_wrong_command_line_ends_with_64(
    args: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unknown commands and options, missing arguments and bad values are usage errors, said on stderr only."""
    (tmp_path / "holdfast.yaml").write_text("id: home-1\ndomain: example.com\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HOLDFAST_CONFIG", raising=False)
    assert execute(args) == 64
    output = capsys.readouterr()
    assert output.out == ""
    assert message in output.err


@pytest.mark.parametrize("verb", ["get", "describe", "explain", "history", "logs", "events", "retry", "reconcile"])
@pytest.mark.parametrize("key", ["a//b", "/", "", "a/b/c/d e", "ä/dev", "x" * 5000, "\udcff\x1b[31m", "../../etc", "A"])
def test_what_cannot_be_a_key_is_wrong_usage(verb: str, key: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Empty parts, other letters, whatever length and bytes: refused without being echoed raw."""
    assert execute([verb, key]) == 64
    stderr = capsys.readouterr().err
    assert "is not project, project/stage or project/stage/tag" in stderr
    assert "\x1b" not in stderr
    assert len(stderr) < 400


def test_a_key_is_what_documents_may_name() -> None:
    """The command line knows names and tags as the models do."""
    assert (f"^{keys.NAME.pattern}$", f"^{keys.TAG.pattern}$") == (NAME_PATTERN, TAG_PATTERN)


def test_global_options_may_follow_the_verb(capsys: pytest.CaptureFixture[str]) -> None:
    """-o after the verb works as before it."""
    assert execute(["version", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["holdfast"]
    assert move_options_first(["a", "--no-color", "--", "-o", "x"]) == ["--no-color", "a", "--", "-o", "x"]


def test_help_loads_no_heavy_library() -> None:
    """The entry point alone imports neither docker nor httpx, fastapi or pydantic."""
    code = "import sys, controller.cli.main; print({'docker','httpx','fastapi','pydantic'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_an_unknown_key_gets_a_suggestion() -> None:
    """A key that is nearly right is answered with the right one."""
    instance = InstanceStatus(tag="1.0", phase="Running", born=40.0, default=True, urls=("http://x",))
    statuses = {"shop/dev": StageStatus(key="shop/dev", instances=(instance,))}
    with pytest.raises(KeyError, match="did you mean shop/dev"):
        keys.select(statuses, "shop/dve")
    assert keys.select(statuses, "shop/dev/1.0") == statuses
    assert tables.stages(statuses, 100.0).splitlines()[1].split()[-3:] == ["*", "1m", "http://x"]


def test_yaml_output_quotes_what_a_reader_could_take_for_something_else() -> None:
    """Words stay plain, a word of YAML's own is quoted."""
    assert yaml_text({"a": ["no", {"b": None}], "c": {}}) == 'a:\n- "no"\n- b: null\nc: {}'


@pytest.mark.parametrize(
    ("text", "seconds"), [("250ms", 0.25), ("90s", 90), ("15m", 900), ("1h30m", 5400), ("1d", 86400)]
)
def test_durations_have_the_units_of_documents(text: str, seconds: float) -> None:
    """--timeout takes what a field of a document takes."""
    assert duration(text) == seconds


@pytest.mark.parametrize("verb", [verb.__name__ for verb in VERBS])
def test_help_is_written_for_people(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """No type of the program is in a verb's help, and the global options are named."""
    assert execute([verb, "--help"]) == 0
    text = capsys.readouterr().out
    assert not re.search(r"[<>{}]|default: no-", text)
    assert "--config FILE" in text


def test_no_line_of_the_help_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    """Each verb stands on one line with a short text."""
    assert execute(["--help"]) == 0
    lines = capsys.readouterr().out.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in lines] == [verb.__name__ for verb in VERBS]
    assert max(map(len, VERBS.values())) <= 55
    assert "..." not in "".join(lines)


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb.__module__ == nudge.__name__])
def test_a_verb_has_its_route(verb: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command posts to a running controller is known to its API."""
    posted: list[str] = []

    def post(path: str, **_: object) -> dict[str, object]:
        posted.append(path)
        return {"keys": ["shop/dev"]}

    controller = SimpleNamespace(post=post, status=lambda: SimpleNamespace(stages=["shop/dev"]))
    monkeypatch.setattr(context, "settings", lambda: None)
    monkeypatch.setattr(context, "client", lambda _: controller)
    verb("shop/dev")
    routes = app.build(None, None).routes  # type: ignore[arg-type]
    known = {route.path for route in routes if isinstance(route, APIRoute) and "POST" in (route.methods or ())}
    assert posted
    assert {f"/api/v1/{path}" for path in posted} <= known
