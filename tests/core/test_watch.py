"""The watch after the gate: when it wakes the stage, what it follows, when it ends."""

from dataclasses import replace

from controller.core.model.actions import Watch
from controller.core.model.desired import Check
from controller.core.model.observed import Container, Key
from controller.interfaces import Probe
from controller.work.liveness import LivenessWatcher
from tests.core.gate_world import BAD, CHECK, NEW, OK, REFUSED, Run, World
from tests.sim.clock import later, run_virtual


def watch(world: World, check: Check = CHECK) -> Run:
    watcher = LivenessWatcher(world, world, world.clock)  # type: ignore[arg-type]
    return Run(world, watcher.watch, Watch(NEW, check, "serves", Key("watch", "a")))


def test_a_watch_wakes_the_stage_when_the_result_turns_and_when_it_is_final() -> None:
    """Good probes every 30 s wake nobody; the first bad one, the third, and the first good one again do."""

    async def main() -> None:
        world = World()
        world.answers[NEW.id] = lambda t: BAD if 90 <= t < 240 else OK
        run = watch(world)
        await later(1)
        assert run.data == {"ok": "true", "failed": "0"}
        await later(210)
        assert run.data == {"ok": "false", "failed": "5"}
        await later(100)
        assert run.data == {"ok": "true", "failed": "0"}
        assert run.woken == [90, 150, 240]
        assert [at for _, at in world.asked] == [30 * n for n in range(11)]

    run_virtual(main)


def test_a_watch_ends_with_its_container() -> None:
    """When the container is gone the watch ends by itself."""

    async def main() -> None:
        world = World()
        world.answers[NEW.id] = lambda t: OK if t < 45 else REFUSED
        world.containers[NEW.id] = lambda t: NEW if t < 45 else None
        run = watch(world)
        await later(100)
        assert (run.end, run.error, run.data["ok"]) == (60, None, "false")

    run_virtual(main)


def test_a_watch_follows_a_container_to_its_new_address() -> None:
    """Attached to the network anew it has another address: that one is asked before it is called sick."""

    async def main() -> None:
        world = World()
        moved = replace(NEW, address="10.0.0.9")
        world.containers[NEW.id] = lambda t: moved
        probe = world.probe

        async def only_there(check: Check, container: Container) -> Probe:
            answer = await probe(check, container)
            return answer if container.address == "10.0.0.9" or world.clock.monotonic() < 20 else REFUSED

        world.probe = only_there  # type: ignore[method-assign]
        run = watch(world)
        await later(100)
        assert (run.data, run.woken) == ({"ok": "true", "failed": "0"}, [])

    run_virtual(main)
