"""Operations: once per key, as facts, called off or awaited; in virtual time."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from controller.core.model.actions import CheckDigest, Operation, Pull, Start, Stop, Watch
from controller.core.model.desired import Check
from controller.core.model.errors import RevisionBad, WorldBad
from controller.core.model.observed import Container, Key
from controller.work.operations import Operations, Progress
from tests.sim.clock import SimClock, later, run_virtual

A, B = "shop/dev", "shop/prod"
ITEM = Container(
    id="c" * 64, name="shop-dev-1-r1-1", stage=A, tag="1", revision="r1", template="", secrets="", digest="", attempt=1,
    born=0,
)  # fmt: skip
PULL = Pull("registry.test/shop", "1", "", "is declared", Key("pull", "1"))
STOP = Stop(ITEM, 10, "leaves", Key("stop", "1"))
START = Start(ITEM, "is new", Key("start", "1"))
WATCH = Watch(ITEM, Check(), "serves", Key("watch", "1"))
DIGEST = CheckDigest("registry.test/shop", "1", "may move", Key("digest", "1"))
CREATED = Key("create", "x")


class Bench:
    """Operations whose bodies do what `outcome` says: seconds to take, then what to return or raise."""

    def __init__(self, **outcomes: tuple[float, Any]) -> None:
        self.clock = SimClock()
        self.outcomes = outcomes
        self.begun: list[tuple[Key, float]] = []
        self.completed: list[Key] = []
        self.ended: list[tuple[str, float]] = []
        self.progressed: list[str] = []
        self.operations = Operations(
            self._run,
            self.clock,
            lambda stage: self.ended.append((stage, self.clock.monotonic())),
            self.progressed.append,
        )

    async def _run(self, action: Operation, progress: Progress) -> Mapping[str, str]:
        self.begun.append((action.key, self.clock.monotonic()))
        seconds, outcome = self.outcomes[type(action).__name__.lower()]
        progress.report("under way")
        await later(seconds)
        self.completed.append(action.key)
        if isinstance(outcome, BaseException):
            raise outcome
        return dict(outcome)


def test_progress_and_result_are_facts() -> None:
    """While it runs the fact says so with its note; afterwards it holds the result, and the stage was told."""

    async def main() -> None:
        bench = Bench(pull=(5, {"digest": "sha256:1"}))
        bench.operations.start(A, PULL)
        await later(1)
        fact = bench.operations.facts(A)[PULL.key]
        assert (fact.status, fact.note, fact.ended_at) == ("running", "under way", None)
        await later(10)
        fact = bench.operations.facts(A)[PULL.key]
        assert (fact.status, fact.data, fact.failures) == ("succeeded", {"digest": "sha256:1"}, 0)
        assert (bench.progressed, bench.ended) == ([A], [(A, 5)])

    run_virtual(main)


def test_two_stages_share_one_pull() -> None:
    """The second stage joins what runs: one body, one fact, both are told of its end."""

    async def main() -> None:
        bench = Bench(pull=(5, {"digest": "sha256:1"}))
        bench.operations.start(A, PULL)
        await later(2)
        bench.operations.start(B, PULL)
        await later(10)
        assert bench.begun == [(PULL.key, 0)]
        assert bench.operations.facts(A) == bench.operations.facts(B)
        assert bench.ended == [(A, 5), (B, 5)]

    run_virtual(main)


def test_a_shared_pull_goes_on_for_the_stage_that_keeps_it() -> None:
    """One owner lets go: the other's pull runs to its end."""

    async def main() -> None:
        bench = Bench(pull=(5, {}))
        bench.operations.start(A, PULL)
        bench.operations.start(B, PULL)
        bench.operations.cancel_all_but(A, frozenset())
        await later(10)
        assert bench.completed == [PULL.key]
        assert bench.operations.facts(A) == {}
        assert bench.operations.facts(B)[PULL.key].status == "succeeded"

    run_virtual(main)


def test_failures_are_counted_until_it_succeeds() -> None:
    """Starting a failed key again keeps the count, a success resets it, the other side's wish is kept."""

    async def main() -> None:
        bench = Bench(pull=(1, WorldBad("busy", reason="RegistryError", retry_after=7)))
        for count in (1, 2, 3):
            bench.operations.start(A, PULL)
            await later(2)
            fact = bench.operations.facts(A)[PULL.key]
            assert (fact.status, fact.failures, fact.retry_after) == ("failed", count, 7)
            assert fact.failure is not None
            assert (fact.failure.reason, fact.failure.revision_bad) == (
                "RegistryError",
                False,
            )
        bench.outcomes["pull"] = (1, {})
        bench.operations.start(A, PULL)
        await later(0.5)
        assert bench.operations.facts(A)[PULL.key].failures == 3
        await later(2)
        assert bench.operations.facts(A)[PULL.key].failures == 0

    run_virtual(main)


def test_what_is_harmless_is_called_off_when_nobody_keeps_it() -> None:
    """A watch that no plan goes by any more ends at once and leaves no fact."""

    async def main() -> None:
        bench = Bench(watch=(1000, {}))
        bench.operations.start(A, WATCH)
        await later(1)
        bench.operations.cancel_all_but(A, frozenset())
        assert bench.operations.facts(A) == {}
        await later(2000)
        assert (bench.completed, bench.ended) == ([], [])

    run_virtual(main)


def test_what_changes_the_world_runs_to_its_end_and_is_seen_until_then() -> None:
    """A stop that no plan goes by any more ends in order; until then the stage sees it, then it is told and forgets."""

    async def main() -> None:
        bench = Bench(stop=(5, {}))
        bench.operations.start(A, STOP)
        await later(1)
        bench.operations.cancel_all_but(A, frozenset())
        assert bench.operations.facts(A)[STOP.key].status == "running"
        await later(10)
        assert bench.completed == [STOP.key]
        assert bench.operations.facts(A) == {}
        assert bench.ended == [(A, 5)]

    run_virtual(main)


def one_turn(issued: list[Key]) -> Operations:
    """Operations of which one begins at a time and takes 5 seconds; `issued` gets the keys of those that have begun."""
    turn = asyncio.Semaphore(1)

    async def body(action: Operation, progress: Progress) -> Mapping[str, str]:
        progress.mark_waiting()
        async with turn:
            progress.mark_begun()
            issued.append(action.key)
            await later(5)
        return {}

    return Operations(body, SimClock(), lambda stage: None, lambda stage: None)


def test_what_waits_for_its_turn_is_called_off_before_it_begins() -> None:
    """A start that nobody wants any more is not issued when its turn comes; one that has begun goes on."""

    async def main() -> None:
        issued: list[Key] = []
        operations = one_turn(issued)
        second = replace(START, key=Key("start", "2"))
        operations.start(A, START)
        operations.start(A, second)
        await later(1)
        operations.cancel_all_but(A, frozenset())
        assert set(operations.facts(A)) == {START.key}
        await later(60)
        assert (issued, operations.facts(A)) == ([START.key], {})

    run_virtual(main)


def test_what_waits_for_its_turn_is_called_off_when_something_newer_is_declared() -> None:
    """What has begun goes on and is seen; what was not issued yet is not, until a pass asks for it again."""

    async def main() -> None:
        issued: list[Key] = []
        operations = one_turn(issued)
        second = replace(START, key=Key("start", "2"))
        operations.start(A, START)
        operations.start(A, second)
        await later(1)
        operations.cancel_waiting(A)
        assert set(operations.facts(A)) == {START.key}
        operations.start(A, second)
        await later(60)
        assert issued == [START.key, Key("start", "2")]

    run_virtual(main)


def test_wanted_again_before_its_end() -> None:
    """A stop that was let go and is kept again is an ordinary fact at its end."""

    async def main() -> None:
        bench = Bench(stop=(5, {}))
        bench.operations.start(A, STOP)
        await later(1)
        bench.operations.cancel_all_but(A, frozenset())
        bench.operations.cancel_all_but(A, frozenset({STOP.key}))
        await later(10)
        assert bench.operations.facts(A)[STOP.key].status == "succeeded"

    run_virtual(main)


def test_the_same_key_never_runs_twice_at_once() -> None:
    """A key that was called off begins anew only when its predecessor has let go."""

    async def main() -> None:
        running, most = 0, 0

        async def stubborn(action: Operation, progress: Progress) -> Mapping[str, str]:
            nonlocal running, most
            running += 1
            most = max(most, running)
            try:
                await later(100)
            finally:
                await later(3)  # it takes a while to let go
                running -= 1
            return {}

        clock = SimClock()
        operations = Operations(stubborn, clock, lambda stage: None, lambda stage: None)
        operations.start(A, PULL)
        await later(1)
        operations.cancel_all_but(A, frozenset())
        operations.start(A, PULL)
        await later(1)
        assert (running, operations.facts(A)[PULL.key].status) == (1, "running")
        await later(200)
        assert (most, operations.facts(A)[PULL.key].status) == (1, "succeeded")

    run_virtual(main)


def test_a_failed_quick_call_is_a_fact_until_it_is_cleared() -> None:
    """Its failures count up, and a success forgets it."""

    async def main() -> None:
        bench = Bench()
        for count in (1, 2):
            bench.operations.note_failure(A, CREATED, RevisionBad("no", reason="PolicyDenied", logs=("line",)))
            fact = bench.operations.facts(A)[CREATED]
            assert (fact.status, fact.failures) == ("failed", count)
        assert fact.failure is not None
        assert fact.failure.logs == ("line",)
        assert bench.operations.facts(B) == {}
        bench.operations.forget(A, CREATED)
        assert bench.operations.facts(A) == {}

    run_virtual(main)


def test_a_bug_becomes_a_failure_of_the_world(capsys: pytest.CaptureFixture[str]) -> None:
    """An unexpected exception ends as a fact that is tried again, with its traceback in the log."""

    async def main() -> None:
        bench = Bench(pull=(1, ZeroDivisionError("oops")))
        bench.operations.start(A, PULL)
        await later(2)
        failure = bench.operations.facts(A)[PULL.key].failure
        assert failure is not None
        assert (failure.reason, failure.revision_bad) == ("Bug", False)

    run_virtual(main)
    logged = capsys.readouterr().err
    assert "ZeroDivisionError: oops" in logged
    assert "Traceback" in logged


def test_repeats_of_what_succeeds_in_vain_are_slowed_down() -> None:
    """A plan that asks for ever for what succeeds costs a bounded number of calls."""

    async def main() -> None:
        bench = Bench(start=(0.01, {}))

        def again(stage: str) -> None:
            bench.operations.start(stage, START)

        bench.operations = Operations(bench._run, bench.clock, again, lambda stage: None)
        bench.operations.start(A, START)
        await later(600)
        assert 5 < len(bench.begun) < 20

    run_virtual(main)


def test_a_repeat_in_its_own_time_is_not_slowed_down() -> None:
    """What is asked for once a minute begins at once each time."""

    async def main() -> None:
        bench = Bench(checkdigest=(1, {}))
        for _ in range(8):
            bench.operations.start(A, DIGEST)
            await later(60)
        assert [begun for _, begun in bench.begun] == [60 * n for n in range(8)]

    run_virtual(main)


def test_digests_are_looked_at_anew() -> None:
    """`forget_ended` forgets what ended of one kind, and nothing else."""

    async def main() -> None:
        bench = Bench(checkdigest=(1, {}), stop=(1, {}))
        bench.operations.start(A, DIGEST)
        bench.operations.start(A, STOP)
        await later(2)
        bench.operations.forget_ended(CheckDigest)
        assert set(bench.operations.facts(A)) == {STOP.key}

    run_virtual(main)


def test_the_end_awaits_what_changes_the_world_for_a_while() -> None:
    """At the end harmless work is called off, a stop may end in time, a late one is left, and nothing begins."""

    async def main() -> None:
        bench = Bench(watch=(1000, {}), stop=(5, {}), start=(100, {}))
        for action in (WATCH, STOP, START):
            bench.operations.start(A, action)
        await later(1)
        await bench.operations.close(8)
        assert bench.clock.monotonic() == 9
        assert bench.completed == [STOP.key]
        bench.operations.start(A, DIGEST)
        await later(10)
        assert DIGEST.key not in dict(bench.begun)

    run_virtual(main)
