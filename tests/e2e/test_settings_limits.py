"""The numbers of holdfast.yaml: how much at a time, how often, how much is kept; read from Docker and the proxy."""

import json
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
import pytest

from tests.e2e.observations import events
from tests.e2e.test_lifecycle import applied, running, serves
from tests.parts.sandbox import Sandbox
from tests.parts.tap import Tap


@pytest.fixture
def tap(sandbox: Sandbox) -> Iterator[Tap]:
    """A look at the calls that Docker gets; pulls and starts take a third of a second longer than usual."""
    found = Tap(sandbox.folder / "tap.sock", sandbox.engine.url, {r"/images/create": 0.3, r"/start$": 0.3})
    sandbox.settings["docker"]["host"] = found.url
    yield found
    found.close()


def most(box: Sandbox, tap: Tap, limits: dict[str, Any], *tags: str) -> tuple[int, int]:
    """Declare these tags under these limits: how many pulls and how many starts were under way at once."""
    del tap.calls[:]
    for tag in tags:
        box.push(tag)
    box.configure(limits={"resync": "5s", **limits})
    box.write(box.project("shop", *tags))
    applied(box)
    return tap.most(r"/images/create"), tap.most(r"/start$")


@pytest.mark.setting("limits.starts", "limits.pulls", "docker.host")
def test_pulls_and_starts_are_as_many_at_a_time_as_the_limits_say(sandbox: Sandbox, tap: Tap) -> None:
    """One by one under a limit of one; several at once under a higher one; all through the Engine that is named."""
    assert most(sandbox, tap, {"starts": 1, "pulls": 1}, "1.0", "1.1", "1.2") == (1, 1)

    several = ("1.0", "1.1", "1.2", "2.0", "2.1", "2.2")
    pulls, starts = most(sandbox, tap, {"starts": 2, "pulls": 3}, *several)

    assert pulls in (2, 3)
    assert starts == 2


@pytest.mark.setting("limits.surge")
@pytest.mark.parametrize("surge", [1, 2])
def test_so_many_instances_of_a_stage_are_replaced_at_a_time(sandbox: Sandbox, surge: int) -> None:
    """With apps that need a while to listen, the second start waits until the first one has passed, or does not."""
    for tag in ("1.0", "1.1"):
        sandbox.push(tag)
    sandbox.configure(limits={"surge": surge})
    sandbox.write(sandbox.project("shop", "1.0", "1.1"))
    applied(sandbox)
    since = time.time()

    sandbox.write(sandbox.project("shop", "1.0", "1.1", env=[{"name": "START_DELAY", "value": "3"}]))
    applied(sandbox)

    steps = [(event.action, event.container) for event in events(sandbox, since)]
    first, second = (container for action, container in steps if action == "start")
    marked = steps.index(("update", first))
    assert (marked < steps.index(("start", second))) is (surge == 1)


@pytest.mark.setting("limits.guardPercent", "limits.imageHistory")
def test_a_loss_waits_by_its_share_and_unused_images_go_beyond_their_number(sandbox: Sandbox) -> None:
    """Two of three tags are held back at 60 percent and go at 70; of their images one is kept, as one is to be."""
    for tag in ("1.0", "1.1", "1.2"):
        sandbox.push(tag)
    sandbox.configure(limits={"guardPercent": 60, "imageHistory": 1, "resync": "1s"})
    sandbox.write(sandbox.project("shop", "1.0", "1.1", "1.2"))
    applied(sandbox)
    sandbox.write(sandbox.project("shop", "1.2"))
    assert "holdfast confirm" in applied(sandbox, 1).stderr
    assert sorted(running(sandbox)) == ["1.0", "1.1", "1.2"]
    assert images(sandbox) == 3

    sandbox.configure(limits={"guardPercent": 70, "imageHistory": 1, "resync": "1s"})
    sandbox.start()

    sandbox.wait(lambda: images(sandbox) == 2, "one of the unused images is gone")
    sandbox.stop()
    assert list(running(sandbox)) == ["1.2"]
    assert images(sandbox) == 2


def images(box: Sandbox) -> int:
    """How many images of the app the Engine has."""
    return len(box.engine.client.api.images(name=box.image))


@pytest.mark.setting("limits.resync")
@pytest.mark.parametrize(("resync", "back"), [("1s", True), ("1h", False)])
def test_what_nobody_tells_is_noticed_at_the_next_resync(sandbox: Sandbox, resync: str, back: bool) -> None:
    """A proxy that forgot its routes tells nobody: they are back within seconds, or not yet."""
    sandbox.push("1.0")
    sandbox.configure(limits={"resync": resync})
    sandbox.write(sandbox.project("shop", "1.0"))
    sandbox.start()
    host = sandbox.host("shop")
    sandbox.wait(lambda: serves(sandbox, "1.0", host) and serves(sandbox, "1.0", sandbox.host("shop", "1.0")), "ready")
    sandbox.wait(lambda: "nothing to do" in sandbox.log.read_text(), "the stage has settled")
    httpx.request("DELETE", f"{sandbox.caddy.admin}/config/apps", trust_env=False).raise_for_status()

    if back:
        sandbox.wait(lambda: serves(sandbox, "1.0", host), "the route is back")
    else:
        time.sleep(3)
        assert not serves(sandbox, "1.0", host)


@pytest.mark.setting("limits.digestInterval", "limits.trackInterval")
@pytest.mark.parametrize(
    ("often", "seldom"), [("digestInterval", "trackInterval"), ("trackInterval", "digestInterval")]
)
def test_a_tag_pushed_again_is_noticed_after_the_interval_of_its_kind(
    sandbox: Sandbox, often: str, seldom: str
) -> None:
    """One stage follows its tag, the other only reports it: each asks the registry in an interval of its own."""
    words = {"trackInterval": "the new digest is deployed", "digestInterval": "the pinned digest keeps running"}
    tags = {"trackInterval": "1.0", "digestInterval": "2.0"}
    for tag in tags.values():
        sandbox.push(tag, MESSAGE="first")
    sandbox.configure(limits={often: "1s", seldom: "1h"})
    follows = {"name": "follows", "trackDigest": True, "instances": [{"tag": tags["trackInterval"]}]}
    pinned = {"name": "pinned", "instances": [{"tag": tags["digestInterval"]}]}
    sandbox.write(sandbox.project("shop", stages=[follows, pinned]))
    sandbox.start()
    for tag, stage in (("1.0", "follows"), ("2.0", "pinned")):
        host = sandbox.host("shop", stage=stage)
        sandbox.wait(partial(serves, sandbox, tag, host), stage)

    for message in ("second", "third"):  # the first look at the other tag may come after its second push
        pushed = {name: f"pushed again as {sandbox.push(tag, MESSAGE=message)[:19]}; " for name, tag in tags.items()}
        sandbox.wait(partial(logged, sandbox, pushed[often] + words[often]), message)

    assert not logged(sandbox, pushed[seldom])


def logged(box: Sandbox, text: str) -> bool:
    """Whether the controller's log holds a text."""
    return text in box.log.read_text()


@pytest.mark.setting("state.history.maxAge", "state.history.maxCount", "state.path")
@pytest.mark.parametrize(("history", "kept"), [({}, 2), ({"maxCount": 1}, 1), ({"maxAge": "1s"}, 1)])
def test_history_is_kept_as_long_and_as_much_as_declared(sandbox: Sandbox, history: dict[str, Any], kept: int) -> None:
    """Two rollouts leave two rows, or only the newer one; the state lies in the folder that is named."""
    sandbox.push("1.0")
    sandbox.configure(state={"path": "./elsewhere", "history": history})
    for value in ("one", "two"):
        sandbox.write(sandbox.project("shop", "1.0", env=[{"name": "MESSAGE", "value": value}]))
        applied(sandbox)

    rows = json.loads(sandbox.holdfast("history", "-o", "json").stdout)

    assert len(rows) == kept
    assert list((sandbox.folder / "elsewhere").iterdir())
    assert not (sandbox.folder / ".holdfast").exists()
