"""The small notes of the state folder on a disk that has no room for them."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controller.clients.state.json_notes import PulledNote
from controller.core.model.errors import WorldBad


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_note_that_does_not_fit_leaves_the_one_before(tmp_path: Path) -> None:
    """It is written whole or not at all: the old one is read back, and the next one that fits takes its place."""
    note = PulledNote(tmp_path)
    note.save({"shop": ["a"]})
    with room_for(64), pytest.raises(WorldBad, match=r"pulled\.json cannot be written"):
        note.save({"shop": ["a" * 200]})
    assert note.load() == {"shop": ["a"]}
    note.save({"shop": ["b"]})
    assert note.load() == {"shop": ["b"]}
