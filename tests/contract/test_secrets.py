"""Secrets on a real file system: what resolves, what is refused, and what may never be said."""

import asyncio
import hashlib
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from controller.clients.secrets import FileSecrets
from controller.core.model.desired import SecretRef
from controller.core.model.errors import WorldBad

CANARY = "c4n4ry-s3cret-value"


class Place:
    """Two roots, a folder outside of them, an environment and a key file."""

    def __init__(self, folder: Path) -> None:
        self.one, self.two, self.outside = folder / "one", folder / "two", folder / "outside"
        for root in (self.one, self.two, self.outside):
            root.mkdir()
        self.environ: dict[str, str] = {}
        self.key = folder / "state" / "secret.key"
        self.secrets = self.again()

    def again(self) -> FileSecrets:
        """The secrets as after a restart."""
        return FileSecrets((self.one, self.two), self.environ, self.key)

    async def value(self, name: str, kind: str = "file") -> str:
        """Value of one reference."""
        ref = SecretRef(kind, name)  # type: ignore[arg-type]
        return (await self.secrets.resolve([ref]))[ref]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A place without any secret yet."""
    return Place(tmp_path)


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"plain", "plain"),
        (b"newline\n", "newline"),
        (b"two\n\n", "two\n"),
        (b"windows\r\n", "windows"),
        (b" spaces stay ", " spaces stay "),
        ("übergröße".encode(), "übergröße"),
        (b"-----BEGIN KEY-----\nabc\n-----END KEY-----\n", "-----BEGIN KEY-----\nabc\n-----END KEY-----"),
        (b"x" * 65536, "x" * 65536),
    ],
)
async def test_a_file_gives_its_content(place: Place, content: bytes, value: str) -> None:
    """The value is the file's text without one trailing newline."""
    (place.one / "db").write_bytes(content)
    assert await place.value("db") == value


async def test_where_a_file_is_looked_for(place: Place) -> None:
    """Relative names go through the roots in order, absolute ones must lie below one, links may stay inside."""
    (place.two / "db").write_text("two")
    assert await place.value("db") == "two"
    (place.one / "db").write_text("one")
    assert await place.value("db") == "one"
    assert await place.value(str(place.two / "db")) == "two"
    (place.one / "team").mkdir()
    (place.one / "team" / "key").write_text("deep")
    assert await place.value("team/key") == "deep"
    # Kubernetes mounts secrets behind a link to a dated folder.
    (place.one / "..data").symlink_to("team")
    (place.one / "linked").symlink_to("..data/key")
    assert await place.value("linked") == "deep"
    assert await place.value("team/../db") == "one"


async def test_a_root_that_is_a_link_is_a_root(place: Place, tmp_path: Path) -> None:
    """Where the root itself is a link, such as /var/run to /run, files below it are found."""
    (place.one / "db").write_text("one")
    (tmp_path / "link").symlink_to(place.one)
    ref = SecretRef("file", str(place.one / "db"))
    secrets = FileSecrets((tmp_path / "link",), {}, place.key)
    assert await secrets.resolve([ref]) == {ref: "one"}


def outside_by_dots(place: Place) -> str:
    """A way out by dots."""
    return "../outside/db"


def outside_absolute(place: Place) -> str:
    """An absolute path outside."""
    return str(place.outside / "db")


def outside_sibling(place: Place) -> str:
    """A folder whose name begins like a root's."""
    sibling = place.one.with_name("one-more")
    sibling.mkdir()
    (sibling / "db").write_text(CANARY)
    return str(sibling / "db")


def outside_link(place: Place) -> str:
    """A link that leads out."""
    (place.one / "db").symlink_to(place.outside / "db")
    return "db"


def outside_linked_folder(place: Place) -> str:
    """A linked folder that leads out."""
    (place.one / "team").symlink_to(place.outside)
    return "team/db"


def own_key(place: Place) -> str:
    """The key of the digests."""
    place.key.parent.mkdir()
    place.key.write_text(CANARY)
    return str(place.key)


WAYS_OUT = [outside_by_dots, outside_absolute, outside_sibling, outside_link, outside_linked_folder, own_key]


@pytest.mark.parametrize("way", WAYS_OUT)
async def test_nothing_outside_the_roots_is_read(place: Place, way: Callable[[Place], str]) -> None:
    """A file outside is refused in the same words whether it exists or not."""
    name = way(place)
    refusals = []
    for content in (CANARY, None):
        if content is not None:
            (place.outside / "db").write_text(content)
        else:
            (place.outside / "db").unlink()
        with pytest.raises(WorldBad) as refused:
            await place.value(name)
        refusals.append(refused.value)
    assert refusals[0].reason == "SecretMissing"
    assert refusals[0].message == refusals[1].message
    assert f"secret file:{name} is not below" in refusals[0].message
    assert CANARY not in refusals[0].message


def fifo(file: Path) -> None:
    """A FIFO that nobody writes to."""
    os.mkfifo(file)


def folder(file: Path) -> None:
    """A folder."""
    file.mkdir()


def loop(file: Path) -> None:
    """A link to itself."""
    file.symlink_to(file.name)


def absent(file: Path) -> None:
    """Nothing."""


def of(content: bytes) -> Callable[[Path], None]:
    """A file with this content."""
    return lambda file: (file.write_bytes(content), None)[1]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (fifo, "is no regular file"),
        (folder, "is no regular file"),
        (loop, "is not below|was not found below"),
        (absent, "was not found below"),
        (of(b""), "is empty"),
        (of(b"\n"), "is empty"),
        (of(CANARY.encode() + b"\0x"), "holds a NUL byte"),
        (of(CANARY.encode() + b"\xff\xfe"), "is not UTF-8 text"),
        (of(CANARY.encode() * 4000), "is larger than 64 KiB"),
    ],
)
async def test_what_is_no_secret_is_refused_without_its_content(
    place: Place, make: Callable[[Path], None], words: str
) -> None:
    """Refused at once, with the reason and the name, never with what is in the file."""
    make(place.one / "db")
    ref = SecretRef("file", "db")
    async with asyncio.timeout(5):
        with pytest.raises(WorldBad, match=f"secret file:db ({words})") as refused:
            await place.secrets.resolve([ref])
        look = await place.secrets.look([ref])
    assert refused.value.reason == "SecretMissing"
    assert (look.digest, look.label) == ("", "")
    assert look.missing == (refused.value.message,)
    assert CANARY not in repr((refused.value, refused.value.__cause__, look))


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", ".", "", "/", "db/x", "\udcff"])
async def test_odd_names_are_missing(place: Place, name: str) -> None:
    """A name that is no file name is reported like any other that is missing."""
    (place.one / "db").write_text(CANARY)
    look = await place.secrets.look([SecretRef("file", name)])
    assert len(look.missing) == 1


async def test_only_variables_meant_for_it_are_read(place: Place) -> None:
    """HOLDFAST_SECRET_* resolves; any other variable is refused, set or not; an empty one is missing."""
    place.environ.update(
        {"HOLDFAST_SECRET_DB": "v", "PATH": CANARY, "HOLDFAST_SECRET_E": "", "XHOLDFAST_SECRET_A": "v"}
    )
    assert await place.value("HOLDFAST_SECRET_DB", "env") == "v"
    expected = {
        "PATH": "may not be used",
        "XHOLDFAST_SECRET_A": "may not be used",
        "HOLDFAST_SECRET_": "may not be used",
        "HOLDFAST_SECRET_DB\n": "may not be used",
        "HOLDFAST_SECRET_E": "is empty",
        "HOLDFAST_SECRET_NO": "is not set",
    }
    for name, words in expected.items():
        with pytest.raises(WorldBad, match=words) as refused:
            await place.value(name, "env")
        assert CANARY not in refused.value.message
    place.environ["HOLDFAST_SECRET_DB"] = "w"
    assert await place.value("HOLDFAST_SECRET_DB", "env") == "w"


async def test_the_digest_follows_the_values_and_nothing_else(place: Place) -> None:
    """Same values, same digest, in any order and after a restart; another value, name or border, another digest."""
    a, b = SecretRef("file", "a"), SecretRef("file", "b")
    (place.one / "a").write_text("1")
    (place.one / "b").write_text("23")
    first = await place.secrets.look([a, b])
    assert first.missing == ()
    assert (await place.secrets.look([b, a, a])).label == first.label
    assert (await place.again().look([a, b])).label == first.label
    (place.one / "a").write_text("12")
    (place.one / "b").write_text("3")
    second = await place.secrets.look([a, b])
    assert second.key_id == first.key_id
    assert second.digest != first.digest
    (place.one / "c").write_text("12")
    assert (await place.secrets.look([SecretRef("file", "c")])).digest != (await place.secrets.look([a])).digest


async def test_a_digest_does_not_give_the_value_away(place: Place) -> None:
    """The digest is keyed: two controllers see different ones, and it is no plain hash of the value."""
    ref = SecretRef("file", "a")
    (place.one / "a").write_text(CANARY)
    look = await place.secrets.look([ref])
    other = await FileSecrets((place.one,), {}, place.key.with_name("other.key")).look([ref])
    assert other.key_id != look.key_id
    assert other.digest != look.digest
    assert not hashlib.sha256(CANARY.encode()).hexdigest().startswith(look.digest)
    assert CANARY not in repr(look)


def key_mode(place: Place) -> int:
    """Permissions of the key file."""
    return stat.S_IMODE(place.key.stat().st_mode)


async def test_the_key_is_private_made_once_and_replaced_when_damaged(place: Place) -> None:
    """32 bytes with mode 0600, the same for all looks at once; a damaged one is made anew with another id."""
    ref = SecretRef("file", "a")
    (place.one / "a").write_text("1")
    assert await place.secrets.look([]) == await place.again().look([])
    assert not place.key.exists()
    labels = {look.label for look in await asyncio.gather(*(place.secrets.look([ref]) for _ in range(16)))}
    assert len(labels) == 1
    assert key_mode(place) == 0o600
    assert {(await place.again().look([ref])).label} == labels
    place.key.write_bytes(b"short")
    place.key.chmod(0o644)
    damaged = await place.again().look([ref])
    assert damaged.label not in labels
    assert key_mode(place) == 0o600
    place.key.chmod(0o644)
    assert (await place.again().look([ref])).label == damaged.label
    assert key_mode(place) == 0o600


async def test_every_missing_secret_is_named(place: Place) -> None:
    """One look names all that is missing; nothing is resolved by halves; a later look finds what was added."""
    refs = [SecretRef("file", "a"), SecretRef("env", "HOLDFAST_SECRET_B"), SecretRef("file", "c")]
    (place.one / "a").write_text("1")
    look = await place.secrets.look(refs)
    assert [sentence.split()[1] for sentence in look.missing] == ["env:HOLDFAST_SECRET_B", "file:c"]
    assert look.refs == tuple(refs)
    with pytest.raises(WorldBad, match=r"HOLDFAST_SECRET_B .*; secret file:c"):
        await place.secrets.resolve(refs)
    place.environ["HOLDFAST_SECRET_B"] = "2"
    (place.two / "c").write_text("3")
    assert list((await place.secrets.resolve(refs)).values()) == ["1", "2", "3"]


async def test_a_file_that_is_exchanged_for_a_link_is_never_followed(place: Place) -> None:
    """While somebody swaps the file for a link that leads out, no look ever gives the content outside."""
    (place.outside / "db").write_text(CANARY)
    (place.one / "db").write_text("fine")
    ended = threading.Event()

    def swap() -> None:
        while not ended.is_set():
            for outside in (True, False):
                if outside:
                    (place.one / "new").symlink_to(place.outside / "db")
                else:
                    (place.one / "new").write_text("fine")
                (place.one / "new").rename(place.one / "db")

    thread = threading.Thread(target=swap)
    thread.start()
    outcomes = set()
    for _ in range(500):
        try:
            outcomes.add(await place.value("db"))
        except WorldBad as error:
            outcomes.add(error.reason)
    ended.set()
    thread.join()
    assert "fine" in outcomes
    assert outcomes <= {"fine", "SecretMissing"}
