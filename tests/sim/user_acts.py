"""What people, third parties and machines do to a world, as plain data: a history can be written down and played again.

An act that finds nothing to be done to, such as a container that is not there, does nothing: so any part of a history
is a history.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.sim.engine import Box
from tests.world import Simulation

END_WITHIN_S = 7200.0
"""Seconds in which the end must be reached: more than the backoff's cap and any deadline together."""


@dataclass(frozen=True)
class Act:
    """One thing that somebody does."""

    name: str
    """One of `_ACTS`."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    wait: float | None = None
    """Seconds that pass afterwards; None: not even a turn of the loop."""


async def perform(sim: Simulation, act: Act) -> None:
    """Do it. The last act of a history is `end`: what is asserted there says what went wrong."""
    await _ACTS[act.name](sim, **act.arguments)
    if act.wait is not None:
        await asyncio.sleep(act.wait)


def which(sim: Simulation, box: Box) -> dict[str, Any]:
    """Words for a container that a replay understands though names and attempts differ there."""
    return {"stage": box.stage, "tag": box.tag, "nth": _alike(sim, box.stage, box.tag).index(box)}


def _alike(sim: Simulation, stage: str, tag: str) -> list[Box]:
    return [box for box in sim.containers(stage) if box.tag == tag]


def _box(sim: Simulation, stage: str, tag: str, nth: int) -> Box | None:
    return next(iter(_alike(sim, stage, tag)[nth:]), None)


# The user


async def _nothing(_: Simulation) -> None:
    """There was nothing to do it to."""


async def _write(sim: Simulation, documents: Any) -> None:
    """Declare exactly this."""
    await sim.write(*documents)


async def _half_written(sim: Simulation, path: str, seconds: float) -> None:
    """A file that is no document for a while."""
    good = sim.folder.files.get(path)
    sim.folder.put(path, None)
    sim.folder.touched()
    await asyncio.sleep(seconds)
    if good is not None:
        sim.folder.put(path, good)
        sim.folder.touched()


async def _unmounted(sim: Simulation, seconds: float) -> None:
    """The folder is away for a while."""
    sim.folder.reachable = False
    sim.folder.touched()
    await asyncio.sleep(seconds)
    sim.folder.reachable = True
    sim.folder.touched()


async def _restart(sim: Simulation, lose_store: bool = False) -> None:
    """The controller ends in order, perhaps its state folder is lost."""
    await sim.restart(lose_store=lose_store)


async def _crash(sim: Simulation) -> None:
    """kill -9 of the controller."""
    await sim.crash()


async def _end(sim: Simulation, documents: Any) -> None:
    """The faults are over and what can run is declared: that must be reached from whatever state (L1, L8)."""
    stop = getattr(sim.border.faults, "stop", None)
    if stop is not None:
        stop()
    sim.registry.down = sim.proxy.down = sim.proxy.refuses = False
    sim.folder.reachable = True
    await sim.write(*documents)
    await sim.settle(END_WITHIN_S)
    sim.matches()
    sim.history_closed()
    await sim.rest(100.0)


# Others


async def _hurt(sim: Simulation, what: Literal["kill", "drop", "pause", "disconnect"], **target: Any) -> None:
    """Somebody hurts a container of ours."""
    box = _box(sim, **target)
    if box is not None:
        sim.vandal(what, box)


async def _fall_over(sim: Simulation, oom: bool, **target: Any) -> None:
    """An application ends by itself."""
    box = _box(sim, **target)
    if box is not None and box.state == "running":
        sim.border.note("app", "exit", box.name)
        sim.engine.exit(box, 1, box.runs, oom=oom)


async def _edit_route(sim: Simulation, hostname: str, address: str | None) -> None:
    """Somebody edits or deletes a route of ours."""
    if hostname in sim.proxy.routes:
        sim.edit_route(hostname, address)


async def _set_clock(sim: Simulation, seconds: float) -> None:
    """Somebody sets the machine's clock."""
    sim.set_clock(seconds)


# Machines


async def _proxy(sim: Simulation, what: str, seconds: float = 0.0) -> None:
    """The proxy restarts, is away for a while, or refuses everything."""
    proxy = sim.proxy
    sim.border.note("proxy", what, "")
    if what == "restart":
        proxy.restart()
    elif what == "stumbles":
        proxy.stumbles = 2
    else:
        setattr(proxy, what, True)
        await asyncio.sleep(seconds)
        setattr(proxy, what, False)


async def _engine(sim: Simulation, seconds: float, graceful: bool) -> None:
    """The Engine restarts, in order or not."""
    sim.engine.reboot(seconds, graceful)


async def _push(sim: Simulation, tag: str) -> None:
    """A tag is pushed again."""
    sim.push(tag)


async def _registry_away(sim: Simulation, seconds: float) -> None:
    """The registry is away for a while."""
    sim.registry.down = True
    await asyncio.sleep(seconds)
    sim.registry.down = False


async def _prune_images(sim: Simulation) -> None:
    """`docker image prune -a`: what no container uses is gone (F35)."""
    used = {box.image.partition("@")[2] for box in sim.engine.boxes.values()}
    sim.border.note("vandal", "prune images", "")
    sim.engine.images &= used


_ACTS: dict[str, Callable[..., Awaitable[None]]] = {
    "nothing": _nothing,
    "write": _write,
    "half written": _half_written,
    "unmounted": _unmounted,
    "restart": _restart,
    "crash": _crash,
    "end": _end,
    "hurt": _hurt,
    "fall over": _fall_over,
    "edit route": _edit_route,
    "set clock": _set_clock,
    "proxy": _proxy,
    "engine": _engine,
    "push": _push,
    "registry away": _registry_away,
    "prune images": _prune_images,
}
