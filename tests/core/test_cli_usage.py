"""The command line without an Engine: exit codes, global options, rendering."""

import json
import subprocess
import sys

import pytest

from controller.cli import tables
from controller.cli.change import duration
from controller.cli.main import hoist, run
from controller.cli.output import yaml_text
from controller.core.status import InstanceStatus, StageStatus


@pytest.mark.parametrize(
    "args", [["bogus"], ["get", "--bogus"], ["describe"], ["get", "-o", "xml"], ["suspend", "shop"]]
)
def test_a_wrong_command_line_ends_with_64(args: list[str]) -> None:
    """Unknown commands and options, missing arguments and bad values are usage errors."""
    assert run(args) == 64


def test_global_options_may_follow_the_verb(capsys: pytest.CaptureFixture[str]) -> None:
    """-o after the verb works as before it."""
    assert run(["version", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["holdfast"]
    assert hoist(["a", "--no-color", "--", "-o", "x"]) == ["--no-color", "a", "--", "-o", "x"]


def test_help_loads_no_heavy_library() -> None:
    """The entry point alone imports neither docker nor httpx, fastapi or pydantic."""
    code = "import sys, controller.cli.main; print({'docker','httpx','fastapi','pydantic'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_an_unknown_key_gets_a_suggestion() -> None:
    """A key that is nearly right is answered with the right one."""
    item = InstanceStatus(tag="1.0", phase="Running", born=40.0, default=True, urls=("http://x",))
    found = {"shop/dev": StageStatus(key="shop/dev", instances=(item,))}
    with pytest.raises(KeyError, match="did you mean shop/dev"):
        tables.select(found, "shop/dve")
    assert tables.select(found, "shop/dev/1.0") == found
    assert tables.stages(found, 100.0).splitlines()[1].split()[-3:] == ["*", "1m", "http://x"]


def test_yaml_output_quotes_what_a_reader_could_take_for_something_else() -> None:
    """Words stay plain, a word of YAML's own is quoted."""
    assert yaml_text({"a": ["no", {"b": None}], "c": {}}) == 'a:\n- "no"\n- b: null\nc: {}'
    assert duration("15m") == 900.0
