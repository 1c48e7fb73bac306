"""What every command shares: exit codes, global options, data on stdout and messages on stderr."""

import json
import os
import sys
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, NoReturn


class Exit(IntEnum):
    """Exit codes; scripts rely on them."""

    DONE = 0
    FAILED = 1
    CHANGES = 2
    USAGE = 64
    INVALID = 65
    UNREACHABLE = 69
    TIMEOUT = 75
    INTERRUPTED = 130


class Stop(Exception):
    """End the command with this exit code and message."""

    def __init__(self, code: Exit, message: str = "") -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Options:
    """The global options of this run."""

    config: Path = Path("holdfast.yaml")
    config_given: bool = False
    output: str = "text"
    color: bool = False

    @property
    def data(self) -> bool:
        """True when stdout is for a program."""
        return self.output in ("json", "yaml")


OPTIONS = Options()


def colored(no_color: bool) -> bool:
    """Colour only on a terminal that can, unless the person said no (no-color.org)."""
    return not no_color and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and sys.stdout.isatty()


def say(message: str) -> None:
    """A message for the person, on stderr."""
    print(message, file=sys.stderr, flush=True)


def fail(message: str, code: Exit = Exit.FAILED) -> NoReturn:
    """End the command."""
    raise Stop(code, message)


def emit(data: Any) -> None:
    """Data on stdout in the form that was asked for."""
    print(yaml_text(data) if OPTIONS.output == "yaml" else json.dumps(data, indent=2, ensure_ascii=False), flush=True)


def yaml_text(data: Any, indent: int = 0) -> str:
    """Block YAML of plain data; strings are quoted as in JSON, so that no reader takes one for something else."""
    pad = "  " * indent
    if isinstance(data, dict) and data:
        return "\n".join(f"{pad}{json.dumps(str(key))}:{_below(value, indent)}" for key, value in data.items())
    if isinstance(data, (list, tuple)) and data:
        return "\n".join(f"{pad}-{_below(value, indent)}" for value in data)
    return pad + json.dumps(data, ensure_ascii=False)


def _below(value: Any, indent: int) -> str:
    nested = isinstance(value, (dict, list, tuple)) and value
    return "\n" + yaml_text(value, indent + 1) if nested else " " + json.dumps(value, ensure_ascii=False)
