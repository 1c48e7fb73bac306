"""A mass change that the guard holds back, with no controller running: confirmed in one process, done in the next."""

from tests.sim.sources import project
from tests.sim.test_manager import alone, converge, manager
from tests.world import Simulation


async def held(sim: Simulation) -> str:
    """Four projects run, one stays declared: converge ends with a hold and nothing is removed. Returns its digest."""
    sim.guard_percent = 25
    everything = [project(name, "1.0") for name in ("a", "b", "c", "d")]
    await converge(sim, *everything)
    await sim.write(everything[0])
    holder = manager(sim)
    await holder.converge(900)
    assert len(sim.containers()) == 4
    [hold] = holder.holds()
    return hold.digest


def test_a_mass_change_is_held_back_and_goes_through_when_confirmed() -> None:
    """Confirmed in a process of its own, the next apply does it, and the word counts no second time."""

    async def play(sim: Simulation) -> tuple[list[str], str]:
        digest = await held(sim)
        assert not await manager(sim).confirm("0" * 12)
        assert await manager(sim).confirm(digest)
        await converge(sim, project("a", "1.0"))
        left = [box.stage for box in sim.containers()]
        await converge(sim, project("a", "1.0"))
        return left, sim.disk.confirmed

    assert alone(play) == (["a/dev"], "")


def test_a_confirmed_change_goes_on_after_a_restart_in_the_middle() -> None:
    """A controller that ended while it removed things does not ask again."""

    async def play(sim: Simulation) -> list[str]:
        digest = await held(sim)
        assert await manager(sim).confirm(digest)
        await converge(sim, project("a", "1.0"), timeout=1)
        assert 1 < len(sim.containers()) <= 4
        await converge(sim, project("a", "1.0"))
        return [box.stage for box in sim.containers()]

    assert alone(play) == ["a/dev"]


def test_a_word_for_one_change_allows_no_other() -> None:
    """Edited after the confirmation, the change is another one and waits again."""

    async def play(sim: Simulation) -> int:
        digest = await held(sim)
        assert await manager(sim).confirm(digest)
        await converge(sim, project("b", "1.0"))
        return len(sim.containers())

    assert alone(play) == 4
