"""Each call to Docker and to the proxy fails once, in each way that a call can fail; and the registry in its ways."""

import contextlib
import json
from collections.abc import Iterator

import pytest
from docker.errors import ImageNotFound

from tests.e2e.chaos import Chaos, Clients
from tests.e2e.test_chaos import CREATE, unharmed
from tests.e2e.test_lifecycle import serves
from tests.parts.faults import Call, Door, Fault, Kind, Once
from tests.parts.sandbox import Sandbox

WAYS: dict[str, tuple[Kind, int]] = {
    "late": ("hold", 0),
    "never sent": ("drop", 0),
    "done, answer lost": ("lose", 0),
    "done, connection reset": ("reset", 0),
    "500": ("error", 0),
    "done, but 500": ("fail", 0),
    "cut in the head": ("cut", 60),
    "cut in the body": ("cut", 330),
}
"""Fault and size by name."""


@pytest.fixture
def chaos(sandbox: Sandbox) -> Iterator[Chaos]:
    """A controller between doors that runs one of two tags."""
    for tag in ("1.0", "2.0"):
        sandbox.push(tag)
    found = Chaos(sandbox)
    sandbox.write(sandbox.project("shop", "1.0", drain="0s"))
    sandbox.start()
    sandbox.wait(lambda: serves(sandbox, "1.0", sandbox.host("shop")), "1.0 answers")
    found.rest()
    yield found
    found.close()


@pytest.mark.timeout(400)
def test_each_call_fails_once_in_each_way(chaos: Chaos) -> None:
    """Liveness and safety: a tag is replaced again and again while the first call of each kind, a look or a change,
    meets a fault; each time the end is that of a run without, nothing is made twice, and clients never notice."""
    box = chaos.box
    courses = [unharmed(chaos, [box.project("shop", tag, drain="0s")]) for tag in ("2.0", "1.0")]
    with Clients(box, {box.host("shop"): ("1.0", "2.0")}).asking() as clients:
        for number, (name, (kind, size)) in enumerate(WAYS.items()):
            course = courses[number % 2]
            reads = kind not in ("lose", "reset", "fail")
            once = Once(Fault(kind, size=size, seconds=0.5), reads)
            chaos.decide(once)
            made = sum(call.kind == CREATE for call in chaos.docker.calls)
            box.write(*course.documents)
            chaos.rest(expected=course.end, why=f"{name}: {once.kinds}")
            made = sum(call.kind == CREATE for call in chaos.docker.calls) - made
            assert set(course.calls) <= set(once.kinds), name
            assert made <= 2, name

    assert clients.asked > 20
    assert clients.bad == []


class Registry:
    """A door in front of the registry; `fault` says what the calls meet whose path holds `part`."""

    def __init__(self, box: Sandbox) -> None:
        self.part, self.fault = "", Fault("pass")
        self.met = 0
        self.door = Door("registry", f"http://{box.registry.address}", box.folder, self._decide)
        self.image = f"{self.door.address}/{box.id}/app"

    def _decide(self, call: Call) -> Fault | None:
        if not self.part or self.part not in call.path:
            return None
        self.met += 1
        return self.fault

    def breaks(self, part: str, fault: Fault) -> None:
        """From now on these calls meet the fault."""
        self.part, self.fault, self.met = part, fault, 0

    def heals(self) -> None:
        """From now on every call passes."""
        self.part = ""
        self.fault.release.set()


@pytest.fixture
def registry_door(sandbox: Sandbox) -> Iterator[Registry]:
    """A door in front of the registry, through which Docker gets its images."""
    found = Registry(sandbox)
    yield found
    found.heals()
    sandbox.close()
    found.door.close()
    api = sandbox.engine.client.api
    for image in api.images(name=found.image):
        for reference in (*(image["RepoTags"] or ()), *(image["RepoDigests"] or ())):
            if reference.startswith(found.image):
                with contextlib.suppress(ImageNotFound):  # the last tag takes the digest along
                    api.remove_image(reference, force=True)


def message(box: Sandbox, tag: str) -> str:
    """What the status says of a tag, as `get` tells it."""
    found = json.loads(box.holdfast("get", "-o", "json").stdout or "{}").get("shop/dev", {})
    return next((f"{item['phase']} {item['message']}" for item in found.get("instances", ()) if item["tag"] == tag), "")


def status(number: int) -> Fault:
    """A refusal as registries word it."""
    words = {401: "UNAUTHORIZED", 429: "TOOMANYREQUESTS", 404: "MANIFEST_UNKNOWN"}
    code = words.get(number, "UNKNOWN")
    return Fault("error", status=number, body=json.dumps({"errors": [{"code": code, "message": code.lower()}]}))


@pytest.mark.timeout(240)
def test_a_registry_that_fails_delays_and_harms_nothing(sandbox: Sandbox, registry_door: Registry) -> None:
    """Safety and liveness: 401, 429, 5xx, garbled and stalled answers leave the old tag serving, are told with their
    cause, and once the registry is well again the new tag comes by itself."""
    box, host = sandbox, sandbox.host("shop")
    ways: dict[str, tuple[str, Fault, str]] = {
        "a401": ("/manifests/", status(401), "unauthorized"),
        "a429": ("/manifests/", status(429), "toomanyrequests"),
        "a503": ("/manifests/", status(503), "503"),
        "garbled": ("/blobs/", Fault("garble"), "verification failed"),
    }
    for tag in ("1.0", *ways):
        box.push(tag)
    deploy(box, registry_door, "1.0")
    box.start()
    box.wait(lambda: serves(box, "1.0", host), "1.0 answers")
    with Clients(box, {host: ("1.0", *ways)}).asking() as clients:
        for tag, (part, fault, cause) in ways.items():
            registry_door.breaks(part, fault)
            deploy(box, registry_door, tag)
            box.wait(lambda: cause in message(box, tag).lower(), f"{tag}: the cause is told: {message(box, tag)}")  # noqa: B023
            assert registry_door.met
            assert not serves(box, tag, host)
            registry_door.heals()
            box.wait(lambda: serves(box, tag, host), f"{tag} comes by itself")  # noqa: B023
    assert clients.bad == []
    box.wait(lambda: len(box.containers()) == 1, "nothing is left over")


def test_a_stalled_pull_is_called_off_for_a_newer_edit(sandbox: Sandbox, registry_door: Registry) -> None:
    """Liveness: a registry that stops in the middle of an image holds up neither another project nor the next edit."""
    box, host = sandbox, sandbox.host("shop")
    for tag in ("1.0", "2.0", "3.0"):
        box.push(tag)
    deploy(box, registry_door, "1.0")
    box.start()
    box.wait(lambda: serves(box, "1.0", host), "1.0 answers")
    registry_door.breaks("/blobs/", Fault("stall", size=10))
    deploy(box, registry_door, "2.0")
    box.wait(lambda: registry_door.met, "the pull is stuck")

    box.write(box.project("blog", "1.0"), name="blog.yaml")
    box.wait(lambda: serves(box, "1.0", box.host("blog")), "the other project is deployed")
    registry_door.part = ""
    deploy(box, registry_door, "3.0")
    box.wait(lambda: serves(box, "3.0", host), "3.0 answers")

    assert not registry_door.fault.release.is_set()
    box.wait(lambda: len(box.containers()) == 2, "nothing is left over")


def test_a_tag_that_the_registry_does_not_have_is_taken_back_at_once(sandbox: Sandbox, registry_door: Registry) -> None:
    """Safety: 404 is the revision's fault: it is not tried again by itself, the old one serves, `retry` tries it."""
    box, host = sandbox, sandbox.host("shop")
    for tag in ("1.0", "2.0"):
        box.push(tag)
    deploy(box, registry_door, "1.0")
    box.start()
    box.wait(lambda: serves(box, "1.0", host), "1.0 answers")
    registry_door.breaks("/manifests/2.0", status(404))
    deploy(box, registry_door, "2.0")
    box.wait(lambda: message(box, "2.0").startswith("RolledBack"), "2.0 is taken back")
    registry_door.heals()
    assert serves(box, "1.0", host)

    assert box.holdfast("retry", "shop/dev/2.0").returncode == 0

    box.wait(lambda: serves(box, "2.0", host), "2.0 answers")


def deploy(box: Sandbox, registry: Registry, tag: str) -> None:
    """Declare one tag of the project, pulled through the door."""
    box.write(box.project("shop", tag, image=registry.image, drain="0s"))
