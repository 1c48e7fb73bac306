"""The lock of the state folder between real processes."""

import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.clients.state.lock import LOCK_FILE, PID_FILE, StateLock
from controller.core.model.errors import Locked, WorldBad

HOLDER = """
import sys, time
from pathlib import Path
from controller.clients.state.lock import StateLock
lock = StateLock(Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A state folder that is not there yet."""
    return tmp_path / "deep" / "state"


@pytest.fixture
def holder(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock."""
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_second_process_is_told_who_holds_it(holder: subprocess.Popen[str], folder: Path) -> None:
    """A second controller fails at once, names the first one's process id, and leaves its files alone."""
    with pytest.raises(Locked, match=f"held by process {holder.pid}: .*stop it"):
        StateLock(folder).acquire()
    assert (folder / PID_FILE).read_text() == f"{holder.pid}\n"


def test_a_killed_holder_leaves_the_lock_free(holder: subprocess.Popen[str], folder: Path) -> None:
    """After SIGKILL the files are still there, and the next process gets the lock all the same."""
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (folder / PID_FILE).exists()
    lock = StateLock(folder)
    lock.acquire()
    assert (folder / PID_FILE).read_text() == f"{os.getpid()}\n"
    with pytest.raises(Locked, match=f"process {os.getpid()}"):
        StateLock(folder).acquire()
    lock.release()
    assert not (folder / PID_FILE).exists()


def test_released_is_free_and_release_may_be_repeated(folder: Path) -> None:
    """The lock can be taken again after its release, by the same or another holder; a loser releases nothing."""
    first, second = StateLock(folder), StateLock(folder)
    first.acquire()
    with pytest.raises(Locked):
        second.acquire()
    second.release()
    with pytest.raises(Locked):
        second.acquire()
    first.release()
    first.release()
    second.acquire()
    second.release()


def test_a_deleted_folder_is_locked_anew(folder: Path) -> None:
    """Safety: who deletes the state folder under its holder does not make room for a second one."""
    first = StateLock(folder)
    first.acquire()
    first.keep()
    shutil.rmtree(folder)
    first.keep()
    with pytest.raises(Locked, match=f"process {os.getpid()}"):
        StateLock(folder).acquire()
    first.release()
    assert not (folder / PID_FILE).exists()


def test_who_lost_the_folder_to_somebody_else_is_told_and_leaves_it_alone(folder: Path) -> None:
    """Safety: the new holder of a folder that was deleted keeps it, and the former one touches nothing in it."""
    first, second = StateLock(folder), StateLock(folder)
    first.acquire()
    shutil.rmtree(folder)
    second.acquire()
    for _ in range(2):
        with pytest.raises(Locked):
            first.keep()
    first.release()
    assert (folder / PID_FILE).read_text() == f"{os.getpid()}\n"
    with pytest.raises(Locked):
        StateLock(folder).acquire()
    second.release()


def test_an_unreadable_holder_is_another_process(folder: Path) -> None:
    """Without a usable pid file the message still says what to do."""
    first = StateLock(folder)
    first.acquire()
    (folder / PID_FILE).write_text("")
    with pytest.raises(Locked, match="held by another process"):
        StateLock(folder).acquire()
    first.release()


def test_the_folder_is_made_private(folder: Path) -> None:
    """The folder and what is in it belong to the owner alone, whatever the umask; a loose one of ours is tightened."""
    before = os.umask(0)
    try:
        lock = StateLock(folder)
        lock.acquire()
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE((folder / name).stat().st_mode) for name in (LOCK_FILE, PID_FILE)} == {0o600}
    lock.release()
    folder.chmod(0o755)
    lock.acquire()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    lock.release()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give the folder to another user")
def test_a_loose_folder_of_somebody_else_is_refused(folder: Path) -> None:
    """A folder that others may enter and that is not ours is no place for state."""
    folder.mkdir(parents=True)
    os.chown(folder, 65534, 65534)
    folder.chmod(0o777)
    with pytest.raises(WorldBad, match="open to others") as found:
        StateLock(folder).acquire()
    assert found.value.reason == "StateFolder"
    assert list(folder.iterdir()) == []


def test_a_file_in_the_place_of_the_folder_is_an_error(tmp_path: Path) -> None:
    """A path that is no folder is reported with what to change."""
    (tmp_path / "state").write_text("")
    with pytest.raises(WorldBad, match=r"set state\.path"):
        StateLock(tmp_path / "state").acquire()
