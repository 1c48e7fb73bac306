"""Whole parts fail in the middle of a rollout: the daemon, a disk, the clock, or there is a controller too many."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.clients.state.reader import StateReader
from tests.e2e.chaos import Chaos, Clients
from tests.e2e.test_lifecycle import serves
from tests.parts.sandbox import PROGRAM, ROOT, Sandbox

pytestmark = pytest.mark.alone

DAY = 86_400


@pytest.fixture
def chaos(sandbox: Sandbox) -> Iterator[Chaos]:
    """A controller between doors that runs one of two tags, which take a while to start."""
    skew = sandbox.folder / "skew"
    skew.write_text("0")
    sandbox.environment["SKEW"] = str(skew)
    sandbox.environment["PYTHONPATH"] = os.pathsep.join([str(ROOT / "tests" / "parts" / "skew"), str(ROOT)])
    for tag in ("1.0", "2.0"):
        sandbox.push(tag, START_DELAY="2")
    found = Chaos(sandbox)
    sandbox.write(sandbox.project("shop", "1.0"))
    yield found
    found.close()


@pytest.fixture
def begun(chaos: Chaos) -> Chaos:
    """In the middle of a rollout of 2.0: its container is there, and not healthy yet."""
    box = chaos.box
    box.start()
    box.wait(lambda: serves(box, "1.0", box.host("shop")), "1.0 answers")
    chaos.rest()
    begin(chaos, "2.0")
    return chaos


def begin(chaos: Chaos, tag: str) -> None:
    """Declare the other tag and wait until its container is there."""
    chaos.box.write(chaos.box.project("shop", tag))
    chaos.box.wait(lambda: len(chaos.box.containers()) == 2, f"the rollout of {tag} has begun")


def ends(chaos: Chaos, tag: str) -> None:
    """Wait for the end of the rollout: this tag alone is there, marked, under both hostnames, and nothing is open."""
    box = chaos.box
    box.wait(lambda: serves(box, tag, box.host("shop")), f"{tag} answers", 60)
    end = chaos.rest(60, why=tag)
    assert [(row[0], row[4], row[5]) for row in end["containers"]] == [(f"shop/dev/{tag}", "running", "unless-stopped")]
    assert end["routes"] == dict.fromkeys((box.host("shop", tag), box.host("shop")), f"shop/dev/{tag}")
    assert end["status"] == {"shop/dev": (True, True, [(tag, "Running")])}


@pytest.mark.parametrize("how", ["kill", "restart"])
def test_a_daemon_that_ends_in_the_middle_of_a_rollout(begun: Chaos, how: str) -> None:
    """Liveness: after a hard or an orderly end of dockerd the rollout ends as it would have, and nothing is left."""
    box = begun.box
    if not box.engine.own:
        pytest.skip("the Engine is not ours to restart")
    if how == "kill":
        box.engine.kill()
        box.engine.start()
    else:
        box.engine.restart()

    ends(begun, "2.0")


@contextlib.contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path]:
    """A disk of this size over a folder."""
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small disk")
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_no_space_for_images_stops_the_new_one_only(chaos: Chaos) -> None:
    """Safety and liveness: Docker finds no space for an image; the old one serves, the cause is told, nothing is
    removed to make room, and with space the rollout goes on by itself."""
    box = chaos.box
    if box.engine.folder is None:
        pytest.skip("the Engine is not ours to fill")
    box.start()
    host = box.host("shop")
    box.wait(lambda: serves(box, "1.0", host), "1.0 answers")
    chaos.rest()
    box.push("2.0", LAYER="2.0")
    before = box.containers()
    with Clients(box, {host: ("1.0", "2.0")}).asking() as clients:
        with small_disk(box.engine.folder / "data" / "tmp", "64k") as disk:
            fill(disk / "ballast")
            box.write(box.project("shop", "2.0"))
            box.wait(lambda: "no space left" in box.log.read_text(), "the cause is told")
            assert [found["Id"] for found in box.containers()] == [found["Id"] for found in before]
        ends(chaos, "2.0")
    assert clients.bad == []


def test_no_space_for_the_state_begins_nothing(chaos: Chaos) -> None:
    """Safety and liveness: what cannot be recorded is not begun; the old one serves, and with space it goes on."""
    box = chaos.box
    with small_disk(box.folder / ".holdfast", "8m") as state:
        box.start()
        host = box.host("shop")
        box.wait(lambda: serves(box, "1.0", host), "1.0 answers")
        chaos.rest()
        with Clients(box, {host: ("1.0", "2.0")}).asking() as clients:
            fill(state / "ballast")
            quiet = chaos.changes
            box.write(box.project("shop", "2.0"))
            box.wait(lambda: "no space left" in box.log.read_text(), "the cause is told")
            time.sleep(1)
            assert chaos.changes == quiet
            (state / "ballast").unlink()
            ends(chaos, "2.0")
        assert clients.bad == []
        box.stop()


def test_no_space_for_the_state_leaves_what_served_serving(chaos: Chaos) -> None:
    """Liveness: what had passed and ended is started again although nothing can be recorded, and `get` says that what
    it shows is old."""
    box = chaos.box
    with small_disk(box.folder / ".holdfast", "8m") as state:
        box.start()
        box.wait(lambda: serves(box, "1.0", box.host("shop")), "1.0 answers")
        chaos.rest()
        fresh = box.holdfast("get")
        assert (fresh.returncode, fresh.stderr) == (0, "")
        fill(state / "ballast")
        (item,) = box.containers()
        box.engine.client.api.stop(item["Id"], timeout=1)

        box.wait(lambda: serves(box, "1.0", box.host("shop")), "1.0 answers again", 60)
        assert [found["Id"] for found in box.containers()] == [item["Id"]]
        box.write(box.project("shop", "2.0"))
        box.wait(lambda: box.log.read_text().count("pass failed") > 1, "2.0 cannot be begun")
        box.wait(lambda: "no space left" in box.holdfast("get").stderr, "it is said")
        told = box.holdfast("describe", "shop/dev", "-o", "json").stderr
        assert told.startswith("! shop/dev: shown as it was ")
        resync = float(box.settings["limits"]["resync"].removesuffix("s"))
        box.wait(lambda: pauses(box.log.read_text()).count(resync) > 1, "each resync asks again")
        assert max(pauses(box.log.read_text())) == resync
        (state / "ballast").unlink()
        ends(chaos, "2.0")
        assert box.holdfast("get").stderr == ""
        box.stop()


def pauses(text: str) -> list[float]:
    """Seconds until another try that the log tells of."""
    return [float(found) for found in re.findall(r"again=([0-9.]+)s", text)]


def fill(ballast: Path) -> None:
    """Write until the disk is full."""
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as stream:
        while True:
            stream.write(b"x" * 512)


def test_a_second_controller_is_refused_and_harms_nothing(begun: Chaos) -> None:
    """Safety: on one state folder a second controller ends with 75, also while the first is stopped; the first, let go
    on, ends the rollout."""
    box = begun.box
    assert box.running is not None
    box.running.send_signal(signal.SIGSTOP)
    try:
        quiet = begun.changes
        second = box.holdfast("run", timeout=30)
        assert second.returncode == 75, second.stderr
        assert str(box.running.pid) in second.stderr
        assert begun.changes == quiet
    finally:
        box.running.send_signal(signal.SIGCONT)

    ends(begun, "2.0")


def test_two_controllers_with_one_id_end_where_one_would(begun: Chaos, tmp_path: Path) -> None:
    """Safety: two state folders with one id are a mistake, but one that makes nothing twice and ends as declared."""
    box = begun.box
    shutil.copy(box.folder / "holdfast.yaml", tmp_path)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "desired").symlink_to(box.desired)
    with (tmp_path / "log").open("wb") as log, Clients(box, {box.host("shop"): ("1.0", "2.0")}).asking() as clients:
        other = subprocess.Popen([*PROGRAM, "run"], cwd=tmp_path, env=box.environment, stdout=log, stderr=log)
        try:
            ends(begun, "2.0")
        finally:
            other.terminate()
            other.wait(15)
    assert clients.bad == []


def test_a_clock_that_jumps_decides_nothing(begun: Chaos) -> None:
    """Safety and liveness: the machine's clock is set a day ahead in the middle of a rollout, and two days back in the
    middle of the next; neither is taken back early, nor waited for."""
    box = begun.box
    with Clients(box, {box.host("shop"): ("1.0", "2.0")}).asking() as clients:
        (box.folder / "skew").write_text(str(DAY))
        ends(begun, "2.0")
        begin(begun, "1.0")
        (box.folder / "skew").write_text(str(-DAY))
        ends(begun, "1.0")
    assert clients.bad == []
    told = StateReader(box.folder / ".holdfast").history("shop", 50)
    assert {row.status for row in told} == {"Succeeded"}
    begins = [row.started_at for row in told]
    assert max(begins) - min(begins) > DAY, "the controller's clock did not jump"
