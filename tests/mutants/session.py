"""Runs of pytest inside this process: once to see who runs what, then against mutants."""

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence

import hypothesis
import pytest

from tests.mutants.forks import BROKEN, in_forks
from tests.mutants.mutant import Mutant
from tests.mutants.plant import Functions, Import
from tests.mutants.reach import Reach, Tracer

OPTIONS = ("-q", "-s", "-p", "no:cacheprovider", "-p", "no:xdist", "--no-header", "--no-summary", "--tb=no")
CHOSEN = ("--timeout=60", "--hypothesis-seed=0", *OPTIONS, "tests/core")
SIM = ("tests/sim/test_stories.py", "tests/sim/test_manager.py", "tests/sim/test_hostile.py")
STORIES = (*SIM, "-k", "not one_change_at_a_time and not without_any_event and not same_trace and not a_day")
"""Each story once; the same again on another proxy, without events or for its trace notices hardly more."""

Piece = tuple[Mutant | None, Callable[[], int], int]
Tell = Callable[[tuple[Mutant, str]], None]


class Unsound(Exception):
    """A judge that condemns the core as it is."""


def look() -> Reach:
    """Run the tests and see which lines of the core each runs; for a process of its own."""
    tracer = Tracer()
    _pytest(tracer)
    return tracer.found


def judge_imported(mutants: Sequence[Mutant], reach: Reach, workers: int, tell: Tell) -> None:
    """Judge mutants of what runs at import, each in a fork that imports all anew; here nothing of the core may be."""

    def work(mutant: Mutant | None) -> Callable[[], int]:
        def does() -> int:
            if mutant is not None:
                Import(mutant).plant()
            return _pytest(Only(reach.of_module(mutant.module if mutant is not None else "")))

        return does

    if mutants:
        seconds = reach.patience(reach.seconds)
        _judge([(mutant, work(mutant), seconds) for mutant in (None, *mutants)], workers, tell)


def judge_planted(mutants: Sequence[Mutant], reach: Reach, workers: int, tell: Tell) -> None:
    """Judge mutants of what runs in tests only: gather the tests once, and run those that may notice in forks."""
    planted = Planted(mutants, reach, workers, tell)
    _pytest(planted)
    if planted.error is not None:
        raise planted.error


class Only:
    """Runs the given tests in their order, and ends at the first that fails."""

    def __init__(self, tests: Sequence[str]) -> None:
        self._place = {name: place for place, name in enumerate(tests)}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        """Choose and order them."""
        items[:] = [item for item in items if item.nodeid in self._place]
        items.sort(key=lambda item: self._place[item.nodeid])
        session.config.option.maxfail = 1


class Planted:
    """A plugin of pytest that runs the gathered tests once for each mutant, in a fork."""

    def __init__(self, mutants: Sequence[Mutant], reach: Reach, workers: int, tell: Tell) -> None:
        self.error: Unsound | None = None
        self._mutants = mutants
        self._reach = reach
        self._workers = workers
        self._tell = tell

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """In place of the run that pytest would make."""
        from _pytest.main import pytest_runtestloop as run

        functions = Functions()
        items = {item.nodeid: item for item in session.items}
        session.config.option.maxfail = 1
        gc.collect()
        gc.freeze()  # what there is by now is shared by the forks, and looked through by none

        def work(mutant: Mutant | None, tests: Sequence[str]) -> Callable[[], int]:
            def does() -> int:
                if mutant is not None:
                    functions.plant(mutant)
                session.items = [items[name] for name in tests]
                try:
                    run(session)
                except BaseException:  # such as Failed, or an end to the memory
                    return 1
                return int(session.testsfailed > 0)

            return does

        def pieces() -> Iterator[Piece]:
            for mutant in (None, *self._mutants):
                tests = self._reach.of(mutant) if mutant is not None else self._reach.of_module("")
                yield mutant, work(mutant, tests), self._reach.patience(tests)

        try:
            _judge(pieces(), self._workers, self._tell)
        except Unsound as error:
            self.error = error
        return True


def _judge(pieces: Iterable[Piece], workers: int, tell: Tell) -> None:
    for mutant, code in in_forks(pieces, workers):
        if code == BROKEN:
            raise Unsound(f"cannot plant {mutant.name if mutant is not None else 'nothing'}")
        if mutant is not None:
            tell((mutant, "circles" if code > 128 else "killed" if code else "survived"))
        elif code:
            raise Unsound("run in this order the tests fail without any mistake; mend that first")


def _pytest(plugin: object) -> int:
    hypothesis.settings.register_profile("mutants", database=None, deadline=None)
    hypothesis.settings.load_profile("mutants")
    return int(pytest.main([*CHOSEN, *STORIES], plugins=[plugin]))
