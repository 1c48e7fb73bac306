"""Creating: one container per name, whoever asks; labels, volumes, and who is at fault for a refusal (F11, F24)."""

import asyncio
from dataclasses import replace

import pytest

from controller.core.model import names
from controller.core.model.actions import ContainerSpec
from controller.core.model.desired import Env, Mount, SecretRef
from controller.core.model.policy import PolicyRules
from tests.contract.facts import fact, raised
from tests.contract.facts_place import WORKS, Place

SECRET = SecretRef("file", "db")


def labelled(spec: ContainerSpec, **changes: str) -> ContainerSpec:
    """The same with other labels."""
    known = {names.PREFIX + key: value for key, value in changes.items()}
    return replace(spec, labels=tuple(sorted((dict(spec.labels) | known).items())))


@fact
async def test_a_new_container_is_created_and_no_more(place: Place) -> None:
    """It has an id of 64 hex digits, does not run, is attached, and is not restarted by anybody."""
    made = await place.made()
    assert (len(made.id), made.state, made.passed, made.connected) == (64, "created", False, True)
    assert (made.started_at, made.address, made.exit_code, made.health) == (None, None, None, None)


@fact
async def test_a_container_tells_what_it_was_made_from(place: Place) -> None:
    """Stage, tag, revision, attempt, digest and birth come back from its labels."""
    made = await place.made(tag="2.1", attempt=3)
    assert (made.stage, made.tag, made.attempt, made.born) == (place.stage, "2.1", 3, 1700000000.5)
    assert (made.image, made.digest) == (place.image, (await place.spec()).image.partition("@")[2])


@fact
async def test_every_label_of_ours_is_written(place: Place) -> None:
    """Those without a value too, so that none is inherited from the image."""
    made = await place.made()
    seen = place.look(made.id)
    assert seen is not None
    labels = dict(seen.labels)
    assert {names.TEMPLATE, names.SECRETS, names.SEEN, names.SOURCE} <= set(labels)
    assert (labels[names.STAGE], labels[names.ROLE], labels[names.TEMPLATE]) == (place.stage, "app", "")


@fact
async def test_creating_twice_gives_the_same_container(place: Place) -> None:
    """Its name is our lock (F11)."""
    spec = await place.spec()
    first = await place.runtime.create(spec, {})
    assert await place.runtime.create(spec, {}) == first
    assert len(await place.runtime.list(place.stage)) == 1


@fact
async def test_creating_at_the_same_time_gives_the_same_container(place: Place) -> None:
    """Two connections that ask at once get one answer."""
    spec = await place.spec()
    both = await asyncio.gather(place.runtime.create(spec, {}), place.another().create(spec, {}))
    assert len(set(both)) == len(await place.runtime.list(place.stage)) == 1


@fact
async def test_creating_what_runs_changes_nothing(place: Place) -> None:
    """It goes on running."""
    running = await place.up()
    before = place.look(running.id)
    assert await place.runtime.create(await place.spec(), {}) == running.id
    assert place.look(running.id) == before


@pytest.mark.parametrize("label", ["born", "template", "secrets", "seen", "source", "digest"])
@fact
async def test_a_name_in_other_hands_of_ours_is_a_conflict(place: Place, label: str) -> None:
    """One label that differs makes it another container, which is not touched."""
    made = await place.made()
    before = place.look(made.id)
    wanted = labelled(await place.spec(), **{label: "17"})
    assert await raised(place.runtime.create(wanted, {})) == "Conflict NameTaken"
    assert place.look(made.id) == before


@pytest.mark.parametrize("labels", ["none", "another controller's"])
@fact
async def test_a_name_in_foreign_hands_is_a_conflict(place: Place, labels: str) -> None:
    """Somebody else's container stays as it is, also when it looks like ours (F36)."""
    spec = await place.spec()
    theirs = {**dict(spec.labels), names.CONTROLLER: "somebody"} if labels != "none" else {}
    holder = await place.foreign(spec.name, theirs)
    before = place.look(holder)
    assert await raised(place.runtime.create(spec, {})) == "Conflict NameTaken"
    assert place.look(holder) == before
    assert await place.runtime.list(place.stage) == ()


@pytest.mark.parametrize("how", ["removed", "renamed"])
@fact
async def test_a_name_is_free_again(place: Place, how: str) -> None:
    """After a removal or a renaming by hand the same spec makes another container."""
    old = await place.made()
    if how == "removed":
        place.drop(old)
    else:
        place.rename(old, f"{old.name}-x")
    new = await place.runtime.create(await place.spec(), {})
    assert new != old.id
    assert [item.id for item in await place.runtime.list(place.stage)] == [new]


@fact
async def test_an_attempt_is_a_container_beside_the_last(place: Place) -> None:
    """Both are there."""
    await place.made()
    await place.made(attempt=2)
    assert [item.attempt for item in await place.runtime.list(place.stage)] == [1, 2]


@fact
async def test_a_one_off_container_is_known_as_one(place: Place) -> None:
    """By its label and its name."""
    made = await place.made(role="preDeploy")
    assert (made.role, made.name.endswith("-pre")) == ("preDeploy", True)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"memory": 1024 * 1024}, "RevisionBad InvalidConfig"),
        ({"mounts": (Mount("/etc", "/x", bind=True),)}, "RevisionBad PolicyDenied"),
        ({"mounts": (Mount("/var/run/docker.sock", "/x", bind=True),)}, "RevisionBad PolicyDenied"),
        ({"env": (Env("S", SECRET),)}, "WorldBad SecretMissing"),
    ],
    ids=["memory", "bind", "socket", "secret"],
)
@fact
async def test_who_is_at_fault_when_a_container_is_refused(place: Place, fields: dict[str, object], error: str) -> None:
    """Nothing is left of the attempt."""
    assert await raised(place.runtime.create(await place.spec(**fields), {})) == error  # type: ignore[arg-type]
    assert await place.runtime.list(place.stage) == ()


@fact
async def test_create_asks_the_policy_for_the_registry_too(place: Place) -> None:
    """An image from elsewhere is refused although it is here."""
    strict = place.another(PolicyRules(registries=("elsewhere.test",)))
    assert await raised(strict.create(await place.spec(), {})) == "RevisionBad PolicyDenied"


@fact
async def test_a_secret_is_given_and_not_shown(place: Place) -> None:
    """No label and no field of the container holds it."""
    made = await place.runtime.create(await place.spec(env=(Env("S", SECRET),)), {SECRET: "hush"})
    assert "hush" not in repr((await place.now(made), place.look(made)))


@fact
async def test_a_volume_is_made_once_and_never_removed(place: Place) -> None:
    """Not with the container either."""
    volume = f"{place.stage.replace('/', '-')}-data"
    made = await place.made(mounts=(Mount(volume, "/data"),))
    assert volume in place.volumes()
    await place.runtime.remove(made)
    again = await place.made(attempt=2, mounts=(Mount(volume, "/data"),))
    await place.runtime.remove(again)
    assert volume in place.volumes()


@fact
async def test_a_missing_command_is_found_at_the_start(place: Place) -> None:
    """Creating it succeeds (F25)."""
    assert (await place.made(replace(WORKS, missing=True))).error == ""
