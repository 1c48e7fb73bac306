"""Quantities as documents write them: durations, sizes of memory, shares of a processor, times.

A text that does not have the form of its pattern in `forms` is a ValueError here.
"""

import re
from datetime import UTC, datetime
from decimal import Decimal

from controller.core.documents.forms import CPUS_PATTERN, DURATION_PATTERN, MEMORY_PATTERN

_SECONDS = {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600), "d": Decimal(86400)}
_BYTES = {"": 1, "k": 1000, "K": 1000, "M": 1000**2, "G": 1000**3, "Ki": 1024, "Mi": 1024**2, "Gi": 1024**3}


def duration(text: str) -> float:
    """Seconds of a duration such as 250ms, 1h30m or 1d."""
    _expect(DURATION_PATTERN, text, "a duration such as 30s or 1h30m")
    parts = re.findall(r"([0-9.]+)(ms|s|m|h|d)", text)
    return float(sum(Decimal(number) * _SECONDS[unit] for number, unit in parts))


def memory(text: str) -> int:
    """Bytes of a size such as 256Mi; Ki, Mi and Gi are powers of 1024, k, M and G of 1000."""
    _expect(MEMORY_PATTERN, text, "a size such as 256Mi")
    number = text.rstrip("KMGki")
    return int(Decimal(number) * _BYTES[text[len(number) :]])


def cpus(text: str) -> float:
    """Processors of a share such as 0.5 or 500m."""
    _expect(CPUS_PATTERN, text, 'a share such as "0.5" or "500m"')
    return float(Decimal(text[:-1]) / 1000 if text.endswith("m") else Decimal(text))


def timestamp(text: str) -> float:
    """Unix seconds of an RFC 3339 time, UTC when it names no zone."""
    try:
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    except OverflowError as error:
        raise ValueError(f"{text!r} is out of range") from error


def _expect(pattern: str, text: str, example: str) -> None:
    if not re.fullmatch(pattern, text):
        raise ValueError(f"{text!r} is not {example}")
