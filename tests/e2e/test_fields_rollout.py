"""Fields that say how one container follows another; read from the times of Docker's events and through the proxy."""

import time
from functools import partial
from typing import Any

import pytest

from tests.e2e.observations import Event, container, events
from tests.e2e.test_lifecycle import applied, serves
from tests.parts.sandbox import Sandbox


def stages(**fields: dict[str, Any]) -> list[dict[str, Any]]:
    """One stage per name, with these fields, that runs the tag 1.0 unless it says otherwise."""
    return [{"name": name, "instances": [{"tag": "1.0"}], **given} for name, given in fields.items()]


def replaced(box: Sandbox, project: dict[str, Any]) -> dict[str, tuple[dict[str, float], dict[str, float]]]:
    """Apply, change a variable, apply again: for each stage when what happened first to the old and to the new one."""
    box.write(project)
    applied(box)
    old = {item["Id"] for item in box.containers()}
    since = time.time()
    project["spec"]["env"] = [{"name": "MESSAGE", "value": "changed"}]
    box.write(project)
    applied(box)
    found: dict[str, tuple[dict[str, float], dict[str, float]]] = {}
    for event in reversed(events(box, since)):
        stage = found.setdefault(event.stage.partition("/")[2], ({}, {}))
        stage[event.container not in old][_word(event)] = event.at
    return found


def _word(event: Event) -> str:
    return event.action + event.signal


@pytest.mark.field("spec.drain", "spec.bake", "spec.stopGracePeriod")
@pytest.mark.field("spec.stages[].drain", "spec.stages[].bake", "spec.stages[].stopGracePeriod")
def test_the_old_one_stays_and_ends_as_long_as_declared(sandbox: Sandbox) -> None:
    """From the new one's start to the old one's SIGTERM, and on to its end: each stage takes its own time."""
    sandbox.push("1.0")
    sandbox.push("rude", IGNORE_TERM="1")
    declared = stages(
        quick={},
        drains={"drain": "3s"},
        bakes={"bake": "3s"},
        kills={"instances": [{"tag": "rude"}], "stopGracePeriod": "1s"},
        waits={"instances": [{"tag": "rude"}]},
    )
    project = sandbox.project("shop", drain="0s", bake="0s", stopGracePeriod="3s", stages=declared)

    seen = replaced(sandbox, project)

    until_told = {stage: old["kill15"] - new["start"] for stage, (old, new) in seen.items()}
    assert until_told["quick"] < 3 < until_told["drains"] < 8
    assert 3 < until_told["bakes"] < 8
    until_ended = {stage: old["die"] - old["kill15"] for stage, (old, _) in seen.items()}
    assert 0.95 < until_ended["kills"] < 2.9 < until_ended["waits"] < 6
    assert until_ended["quick"] < 2.9


@pytest.mark.field("spec.bake")
def test_while_it_bakes_the_old_one_takes_over_again(sandbox: Sandbox) -> None:
    """The new one serves, crashes inside the bake time, and the old container, never stopped, serves again."""
    sandbox.push("1.0")
    sandbox.push("2.0", CRASH_AFTER="2")
    sandbox.write(sandbox.project("shop", "1.0"))
    applied(sandbox)
    before = container(sandbox, "shop")
    host = sandbox.host("shop")
    sandbox.write(sandbox.project("shop", "2.0", bake="60s"))
    sandbox.start()
    sandbox.wait(lambda: serves(sandbox, "2.0", host), "2.0 serves")

    sandbox.wait(lambda: serves(sandbox, "1.0", host) and len(sandbox.containers()) == 1, "1.0 serves again")

    after = container(sandbox, "shop")
    assert (after["Id"], after["State"]["StartedAt"]) == (before["Id"], before["State"]["StartedAt"])


@pytest.mark.field("spec.strategy", "spec.stages[].strategy")
def test_recreate_stops_the_old_one_first_and_blue_green_last(sandbox: Sandbox) -> None:
    """The order of the old one's end and the new one's start, by Docker's clock."""
    sandbox.push("1.0")
    declared = stages(strict={}, blue={"strategy": "BlueGreen"})

    seen = replaced(sandbox, sandbox.project("shop", strategy="Recreate", stages=declared))

    old, new = seen["strict"]
    assert old["die"] < new["start"]
    old, new = seen["blue"]
    assert new["start"] < old["die"]


@pytest.mark.field("spec.suspend", "spec.stages[].suspend")
def test_what_is_suspended_stays_as_it_is(sandbox: Sandbox) -> None:
    """A suspended project starts nothing; a suspended stage keeps its old container while another one is replaced."""
    sandbox.push("1.0")
    both = stages(dev={}, live={})
    sandbox.write(sandbox.project("shop", stages=both))
    sandbox.start()
    hosts = {name: sandbox.host("shop", stage=name) for name in ("dev", "live")}
    for host in hosts.values():
        sandbox.wait(partial(serves, sandbox, "1.0", host), f"{host} answers")
    before = container(sandbox, "shop")["Id"]

    env = [{"name": "MESSAGE", "value": "changed"}]
    paused = sandbox.project("paused", suspend=True, stages=stages(dev={}, live={"suspend": False}))
    sandbox.write(sandbox.project("shop", env=env, stages=stages(dev={"suspend": True}, live={})), paused)
    sandbox.wait(lambda: sandbox.get(hosts["live"]).body.endswith("changed\n"), "the live stage is replaced")
    sandbox.wait(lambda: serves(sandbox, "1.0", sandbox.host("paused", stage="live")), "the stage is not suspended")
    assert container(sandbox, "shop")["Id"] == before
    assert sandbox.containers(stage="paused/dev") == []

    sandbox.write(sandbox.project("shop", env=env, stages=stages(dev={}, live={})))
    sandbox.wait(lambda: sandbox.get(hosts["dev"]).body.endswith("changed\n"), "the resumed stage is replaced")


@pytest.mark.field("spec.trackDigest", "spec.stages[].trackDigest")
def test_a_tag_pushed_again_is_followed_only_where_that_is_declared(sandbox: Sandbox) -> None:
    """After the second push one stage serves the new image, the other keeps its container."""
    sandbox.push("1.0", MESSAGE="first")
    declared = stages(follows={}, pinned={"trackDigest": False})
    sandbox.write(sandbox.project("shop", trackDigest=True, stages=declared))
    applied(sandbox)
    before = container(sandbox, "shop", "pinned")["Id"]
    digest = sandbox.push("1.0", MESSAGE="second")

    applied(sandbox)

    assert sandbox.get(sandbox.host("shop", stage="follows")).body.endswith("second\n")
    assert sandbox.get(sandbox.host("shop", stage="pinned")).body.endswith("first\n")
    assert container(sandbox, "shop", "follows")["Config"]["Image"].endswith(digest)
    assert container(sandbox, "shop", "pinned")["Id"] == before
