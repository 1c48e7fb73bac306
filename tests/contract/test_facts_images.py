"""Images: what a pull and a question for a digest come to, what stays here, and what is removed (F29 to F35)."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from controller.core.model.policy import PolicyRules
from controller.interfaces import Runtime
from tests.contract.facts import fact, raised
from tests.contract.facts_place import WORKS, Place
from tests.sim.apps import App

NOBODY = "127.0.0.1:1/app"
"""Nothing listens there."""
UNKNOWN = "sha256:" + "0" * 64

Asked = Callable[[Runtime, str, str], Awaitable[str]]
ASK: dict[str, Asked] = {
    "pull": lambda runtime, image, tag: runtime.pull(image, tag, "", lambda _: None),
    "resolve": lambda runtime, image, tag: runtime.resolve(image, tag),
}
REFUSALS = {
    401: "WorldBad RegistryDenied",
    403: "WorldBad RegistryDenied",
    404: "RevisionBad ManifestMissing",
    429: "WorldBad RateLimited",
    500: "WorldBad RegistryError",
    503: "WorldBad RegistryError",
}


@pytest.mark.parametrize("status", REFUSALS)
@pytest.mark.parametrize("ask", ASK)
@fact
async def test_who_is_at_fault_when_the_registry_refuses(place: Place, ask: str, status: int) -> None:
    """401 and 403 wait for a login, 404 is the revision's fault, everything else gets well by itself (F29)."""
    place.serve("refused", WORKS)
    place.registry(status)
    assert await raised(ASK[ask](place.runtime, place.image, "refused")) == REFUSALS[status]


@pytest.mark.parametrize(
    ("image", "tag", "error"),
    [
        ("", "nowhere", "RevisionBad ManifestMissing"),
        ("-other", "1.0", "RevisionBad ManifestMissing"),
        (NOBODY, "1.0", "WorldBad RegistryError"),
    ],
    ids=["tag", "repository", "registry"],
)
@pytest.mark.parametrize("ask", ASK)
@fact
async def test_who_is_at_fault_for_an_unknown_name(place: Place, ask: str, image: str, tag: str, error: str) -> None:
    """A tag and a repository that the registry does not have, and a registry that is not there."""
    place.serve("1.0", WORKS)
    name = image if "/" in image else place.image + image
    assert await raised(ASK[ask](place.runtime, name, tag)) == error


@pytest.mark.parametrize("ask", ASK)
@fact
async def test_a_registry_that_the_policy_does_not_allow_is_not_asked(place: Place, ask: str) -> None:
    """It is the revision's fault."""
    place.serve("1.0", WORKS)
    strict = place.another(PolicyRules(registries=("elsewhere.test",)))
    assert await raised(ASK[ask](strict, place.image, "1.0")) == "RevisionBad PolicyDenied"


@fact
async def test_a_pull_brings_what_the_registry_serves(place: Place) -> None:
    """Its result is the digest, and the image is here."""
    digest, said = place.serve("fresh", WORKS), list[str]()
    assert not place.has(digest)
    assert await place.runtime.pull(place.image, "fresh", "", said.append) == digest
    assert place.has(digest)


@fact
async def test_a_pull_tells_of_its_progress(place: Place) -> None:
    """At least once."""
    said = list[str]()
    place.serve("told", WORKS)
    await place.runtime.pull(place.image, "told", "", said.append)
    await asyncio.sleep(0)
    assert said


@fact
async def test_a_pull_by_digest_brings_that(place: Place) -> None:
    """Whatever the tag is now."""
    old = place.serve("moved", WORKS)
    new = place.serve("moved", WORKS)
    assert await place.runtime.pull(place.image, "moved", old, lambda _: None) == old
    assert (place.has(old), place.has(new)) == (True, False)


@fact
async def test_a_question_brings_nothing(place: Place) -> None:
    """Only the digest is asked for."""
    digest = place.serve("asked", WORKS)
    assert await place.runtime.resolve(place.image, "asked") == digest
    assert not place.has(digest)


@pytest.mark.parametrize("ask", ASK)
@fact
async def test_a_moved_tag_is_another_digest(place: Place, ask: str) -> None:
    """The registry's word of now counts, not what is here under the tag (F31, F34)."""
    old = place.serve("latest", WORKS)
    assert await ASK[ask](place.runtime, place.image, "latest") == old
    new = place.serve("latest", WORKS)
    assert new != old
    assert await ASK[ask](place.runtime, place.image, "latest") == new


@fact
async def test_a_pull_of_what_is_here_is_success(place: Place) -> None:
    """Twice the same."""
    digest = place.serve("twice", WORKS)
    for _ in range(2):
        assert await place.runtime.pull(place.image, "twice", "", lambda _: None) == digest


@pytest.mark.parametrize("status", [401, 404, 500])
@fact
async def test_a_digest_that_is_here_needs_no_registry(place: Place, status: int) -> None:
    """Nothing is asked."""
    digest = await place.here(WORKS)
    place.registry(status)
    assert await place.runtime.pull(place.image, "here", digest, lambda _: None) == digest


@fact
async def test_a_digest_that_is_not_here_needs_the_registry(place: Place) -> None:
    """It is asked, and its failure is the world's."""
    digest = place.serve("pinned", WORKS)
    place.registry(500)
    failed = await raised(place.runtime.pull(place.image, "pinned", digest, lambda _: None))
    assert (failed, place.has(digest)) == ("WorldBad RegistryError", False)


@fact
async def test_a_digest_that_the_registry_does_not_have_is_missing(place: Place) -> None:
    """The tag being there does not help."""
    place.serve("1.0", WORKS)
    failed = await raised(place.runtime.pull(place.image, "1.0", UNKNOWN, lambda _: None))
    assert failed == "RevisionBad ManifestMissing"


@fact
async def test_a_refused_pull_may_be_repeated(place: Place) -> None:
    """The next one works as soon as the registry does, without a new connection."""
    digest = place.serve("again", WORKS)
    place.registry(503)
    assert await raised(ASK["pull"](place.runtime, place.image, "again")) == "WorldBad RegistryError"
    place.registry(0)
    assert await ASK["pull"](place.runtime, place.image, "again") == digest


@fact
async def test_a_container_stays_what_it_was_made_from(place: Place) -> None:
    """Whatever becomes of the tag (F34)."""
    container = await place.up()
    await place.runtime.pull(place.image, "here", place.serve("here", WORKS), lambda _: None)
    assert (await place.now(container)).digest == container.digest


@pytest.mark.parametrize("state", ["created", "running", "exited"])
@fact
async def test_an_image_that_a_container_has_stays(place: Place, state: str) -> None:
    """Neither a person nor our clean-up removes it without force."""
    container = await place.in_state(state)
    assert not await place.runtime.remove_image(f"{place.image}@{container.digest}")
    assert not place.prune(container.digest)
    assert place.has(container.digest)


@fact
async def test_an_image_that_nobody_needs_is_removed(place: Place) -> None:
    """Gone already is success."""
    digest = await ASK["pull"](place.runtime, place.image, _tag(place, WORKS))
    assert await place.runtime.remove_image(f"{place.image}@{digest}")
    assert not place.has(digest)
    assert await place.runtime.remove_image(f"{place.image}@{digest}")


@fact
async def test_images_are_listed_by_repository(place: Place) -> None:
    """Those that are here, by digest, and none of another repository."""
    digest = await ASK["pull"](place.runtime, place.image, _tag(place, WORKS))
    absent = place.serve("absent", WORKS)
    listed = {image.digest for image in await place.runtime.images(place.image)}
    assert (digest in listed, absent in listed) == (True, False)
    assert await place.runtime.images(place.image + "-other") == ()


@fact
async def test_an_image_that_somebody_removed_is_missed_by_create(place: Place) -> None:
    """It is the world's fault, and a pull mends it (F35)."""
    app = App(ready=0.0, stops=0.0, status=204)
    spec = await place.spec(app)
    digest = spec.image.partition("@")[2]
    assert place.prune(digest)
    assert await raised(place.runtime.create(spec, {})) == "WorldBad ImageGone"
    assert await place.runtime.pull(place.image, "here", digest, lambda _: None) == digest
    assert len(await place.runtime.create(spec, {})) == 64


def _tag(place: Place, app: App) -> str:
    place.serve("listed", app)
    return "listed"
