"""What a planted bug is: one wrong change of the package, and what of the suite must turn red by it.

The change is a text of a module and another in its place, made in a copy, never by a switch in the program. A text that
is not found exactly once fails the test: then the program has changed, and the bug has to be planted anew.
"""

from dataclasses import dataclass
from pathlib import Path

from tests.planted.copy import rewrite


@dataclass(frozen=True)
class Edit:
    """`old`, found exactly once in a module of the package, becomes `new`."""

    module: str
    """Path below `controller/`."""
    old: str
    new: str


@dataclass(frozen=True)
class Bug:
    """A mistake that other deployment tools made, as it would look here."""

    name: str
    story: str
    """What the mistake is, in one sentence."""
    edits: tuple[Edit, ...]
    red: str
    """What turns red: `cell SCENARIO [EFFECT MODE [PROXY]]` of the crash matrix, `seed N` of the histories, a test."""
    says: str
    """Words of the failure: a test that fails for another reason proves nothing."""

    @property
    def arguments(self) -> list[str]:
        """What Python is to be run with."""
        if self.red.startswith(("cell ", "seed ")):
            return ["-m", "tests.planted.play", self.red]
        return ["-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--timeout=20", self.red]


class DoesNotApply(AssertionError):
    """The program has changed; the bug has to be planted anew."""


def plant(bug: Bug, folder: Path) -> None:
    """Make the change in a copy. Raises `DoesNotApply`."""
    for edit in bug.edits:
        name = f"controller/{edit.module}"
        text = (folder / name).read_text()
        count = text.count(edit.old)
        if count != 1:
            raise DoesNotApply(f"{bug.name}: this is {count} times in {name}, and must be there once:\n{edit.old}")
        rewrite(folder, name, text.replace(edit.old, edit.new))
