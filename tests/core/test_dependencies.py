"""What the package says it needs is what its code imports, and the lock file pins it."""

import ast
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODULES = {"pyyaml": "yaml"}
"""Where a distribution's module has another name."""


def declared() -> set[str]:
    """Names of the distributions that the package needs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return {re.split(r"[<>=!~ \[;]", line, maxsplit=1)[0] for line in project["dependencies"]}


def imported() -> set[str]:
    """Top-level modules that the package imports, wherever in a file."""
    found: set[str] = set()
    for path in (ROOT / "controller").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found


def test_nothing_is_declared_that_nothing_imports() -> None:
    """A dependency without a user is only something more to keep safe."""
    modules = {MODULES.get(name, name.replace("-", "_")) for name in declared()}
    assert modules - imported() == set()


def test_everything_declared_is_pinned() -> None:
    """The lock file has each of them."""
    pinned = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    assert declared() - pinned == set()
