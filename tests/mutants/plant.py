"""Two ways to put a mistake into a Python that runs: other code for the functions there are, or another import."""

import gc
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from types import CodeType, FunctionType, ModuleType

from tests.mutants.mutant import CORE, Mutant

Place = tuple[str, str, int]
"""File, qualified name and first line of a function."""
PACKAGE = "controller.core"


class Functions:
    """All functions of the core that there are in this process."""

    def __init__(self) -> None:
        self._at: dict[Place, list[FunctionType]] = {}
        for item in gc.get_objects():
            if isinstance(item, FunctionType) and item.__code__.co_filename.startswith(str(CORE)):
                self._at.setdefault(_place(item.__code__), []).append(item)

    def plant(self, mutant: Mutant) -> None:
        """Let them do from now on what the mutant's source says; what is imported already stays otherwise."""
        path = str(mutant.path)
        before = _codes(compile(mutant.path.read_text(), path, "exec"))
        after = _codes(compile(mutant.source(), path, "exec"))
        for old, new in zip(before, after, strict=True):
            for function in self._at.get(_place(old), ()):
                if len(new.co_freevars) == len(old.co_freevars):
                    function.__code__ = new


class Import(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives the module of a mutant the mutant's source; for a process that has not imported the core yet."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant
        self._name = f"{PACKAGE}.{mutant.module}"

    def plant(self) -> None:
        """From now on."""
        if any(name.startswith(PACKAGE) for name in sys.modules):
            raise RuntimeError("the core is imported already")
        sys.meta_path.insert(0, self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Only for the one module."""
        if fullname != self._name:
            return None
        return importlib.util.spec_from_file_location(fullname, self._mutant.path, loader=self)

    def exec_module(self, module: ModuleType) -> None:
        """Run the mutant's source as the module."""
        exec(compile(self._mutant.source(), str(self._mutant.path), "exec"), module.__dict__)


def _place(code: CodeType) -> Place:
    return code.co_filename, code.co_qualname, code.co_firstlineno


def _codes(code: CodeType) -> list[CodeType]:
    """The codes of all functions in one, of inner ones too, in the order of the source."""
    return [inner for inner in _within(code) if not inner.co_name.startswith("<")]


def _within(code: CodeType) -> Iterator[CodeType]:
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield inner
            yield from _within(inner)
