"""`apply`: converge under the lock, or have the running controller converge, and wait until every stage has settled."""

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli import context, plan
from controller.cli.output import Exit, fail

if TYPE_CHECKING:
    from controller.cli.control import Client
    from controller.cli.outcome import Unapplied
    from controller.core.model.errors import Diagnostic
    from controller.core.model.status import StageStatus
    from controller.interfaces import Source
    from controller.settings import Settings

POLL_INTERVAL_S = 0.2
"""Between two questions to a running controller."""


def apply(
    saved_plan: Annotated[Path | None, typer.Argument(metavar="PLAN", help="File that plan --out wrote.")] = None,
    file: plan.Files = None,
    timeout: Annotated[
        str, typer.Option(metavar="DURATION", help="Give up waiting after this long, such as 90s or 1h30m.")
    ] = "15m",
    yes: Annotated[bool, typer.Option("-y", "--yes", help="No effect; accepted for scripts.")] = False,
) -> None:
    """Carry out the changes and wait for the result. With a saved plan: refuse if anything has changed since."""
    from controller.cli import saved_plan as plans

    seconds = duration(timeout)
    fingerprints = plans.read(saved_plan) if saved_plan is not None else None
    settings = context.settings()
    controller = context.client(settings)
    if controller is None:
        apply_alone(settings, plan.sources(file), seconds, fingerprints)
        return
    if file:
        fail("error: a controller is running and reads its own sources; change those, or stop it first", Exit.USAGE)
    if fingerprints is not None:
        plans.require(fingerprints, asyncio.run(plan.make_forecast(settings, None))[0])
    apply_through(controller, seconds)


def duration(text: str) -> float:
    """Seconds of a duration as documents write it, such as `90s` or `1h30m`. Anything else and 0 are usage errors."""
    from controller.core.documents import quantity

    with contextlib.suppress(ValueError):
        if seconds := quantity.duration(text):
            return seconds
    raise typer.BadParameter("use a duration above 0 such as 500ms, 90s, 15m, 1h30m or 1d", param_hint="--timeout")


def apply_alone(
    settings: "Settings", sources: "list[Source] | None", timeout: float, fingerprints: "dict[str, str] | None" = None
) -> None:
    """Converge under the lock; `sources` in place of those of the settings never prune what they do not name.

    `fingerprints` of a saved plan must hold before anything is done. Raises `Locked`.
    """
    from controller.cli import outcome

    context.log_bugs_only()
    try:
        statuses, unapplied = asyncio.run(_converge(settings, sources, timeout, fingerprints))
    except KeyboardInterrupt:
        fail("interrupted: what runs keeps running, and 'holdfast apply' goes on from here", Exit.INTERRUPTED)
    outcome.finish(statuses, unapplied)


async def _converge(
    settings: "Settings", sources: "list[Source] | None", timeout: float, fingerprints: "dict[str, str] | None"
) -> "tuple[Mapping[str, StageStatus], Unapplied]":
    from controller.cli import outcome, saved_plan
    from controller.cli.progress import Progress
    from controller.manager import Manager

    mistakes: Sequence[Diagnostic] = ()
    async with Manager.open(settings, sources=sources, prune=sources is None) as manager:
        if fingerprints is not None:
            saved_plan.require(fingerprints, await manager.forecast())
        else:
            mistakes = await manager.prepare()
            plan.warn(mistakes)
        with Progress() as progress:
            async with progress.following(manager):
                statuses = await manager.converge(timeout)
        return statuses, replace(outcome.unapplied(manager), mistakes=mistakes)


def apply_through(controller: "Client", timeout: float) -> None:
    """Have the running controller read its sources, and follow it until every stage has settled after that."""
    from controller.cli import outcome
    from controller.core.model.errors import InvalidInput

    begun, deadline = time.time(), time.monotonic() + timeout
    try:
        mistakes = controller.reload()
        if mistakes and not controller.status().stages:
            raise InvalidInput(list(mistakes))
        plan.warn(mistakes)
        statuses, unapplied = _follow(controller, begun, deadline)
    except KeyboardInterrupt:
        text = "interrupted: the running controller goes on; 'holdfast get' shows how far it is, "
        fail(text + "'holdfast suspend KEY' holds a stage", Exit.INTERRUPTED)
    outcome.finish(statuses, replace(unapplied, mistakes=mistakes))


def _follow(controller: "Client", begun: float, deadline: float) -> "tuple[Mapping[str, StageStatus], Unapplied]":
    from controller.cli.outcome import Unapplied
    from controller.cli.progress import Progress
    from controller.core.model.status import waiting

    with Progress() as progress:
        while True:
            reply = controller.status()
            for status in reply.statuses.values():
                progress.show(status)
            progress.keep_only(reply.statuses)
            late = [key for key in reply.stages if key not in reply.statuses or reply.statuses[key].observed_at < begun]
            settled = not late and all(status.settled for status in reply.statuses.values())
            if settled or time.monotonic() > deadline:
                return {**reply.statuses, **{key: waiting(key) for key in late}}, Unapplied(reply.holds, reply.notices)
            time.sleep(POLL_INTERVAL_S)
