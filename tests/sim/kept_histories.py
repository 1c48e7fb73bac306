"""Histories that once showed a mistake, kept as scripts: what they mean does not depend on how histories are drawn."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from tests.sim.scripts import Script, script

FILE = Path(__file__).with_name("kept_histories.yaml")


@dataclass(frozen=True)
class KeptHistory:
    """One history and what it found."""

    name: str
    found: str
    """The mistake that it showed, in a sentence."""
    script: Script


@cache
def kept_histories() -> tuple[KeptHistory, ...]:
    """All of them, in the order of the file."""
    cases = yaml.safe_load(FILE.read_text())
    return tuple(KeptHistory(case["name"], case["found"], script(case["script"])) for case in cases)
