"""What holds back a mass deletion, and what never deletes anything, as a person meets it on the command line."""

import os
import re
import shutil

import pytest

from tests.e2e.test_lifecycle import applied
from tests.parts.sandbox import Sandbox

CONFIRM = re.compile(r"holdfast confirm ([0-9a-f]+)")


def stages(box: Sandbox) -> list[str]:
    """Stages of which something runs."""
    found = [c for c in box.containers() if c["State"]["Status"] == "running"]
    return sorted(c["Config"]["Labels"]["holdfast.dev/stage"] for c in found)


@pytest.fixture
def three(sandbox: Sandbox) -> Sandbox:
    """Three projects, each in a file of its own, that run."""
    sandbox.push("1.0")
    for name in ("a", "b", "c"):
        sandbox.write(sandbox.project(name, "1.0"), name=f"{name}.yaml")
    applied(sandbox)
    return sandbox


def test_two_of_three_files_gone_are_held_back_until_confirmed(three: Sandbox) -> None:
    """Nothing goes, apply ends with 1 and prints the command; a further edit voids it; then exactly these go."""
    (three.desired / "a.yaml").unlink()
    (three.desired / "b.yaml").unlink()
    held = applied(three, 1)
    [digest] = CONFIRM.findall(held.stderr)
    assert "  a/dev: 1.0 would be removed, the stage is no longer declared" in held.stderr
    assert stages(three) == ["a/dev", "b/dev", "c/dev"]
    planned = three.holdfast("plan", "--detailed-exitcode")
    assert (planned.returncode, CONFIRM.findall(planned.stderr)) == (2, [digest])
    wrong = three.holdfast("confirm", "0123456789ab")
    assert (wrong.returncode, "nothing is held back under the digest" in wrong.stderr) == (1, True)

    assert three.holdfast("confirm", digest).returncode == 0
    three.write(three.project("c", "1.0", env=[{"name": "X", "value": "z"}]), name="c.yaml")
    (three.desired / "c.yaml").rename(three.desired / "d.yaml")
    edited = applied(three, 1)
    [other] = CONFIRM.findall(edited.stderr)
    assert other != digest
    assert stages(three) == ["a/dev", "b/dev", "c/dev"]

    assert three.holdfast("confirm", digest).returncode == 1
    assert three.holdfast("confirm", other).returncode == 0
    applied(three)
    assert stages(three) == ["c/dev"]
    assert applied(three).stderr.count("held back") == 0


def test_beside_a_controller_a_held_change_is_shown_and_confirmed(three: Sandbox) -> None:
    """The running controller keeps everything; get, apply and plan say how to allow it; confirmed, it goes at once."""
    three.start()
    three.wait(lambda: three.holdfast("reconcile", "a").returncode == 0, "the controller answers")
    (three.desired / "a.yaml").unlink()
    (three.desired / "b.yaml").unlink()
    held = applied(three, 1)
    [digest] = CONFIRM.findall(held.stderr)
    assert stages(three) == ["a/dev", "b/dev", "c/dev"]
    assert f"'holdfast confirm {digest}' allows it" in three.holdfast("get").stdout
    assert CONFIRM.findall(three.holdfast("plan").stderr) == [digest]

    assert three.holdfast("confirm", digest).returncode == 0

    three.wait(lambda: stages(three) == ["c/dev"], "exactly these go")
    applied(three)


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside a controller"])
def test_a_strange_source_deletes_nothing_and_says_so(three: Sandbox, beside: bool) -> None:
    """Emptied, missing, a dangling link, a pipe, a pipe or a broken file inside: 65, and everything runs."""
    if beside:
        three.start()
        three.wait(lambda: three.holdfast("reconcile", "a").returncode == 0, "the controller answers")
    kept = three.folder / "kept"
    shutil.copytree(three.desired, kept)

    def restored() -> None:
        if three.desired.is_dir() and not three.desired.is_symlink():
            shutil.rmtree(three.desired)
        else:
            three.desired.unlink(missing_ok=True)
        shutil.copytree(kept, three.desired)

    for what in ("emptied", "missing", "dangling", "pipe", "pipe inside", "broken inside"):
        if what in ("pipe inside", "broken inside"):
            (three.desired / "a.yaml").unlink()
            if what == "pipe inside":
                (three.desired / "b.yaml").unlink()
            os.mkfifo(three.desired / "a.yaml") if what == "pipe inside" else three.write("a: [", name="a.yaml")
        else:
            shutil.rmtree(three.desired)
        if what == "emptied":
            three.desired.mkdir()
        elif what == "dangling":
            three.desired.symlink_to("nowhere")
        elif what == "pipe":
            os.mkfifo(three.desired)
        told = applied(three, 65).stderr
        assert "desired" in told, what
        assert three.holdfast("validate").returncode == 65, what
        assert stages(three) == ["a/dev", "b/dev", "c/dev"], what
        restored()
    applied(three)
    assert stages(three) == ["a/dev", "b/dev", "c/dev"]
