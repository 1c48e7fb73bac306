"""Which images are removed, and which never."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from controller.clients.state.json_notes import ConfirmedNote, PulledNote
from controller.core.model.errors import Unreachable, WorldBad
from controller.core.model.observed import Container
from controller.work.housekeeping import Housekeeper, beyond

APP = "registry.test/shop"
LEFT = Container("c" * 64, "shop-dev-1-r1-1", "shop/dev", "1", "r1", "", "", "sha256:1", 1, 0, image=APP)


@dataclass(frozen=True)
class Image:
    digest: str


class Shelf:
    """An Engine's images by repository; `held` are in use by somebody's container."""

    def __init__(self, **images: Sequence[str]) -> None:
        self.images_of = {APP: list(images.get("app", ())), "registry.test/other": list(images.get("other", ()))}
        self.held: set[str] = set()
        self.reachable = True

    async def images(self, repository: str) -> Sequence[Image]:
        if not self.reachable:
            raise Unreachable("no Engine")
        return [Image(digest) for digest in self.images_of[repository]]

    async def remove_image(self, repo_digest: str) -> bool:
        repository, _, digest = repo_digest.partition("@")
        if digest in self.held:
            return False
        self.images_of[repository].remove(digest)
        return True


class Note:
    """What was saved."""

    def __init__(self) -> None:
        self.saved: Mapping[str, Sequence[str]] = {}
        self.full = False

    def load(self) -> Mapping[str, Sequence[str]]:
        return self.saved

    def save(self, pulled: Mapping[str, Sequence[str]]) -> None:
        if self.full:
            raise WorldBad("disk full", reason="DiskFull")
        self.saved = {name: list(digests) for name, digests in pulled.items()}


@pytest.mark.parametrize(
    ("pulled", "here", "used", "keep", "removed"),
    [
        ("abcde", "abcde", "e", 2, "ab"),
        ("abcde", "abcde", "a", 2, "bc"),
        ("abcde", "abcde", "", 0, "abcde"),
        ("abcde", "abcde", "abcde", 0, ""),
        ("abcde", "ace", "", 1, "ac"),
        ("ab", "xyzab", "", 1, "a"),
        ("ab", "ab", "", 3, ""),
        ("", "xyz", "", 0, ""),
    ],
)
def test_only_old_unused_images_of_ours_go(pulled: str, here: str, used: str, keep: int, removed: str) -> None:
    """Pulled by us, here, unused and beyond the newest few; oldest first."""
    assert beyond(pulled, here, used, keep) == list(removed)


def test_images_that_we_did_not_pull_stay() -> None:
    """Neither another repository's images nor those that somebody else pulled are touched."""
    shelf, note = Shelf(app=["theirs", "a", "b"], other=["x", "y"]), Note()
    keeper = Housekeeper(shelf, note, 0)
    keeper.note_pull(APP, "a")
    keeper.note_pull(APP, "b")
    keeper.note_removal(LEFT)
    asyncio.run(keeper.clean({"b"}))
    assert shelf.images_of == {APP: ["theirs", "b"], "registry.test/other": ["x", "y"]}
    assert note.saved == {APP: ["b"]}


def test_an_image_that_a_container_uses_stays_and_is_tried_again_later() -> None:
    """What the Engine refuses stays in the list of ours."""
    shelf, note = Shelf(app=["a", "b"]), Note()
    keeper = Housekeeper(shelf, note, 0)
    for digest in ("a", "b"):
        keeper.note_pull(APP, digest)
    keeper.note_removal(LEFT)
    shelf.held = {"a"}
    asyncio.run(keeper.clean(()))
    assert (shelf.images_of[APP], note.saved) == (["a"], {APP: ["a"]})
    shelf.held = set()
    asyncio.run(keeper.clean(()))
    assert shelf.images_of[APP] == []


def test_a_repository_is_cleaned_when_a_container_of_it_has_left() -> None:
    """Whether a document still names it or not; the other repositories are not looked at."""
    shelf, note = Shelf(app=["a"], other=["x"]), Note()
    keeper = Housekeeper(shelf, note, 0)
    keeper.note_pull(APP, "a")
    keeper.note_pull("registry.test/other", "x")
    assert not keeper.is_due
    asyncio.run(keeper.clean(()))
    assert shelf.images_of[APP] == ["a"]
    keeper.note_removal(LEFT)
    assert keeper.is_due
    asyncio.run(keeper.clean(()))
    assert shelf.images_of == {APP: [], "registry.test/other": ["x"]}


def test_what_the_stage_still_remembers_at_the_first_cleaning_goes_at_the_second() -> None:
    """The memory of what has left may end after its container."""
    shelf, note = Shelf(app=["a"]), Note()
    keeper = Housekeeper(shelf, note, 0)
    keeper.note_pull(APP, "a")
    keeper.note_removal(LEFT)
    asyncio.run(keeper.clean({"a"}))
    assert keeper.is_due
    asyncio.run(keeper.clean(()))
    assert (shelf.images_of[APP], keeper.is_due) == ([], False)


def test_after_a_start_all_repositories_are_cleaned_once() -> None:
    """What an earlier process left behind is found without another removal."""
    shelf, note = Shelf(app=["a", "b"]), Note()
    note.saved = {APP: ["a", "b"]}
    keeper = Housekeeper(shelf, note, 1)
    asyncio.run(keeper.clean(()))
    assert (shelf.images_of[APP], keeper.is_due) == (["b"], False)


def test_a_cleaning_that_failed_stays_due() -> None:
    """The Engine was away: the next cleaning looks again."""
    shelf, note = Shelf(app=["a"]), Note()
    note.saved = {APP: ["a"]}
    shelf.reachable = False
    keeper = Housekeeper(shelf, note, 0)
    asyncio.run(keeper.clean(()))
    shelf.reachable = True
    asyncio.run(keeper.clean(()))
    assert (shelf.images_of[APP], keeper.is_due) == ([], False)


def test_pulled_again_counts_as_new() -> None:
    """The order is that of the last pull, and it outlives a restart."""
    shelf, note = Shelf(app=["a", "b", "c"]), Note()
    keeper = Housekeeper(shelf, note, 1)
    for digest in ("a", "b", "c", "a"):
        keeper.note_pull(APP, digest)
    asyncio.run(Housekeeper(shelf, note, 1).clean(()))
    assert shelf.images_of[APP] == ["a"]


def test_neither_a_full_disk_nor_a_missing_engine_is_in_the_way() -> None:
    """Cleaning and noting never raise."""
    shelf, note = Shelf(app=["a"]), Note()
    note.full, shelf.reachable = True, False
    keeper = Housekeeper(shelf, note, 0)
    keeper.note_pull(APP, "a")
    keeper.note_removal(LEFT)
    asyncio.run(keeper.clean(()))
    assert shelf.images_of[APP] == ["a"]


def test_notes_survive_and_damage_is_the_same_as_nothing(tmp_path: Path) -> None:
    """Both notes are read back whole; damaged or strange ones count as never made."""
    PulledNote(tmp_path).save({APP: ["a", "b"]})
    ConfirmedNote(tmp_path).save("d1")
    assert (PulledNote(tmp_path).load(), ConfirmedNote(tmp_path).load()) == ({APP: ["a", "b"]}, "d1")
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    for text in ("", "{", "[1]", '{"x": 5}', "null", "[" * 100_000):
        for path in tmp_path.iterdir():
            path.write_text(text)
        assert (PulledNote(tmp_path).load(), ConfirmedNote(tmp_path).load()) == ({}, "")


def test_a_note_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    """A state folder that is gone is the world's fault."""
    with pytest.raises(WorldBad, match=r"confirmed\.json cannot be written"):
        ConfirmedNote(tmp_path / "gone").save("d1")
