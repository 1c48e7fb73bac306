"""What an unlucky host does in the middle of something, on real parts; the many orders of it are in tests/sim."""

import os
import shutil
import signal
import time

import pytest

from tests.e2e.test_lifecycle import applied, running, serves
from tests.parts.sandbox import Sandbox

pytestmark = pytest.mark.alone

SLOW = {"path": "/healthz", "retries": 30, "interval": "1s", "timeout": "5s"}


def deployed(box: Sandbox) -> None:
    """A running controller with one tag that serves."""
    box.push("1.0")
    box.write(box.project("shop", "1.0"))
    box.start()
    box.wait(lambda: serves(box, "1.0", box.host("shop")), "1.0 serves")


@pytest.mark.parametrize("how", ["restart", "kill"])
def test_docker_restarts_in_the_middle_of_a_gate(sandbox: Sandbox, how: str) -> None:
    """Liveness: a new one that Docker took down before it passed is started again, not given up."""
    if not sandbox.engine.own:
        pytest.skip("the Engine is not ours to restart")
    deployed(sandbox)
    sandbox.push("2.0", START_DELAY="8")
    sandbox.write(sandbox.project("shop", "2.0", healthCheck=SLOW))
    sandbox.wait(lambda: "2.0" in running(sandbox), "2.0 is in its gate")
    if how == "kill":
        sandbox.engine.kill()
        sandbox.engine.start()
    else:
        sandbox.engine.restart()

    sandbox.wait(lambda: serves(sandbox, "2.0", sandbox.host("shop")), "2.0 serves", 90)
    sandbox.wait(lambda: list(running(sandbox)) == ["2.0"], "1.0 is gone")


def test_a_docker_that_hangs_in_the_middle_of_a_rollout(sandbox: Sandbox) -> None:
    """Safety and liveness: what serves goes on, and when Docker answers again the rollout ends with nothing left."""
    if not sandbox.engine.own:
        pytest.skip("the Engine is not ours to freeze")
    deployed(sandbox)
    sandbox.push("2.0")
    sandbox.write(sandbox.project("shop", "2.0"))
    sandbox.wait(lambda: len(sandbox.containers()) == 2, "2.0 is created")
    sandbox.engine.signal(signal.SIGSTOP)
    try:
        for _ in range(20):
            assert sandbox.get(sandbox.host("shop")).status == 200
            time.sleep(1)  # real time: Docker's own deadlines must run out
    finally:
        sandbox.engine.signal(signal.SIGCONT)

    sandbox.wait(lambda: serves(sandbox, "2.0", sandbox.host("shop")), "2.0 serves", 90)
    sandbox.wait(lambda: list(running(sandbox)) == ["2.0"], "1.0 is gone")
    sandbox.wait(lambda: sandbox.leftovers() == [], "nothing is left")


def test_what_is_held_over_survives_a_restart_of_the_proxy(sandbox: Sandbox) -> None:
    """Safety: the designated tag failed and Caddy forgot all routes; the old one keeps its container and its route."""
    sandbox.push("1.0")
    sandbox.push("2.0", BROKEN="health")
    sandbox.write(sandbox.project("shop", "1.0"))
    applied(sandbox)
    sandbox.write(sandbox.project("shop", "2.0"))
    applied(sandbox, 1)
    before = running(sandbox)
    sandbox.caddy.restart()

    applied(sandbox, 1)

    assert running(sandbox) == before
    assert list(before) == ["1.0"]
    assert serves(sandbox, "1.0", sandbox.host("shop"))


def test_a_state_folder_deleted_under_a_running_controller(sandbox: Sandbox) -> None:
    """Safety and liveness: no second controller gets in beside it, and commands reach it as before."""
    deployed(sandbox)
    state = sandbox.folder / ".holdfast"
    shutil.rmtree(state)
    sandbox.wait(lambda: (state / "holdfast.sock").exists() and (state / "holdfast.pid").exists(), "it is there again")

    second = sandbox.holdfast("run", timeout=30)
    assert second.returncode == 75, second.stderr
    assert "is held by process" in second.stderr
    sandbox.push("2.0")
    sandbox.write(sandbox.project("shop", "2.0"))
    applied(sandbox)
    assert list(running(sandbox)) == ["2.0"]
    assert sandbox.stop() == 0


def test_who_lost_its_state_folder_to_another_controller_ends(sandbox: Sandbox) -> None:
    """Safety: the folder was deleted and a second controller was quicker: the first ends and says why."""
    deployed(sandbox)
    first = sandbox.running
    assert first is not None
    os.kill(first.pid, signal.SIGSTOP)
    try:
        shutil.rmtree(sandbox.folder / ".holdfast")
        sandbox.start()
        sandbox.wait((sandbox.folder / ".holdfast" / "holdfast.sock").exists, "the second is there")
    finally:
        os.kill(first.pid, signal.SIGCONT)

    assert first.wait(30) == 75
    assert "is held by process" in sandbox.log.read_text()
    assert sandbox.holdfast("reconcile", "shop").returncode == 0
    assert serves(sandbox, "1.0", sandbox.host("shop"))
    assert sandbox.stop() == 0
