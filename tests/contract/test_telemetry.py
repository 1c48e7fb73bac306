"""The log as it arrives on stderr."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from controller.telemetry import configure, log


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Leave the log as other tests expect it."""
    yield
    configure("info")


def test_lines_are_for_people_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    """Time, level, the constant event and the values in their order; quotes only where they are needed."""
    configure("info")
    log.info("pass done", stage="shop/dev", took=0.5, note="two words", empty="")
    log.debug("not shown")
    found = capsys.readouterr()
    assert found.out == ""
    stamp, _, rest = found.err.partition(" ")
    assert stamp.endswith("Z")
    assert rest == 'info    pass done stage=shop/dev took=0.5 note="two words" empty=""\n'


def test_no_value_forges_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Newlines, escape sequences and text direction marks arrive as escapes."""
    configure("info")
    log.warning("probe failed", body="x\n2026-01-01T00:00:00Z error forged\r\x1b[2J\u202egpj")
    found = capsys.readouterr().err
    assert found.count("\n") == 1
    assert "\x1b" not in found
    assert "\r" not in found


def test_an_error_brings_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    """A bug is logged with where it came from."""
    configure("info")
    try:
        raise ValueError("wrong turn")
    except ValueError as error:
        log.error("bug in a pass", stage="shop/dev", exc_info=error)
    found = capsys.readouterr().err
    assert "bug in a pass stage=shop/dev\nTraceback" in found
    assert "ValueError: wrong turn" in found


def test_stdout_stays_clean_without_configuration() -> None:
    """A command that never configures the log prints data alone on stdout."""
    script = "from controller.telemetry import log\nlog.warning('careful', n=1)\nprint('data')"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout == "data\n"
    assert "warning careful n=1" in done.stderr
