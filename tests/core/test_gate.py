"""The gate's rule: attempts, pauses between them, the start period, types of checks."""

from dataclasses import replace
from typing import Any

import pytest

from controller.core.model.desired import Check
from tests.core.gate_world import BAD, CHECK, NEW, OK, REFUSED, bad, gate_end
from tests.sim.clock import EPOCH


def test_one_good_answer_passes_at_once() -> None:
    """A container that answers passes with one probe and no waiting."""
    run, world = gate_end()
    assert (run.error, run.end) == (None, 0)
    assert world.asked == [("10.0.0.2", 0)]


def test_a_port_that_refuses_is_asked_again_inside_the_attempt() -> None:
    """An app that listens after 0.7 s passes within a quarter of a second of that, in its first attempt."""
    run, _ = gate_end(answer=lambda t: REFUSED if t < 0.7 else OK)
    assert run.error is None
    assert run.end is not None
    assert 0.7 <= run.end <= 0.95
    assert run.notes == ["attempt 1 of 3: connection refused, asked again"]


def test_three_refused_attempts_fail_it() -> None:
    """A port that never listens: three attempts of 10 s with 5 s between them, then the last lines tell why."""
    run, world = gate_end(answer=lambda t: REFUSED)
    assert run.end is not None
    assert 39 < run.end <= 40
    assert (bad(run).reason, bad(run).message) == (
        "HealthCheckFailed",
        "3 attempts: connection refused for 10 s",
    )
    assert bad(run).logs == world.log_lines


def test_bad_answers_are_attempts() -> None:
    """Each bad answer ends its attempt at once; the third ends the gate, after two pauses."""
    run, world = gate_end(answer=lambda t: BAD)
    assert run.end == 10
    assert [at for _, at in world.asked] == [0, 5, 10]
    assert bad(run).message == "3 attempts: status 503"
    assert run.notes == ["attempt 1 of 3: status 503", "attempt 2 of 3: status 503", "attempt 3 of 3: status 503"]


def test_a_hanging_answer_lasts_one_timeout() -> None:
    """An app that never answers a connection costs the timeout per attempt, no more."""
    run, _ = gate_end(replace(CHECK, retries=2), answer=lambda t: 1e9)
    assert run.end == 25
    assert bad(run).reason == "HealthCheckFailed"


def test_the_start_period_comes_first_and_counts_from_the_start() -> None:
    """Nothing is asked before startPeriod is over; a container that is older gets only what is left."""
    run, world = gate_end(replace(CHECK, start_period=30))
    assert (run.error, world.asked) == (None, [("10.0.0.2", 30)])
    run, _ = gate_end(replace(CHECK, start_period=30), subject=replace(NEW, started_at=EPOCH - 20))
    assert (run.error, run.end) == (None, 10)


def test_a_clock_that_is_ahead_never_lengthens_the_start_period() -> None:
    """A start in the future (the Engine's clock is ahead by an hour) waits for startPeriod and no longer."""
    run, _ = gate_end(replace(CHECK, start_period=30), subject=replace(NEW, started_at=EPOCH + 3600))
    assert (run.error, run.end) == (None, 30)


def test_successes_must_come_in_a_row() -> None:
    """With successThreshold 3 a failure in between begins the count anew, and is an attempt."""
    answers = [OK, OK, BAD, OK, OK, OK]
    run, world = gate_end(replace(CHECK, success_threshold=3), answer=lambda t: answers[int(t // 5)])
    assert (run.error, run.end) == (None, 25)
    assert len(world.asked) == 6


def test_the_deadline_ends_it() -> None:
    """Attempts that would go on are ended by the progress deadline."""
    run, _ = gate_end(replace(CHECK, retries=1000), answer=lambda t: BAD, deadline=42)
    assert (run.end, bad(run).reason) == (42, "ProgressDeadlineExceeded")
    assert bad(run).message == "not healthy before the progress deadline: attempt 9 of 1000: status 503"


def test_a_deadline_that_is_over_still_grants_one_attempt() -> None:
    """A controller that was away for long does not blame a container that answers."""
    run, _ = gate_end(deadline=-3600, answer=lambda t: REFUSED if t < 0.5 else OK)
    assert run.error is None


@pytest.mark.parametrize(
    ("health", "reason"),
    [
        ("healthy", None),
        ("unhealthy", "Unhealthy"),
        (None, "HealthCheckMissing"),
        ("starting", "ProgressDeadlineExceeded"),
    ],
)
def test_type_docker_goes_by_the_images_healthcheck(health: Any, reason: str | None) -> None:
    """`healthy` passes, `unhealthy` fails at once, an image without one fails, `starting` waits for the deadline."""
    run, world = gate_end(
        Check(type="docker"),
        container=lambda t: replace(NEW, health=None if health is None else "starting" if t < 4 else health),
        deadline=60,
    )
    assert (None if run.error is None else bad(run).reason) == reason
    assert world.asked == []


@pytest.mark.parametrize(("start_period", "end"), [(0, 1), (20, 20)])
def test_type_none_wants_it_to_run_for_a_while(start_period: float, end: float) -> None:
    """At least one second, or startPeriod when that is longer."""
    run, _ = gate_end(Check(type="none", start_period=start_period))
    assert (run.error, run.end) == (None, end)


def test_type_none_fails_what_exits_in_that_time() -> None:
    """A command that ends after 0.3 s has not passed."""
    run, _ = gate_end(Check(type="none"), container=lambda t: NEW if t < 0.3 else replace(NEW, state="exited"))
    assert bad(run).reason == "Exited"
