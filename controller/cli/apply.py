"""What `apply` does: converge by itself, or follow the controller that is running."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from controller.cli import context
from controller.cli.control import Client
from controller.cli.outcome import Outside, finish
from controller.cli.output import OPTIONS, Exit, fail, say
from controller.cli.progress import Progress
from controller.core.model.errors import Diagnostic, InvalidInput
from controller.core.model.status import Condition, StageStatus

if TYPE_CHECKING:
    from controller.core.forecast.types import Forecast
    from controller.interfaces import Source
    from controller.manager import Manager
    from controller.settings import Settings

EVERY = 0.2
"""Seconds between two looks at a running controller."""


async def foresee(settings: "Settings", sources: "list[Source] | None") -> "tuple[Forecast, Outside]":
    """What would happen, and what is held back or refused; changes nothing, also beside a running controller.

    An invalid document blocks no other, as with `apply`. Raises `InvalidInput` when nothing else is declared.
    """
    from controller.manager import Manager

    context.quiet()
    async with Manager.open(settings, sources=sources, lock=False, prune=sources is None) as manager:
        wrong = await manager.look()
        warn(wrong)
        return await manager.forecast(), replace(_outside(manager), wrong=wrong)


def alone(
    settings: "Settings", sources: "list[Source] | None", timeout: float, plan: "dict[str, str] | None" = None
) -> None:
    """Converge under the lock; `sources` in place of those of the settings never prune what they do not name.

    `plan`: fingerprints that must hold before anything is done. Raises `Locked`.
    """
    from controller.cli import saved_plan as saved
    from controller.manager import Manager

    async def go() -> tuple[Mapping[str, StageStatus], Outside]:
        wrong: Sequence[Diagnostic] = ()
        async with Manager.open(settings, sources=sources, prune=sources is None) as manager:
            if plan is not None:
                saved.require(plan, await manager.forecast())
            else:
                wrong = await manager.look()
                warn(wrong)
            with Progress() as progress:
                found = await manager.converge(None, timeout, progress.status, lambda _: None)
            return found, replace(_outside(manager), wrong=wrong)

    context.quiet()
    try:
        found, outside = asyncio.run(go())
    except KeyboardInterrupt:
        fail("interrupted: what runs keeps running, and 'holdfast apply' goes on from here", Exit.INTERRUPTED)
    finish(found, outside)


def _outside(manager: "Manager") -> Outside:
    holds = [{"digest": hold.digest, "losses": list(hold.losses), "message": hold.message} for hold in manager.holds()]
    return Outside(holds, list(manager.notices()))


def beside(running: Client, timeout: float) -> None:
    """Have the running controller read its sources, and follow it until every stage has settled after that."""
    begun, deadline = time.time(), time.monotonic() + timeout
    try:
        wrong = [Diagnostic(**item) for item in running.post("reload")["diagnostics"]]
        if wrong and not running.status()["stages"]:
            raise InvalidInput(wrong)
        warn(wrong)
        found, outside = _follow(running, begun, deadline)
    except KeyboardInterrupt:
        text = "interrupted: the running controller goes on; 'holdfast get' shows how far it is, "
        fail(text + "'holdfast suspend KEY' holds a stage", Exit.INTERRUPTED)
    finish(found, replace(outside, wrong=wrong))


def warn(wrong: Sequence[Diagnostic]) -> None:
    """Say at once what is wrong with documents; the others go on."""
    if wrong and not OPTIONS.data:
        from controller.core.documents.diagnostics import render

        say(render(wrong).rstrip("\n"))


def _follow(running: Client, begun: float, deadline: float) -> tuple[Mapping[str, StageStatus], Outside]:
    with Progress() as progress:
        while True:
            seen = running.status()
            found = {key: StageStatus.model_validate(item) for key, item in seen["statuses"].items()}
            for item in found.values():
                progress.status(item)
            progress.only(found)
            late = [key for key in seen["stages"] if key not in found or found[key].observed_at < begun]
            settled = not late and all(item.settled for item in found.values())
            if settled or time.monotonic() > deadline:
                return {**found, **{key: _waiting(key) for key in late}}, Outside(seen["holds"], seen["notices"])
            time.sleep(EVERY)


def _waiting(key: str) -> StageStatus:
    return StageStatus(key=key, conditions=(Condition(type="Reconciling", status="True", reason="Waiting"),))
