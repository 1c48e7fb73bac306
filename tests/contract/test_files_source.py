"""A folder of documents on a real file system: what is read, what never reads as a deletion, what is noticed."""

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from controller.core.model.limits import MAX_FILE_BYTES, MAX_FILES
from controller.intake.sources.files import FilesSource
from controller.interfaces import Delivery

NAME = "files:./desired"


def request(name: str) -> str:
    """A document of this name."""
    return (
        f"apiVersion: holdfast.dev/v1alpha1\nkind: DeployRequest\nmetadata: {{name: {name}}}\n"
        "spec: {project: shop, stage: dev, tag: v1}\n"
    )


@pytest.fixture
def desired(tmp_path: Path) -> Path:
    """A folder with two documents that has been at rest for an hour."""
    folder = tmp_path / "desired"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.yaml").write_text(request(name))
    rest(folder)
    return folder


def rest(folder: Path) -> None:
    """Make everything below look an hour old; the inode's own time stays, as it does for everybody."""
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (time.time() - 3600,) * 2, follow_symlinks=False)


async def load(path: Path) -> Delivery:
    """One load of a fresh source."""
    return await FilesSource(path, NAME).load()


def names(delivery: Delivery) -> list[str]:
    """Names of the delivered documents, in order."""
    return [sourced.document.metadata.name for sourced in delivery.documents]


async def test_a_folder_is_read_with_all_below_it(desired: Path) -> None:
    """YAML and JSON are read in order, folders below too; other and hidden files and folders are passed over."""
    (desired / "team").mkdir()
    (desired / "team" / "c.yml").write_text(request("c"))
    head = '"apiVersion": "holdfast.dev/v1alpha1", "kind": "Project"'
    (desired / "team" / "d.json").write_text(f'{{{head}, "metadata": {{"name": "d"}}, "spec": {{"image": "x"}}}}')
    for hidden in (".x.yaml", "notes.txt", "a.yaml~", ".git/e.yaml"):
        (desired / hidden).parent.mkdir(exist_ok=True)
        (desired / hidden).write_text("not: [a document")
    delivery = await load(desired)
    assert names(delivery) == ["a", "b", "c", "d"]
    assert (delivery.complete, delivery.detail, delivery.unread, delivery.diagnostics) == (True, "", (), ())
    assert [sourced.origin.path for sourced in delivery.documents] == [
        "desired/a.yaml", "desired/b.yaml", "desired/team/c.yml", "desired/team/d.json",
    ]  # fmt: skip
    assert {sourced.origin.source for sourced in delivery.documents} == {NAME}


async def test_one_file_is_a_source_too(desired: Path) -> None:
    """A path to a file gives its documents under the name it was written with."""
    delivery = await FilesSource(desired / "a.yaml", "files:./desired/a.yaml").load()
    assert (names(delivery), delivery.documents[0].origin.path, delivery.complete) == (["a"], "./desired/a.yaml", True)


async def test_a_deleted_file_is_a_deletion(desired: Path) -> None:
    """A folder that is whole and lacks a file has lost it."""
    source = FilesSource(desired, NAME)
    await source.load()
    (desired / "a.yaml").unlink()
    delivery = await source.load()
    assert (names(delivery), delivery.complete, delivery.unread) == (["b"], True, ())


async def test_a_file_with_a_mistake_is_unread_and_reported(desired: Path) -> None:
    """The mistake has the path that the person wrote; the other file is delivered; nothing reads as deleted."""
    (desired / "a.yaml").write_text(request("a").replace("tag: v1", "tag: 1.10"))
    delivery = await load(desired)
    assert (names(delivery), delivery.unread, delivery.complete) == (["b"], ("desired/a.yaml",), True)
    [mistake] = delivery.diagnostics
    assert (mistake.source, mistake.line, mistake.code) == ("desired/a.yaml", 4, "E0107")


async def test_a_good_document_beside_a_bad_one_is_delivered(desired: Path) -> None:
    """The file is unread, so that the bad document's last good state stays, and the good one is there."""
    (desired / "a.yaml").write_text(request("a") + "---\nkind: Projekt\n")
    delivery = await load(desired)
    assert (names(delivery), delivery.unread) == (["a", "b"], ("desired/a.yaml",))


@pytest.mark.parametrize("text", ["", "\n\n", "# all gone\n", "---\n"])
async def test_an_emptied_file_is_not_a_deletion(desired: Path, text: str) -> None:
    """A file cut to nothing keeps its last good documents, and the delivery says so."""
    (desired / "a.yaml").write_text(text)
    delivery = await load(desired)
    assert (names(delivery), delivery.unread, delivery.complete) == (["b"], ("desired/a.yaml",), True)
    assert "desired/a.yaml is empty" in delivery.detail


def _empty(desired: Path) -> None:
    for path in desired.iterdir():
        path.unlink()


def _emptied(desired: Path) -> None:
    for path in desired.iterdir():
        path.write_text("")


def _gone(desired: Path) -> None:
    _empty(desired)
    desired.rmdir()


def _dangling(desired: Path) -> None:
    _gone(desired)
    desired.symlink_to(desired.parent / "nowhere")


def _pipe(desired: Path) -> None:
    _gone(desired)
    os.mkfifo(desired)


def _device(desired: Path) -> None:
    _gone(desired)
    desired.symlink_to("/dev/zero")


def _parent_is_a_file(desired: Path) -> None:
    desired.rename(desired.parent / "kept")
    (desired.parent / "desired").symlink_to(desired.parent / "kept" / "a.yaml" / "x")


@pytest.mark.parametrize(
    ("harm", "word"),
    [
        (_empty, "no documents"),
        (_emptied, "is empty"),
        (_gone, "is not there"),
        (_dangling, "link to nothing"),
        (_pipe, "a pipe"),
        (_device, "a device"),
        (_parent_is_a_file, "cannot be read"),
    ],
)
async def test_a_source_that_cannot_be_read_is_incomplete(
    desired: Path, harm: Callable[[Path], None], word: str
) -> None:
    """A missing, empty or strange source delivers nothing, says why, and is not complete; a pipe is not waited for."""
    harm(desired)
    delivery = await asyncio.wait_for(load(desired), 3)
    assert (delivery.documents, delivery.complete) == ((), False)
    assert word in delivery.detail
    assert "./desired" in delivery.detail or "desired/a.yaml" in delivery.detail


def _pipe_inside(desired: Path) -> None:
    os.mkfifo(desired / "c.yaml")


def _dangling_inside(desired: Path) -> None:
    (desired / "c.yaml").symlink_to("nowhere")


def _folder_not_mounted(desired: Path) -> None:
    (desired / "c").symlink_to("/nowhere/at/all")


def _device_inside(desired: Path) -> None:
    (desired / "c.yaml").symlink_to("/dev/zero")


def _unreadable(desired: Path) -> None:
    (desired / "c.yaml").symlink_to("/proc/self/mem")


@pytest.mark.parametrize("harm", [_pipe_inside, _dangling_inside, _folder_not_mounted, _device_inside, _unreadable])
async def test_something_strange_in_a_folder_makes_it_incomplete(desired: Path, harm: Callable[[Path], None]) -> None:
    """What stood there before must not read as deleted; the rest is delivered and the trouble named."""
    harm(desired)
    delivery = await asyncio.wait_for(load(desired), 3)
    assert (names(delivery), delivery.complete) == (["a", "b"], False)
    assert delivery.unread in (("desired/c.yaml",), ("desired/c",))
    assert "desired/c" in delivery.detail


async def test_a_link_to_a_file_is_read(desired: Path, tmp_path: Path) -> None:
    """Links that end at a regular file, and folders behind links, are read; a link in a circle ends."""
    (tmp_path / "else.txt").write_text(request("c"))
    (desired / "c.yaml").symlink_to(tmp_path / "else.txt")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "d.yaml").write_text(request("d"))
    (desired / "more").symlink_to(tmp_path / "other")
    (tmp_path / "other" / "back").symlink_to(desired)
    delivery = await load(desired)
    assert (names(delivery), delivery.complete) == (["a", "b", "c", "d"], True)


async def test_a_file_that_is_too_large_is_unread(desired: Path) -> None:
    """More than the limit is not even parsed."""
    (desired / "a.yaml").write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    delivery = await load(desired)
    assert (names(delivery), delivery.unread) == (["b"], ("desired/a.yaml",))
    assert delivery.diagnostics[0].code == "E0004"


async def test_too_many_files_are_not_a_folder_of_documents(desired: Path) -> None:
    """A folder such as a whole disk is refused whole."""
    for number in range(MAX_FILES):
        (desired / f"x{number}.yaml").touch()
    delivery = await load(desired)
    assert (delivery.documents, delivery.complete) == ((), False)
    assert str(MAX_FILES) in delivery.detail


async def test_a_name_of_odd_bytes_is_shown_printable(desired: Path) -> None:
    """A file's name that is not UTF-8 can be stored and printed."""
    odd = os.fsdecode(b"\xff.yaml")
    (desired / odd).write_text("a: [")
    delivery = await load(desired)
    assert [mistake.source for mistake in delivery.diagnostics] == ["desired/\\xff.yaml"]
    assert "".join(delivery.unread).encode() == b"desired/\\xff.yaml"


async def test_a_file_that_is_written_slowly_is_never_seen_half(desired: Path) -> None:
    """While somebody writes document after document, a delivery has all of them, or is not complete."""
    parts = [request("a"), *(f"---\n{request(f'n{number}')}" for number in range(40))]
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            with (desired / "a.yaml").open("w") as file:
                for part in parts:
                    file.write(part)
                    file.flush()
                    time.sleep(0.004)
            time.sleep(0.2)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        source = FilesSource(desired, NAME)
        for _ in range(6):
            delivery = await source.load()
            whole = len(names(delivery)) == 42
            assert whole or not delivery.complete or "desired/a.yaml" in delivery.unread
    finally:
        stop.set()
        writer.join()
    assert len(names(await source.load())) == 42


async def test_a_file_that_is_replaced_is_there_all_the_time(desired: Path) -> None:
    """An editor that removes and writes anew, in a blink, does not make a deletion."""
    stop = threading.Event()

    def edit() -> None:
        while not stop.is_set():
            (desired / "a.yaml").unlink()
            time.sleep(0.01)
            (desired / "a.yaml").write_text(request("a"))
            time.sleep(0.03)

    editor = threading.Thread(target=edit)
    editor.start()
    try:
        for _ in range(2):
            delivery = await load(desired)
            assert names(delivery) == ["a", "b"] or not delivery.complete
    finally:
        stop.set()
        editor.join()


async def test_a_change_of_the_same_length_is_seen(desired: Path) -> None:
    """What was parsed once is used again only while the file is the same."""
    source = FilesSource(desired, NAME)
    assert names(await source.load()) == ["a", "b"]
    (desired / "a.yaml").write_text(request("z"))
    assert names(await source.load()) == ["z", "b"]


async def test_a_large_folder_is_read_again_quickly(tmp_path: Path) -> None:
    """A second look at five hundred files that did not change parses nothing."""
    for number in range(500):
        (tmp_path / f"{number:03}.yaml").write_text(request(f"n{number}"))
    await asyncio.sleep(1.1)
    source = FilesSource(tmp_path, NAME)
    first = await source.load()
    start = time.process_time()
    second = await source.load()
    assert second == first
    assert len(second.documents) == 500
    assert time.process_time() - start < 0.2


@asynccontextmanager
async def watched(path: Path) -> AsyncIterator[Callable[[Callable[[Delivery], bool]], "asyncio.Future[Delivery]"]]:
    """A source that is loaded at each change; gives a function that waits until a delivery satisfies it."""
    source = FilesSource(path, NAME)
    latest = [await source.load()]
    changed = asyncio.Condition()

    async def follow() -> None:
        async for _ in source.changes():
            latest.append(await source.load())
            async with changed:
                changed.notify_all()

    async def until(good: Callable[[Delivery], bool]) -> Delivery:
        async with changed:
            await asyncio.wait_for(changed.wait_for(lambda: good(latest[-1])), 8)
        return latest[-1]

    task = asyncio.create_task(follow())
    try:
        yield lambda good: asyncio.ensure_future(until(good))
    finally:
        task.cancel()
        await asyncio.wait([task], timeout=5)
        assert task.done()


async def test_edits_are_noticed(desired: Path) -> None:
    """A new file, a change, a folder moved in with files, and a removal each lead to a delivery that has it."""
    async with watched(desired) as until:
        (desired / "c.yaml").write_text(request("c"))
        await until(lambda delivery: names(delivery) == ["a", "b", "c"])
        (desired / "c.yaml").write_text(request("d"))
        await until(lambda delivery: names(delivery) == ["a", "b", "d"])
        (desired.parent / "in").mkdir()
        (desired.parent / "in" / "e.yaml").write_text(request("e"))
        (desired.parent / "in").rename(desired / "in")
        await until(lambda delivery: names(delivery) == ["a", "b", "d", "e"])
        (desired / "c.yaml").unlink()
        await until(lambda delivery: names(delivery) == ["a", "b", "e"])


async def test_a_folder_that_comes_goes_and_is_replaced_is_followed(tmp_path: Path) -> None:
    """The watch survives a folder that is missing at first, taken away, and exchanged for another."""
    desired = tmp_path / "desired"
    async with watched(desired) as until:
        desired.mkdir()
        (desired / "a.yaml").write_text(request("a"))
        await until(lambda delivery: delivery.complete and names(delivery) == ["a"])
        (tmp_path / "next").mkdir()
        (tmp_path / "next" / "b.yaml").write_text(request("b"))
        desired.rename(tmp_path / "old")
        (tmp_path / "next").rename(desired)
        await until(lambda delivery: delivery.complete and names(delivery) == ["b"])
        (desired / "b.yaml").write_text(request("c"))
        await until(lambda delivery: delivery.complete and names(delivery) == ["c"])
        (desired / "b.yaml").unlink()
        desired.rmdir()
        await until(lambda delivery: not delivery.complete)


async def test_a_link_that_is_turned_is_noticed(tmp_path: Path) -> None:
    """A release folder behind a link that is exchanged needs no event inside the folder."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.yaml").write_text(request(name))
    current = tmp_path / "current"
    current.symlink_to("one")
    async with watched(current) as until:
        (tmp_path / "turned").symlink_to("two")
        (tmp_path / "turned").rename(current)
        await until(lambda delivery: names(delivery) == ["two"])


async def test_one_watched_file_is_followed_through_renames(desired: Path) -> None:
    """Editors write beside a file and rename; other files of the folder mean nothing."""
    async with watched(desired / "a.yaml") as until:
        (desired / ".new").write_text(request("z"))
        (desired / ".new").rename(desired / "a.yaml")
        await until(lambda delivery: names(delivery) == ["z"])
