"""Work in forks of this process: a few at a time, each with an end to the time and the memory that it may take."""

import os
import resource
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

MEMORY = 6 * 1024**3
"""Bytes of address space; a mistake that fills the memory must not fill that of the machine."""

BROKEN = 70
"""How a fork ends in which the work raised."""

Key = TypeVar("Key")


def in_forks(work: Iterable[tuple[Key, Callable[[], int], int]], many: int) -> Iterator[tuple[Key, int]]:
    """Do each piece of (key, what to do, seconds of processor) in a fork, and tell how each ended, as it ends.

    That is what it returned; 128 and the number of the signal where a signal ended it.
    """
    running: dict[int, Key] = {}
    for key, does, seconds in work:
        if len(running) >= many:
            yield _end(running)
        running[_begin(does, seconds)] = key
    while running:
        yield _end(running)


def _begin(does: Callable[[], int], seconds: int) -> int:
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = BROKEN
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(nothing, number)
        code = does()
    finally:
        os._exit(code)


def _end(running: dict[int, Key]) -> tuple[Key, int]:
    pid, status = os.wait()
    ended = os.waitstatus_to_exitcode(status)
    return running.pop(pid), ended if ended >= 0 else 128 - ended
