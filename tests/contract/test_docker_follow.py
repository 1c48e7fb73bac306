"""The output of a container, at once and as it comes, from a real Engine."""

import asyncio
import struct

import pytest

from controller.clients.docker import logs
from controller.core.model.observed import Container
from tests.contract.conftest import Bench

TALKS = "echo one; echo two >&2; sleep 1; echo three; printf four"


async def followed(bench: Bench, container: Container, tail: int) -> list[str]:
    """All lines until the container has ended."""
    return await asyncio.to_thread(lambda: list(bench.runtime.follow_logs(container, tail)))


async def test_following_gives_what_was_and_what_comes_until_the_end(bench: Bench) -> None:
    """Lines of both streams; a last one without its line end is there afterwards (20.10 may end the stream first)."""
    container = await bench.up(command=("/bin/sh", "-c", TALKS))
    lines = await followed(bench, container, 100)
    assert sorted(lines[:2]) == ["one", "two"]
    assert lines[2:] in (["three"], ["three", "four"])
    assert await followed(bench, container, 1) == ["four"]


async def test_following_what_is_gone_gives_nothing(bench: Bench) -> None:
    """A container that was removed meanwhile is no error."""
    container = await bench.made()
    await bench.runtime.remove(container)
    assert await followed(bench, container, 100) == []


@pytest.mark.parametrize("size", [1, 3, 100])
def test_frames_may_be_cut_anywhere(size: int) -> None:
    """The network cuts where it likes; lines of the two streams stay whole."""
    frames = [(1, b"he"), (2, b"err\n"), (1, b"llo\nwor"), (1, b"ld\nend")]
    raw = b"".join(struct.pack(">BxxxL", kind, len(data)) + data for kind, data in frames)
    chunks = [raw[at : at + size] for at in range(0, len(raw), size)]
    assert list(logs.follow(chunks, tty=False)) == ["err", "hello", "world", "end"]
    assert list(logs.follow([b"a\r\nb", b"c\n"], tty=True)) == ["a", "bc"]
