"""What `apply` does: converge by itself, or follow the controller that is running, and say how it ended."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from controller.cli.control import Client
from controller.cli.output import OPTIONS, Exit, Stop, emit, fail, say
from controller.core.status import StageStatus

if TYPE_CHECKING:
    from controller.core.forecast_types import Forecast
    from controller.interfaces import Hold, Source
    from controller.settings import Settings


class Progress:
    """One line per transition; on a terminal one live line per instance."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], str] = {}
        self._live: Any = None

    def __enter__(self) -> "Progress":
        if OPTIONS.color and not OPTIONS.data:
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(stderr=True), refresh_per_second=4)
            self._live.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        if self._live is not None:
            self._live.__exit__(*error)

    def status(self, status: StageStatus) -> None:
        """Show what changed in a stage."""
        for item in status.instances:
            text = f"{item.phase}" + (f" ({item.message or item.reason})" if item.message or item.reason else "")
            if self._last.get((status.key, item.tag)) == text:
                continue
            self._last[(status.key, item.tag)] = text
            if self._live is None:
                stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
                say(f"{stamp} {status.key}/{item.tag} {text}")
        if self._live is not None:
            from rich.text import Text

            self._live.update(Text("\n".join(f"{k}/{tag}  {text}" for (k, tag), text in sorted(self._last.items()))))

    def line(self, _: object) -> None:
        """Log lines are for `holdfast logs`; the phases above say enough here."""


async def foresee(settings: "Settings", sources: "list[Source] | None") -> "tuple[Forecast, list[dict[str, Any]]]":
    """What would happen, and what the guard would hold back; changes nothing, also beside a running controller."""
    from controller.manager import Manager

    async with Manager.open(settings, sources=sources, lock=False, prune=sources is None) as manager:
        return await manager.forecast(), _held(manager.holds())


def alone(
    settings: "Settings", sources: "list[Source] | None", timeout: float, plan: "dict[str, str] | None" = None
) -> None:
    """Converge under the lock; `sources` in place of those of the settings never prune what they do not name.

    `plan`: fingerprints that must hold before anything is done. Raises `Locked`.
    """
    from controller.cli import saved
    from controller.manager import Manager

    async def go() -> tuple[Mapping[str, StageStatus], list[dict[str, Any]]]:
        async with Manager.open(settings, sources=sources, prune=sources is None) as manager:
            if plan is not None:
                saved.require(plan, await manager.forecast())
            with Progress() as progress:
                found = await manager.converge(None, timeout, progress.status, progress.line)
            return found, _held(manager.holds())

    finish(*asyncio.run(go()))


def _held(holds: "Sequence[Hold]") -> list[dict[str, Any]]:
    return [{"digest": hold.digest, "losses": list(hold.losses), "message": hold.message} for hold in holds]


def beside(running: Client, timeout: float) -> None:
    """Have the running controller read its sources, and follow it until every stage has settled after that."""
    begun = time.time()
    wrong = running.post("reload")["diagnostics"]
    if wrong:
        from controller.core.errors import Diagnostic, InvalidInput

        raise InvalidInput([Diagnostic(**item) for item in wrong])
    deadline = time.monotonic() + timeout
    with Progress() as progress:
        while True:
            seen = running.status()
            found = {key: StageStatus.model_validate(item) for key, item in seen["statuses"].items()}
            for item in found.values():
                progress.status(item)
            fresh = all(key in found and found[key].observed_at >= begun for key in seen["stages"])
            if seen["holds"] or (fresh and all(item.settled for item in found.values())):
                break
            if time.monotonic() > deadline:
                break
            time.sleep(0.3)
    finish(found if fresh or seen["holds"] else {**found, **_waiting(seen["stages"], found, begun)}, seen["holds"])


def _waiting(stages: Sequence[str], found: Mapping[str, StageStatus], begun: float) -> dict[str, StageStatus]:
    from controller.core.status import Condition

    waiting = (Condition(type="Reconciling", status="True", reason="Waiting"),)
    return {
        key: StageStatus(key=key, conditions=waiting)
        for key in stages
        if key not in found or found[key].observed_at < begun
    }


def finish(found: Mapping[str, StageStatus], holds: Sequence[Mapping[str, Any]]) -> None:
    """Say how each stage ended, and end the command with the exit code for it."""
    if OPTIONS.data:
        stages = {key: item.model_dump(mode="json") for key, item in sorted(found.items())}
        emit({"stages": stages, "holds": [dict(hold) for hold in holds]})
    for key, item in sorted(found.items()):
        if not OPTIONS.data:
            urls = list(dict.fromkeys([*item.urls, *(url for one in item.instances for url in one.urls)]))
            print("\n".join([key, *(f"  {url}" for url in urls)]))
        if not item.ready:
            ready = item.condition("Ready")
            say(f"{key}: {(ready.message or ready.reason) if ready else item.reason or 'not ready'}")
    for hold in holds:
        say(f"held back: {hold['message']}\n  to allow it: holdfast confirm {hold['digest']}")
    if holds:
        raise Stop(Exit.FAILED)
    if any(not item.settled for item in found.values()):
        fail("error: timed out; what was begun goes on at the next apply or in the running controller", Exit.TIMEOUT)
    if any(not item.ready for item in found.values()):
        raise Stop(Exit.FAILED)
