"""A guard for tests: a store that outlives it, documents, deliveries."""

from collections.abc import Sequence

from controller.core.catalog.safeguards import Limits
from controller.core.catalog.types import Incumbents, Sourced
from controller.core.model.desired import StageKey
from controller.core.model.memory import StageMemory
from controller.core.model.status import StageStatus, Transition
from controller.intake.guard import Guard
from controller.interfaces import Delivery
from tests.core.catalog_documents import NOTHING, RULES, A, project, serving, stage


class LastGood:
    """A store that only knows last good documents; what it holds outlives the guard."""

    def __init__(self) -> None:
        self.documents: dict[str, tuple[Sourced, ...]] = {}
        self.writes = 0

    async def last_good(self, source: str) -> tuple[Sourced, ...] | None:
        return self.documents.get(source)

    async def keep_good(self, source: str, documents: Sequence[Sourced]) -> None:
        self.documents[source] = tuple(documents)
        self.writes += 1

    async def memory(self, stage: StageKey) -> StageMemory:
        raise NotImplementedError

    async def record(self, stage: StageKey, memory: StageMemory, transitions: Sequence[Transition], now: float) -> None:
        raise NotImplementedError

    async def stages(self) -> tuple[StageKey, ...]:
        raise NotImplementedError

    async def report(self, status: StageStatus) -> None:
        raise NotImplementedError

    async def forget(self, stage: StageKey) -> None:
        raise NotImplementedError


def shops(count: int, *listed: str) -> list[Sourced]:
    """Projects shop0, shop1 … with one stage each, each in a file of its own."""
    return [project(f"shop{i}", at=f"{i}.yaml", stages=[stage("dev", *(listed or ("1",)))]) for i in range(count)]


async def started(
    store: LastGood, *sources: str, percent: float = 25, prune: bool = True, restore: bool = True
) -> Guard:
    """A guard as after a start of the controller."""
    guard = Guard(store, Limits(sources or (A,), percent, prune))
    if restore:
        await guard.restore()
    return guard


async def deliver(
    guard: Guard,
    *documents: Sourced,
    source: str = A,
    unread: Sequence[str] = (),
    complete: bool = True,
    deleted: Sequence[Sourced] = (),
) -> None:
    """One delivery of a source."""
    delivery = Delivery(source, documents, complete=complete, unread=tuple(unread), deleted=tuple(deleted))
    await guard.deliver(delivery)


async def accepted(*documents: Sourced, percent: float = 25, store: LastGood | None = None) -> tuple[Guard, Incumbents]:
    """A guard that accepted these documents, and everything of them runs."""
    guard = await started(store or LastGood(), percent=percent)
    await deliver(guard, *documents)
    up = serving(guard.catalog(RULES, NOTHING))
    await guard.keep()
    return guard, up
