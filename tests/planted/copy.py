"""A copy of the package and its tests, in which something may be wrong on purpose, and runs of the suite in it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
COPIED = ("controller", "tests")
NO_BUGS = shutil.ignore_patterns(".*")
"""Compiled modules go along: they are as old as the copied sources, so that a run in the copy begins at once."""


def copy(folder: Path) -> Path:
    """Copy the package and the tests; everything else of the repository is linked. Returns the folder."""
    for entry in ROOT.iterdir():
        if entry.name in COPIED:
            shutil.copytree(entry, folder / entry.name, ignore=NO_BUGS)
        elif entry.name not in (".git", ".test", ".hypothesis"):
            (folder / entry.name).symlink_to(entry)
    return folder


def rewrite(folder: Path, name: str, text: str) -> None:
    """Give a copied module another text; what was compiled of it goes too, since it may be of the same second."""
    target = folder / name
    target.write_text(text)
    for compiled in (target.parent / "__pycache__").glob(f"{target.stem}.*.pyc"):
        compiled.unlink()


def run(folder: Path, arguments: Sequence[str], seconds: float) -> "subprocess.CompletedProcess[str]":
    """Run Python in the copy, with all its output as text. Raises `subprocess.TimeoutExpired`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    environment |= {"PYTHONPATH": str(folder), "CI": ""}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=seconds,
        check=False,
    )
