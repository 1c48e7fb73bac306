"""Which lines of the core each test runs: who runs none of a line cannot notice a mistake in it."""

import json
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

from tests.mutants.mutant import CORE, Mutant, module_name

Line = tuple[str, int]


@dataclass
class Reach:
    """What is run when the core is imported and the tests are gathered, and by which test; seconds of processor."""

    imported: set[Line] = field(default_factory=set)
    tests: dict[str, set[Line]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    def of(self, mutant: Mutant) -> list[str]:
        """The tests that run the statement of a mutant, the quickest first."""
        lines = {(mutant.module, line) for line in mutant.lines}
        return sorted((test for test, seen in self.tests.items() if seen & lines), key=self.seconds.__getitem__)

    def of_module(self, module: str) -> list[str]:
        """The tests that run anything of a module, the quickest first, and then all others."""
        other = {test for test, seen in self.tests.items() if all(name != module for name, _ in seen)}
        return sorted(self.tests, key=lambda test: (test in other, self.seconds[test]))

    def patience(self, tests: Iterable[str]) -> int:
        """Seconds of processor that these tests may take: far more than they need."""
        return 60 + int(3 * sum(self.seconds[test] for test in tests))

    def at_import(self, mutant: Mutant) -> bool:
        """True when the mistake does its harm already as the module is imported, or tests are gathered."""
        return any((mutant.module, line) in self.imported for line in mutant.lines)

    def write(self, path: Path) -> None:
        """Keep it in a file."""
        tests = {test: sorted(lines) for test, lines in self.tests.items()}
        path.write_text(json.dumps([sorted(self.imported), tests, self.seconds, self.failed]))

    @classmethod
    def read(cls, path: Path) -> "Reach":
        """What `write` has kept."""
        imported, tests, seconds, failed = json.loads(path.read_text())
        lines = {test: {(module, line) for module, line in seen} for test, seen in tests.items()}
        return cls({(module, line) for module, line in imported}, lines, seconds, failed)


class Tracer:
    """A plugin of pytest that fills a `Reach` while the tests run."""

    def __init__(self) -> None:
        self.found = Reach()
        self._prefix = f"{CORE}/"
        self._lines = self.found.imported
        self._left: dict[CodeType, set[int]] = {}
        """Lines of each function that have not run yet: once all have, it is not looked at any more, for speed."""
        self._trace(self._call)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Gather the lines of one test."""
        self._lines, self._left, begun = set(), {}, time.process_time()
        self._trace(self._call)
        try:
            return (yield)
        finally:
            self._trace(None)
            if item.nodeid not in self.found.failed:
                self.found.tests[item.nodeid] = self._lines
                self.found.seconds[item.nodeid] = time.process_time() - begun

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember what fails although nothing is wrong, or since it is slower when looked at: it judges nothing."""
        if report.failed:
            self.found.failed.append(report.nodeid)

    def pytest_collection_finish(self) -> None:
        """What ran until now belongs to no test."""
        self._trace(None)

    def _trace(self, what: Any) -> None:
        threading.settrace(what)
        sys.settrace(what)

    def _call(self, frame: FrameType, event: str, arg: object) -> Any:
        name = frame.f_code.co_filename
        if not name.startswith(self._prefix):
            return None
        left = self._left.get(frame.f_code)
        if left is None:
            left = self._left[frame.f_code] = {number for _, _, number in frame.f_code.co_lines() if number}
        if not left:
            return None
        module, lines = module_name(Path(name)), self._lines

        def line(frame: FrameType, event: str, arg: object) -> Any:
            left.discard(frame.f_lineno)
            lines.add((module, frame.f_lineno))
            return line

        return line(frame, event, arg)
