"""One action carried out: what a quick call leaves behind, and whom it tells."""

import asyncio

from controller.core.model import keys
from controller.core.model.actions import Remove
from controller.core.model.errors import WorldBad
from controller.core.model.observed import Container
from controller.work.apply import Applier
from controller.work.operations import Operations
from tests.sim.clock import SimClock, run_virtual

KEY = "shop/dev"
LEFT = Container("c" * 64, "shop-dev-1-r1-1", KEY, "1", "r1", "", "", "sha256:1", 1, 0, image="registry.test/shop")
REMOVE = Remove(LEFT, "is not needed any more", keys.remove(LEFT))


class Bench:
    """An Engine that may refuse, and what was told."""

    def __init__(self) -> None:
        self.refuses = False
        self.changed: list[str] = []
        self.removed: list[Container] = []
        self.operations = Operations(self._perform, SimClock(), self.changed.append, self.changed.append)
        self.applier = Applier(self, self, self.operations, self.changed.append, self.removed.append)  # type: ignore[arg-type]

    async def _perform(self, *_: object) -> dict[str, str]:
        raise AssertionError("a removal is no operation")

    async def remove(self, container: Container) -> None:
        await asyncio.sleep(0)
        if self.refuses:
            raise WorldBad("no", reason="EngineError")


def test_a_removal_is_told_only_when_it_succeeded() -> None:
    """A refused one is a fact of its stage, which the next success ends; the stage counts as changed both times."""

    async def main() -> None:
        bench = Bench()
        bench.refuses = True
        assert await bench.applier.apply(KEY, REMOVE)
        assert (bench.removed, bench.changed) == ([], [KEY])
        assert bench.operations.facts(KEY)[REMOVE.key].failures == 1
        bench.refuses = False
        assert await bench.applier.apply(KEY, REMOVE)
        assert (bench.removed, bench.changed) == ([LEFT], [KEY, KEY])
        assert bench.operations.facts(KEY) == {}

    run_virtual(main)
