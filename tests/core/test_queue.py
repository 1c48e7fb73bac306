"""The work queue, in virtual time."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable

from controller.core.model.backoff import delay
from controller.core.model.errors import HoldfastError, Unreachable, WorldBad
from controller.work.queue import FREE_REPEATS, WorkQueue
from tests.sim.clock import SimClock, later, run_virtual

KEY = "shop/dev"


class Desk:
    """A queue with two workers; `passes` are (key, begin, end), `failures` (key, reason, seconds)."""

    def __init__(self, work: Callable[[str], Awaitable[float | None]]) -> None:
        self.clock = SimClock()
        self.queue = WorkQueue(self.clock)
        self.passes: list[tuple[str, float, float]] = []
        self.failures: list[tuple[str, str, float]] = []
        self._work = work

    async def _pass(self, key: str) -> float | None:
        begun = self.clock.monotonic()
        try:
            return await self._work(key)
        finally:
            self.passes.append((key, begun, self.clock.monotonic()))

    def _failed(self, key: str, error: HoldfastError, seconds: float) -> None:
        self.failures.append((key, error.reason, seconds))

    async def run(self, seconds: float) -> None:
        """Let the queue work for so long."""
        running = asyncio.create_task(self.queue.run(self._pass, self._failed, 2))
        await later(seconds)
        self.queue.stop()
        await running


async def _takes_a_second(key: str) -> float | None:
    await later(1)
    return None


def test_a_key_waits_once() -> None:
    """Asking three times before the pass begins gives one pass."""

    async def main() -> None:
        desk = Desk(_takes_a_second)
        for _ in range(3):
            desk.queue.add(KEY)
        await desk.run(10)
        assert desk.passes == [(KEY, 0, 1)]

    run_virtual(main)


def test_a_key_asked_for_during_its_pass_gets_another_afterwards() -> None:
    """What happened during a pass is seen by a next one, which never overlaps it."""

    async def main() -> None:
        desk = Desk(_takes_a_second)
        desk.queue.add(KEY)
        asyncio.get_running_loop().call_later(0.5, desk.queue.add, KEY)
        asyncio.get_running_loop().call_later(0.6, desk.queue.add, KEY)
        await desk.run(10)
        assert desk.passes == [(KEY, 0, 1), (KEY, 1, 2)]

    run_virtual(main)


def test_keys_run_side_by_side_up_to_the_workers() -> None:
    """With two workers the third key waits for the first to end."""

    async def main() -> None:
        desk = Desk(_takes_a_second)
        for key in ("a/x", "b/x", "c/x"):
            desk.queue.add(key)
        await desk.run(10)
        assert sorted(desk.passes) == [("a/x", 0, 1), ("b/x", 0, 1), ("c/x", 1, 2)]

    run_virtual(main)


def test_a_failing_key_backs_off_and_a_success_ends_that() -> None:
    """Pauses double per failure, follow `backoff.delay`, and begin anew after a success."""

    async def main() -> None:
        outcomes = [Unreachable("no"), Unreachable("no"), Unreachable("no"), None, Unreachable("no")]

        async def work(key: str) -> float | None:
            outcome = outcomes.pop(0) if outcomes else None
            if outcome is not None:
                raise outcome
            return 50 if len(outcomes) == 1 else None

        desk = Desk(work)
        desk.queue.add(KEY)
        await desk.run(120)
        pauses = [delay(1, KEY), delay(2, KEY), delay(3, KEY), delay(1, KEY)]
        assert [seconds for _, _, seconds in desk.failures] == pauses
        begun = [begin for _, begin, _ in desk.passes]
        assert [round(b - a, 6) for a, b in itertools.pairwise(begun)] == [
            round(seconds, 6) for seconds in (*pauses[:3], 50, pauses[3])
        ]

    run_virtual(main)


def test_the_other_sides_wish_is_granted() -> None:
    """A longer `retry_after` of the error wins over the backoff."""

    async def main() -> None:
        async def work(key: str) -> float | None:
            raise WorldBad("too many", retry_after=40)

        desk = Desk(work)
        desk.queue.add(KEY)
        await desk.run(60)
        assert [begin for _, begin, _ in desk.passes] == [0, 40]

    run_virtual(main)


def test_the_earlier_wish_wins_and_a_pass_fulfils_it() -> None:
    """Of two delayed wishes the earlier counts; a pass before it takes its place."""

    async def main() -> None:
        desk = Desk(_takes_a_second)
        desk.queue.add_after(KEY, 20)
        desk.queue.add_after(KEY, 5)
        desk.queue.add_after(KEY, 30)
        desk.queue.add_after("b/x", 10)
        asyncio.get_running_loop().call_later(3, desk.queue.add, "b/x")
        await desk.run(60)
        assert desk.passes == [("b/x", 3, 4), (KEY, 5, 6)]

    run_virtual(main)


def test_a_key_that_always_comes_back_at_once_is_slowed_down() -> None:
    """Whatever the reason is: ten passes follow each other, then the pauses grow."""

    async def main() -> None:
        async def work(key: str) -> float | None:
            return 0.0

        desk = Desk(work)
        desk.queue.add(KEY)
        await desk.run(60)
        begun = [begin for _, begin, _ in desk.passes]
        assert begun[FREE_REPEATS] == 0
        assert begun[FREE_REPEATS + 1] == delay(1, KEY)
        assert len(begun) < FREE_REPEATS + 10

    run_virtual(main)


def test_a_failing_key_does_not_delay_others() -> None:
    """While one stage fails for ever another gets its passes on time."""

    async def main() -> None:
        async def work(key: str) -> float | None:
            if key == KEY:
                raise Unreachable("no")
            return 10

        desk = Desk(work)
        desk.queue.add(KEY)
        desk.queue.add("b/x")
        await desk.run(35)
        assert [begin for key, begin, _ in desk.passes if key == "b/x"] == [0, 10, 20, 30]

    run_virtual(main)


def test_stop_begins_nothing_more_and_lets_the_running_pass_end() -> None:
    """After `stop` the pass that runs ends in order, nothing that waits is begun."""

    async def main() -> None:
        desk = Desk(_takes_a_second)
        for key in ("a/x", "b/x", "c/x"):
            desk.queue.add(key)
        desk.queue.add_after("d/x", 0.2)
        await desk.run(0.5)
        assert sorted(desk.passes) == [("a/x", 0, 1), ("b/x", 0, 1)]
        desk.queue.add("e/x")
        await later(5)
        assert len(desk.passes) == 2

    run_virtual(main)
