"""`holdfast validate` as a program: files, folders and standard input, every mistake in one run, no traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.core.bad_documents import REQUEST, spec, spec_of


def validate(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command."""
    command = [sys.executable, "-c", "from controller.cli.main import main; main()", "validate", *arguments]
    return subprocess.run(command, input=text, text=True, capture_output=True, timeout=30, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a good file, two bad ones and a hidden one."""
    (tmp_path / "good.yaml").write_text(spec("port: 80"))
    (tmp_path / "one.yaml").write_text(spec_of("imgae: x"))
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


PROJECT = """\
apiVersion: holdfast.dev/v1alpha1
kind: Project
metadata: {name: NAME}
spec: {image: registry.example.com/shop, port: 80, stages: [{name: dev, domains: DOMAINS, instances: TAGS}]}
"""


def project(name: str, domains: str = "[]", tags: str = "[{tag: '1.0'}]") -> str:
    """A document of one project with one stage."""
    return PROJECT.replace("NAME", name).replace("DOMAINS", domains).replace("TAGS", tags)


@pytest.mark.parametrize(
    ("one", "two", "words"),
    [
        (project("shop"), project("shop"), "Project shop in two.yaml of these documents is refused"),
        (project("shop", "[a.test]"), project("blog", "[a.test]"), "a.test"),
        (project("shop"), project("blog", tags="[{tag: '1.0'}, {tag: 1-0}]"), "tag 1-0"),
    ],
    ids=["project", "hostname", "tag"],
)
def test_what_is_refused_beside_another_document_is_a_mistake(tmp_path: Path, one: str, two: str, words: str) -> None:
    """`apply` would refuse it: each file is good by itself, together they end with 65 and name both."""
    (tmp_path / "one.yaml").write_text(one)
    (tmp_path / "two.yaml").write_text(two)
    for name in ("one.yaml", "two.yaml"):
        if name == "one.yaml" or "tag 1-0" not in words:
            assert validate(str(tmp_path / name)).returncode == 0
    done = validate(str(tmp_path))
    assert (done.returncode, done.stdout) == (65, "")
    assert words.replace("two.yaml", str(tmp_path / "two.yaml")) in done.stderr
    assert len(json.loads(validate(str(tmp_path), "-o", "json").stdout)["conflicts"]) == 1


def test_what_waits_for_another_document_is_no_mistake(tmp_path: Path) -> None:
    """The project of a DeployRequest may come from elsewhere: it is said, and the documents are good."""
    (tmp_path / "one.yaml").write_text(REQUEST + "{project: a, stage: b, tag: '1.1'}\n")
    done = validate(str(tmp_path))
    assert done.returncode == 0
    assert done.stderr.startswith("note: DeployRequest ")
    assert "no such project is declared" in done.stderr


def test_the_settings_say_how_hostnames_are_made(tmp_path: Path) -> None:
    """A domain of one stage that is the hostname of another is a conflict under these settings only."""
    (tmp_path / "all.yaml").write_text(project("shop") + "---\n" + project("blog", "[stage-dev-shop.test]"))
    assert validate(str(tmp_path / "all.yaml")).returncode == 0
    settings = tmp_path / "settings" / "holdfast.yaml"
    settings.parent.mkdir()
    settings.write_text("id: home-1\ndomain: test\n")
    done = validate("--config", str(settings), str(tmp_path / "all.yaml"))
    assert done.returncode == 65
    assert "stage-dev-shop.test" in done.stderr
