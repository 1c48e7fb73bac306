"""`holdfast validate` as a program: files, folders and standard input, every mistake in one run, no traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.core.bad_documents import REQUEST, bare, spec


def validate(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command."""
    command = [sys.executable, "-c", "from controller.cli.main import main; main()", "validate", *arguments]
    return subprocess.run(command, input=text, text=True, capture_output=True, timeout=30, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a good file, two bad ones and a hidden one."""
    (tmp_path / "good.yaml").write_text(spec("port: 80"))
    (tmp_path / "one.yaml").write_text(bare("imgae: x"))
    (tmp_path / "two.yml").write_text(REQUEST + "{project: a, stage: b, tag: 1.10}\n")
    (tmp_path / ".hidden.yaml").write_text("a: [")
    return tmp_path


def test_all_mistakes_of_all_files_in_one_run(folder: Path) -> None:
    """Each bad file is named with its line and column on stderr, and the exit code is that of invalid input."""
    done = validate("-f", str(folder))
    assert done.returncode == 65
    assert done.stdout == ""
    assert f"--> {folder}/one.yaml:5:3" in done.stderr
    assert f"--> {folder}/two.yml:4:35" in done.stderr
    assert "did you mean 'image'?" in done.stderr
    assert "hidden" not in done.stderr
    assert "3 errors in 2 files" in done.stderr
    assert "Traceback" not in done.stderr


def test_good_files_are_counted(folder: Path) -> None:
    """A file without mistakes is told with its documents."""
    done = validate(str(folder / "good.yaml"))
    assert (done.returncode, done.stdout) == (0, f"{folder}/good.yaml: 1 document\n")


def test_what_declares_nothing_is_no_desired_state(folder: Path) -> None:
    """A file of comments alone is fine beside others, and invalid where it is all there is: apply refuses it too."""
    (folder / "note.yaml").write_text("# nothing yet\n")
    beside = validate(str(folder / "note.yaml"), str(folder / "good.yaml"))
    assert (beside.returncode, beside.stderr) == (0, "")
    alone = validate(str(folder / "note.yaml"))
    assert (alone.returncode, alone.stdout) == (65, f"{folder}/note.yaml: 0 documents\n")
    assert "there are no documents" in alone.stderr


def test_standard_input_is_read() -> None:
    """A dash reads standard input, whatever comes."""
    assert validate("-", text=spec("port: 80")).stdout == "-: 1 document\n"
    empty = validate("-", text="")
    assert (empty.returncode, empty.stdout) == (65, "-: 0 documents\n")
    wrong = validate("-", text="a: [")
    assert (wrong.returncode, "--> -:1:5" in wrong.stderr) == (65, True)


def test_mistakes_as_data(folder: Path) -> None:
    """With -o json the mistakes are data with code, place and help."""
    done = validate(str(folder / "two.yml"), "-o", "json")
    [found] = json.loads(done.stdout)["diagnostics"]
    assert done.returncode == 65
    assert (found["code"], found["line"], found["column"], found["path"]) == ("E0107", 4, 35, "spec.tag")


def test_what_is_no_file_is_never_waited_for(folder: Path) -> None:
    """A pipe as the path is a usage error; one in a folder is invalid input; neither blocks."""
    os.mkfifo(folder / "pipe.yaml")
    assert validate(str(folder / "pipe.yaml")).returncode == 64
    assert validate(str(folder / "nothing.yaml")).returncode == 64
    done = validate(str(folder))
    assert done.returncode == 65
    assert "pipe.yaml is a pipe, not a file" in done.stderr
