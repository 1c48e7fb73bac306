"""What an unlucky host does in the middle of something, on real parts; the many orders of it are in tests/sim."""

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
