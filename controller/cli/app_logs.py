"""`logs --app`: the output of an instance's container."""

import asyncio
from collections.abc import Iterable

from controller.cli import keys
from controller.cli.output import OPTIONS, Exit, fail, stream
from controller.core.model.observed import Container
from controller.interfaces import Runtime
from controller.settings import Settings


def show(settings: Settings, key: str, follow: bool, limit: int) -> None:
    """Print the last lines of the container behind KEY, and with `follow` those that come. Raises `Unreachable`."""
    from controller import wiring

    stage, tag = keys.split(key)
    if "/" not in stage:
        fail(f"error: name a stage or a tag, such as {key}/prod", Exit.USAGE)
    runtime = wiring.chosen_runtime(settings)
    try:
        chosen, last = asyncio.run(_read(runtime, stage, tag, limit))
        # Outside of the event loop, which would keep a Ctrl-C to itself while a line is waited for.
        _print(chosen, runtime.follow_logs(chosen, limit) if follow else last)
    finally:
        asyncio.run(runtime.close())


async def _read(runtime: Runtime, stage: str, tag: str, limit: int) -> tuple[Container, Iterable[str]]:
    containers = await runtime.list(stage)
    chosen = choose(containers, tag)
    if chosen is None:
        fail(f"error: nothing of {stage}{'/' + tag if tag else ''} has a container{_tags(containers)}")
    return chosen, await runtime.logs(chosen, limit)


def choose(containers: Iterable[Container], tag: str) -> Container | None:
    """The container of a tag or of all: first one that passed and runs, then one that passed, then the newest."""
    chosen = [one for one in containers if tag in ("", one.tag) and one.role == "app"]
    return max(chosen, key=lambda one: (one.passed, one.running, one.born, one.attempt), default=None)


def _tags(containers: Iterable[Container]) -> str:
    tags = sorted({container.tag for container in containers})
    return f"; there are {', '.join(tags)}" if tags else ""


def _print(container: Container, lines: Iterable[str]) -> None:
    if OPTIONS.data:
        stream({"container": container.name, "line": line} for line in lines)
        return
    for line in lines:
        print(line, flush=True)
