"""Settings of a text, and what is wrong with one."""

from pathlib import Path

import pytest

from controller.core.model.errors import Diagnostic, InvalidInput
from controller.settings import Settings
from controller.settings.load import parse

ROOT = Path(__file__).resolve().parents[2]
FILE = Path("/etc/holdfast/holdfast.yaml")
HEAD = "id: home-1\ndomain: example.com\n"


def settings(text: str = "", **environ: str) -> Settings:
    """Settings of a text after id and domain."""
    return parse(HEAD + text, FILE, environ)


def mistakes(text: str, **environ: str) -> list[Diagnostic]:
    """What is wrong with a whole text."""
    with pytest.raises(InvalidInput) as caught:
        parse(text, FILE, environ)
    return caught.value.diagnostics
