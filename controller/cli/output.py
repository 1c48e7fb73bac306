"""What all commands share: exit codes, global options, data on stdout and messages on stderr."""

import json
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, NoReturn, TextIO


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
    output: str = "text"
    color: bool = False
    """stdout may have colour."""
    progress_color: bool = False
    """stderr, where progress goes, may have colour."""

    @property
    def data(self) -> bool:
        """True when stdout is for a program."""
        return self.output in ("json", "yaml")


OPTIONS = Options()

GREEN, YELLOW, RED = "32", "33", "31"

_PLAIN_SCALAR = re.compile(r"[A-Za-z$][A-Za-z0-9$/-]*(\.[A-Za-z0-9/-]+)*")
_YAML_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


def wants_color(no_color: bool, stream: TextIO) -> bool:
    """True for a terminal, unless the person wants no colour (no-color.org)."""
    return not no_color and not os.environ.get("NO_COLOR") and is_live(stream)


def is_live(stream: TextIO) -> bool:
    """True for a terminal whose lines can be overwritten."""
    return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def paint(text: str, color: str) -> str:
    """Text for stdout in a colour, where colour is wanted; a word or a symbol always carries the same meaning."""
    return f"\x1b[{color}m{text}\x1b[0m" if color and OPTIONS.color else text


def say(message: str) -> None:
    """Print a message for the person on stderr."""
    print(message, file=sys.stderr, flush=True)


def fail(message: str, code: Exit = Exit.FAILED) -> NoReturn:
    """End the command with a message and an exit code."""
    raise Stop(code, message)


def emit(data: Any) -> None:
    """Print data on stdout in the form of `-o`."""
    text = yaml_text(data) if OPTIONS.output == "yaml" else json.dumps(data, indent=2, ensure_ascii=False)
    print(text, flush=True)


def stream(rows: Iterable[Any]) -> None:
    """Print data that comes bit by bit: one line of JSON each, or one YAML document each."""
    for row in rows:
        yaml = OPTIONS.output == "yaml"
        print(f"---\n{yaml_text(row)}" if yaml else json.dumps(row, ensure_ascii=False), flush=True)


def yaml_text(data: Any, indent: int = 0) -> str:
    """Block YAML of plain data; text is quoted where a YAML reader could take it for something else."""
    pad = "  " * indent
    if isinstance(data, dict) and data:
        return "\n".join(f"{pad}{_scalar(key)}:{_below(value, indent)}" for key, value in data.items())
    if isinstance(data, list | tuple) and data:
        return "\n".join(f"{pad}- {yaml_text(value, indent + 1).lstrip()}" for value in data)
    return pad + _scalar(data)


def _below(value: Any, indent: int) -> str:
    if isinstance(value, dict | list | tuple) and value:
        return "\n" + yaml_text(value, indent + isinstance(value, dict))
    return " " + _scalar(value)


def _scalar(value: Any) -> str:
    if isinstance(value, str) and _PLAIN_SCALAR.fullmatch(value) and value.lower() not in _YAML_WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)
