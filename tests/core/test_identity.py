"""Labels and identity: there and back, and which containers are ours."""

from dataclasses import replace

from controller.core.model import identity, names
from controller.core.model.identity import Identity
from controller.core.model.observed import Container

MADE = Identity(
    "shop/dev", "1.0", "abcdef01", 3, "1-t", "key:s", "sha256:d", 12.5, 7.25, "files:./desired", "preDeploy"
)


def test_labels_tell_the_identity_that_they_were_made_from() -> None:
    """Everything that a container is told by comes back."""
    assert identity.read(identity.labels(MADE)) == MADE
    listed = replace(MADE, seen=0.0, role="app")
    assert identity.read(identity.labels(listed)) == listed
    assert identity.labels(listed)[names.SEEN] == ""


def test_labels_that_give_no_name_tell_no_identity() -> None:
    """A missing part, or an attempt that is no number; other numbers that cannot be read count as not there."""
    labels = identity.labels(MADE)
    assert identity.read({key: text for key, text in labels.items() if key != names.REVISION}) is None
    assert identity.read(labels | {names.ATTEMPT: "three"}) is None
    for text in ("", "soon", "inf"):
        assert identity.read(labels | {names.BORN: text, names.SEEN: text}) == replace(MADE, born=0.0, seen=0.0)


def test_every_label_of_ours_is_set_when_a_container_is_created() -> None:
    """Else it would be inherited from the image."""
    labels = identity.create_labels({names.TAG: "1.0", "team": "a"}, "app", "home-1")
    told = {names.TAG: "1.0", "team": "a", names.ROLE: "app", names.CONTROLLER: "home-1"}
    assert labels == dict.fromkeys(identity.labels(MADE), "") | told


def test_only_the_name_that_the_labels_give_is_ours() -> None:
    """Safety: a copy or a rename carries our labels and is not ours (S9)."""
    labels = {names.STAGE: "shop/dev", names.TAG: "1.0", names.REVISION: "abcdef01", names.ATTEMPT: "3"}
    assert identity.agrees("shop-dev-1-0-abcdef01-3", labels)
    assert not identity.agrees("shop-dev-1-0-abcdef01-4", labels)
    assert not identity.agrees("shop-dev-1-0-abcdef01-3-pre", labels)
    assert identity.agrees("shop-dev-1-0-abcdef01-3-pre", labels | {names.ROLE: "preDeploy"})
    assert not identity.agrees("shop-dev-1-0-abcdef01-3", labels | {names.ATTEMPT: "three"})
    assert not identity.agrees("shop-dev-1-0-abcdef01-3", {})


def test_another_controller_or_another_container_is_told_apart() -> None:
    """Safety: what is done to a container is done to the one that was seen (S9)."""
    labels = identity.create_labels(identity.labels(MADE), "preDeploy", "home-1")
    assert identity.is_ours(MADE.name, labels, "home-1")
    assert not identity.is_ours(MADE.name, labels, "home-2")
    container = Container("c" * 64, MADE.name, **vars(MADE))
    assert identity.is_same(container, labels)
    assert not identity.is_same(container, labels | {names.ATTEMPT: "4"})
