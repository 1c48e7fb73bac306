"""What others do to what runs is put right: containers, routes, the daemon, the proxy, the controller itself."""

import contextlib
import shutil
import signal
from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.test_lifecycle import applied, running, serves
from tests.parts.sandbox import Sandbox


@pytest.fixture
def shop(sandbox: Sandbox) -> Iterator[Sandbox]:
    """A controller that runs one tag of one project."""
    sandbox.push("1.0")
    sandbox.write(sandbox.project("shop", "1.0"))
    sandbox.start()
    sandbox.wait(lambda: settled(sandbox), "1.0 runs and answers")
    yield sandbox
    sandbox.stop()


def settled(box: Sandbox) -> bool:
    """True when 1.0 answers under both hostnames, from exactly one container that Docker would bring back."""
    if not (serves(box, "1.0", box.host("shop")) and serves(box, "1.0", box.host("shop", "1.0"))):
        return False
    found = box.containers()
    return len(found) == 1 and found[0]["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"


@pytest.mark.parametrize("what", ["kill", "stop", "remove", "pause", "disconnect", "restart"])
def test_a_container_that_somebody_touched_is_put_right(shop: Sandbox, what: str) -> None:
    """Liveness: killed, stopped, removed, paused, cut off or restarted, it serves again, without a leftover."""
    api, victim = shop.engine.client.api, running(shop)["1.0"]
    if what == "kill":
        api.kill(victim)
    elif what == "stop":
        api.stop(victim, timeout=1)
    elif what == "remove":
        api.remove_container(victim, force=True)
    elif what == "pause":
        api.pause(victim)
    elif what == "disconnect":
        api.disconnect_container_from_network(victim, shop.network, force=True)
    else:
        api.restart(victim, timeout=1)

    shop.wait(lambda: settled(shop) and not paused(shop), f"repaired after {what}", 40)

    if what != "remove":
        assert running(shop)["1.0"] == victim


def paused(box: Sandbox) -> bool:
    """True while a container is paused."""
    return any(c["State"]["Paused"] for c in box.containers())


def test_a_removed_route_comes_back(shop: Sandbox) -> None:
    """Liveness: the proxy lost all configuration; the routes are there again, without a restart of anything."""
    before = shop.containers()[0]["State"]["StartedAt"]
    httpx.request("DELETE", f"{shop.caddy.admin}/config/apps", trust_env=False).raise_for_status()
    assert not serves(shop, "1.0", shop.host("shop"))

    shop.wait(lambda: settled(shop), "the routes are back")

    assert shop.containers()[0]["State"]["StartedAt"] == before


def test_a_restarted_proxy_gets_its_routes_again(shop: Sandbox) -> None:
    """Liveness: Caddy forgets everything at a restart; it is told again."""
    shop.caddy.stop()
    shop.caddy.start()

    shop.wait(lambda: settled(shop), "the routes are back")


@pytest.mark.alone
@pytest.mark.parametrize("how", ["restart", "kill"])
def test_a_restarted_daemon_ends_in_the_declared_state(shop: Sandbox, how: str) -> None:
    """Liveness: after an orderly or a hard end of dockerd everything serves again, and nothing runs twice."""
    if not shop.engine.own:
        pytest.skip("the Engine is not ours to restart")
    if how == "kill":
        shop.engine.kill()
        shop.engine.start()
    else:
        shop.engine.restart()

    shop.wait(lambda: settled(shop), f"converged after the daemon's {how}", 60)


def test_a_killed_controller_goes_on_where_it_was(sandbox: Sandbox) -> None:
    """Liveness: killed in the middle of a rollout, the next start finishes it and leaves nothing."""
    sandbox.push("1.0")
    sandbox.push("2.0", START_DELAY="2")
    sandbox.write(sandbox.project("shop", "1.0"))
    applied(sandbox)
    sandbox.write(sandbox.project("shop", "2.0"))
    sandbox.start()
    sandbox.wait(lambda: len(sandbox.containers()) == 2, "the rollout has begun")
    sandbox.kill(signal.SIGKILL)
    assert serves(sandbox, "1.0", sandbox.host("shop"))

    applied(sandbox)

    assert serves(sandbox, "2.0", sandbox.host("shop"))
    assert list(running(sandbox)) == ["2.0"]
    assert sandbox.leftovers() == []


def test_an_orderly_stop_leaves_everything_running(shop: Sandbox) -> None:
    """Safety: SIGTERM ends the controller with 0 within ten seconds; containers and routes stay."""
    before = running(shop)

    assert shop.kill(signal.SIGTERM, timeout=10) == 0

    assert running(shop) == before
    assert serves(shop, "1.0", shop.host("shop"))


def test_a_lost_store_touches_nothing(sandbox: Sandbox) -> None:
    """Safety: without the state folder nothing is removed, recreated or restarted, and the routes stay."""
    for tag in ("1.0", "1.1"):
        sandbox.push(tag)
    sandbox.write(sandbox.project("shop", "1.0", "1.1"))
    applied(sandbox)
    before = sorted((c["Id"], c["State"]["StartedAt"]) for c in sandbox.containers())

    shutil.rmtree(sandbox.folder / ".holdfast")
    applied(sandbox)

    assert sorted((c["Id"], c["State"]["StartedAt"]) for c in sandbox.containers()) == before
    assert serves(sandbox, "1.1", sandbox.host("shop"))


def test_foreign_objects_stay_as_they_are(sandbox: Sandbox) -> None:
    """Safety: look-alikes, with our labels or our names, are left alone and reported."""
    digest = sandbox.push("1.0")
    api = sandbox.engine.client.api
    sandbox.write(sandbox.project("shop", "1.0"))
    applied(sandbox)
    ours = sandbox.containers()[0]
    api.pull(sandbox.image, tag="1.0")
    copy = api.create_container(f"{sandbox.image}@{digest}", name="shop-dev-copy", labels=ours["Config"]["Labels"])
    api.start(copy["Id"])
    try:
        before = api.inspect_container(copy["Id"])
        sandbox.write(sandbox.project("shop", "1.0", env=[{"name": "X", "value": "y"}]))
        applied(sandbox)
        sandbox.write(sandbox.project("shop"))
        applied(sandbox)
        after = api.inspect_container(copy["Id"])
        assert before["State"] == after["State"]
        assert [c["Name"] for c in sandbox.containers()] == ["/shop-dev-copy"]
    finally:
        with contextlib.suppress(Exception):
            api.remove_container(copy["Id"], force=True)


def test_a_lost_store_and_a_broken_file_take_nothing_down(sandbox: Sandbox) -> None:
    """Safety: what a file declared that cannot be read any more, and that nobody remembers, goes on running."""
    sandbox.push("1.0")
    sandbox.write(sandbox.project("shop", "1.0"))
    path = sandbox.write(sandbox.project("blog", "1.0"), name="blog.yaml")
    applied(sandbox)
    before = sorted((c["Id"], c["State"]["StartedAt"]) for c in sandbox.containers())
    shutil.rmtree(sandbox.folder / ".holdfast")
    path.write_text("kind: [\n")

    sandbox.start()
    sandbox.wait(lambda: "document refused" in sandbox.log.read_text(), "the file was read")
    sandbox.wait(lambda: "nothing to do" in sandbox.log.read_text(), "a pass was made")
    sandbox.stop()

    assert sorted((c["Id"], c["State"]["StartedAt"]) for c in sandbox.containers()) == before
    assert serves(sandbox, "1.0", sandbox.host("blog"))
