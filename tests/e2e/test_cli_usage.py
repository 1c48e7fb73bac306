"""The command line by itself: help, wrong usage, settings, strange keys, and outputs that cannot be written to."""

import json
import os
import resource
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.parts.process import clean_environment
from tests.parts.sandbox import PROGRAM, ROOT

VERBS = [
    *("init", "validate", "schema", "crds", "version", "plan", "apply", "run", "retry", "confirm", "suspend", "resume"),
    *("reconcile", "doctor", "get", "describe", "explain", "history", "logs", "events"),
]
SETTINGS = "id: home-1\ndomain: example.com\ndocker: {host: unix:///nowhere/docker.sock}\n"
ENVIRONMENT = clean_environment(PYTHONPATH=str(ROOT), NO_COLOR="1")


def holdfast(
    folder: Path, *arguments: str | bytes, text: str | None = None, **environment: str
) -> "subprocess.CompletedProcess[str]":
    """Run the program in a folder."""
    done = subprocess.run(
        [*PROGRAM, *arguments],
        cwd=folder,
        env={**ENVIRONMENT, **environment},
        input=text,
        stdin=subprocess.DEVNULL if text is None else None,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert "bug:" not in done.stderr, done.stderr
    return done


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with settings whose Engine does not exist, and no documents."""
    (tmp_path / "holdfast.yaml").write_text(SETTINGS)
    (tmp_path / "desired").mkdir()
    return tmp_path


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_answers_at_once(verb: str, tmp_path: Path) -> None:
    """Each verb's help needs less than 0.4 s of the processor, and no settings."""
    used: list[float] = []
    for flag in ("-h", "--help", "-h"):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = holdfast(tmp_path, *([verb] if verb else []), flag)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"Usage: holdfast {verb}".rstrip())
        used.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        if min(used) < 0.4:
            break
    assert min(used) < 0.4


def test_help_names_every_verb(tmp_path: Path) -> None:
    """Nothing is hidden, and both spellings help."""
    shown = holdfast(tmp_path, "--help").stdout
    assert holdfast(tmp_path, "get", "--help").stdout == holdfast(tmp_path, "get", "-h").stdout
    assert [verb for verb in VERBS if f"\n  {verb} " not in shown] == []


def test_settings_are_found_by_option_variable_and_default(folder: Path, tmp_path: Path) -> None:
    """--config before and after the verb beats HOLDFAST_CONFIG, which beats ./holdfast.yaml."""
    other = folder / "other"
    other.mkdir()
    (other / "my.yaml").write_text(SETTINGS)
    (other / "desired").mkdir()
    (other / "desired" / "a.yaml").write_text("# nothing yet\n")
    named = str(other / "my.yaml")
    expected = "other/desired/a.yaml: 0 documents\n"
    assert holdfast(folder, "validate", "--config", named).stdout == expected
    assert holdfast(folder, "--config", named, "validate").stdout == expected
    assert holdfast(folder, f"--config={named}", "validate").stdout == expected
    assert holdfast(folder, "validate", HOLDFAST_CONFIG=named).stdout == expected
    assert holdfast(folder, "validate", "--config", named, HOLDFAST_CONFIG="/nowhere").stdout == expected
    assert holdfast(folder, "validate", HOLDFAST_CONFIG="").returncode == 65
    assert "desired holds no documents" in holdfast(folder, "validate").stderr


@pytest.mark.parametrize("what", ["missing", "folder", "broken", "unknown key", "binary"])
def test_settings_that_cannot_be_used_end_with_65(folder: Path, what: str) -> None:
    """A sentence with the file, and its place where it has one."""
    path = folder / "holdfast.yaml"
    if what == "missing":
        path.unlink()
    elif what == "folder":
        path.unlink()
        path.mkdir()
    elif what == "broken":
        path.write_text('{"id": "home-1", "domain": [1,}')
    elif what == "unknown key":
        path.write_text(SETTINGS + "doker: {}\n")
    else:
        path.write_bytes(b"\x00\x01\xff" * 100)
    for verb in ("get", "apply", "run"):
        done = holdfast(folder, verb)
        assert done.returncode == 65, done.stderr
        assert "holdfast.yaml" in done.stderr
        if what in ("broken", "unknown key"):
            assert "holdfast.yaml:" in done.stderr
            assert "^" in done.stderr


def test_another_user_is_told_what_is_closed(folder: Path) -> None:
    """Without permission: settings, documents and the state folder are named, nobody sees a traceback."""
    tool = shutil.which("setpriv")
    if os.geteuid() != 0 or tool is None:
        pytest.skip("another user can only be taken on as root, with setpriv")
    for path in (folder, *folder.parents[:3]):
        if path != Path("/tmp"):
            path.chmod(0o755)
    state = folder / ".holdfast"
    state.mkdir(mode=0o700)
    (folder / "desired" / "a.yaml").write_text("# nothing yet\n")

    def nobody(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [tool, "--reuid", "65534", "--regid", "65534", "--clear-groups", *PROGRAM, *arguments]
        return subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False)

    if nobody("version").returncode != 0:
        pytest.skip("another user cannot read this checkout")
    closed = [nobody("get"), nobody("history"), nobody("apply"), nobody("suspend", "shop/dev")]
    assert [done.returncode for done in closed] == [1, 1, 69, 69]
    assert [f"{state}" in done.stderr for done in closed] == [True] * 4
    (folder / "desired" / "a.yaml").chmod(0)
    unread = nobody("validate")
    assert (unread.returncode, "desired/a.yaml" in unread.stderr) == (65, True)
    (folder / "holdfast.yaml").chmod(0)
    refused = nobody("get")
    assert refused.returncode == 65
    assert "cannot be read: Permission denied" in refused.stderr
    told = "".join(done.stderr for done in (*closed, unread, refused))
    assert "Traceback" not in told
    assert "bug:" not in told


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.json", '{"a": [1,}'), ("b.yaml", "\x00\x01"), ("c.yaml", "- " * 100_000)],
)
def test_documents_that_cannot_be_read_end_with_65(folder: Path, name: str, content: str) -> None:
    """All of one run, each with its place; with -o json as data."""
    (folder / "desired" / name).write_text(content)
    (folder / "desired" / "z.yaml").write_text("kind: Pod\n")
    for verb in ("validate", "apply"):
        done = holdfast(folder, verb)
        assert done.returncode == 65
        assert f"desired/{name}" in done.stderr
        assert "desired/z.yaml" in done.stderr
        assert "in 2 files" in done.stderr
    data = json.loads(holdfast(folder, "validate", "-o", "json").stdout)
    assert {item["source"] for item in data["diagnostics"]} == {f"desired/{name}", "desired/z.yaml"}


def test_without_an_engine_everything_else_works(folder: Path) -> None:
    """init, validate, schema, crds, version and the reading verbs need no Docker; plan and apply end with 69."""
    shutil.rmtree(folder / "desired")
    (folder / "holdfast.yaml").unlink()
    made = holdfast(folder, "init", "--id", "home-1")
    assert (made.returncode, made.stdout) == (0, "holdfast.yaml\ndesired/hello.yaml\n")
    before = {path: path.read_bytes() for path in folder.rglob("*.yaml")}
    again = holdfast(folder, "init")
    assert (again.returncode, "holdfast.yaml is there already" in again.stderr) == (1, True)
    assert {path: path.read_bytes() for path in folder.rglob("*.yaml")} == before
    assert holdfast(folder, "validate").stdout == "desired/hello.yaml: 1 document\n"
    assert json.loads(holdfast(folder, "schema").stdout)["$defs"]
    assert holdfast(folder, "get").returncode == 0
    for form, read in (("json", json.loads), ("yaml", yaml.safe_load)):
        assert read(holdfast(folder, "version", "-o", form).stdout)["holdfast"]
        assert read(holdfast(folder, "-o", form, "get").stdout) == {}
    for verb in ("plan", "apply"):
        done = holdfast(folder, verb, HOLDFAST_DOCKER__HOST="unix:///nowhere/docker.sock")
        assert done.returncode == 69
        assert "no Docker Engine at unix:///nowhere/docker.sock" in done.stderr
    idle = holdfast(folder, "reconcile", "hello")
    assert (idle.returncode, "no controller is running" in idle.stderr) == (69, True)


@pytest.mark.parametrize("how", ["closed", "full", "nobody reads", "ascii"])
def test_an_output_that_cannot_be_written_to_is_no_bug(folder: Path, how: str) -> None:
    """A closed, full or narrow stdout ends in words; a reader that leaves early is no failure at all."""
    shell = {
        "closed": '"$@" >&-',
        "full": '"$@" >/dev/full',
        "nobody reads": 'set -o pipefail; "$@" | head -1 >/dev/null',
        "ascii": '"$@"',
    }[how]
    command = ["bash", "-c", shell, "sh", *PROGRAM, "schema"]
    environment = {**ENVIRONMENT, "PYTHONIOENCODING": "ascii"} if how == "ascii" else ENVIRONMENT
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == (1 if how == "full" else 0), done.stderr
    assert done.stderr == ("error: the output cannot be written: No space left on device\n" if how == "full" else "")
