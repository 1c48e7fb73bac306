"""What `logs --app` does: print what a container of an instance prints."""

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

from controller.cli import tables
from controller.cli.output import OPTIONS, Exit, fail, stream
from controller.core.model.observed import Container

if TYPE_CHECKING:
    from controller.interfaces import Runtime
    from controller.settings import Settings


def show(settings: "Settings", key: str, follow: bool, limit: int) -> None:
    """Print the last lines of the container behind KEY, and with `follow` those that come. Raises `Unreachable`."""
    from controller import wiring

    stage, tag = tables.split(key)
    if "/" not in stage:
        fail(f"error: name a stage or a tag, such as {key}/prod", Exit.USAGE)
    runtime = wiring.chosen_runtime(settings)
    try:
        chosen, last = asyncio.run(_look(runtime, stage, tag, limit))
        # Outside of the event loop, which would keep a Ctrl-C to itself while a line is waited for.
        _print(chosen, runtime.follow_logs(chosen, limit) if follow else last)
    finally:
        asyncio.run(runtime.close())


async def _look(runtime: "Runtime", stage: str, tag: str, limit: int) -> tuple[Container, Iterable[str]]:
    found = await runtime.list(stage)
    chosen = choose(found, tag)
    if chosen is None:
        fail(f"error: nothing of {stage}{'/' + tag if tag else ''} has a container{_others(found)}")
    return chosen, await runtime.logs(chosen, limit)


def choose(containers: Iterable[Container], tag: str) -> Container | None:
    """The container of a tag, or of the newest tag: what passed and runs before what passed before the newest."""
    mine = [item for item in containers if tag in ("", item.tag) and item.role == "app"]
    return max(mine, key=lambda item: (item.passed, item.running, item.born, item.attempt), default=None)


def _others(containers: Iterable[Container]) -> str:
    tags = sorted({item.tag for item in containers})
    return f"; there are {', '.join(tags)}" if tags else ""


def _print(container: Container, lines: Iterable[str]) -> None:
    if OPTIONS.data:
        stream({"container": container.name, "line": line} for line in lines)
        return
    for line in lines:
        print(line, flush=True)
