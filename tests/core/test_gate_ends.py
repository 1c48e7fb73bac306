"""What ends a gate before its attempts are over, and whose fault that is: the revision's or the world's."""

import asyncio
from dataclasses import replace

import pytest

from controller.core.model.errors import Unreachable, WorldBad
from controller.core.model.observed import Container
from tests.core.gate_world import BAD, CHECK, NEW, OK, OLD, REFUSED, World, bad, gate, gate_end
from tests.sim.clock import EPOCH, later, run_virtual


@pytest.mark.parametrize(
    ("after", "reason", "words"),
    [
        (replace(NEW, state="exited", exit_code=3, address=None), "Exited", "it exited with code 3"),
        (
            replace(NEW, state="exited", exit_code=137, oom_killed=True, address=None),
            "Exited",
            "it exited with code 137 (out of memory)",
        ),
        (replace(NEW, state="restarting", restart_count=1), "Restarted", "it was restarted before it passed"),
        (replace(NEW, started_at=EPOCH + 2), "Restarted", "it was restarted before it passed"),
        (replace(NEW, health="unhealthy"), "Unhealthy", "the image's HEALTHCHECK says unhealthy"),
    ],
    ids=["exit", "memory", "restarting", "restarted", "unhealthy"],
)
def test_what_ends_it_at_once(after: Container, reason: str, words: str) -> None:
    """An exit, a restart or `unhealthy` at 2 s ends the gate within a second, while the attempt still goes on."""
    run, world = gate_end(answer=lambda t: REFUSED, container=lambda t: NEW if t < 2 else after)
    assert run.end is not None
    assert 2 <= run.end <= 3.01
    assert (bad(run).reason, bad(run).message, bad(run).logs) == (reason, words, world.log_lines)


def test_a_hint_of_docker_ends_it_without_waiting_for_the_next_look() -> None:
    """The exit is seen in the moment Docker tells of it."""
    ends: list[float | None] = []

    async def main() -> None:
        world = World()
        world.answers[NEW.id] = lambda t: REFUSED
        world.containers[NEW.id] = lambda t: NEW if t < 2.25 else replace(NEW, state="exited", exit_code=1)
        run = gate(world)
        asyncio.get_running_loop().call_later(2.25, world.wakeups.wake, NEW.id)
        await later(100)
        ends.append(run.end)

    run_virtual(main)
    assert ends == [2.25]


def test_a_container_that_exited_long_ago_fails_at_once_with_its_lines() -> None:
    """The gate of a dead container needs no attempt."""
    run, world = gate_end(container=lambda t: replace(NEW, state="exited", exit_code=1))
    assert (run.end, bad(run).reason, bad(run).logs) == (0, "Exited", world.log_lines)
    assert world.asked == []


def test_a_success_of_what_has_just_exited_does_not_count() -> None:
    """The container is looked at after the last success: an answer from its last breath passes nothing."""
    run, _ = gate_end(container=lambda t: NEW if t < 5 else replace(NEW, state="exited", exit_code=1),
                      answer=lambda t: OK if t >= 5 else BAD)  # fmt: skip
    assert bad(run).reason == "Exited"


def test_a_paused_container_is_waited_for() -> None:
    """While somebody pauses it no attempt is counted; afterwards it passes."""
    paused = replace(NEW, state="paused")
    run, _ = gate_end(container=lambda t: NEW if t < 1 or t > 100 else paused,
                      answer=lambda t: BAD if t < 1 else 1e9 if t <= 100 else OK)  # fmt: skip
    assert run.error is None
    assert run.end is not None
    assert 100 < run.end < 102
    assert "the container is paused" in run.notes


def test_a_container_that_is_gone_is_the_worlds_fault() -> None:
    """Somebody removed it: nothing is known of the revision."""
    run, _ = gate_end(container=lambda t: None, answer=lambda t: REFUSED)
    assert isinstance(run.error, WorldBad)
    assert run.error.reason == "ContainerGone"


def test_an_engine_that_does_not_answer_is_the_worlds_fault() -> None:
    """A look that fails ends the gate as unreachable; the plan tries it again."""
    run, _ = gate_end(container=lambda t: NEW if t < 3 else Unreachable("no"), answer=lambda t: REFUSED)
    assert isinstance(run.error, Unreachable)


def test_when_the_one_that_serves_fails_too_the_world_is_bad() -> None:
    """The candidate fails, and so does what passed before: nobody is quarantined for it."""
    run, world = gate_end(answer=lambda t: BAD, control=OLD, old_answer=lambda t: BAD)
    assert isinstance(run.error, WorldBad)
    assert run.error.reason == "ControlFailsToo"
    assert world.asked[-1] == ("10.0.0.1", 10)


@pytest.mark.parametrize(
    "old", [replace(OLD, state="exited", exit_code=0), replace(OLD, started_at=EPOCH + 2.5)], ids=["ended", "restarted"]
)
def test_an_exit_is_nobodys_fault_when_the_one_that_serves_ended_too(old: Container) -> None:
    """Docker shuts down or was restarted: that takes down both, and says nothing of the revision."""
    ended = replace(NEW, state="exited", exit_code=0)
    run, _ = gate_end(
        answer=lambda t: REFUSED,
        container=lambda t: NEW if t < 2 else ended,
        control=OLD,
        old=lambda t: OLD if t < 2 else old,
    )
    assert isinstance(run.error, WorldBad)
    assert run.error.reason == "ControlFailsToo"


@pytest.mark.parametrize("known", [True, False])
def test_a_gate_that_begins_after_a_restart_of_docker_blames_nobody(known: bool) -> None:
    """It finds the new one ended, and the old one, whether it runs again by then or not, started after it."""
    again = replace(OLD, started_at=EPOCH + 2)
    run, _ = gate_end(
        container=lambda t: replace(NEW, state="exited", exit_code=0), control=again if known else None,
        old=lambda t: again,
    )  # fmt: skip
    assert isinstance(run.error, WorldBad)
    assert run.error.reason == "ControlFailsToo"


def test_an_exit_is_the_revisions_fault_when_the_one_that_serves_goes_on() -> None:
    """A second is waited for that; then the lines of the one that ended are told."""
    run, world = gate_end(
        answer=lambda t: REFUSED,
        container=lambda t: NEW if t < 2 else replace(NEW, state="exited", exit_code=1),
        control=OLD,
    )
    assert (bad(run).reason, bad(run).logs) == ("Exited", world.log_lines)


def test_when_the_one_that_serves_fails_too_at_the_deadline_the_world_is_bad() -> None:
    """Attempts that are ended by the progress deadline blame nobody either."""
    slow = replace(CHECK, retries=1000)
    run, _ = gate_end(slow, answer=lambda t: BAD, control=OLD, old_answer=lambda t: BAD, deadline=42)
    assert isinstance(run.error, WorldBad)
    assert run.error.reason == "ControlFailsToo"


def test_when_the_one_that_serves_answers_the_revision_is_bad() -> None:
    """The candidate fails, what passed before answers: it is the revision."""
    run, _ = gate_end(answer=lambda t: BAD, control=OLD)
    assert bad(run).reason == "HealthCheckFailed"
