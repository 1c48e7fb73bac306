"""Quantities of documents as numbers: durations, memory, processors."""

import pytest

from controller.core.documents import quantity


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("250ms", 0.25), ("10s", 10.0), ("1.5m", 90.0), ("1h30m", 5400.0), ("1d", 86400.0), ("0s", 0.0)],
)
def test_durations_are_seconds(text: str, seconds: float) -> None:
    """Every unit, alone and together."""
    assert quantity.duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("6Mi", 6 * 1024**2),
        ("1k", 1000),
        ("1.5Gi", 3 * 1024**3 // 2),
        ("42", 42),
        ("2K", 2000),
        ("3M", 3_000_000),
        ("1G", 10**9),
        ("2Ki", 2048),
    ],
)
def test_memory_is_bytes(text: str, size: int) -> None:
    """Powers of 1024 and of 1000."""
    assert quantity.memory(text) == size


@pytest.mark.parametrize(("text", "share"), [("500m", 0.5), ("0.5", 0.5), ("2", 2.0)])
def test_cpus_are_processors(text: str, share: float) -> None:
    """Thousandths and decimals."""
    assert quantity.cpus(text) == share


@pytest.mark.parametrize("text", ["", "10", "s", "-1s", "1 s", "1y"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    """A text that the document's pattern refuses is an error here too."""
    with pytest.raises(ValueError, match="is not"):
        quantity.duration(text)
