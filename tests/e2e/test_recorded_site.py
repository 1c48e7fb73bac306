"""A site that an earlier commit made is taken up by this one without one write; see `tests.e2e.recorded`."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.recorded import recordings
from tests.e2e.recorded.place import COMMANDS, LISTEN, STATE, Place, ageless, take_addresses, timeless, told, wordless
from tests.parts.caddy import find_caddy
from tests.parts.namespace import FOLDER

LOOKS = 4
"""Looks of a running controller at everything: the first one and some resyncs."""
PREFIX = "holdfast.dev/"
IMAGES = "DELETE /images/127.0.0.1:5000/site/"
EVIDENT = ("tag", "revision", "digest", "container", "urls", "default", "health")
"""What of an instance the Engine and the proxy show, without any memory of it."""
STORED = {
    "memory": "SELECT stage, data FROM memory",
    "good": "SELECT source, data FROM good",
    "history": "SELECT id, json_array(stage, tag, kind, revision, status, started_at, ended_at) FROM history",
}
"""What the state file holds for later, each by its key, as JSON."""


@pytest.fixture(scope="module")
def program() -> str:
    """Caddy; and the addresses of the recorded containers, which a network of the tests' own must have."""
    caddy = find_caddy()
    if caddy is None:
        pytest.skip("caddy is not installed (Debian: apt-get install caddy)")
    if FOLDER not in os.environ:
        pytest.skip("the containers' addresses need a network of the tests' own: run `make test` as root")
    take_addresses()
    return caddy


@pytest.fixture(params=recordings(), ids=lambda path: str(path.name))
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, program: str) -> Iterator[Place]:
    """A recorded site, put back; at the end nothing may have been asked of its Engine that was not recorded."""
    found = Place(request.param, tmp_path_factory.mktemp("site"), program)
    yield found
    found.close()
    assert found.engine.unknown == []


def same(place: Place, file: str) -> str:
    """Ask again what was asked when the site was recorded, compare the answers, and return the new one."""
    recorded = (place.recording / "said" / file).read_text()
    now = told(COMMANDS[file], place.holdfast(*COMMANDS[file]))
    if file.endswith(".json"):
        assert timeless(refined(json.loads(now))) == timeless(refined(json.loads(recorded))), file
    else:
        assert ageless(now).splitlines() == ageless(recorded).splitlines(), file
    return now


def refined(statuses: dict[str, Any]) -> dict[str, Any]:
    """Statuses of 861db50 as they read after a pass of today: the reason of `Suspended` says who suspends."""
    conditions = [condition for status in statuses.values() for condition in status["conditions"]]
    for condition in conditions:
        if condition["type"] == "Suspended" and condition["reason"] == "Suspended":
            by_document = condition["message"].startswith("the document")
            condition["reason"] = "SuspendedByDocument" if by_document else "SuspendedByHand"
    return statuses


def told_of(place: Place) -> list[tuple[str, dict[str, Any]]]:
    """Each instance that `get` told of when the site was recorded, with its stage."""
    found = json.loads((place.recording / "said" / "get.json").read_text())
    return [(key, item) for key, status in found.items() for item in status["instances"]]


def stored(place: Place) -> dict[str, Any]:
    """What the state file holds for later: memory by stage, documents by source, rollouts by id."""
    rows = {kind: place.rows(question) for kind, question in STORED.items()}
    return {f"{kind} {key}": json.loads(data) for kind, found in rows.items() for key, data in found}


def kept(before: Any, after: Any) -> bool:
    """Everything is still there with its value; more may have come."""
    if isinstance(before, dict) and isinstance(after, dict):
        return all(key in after and kept(value, after[key]) for key, value in before.items())
    if isinstance(before, list) and isinstance(after, list):
        return len(before) == len(after) and all(map(kept, before, after))
    return bool(before == after)


def unchanged(place: Place, before: dict[str, Any]) -> None:
    """Nothing was written to the Engine or the proxy, and the store has its keys and what stood there."""
    assert place.writes == []
    after = stored(place)
    assert after.keys() == before.keys()
    assert [(key, value, after[key]) for key, value in before.items() if not kept(value, after[key])] == []


def test_a_plan_has_nothing_to_do(place: Place) -> None:
    """It looks at the Engine and the proxy, says what it said then, and ends with 0."""
    before = stored(place)

    now = same(place, "plan.txt")

    assert "\nPlan: nothing to do.\n" in now
    assert now.endswith("exit code 0\n")
    assert place.engine.looks > 0
    assert any(call.path.startswith("/config") for call in place.door.calls)
    unchanged(place, before)


def test_what_can_be_read_is_what_it_was(place: Place) -> None:
    """What get, history and describe say is what was recorded, apart from ages."""
    for file in ("get.txt", "history.txt", "describe.txt"):
        same(place, file)
    assert place.writes == []


def test_apply_ends_as_it_did_without_a_write(place: Place) -> None:
    """The same stages with the same addresses, the same sentences and exit code; what is known stays as it is."""
    before = stored(place)

    same(place, "apply.txt")

    unchanged(place, before)


def test_a_running_controller_changes_nothing(place: Place) -> None:
    """Over several resyncs it probes what it watches, warns of nothing, and changes nothing but sentences."""
    before = stored(place)
    watched = {item["container"] for _, item in told_of(place) if item["phase"] == "Running" and item["urls"]}

    def long_enough() -> bool:
        probed = {app.name for app in place.apps if app.probed}
        return place.writes != [] or (place.engine.looks >= LOOKS and watched <= probed)

    code, log = place.run(long_enough, f"{LOOKS} looks, and every app that runs is probed")

    assert (code, place.writes) == (0, []), log
    assert [line for line in log.splitlines() if line.split()[1] in ("warning", "error")] == []
    unchanged(place, before)
    now = json.loads(told(COMMANDS["get.json"], place.holdfast(*COMMANDS["get.json"])))
    recorded = json.loads((place.recording / "said" / "get.json").read_text())
    assert wordless(now) == wordless(recorded)


def test_names_labels_and_addresses_are_what_they_were(place: Place) -> None:
    """Data of get is what was recorded, agrees with the containers' labels, and its addresses lead to them."""
    same(place, "get.json")
    known = {item["container"]: {**item, "stage": key} for key, item in told_of(place) if item["container"]}
    labelled = {item["Name"].lstrip("/"): item["Config"]["Labels"] for item in place.said["inspected"]}

    assert known.keys() == labelled.keys()
    for name, labels in labelled.items():
        row = known[name]
        for key in ("stage", "tag", "revision", "digest"):
            assert row[key] == labels[PREFIX + key], (name, key)
        assert row["born"] == pytest.approx(float(labels[PREFIX + "born"]), abs=0.001)
        assert name.endswith(f"-{labels[PREFIX + 'revision']}-{labels[PREFIX + 'attempt']}")
    with httpx.Client(base_url=f"http://{LISTEN}", trust_env=False) as client:
        for name, row in known.items():
            for url in row["urls"]:
                assert client.get("/", headers={"Host": httpx.URL(url).host}).text == name, url


def test_without_its_state_a_site_is_known_by_its_labels(place: Place) -> None:
    """With the state folder lost, what runs is taken for what is declared: since when, from which digest, nothing new.

    What only the state folder knows, a failed tag and a stage suspended by hand, is not declared here.
    """
    shutil.rmtree(place.folder / STATE)
    for file, old, new in (("api.yaml", "    - tag: '2.0'\n", ""), ("legacy.yaml", "'2.0'", "'1.0'")):
        document = place.folder / "desired" / file
        document.write_text(document.read_text().replace(old, new))

    done = place.holdfast(*COMMANDS["apply.txt"])

    assert (done.returncode, place.writes) == (1, []), done.stderr
    assert done.stderr.splitlines()[-1] == "legacy/prod: left alone: the document says suspend: true"
    found = json.loads(place.holdfast(*COMMANDS["get.json"]).stdout)
    known = {item["container"]: item for status in found.values() for item in status["instances"]}
    for key, item in told_of(place):
        if item["container"]:
            now = known[item["container"]]
            assert [now[name] for name in EVIDENT] == [item[name] for name in EVIDENT], key
            assert now["born"] == pytest.approx(item["born"], abs=0.001)


def test_what_it_pulled_is_still_known(place: Place) -> None:
    """Where no unused image is to be kept, those shall go that the state folder names and nothing needs, no others."""
    place.environment["HOLDFAST_LIMITS__IMAGE_HISTORY"] = "0"

    place.holdfast(*COMMANDS["apply.txt"])

    asked = {re.split("[:@]", what.removeprefix(IMAGES))[0] for what in place.writes}
    assert asked == {"api", "worker"}, place.writes


def test_a_write_would_be_noticed(place: Place) -> None:
    """A changed document and a lost route make the controller write, which the Engine and the proxy refuse."""
    changed = place.folder / "desired" / "shop.yaml"
    changed.write_text(changed.read_text().replace("value: info", "value: debug"))
    lost = f"{place.caddy.admin}/id/holdfast-site:stage-dev-store.example.test"
    httpx.delete(lost, trust_env=False).raise_for_status()

    def noticed() -> bool:
        return all(any(what in call for call in place.writes) for what in ("POST /containers/create", " /config/"))

    _, log = place.run(noticed, "both are asked to change something")

    assert noticed(), log
