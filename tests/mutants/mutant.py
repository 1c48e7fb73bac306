"""The mutants of `controller/core`: which there are, their source, and what a person reads of one."""

import ast
import difflib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.mutants.operators import Site, mutate, sites

CORE = Path(__file__).parents[2] / "controller" / "core"


@dataclass(frozen=True)
class Mutant:
    """One mistake in one module."""

    module: str
    """Name of the module below the core, such as planning.plan."""
    site: Site

    @property
    def name(self) -> str:
        """Such as planning/plan.py:12 flip 0 #4."""
        return f"{self.path.relative_to(CORE)}:{self.site.line} {self.site.kind} #{self.site.number}"

    @property
    def path(self) -> Path:
        """The file that the mistake is in."""
        return CORE.joinpath(*self.module.split(".")).with_suffix(".py")

    @property
    def lines(self) -> frozenset[int]:
        """Lines of its statement; of one with a body, those before the body."""
        return _spans(self.path)[self.site.node]

    def source(self) -> str:
        """The module with the mistake in it."""
        return mutate(_tree(self.path), self.site)

    def shown(self) -> str:
        """The lines that the mistake changes."""
        before, after = ast.unparse(_tree(self.path)).splitlines(), self.source().splitlines()
        lines = list(difflib.unified_diff(before, after, lineterm="", n=0))[2:]
        return "\n".join(f"    {line}" for line in lines if not line.startswith("@@"))


def everything(only: str = "") -> list[Mutant]:
    """All mutants of the core, in order; of the modules whose name begins with `only`, such as planning.r."""
    paths = sorted(CORE.rglob("*.py"))
    chosen = [path for path in paths if module_name(path).startswith(only)]
    return [Mutant(module_name(path), site) for path in chosen for site in sites(_tree(path))]


def module_name(path: Path) -> str:
    """The dotted name of a module below the core, by its file."""
    return ".".join(path.relative_to(CORE).with_suffix("").parts)


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def _spans(path: Path) -> tuple[frozenset[int], ...]:
    """The lines of the statement around each node, in the order of `ast.walk`."""
    found: dict[int, frozenset[int]] = {}

    def go(node: ast.AST, lines: frozenset[int]) -> None:
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None) or getattr(node, "cases", None)
            first = body[0].pattern if isinstance(node, ast.Match) and body else body[0] if body else None
            end = first.lineno - 1 if first is not None else node.end_lineno
            own = frozenset(range(node.lineno, max(node.lineno, end or 0) + 1))
            lines = own | lines if isinstance(node, ast.Continue) else own  # whose own line Python leaves out at times
        found[id(node)] = lines
        for child in ast.iter_child_nodes(node):
            go(child, lines)

    tree = _tree(path)
    go(tree, frozenset())
    return tuple(found[id(node)] for node in ast.walk(tree))
