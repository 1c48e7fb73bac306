"""Commands that look ahead or change something: plan, apply, run, and the small ones that nudge a controller."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from controller.cli import context
from controller.cli.keys import Key, StageKey
from controller.cli.output import OPTIONS, Exit, Stop, emit, fail, say

if TYPE_CHECKING:
    from controller.interfaces import Control, Source

Files = Annotated[list[Path] | None, typer.Option("-f", "--file", help="File or folder, instead of the sources.")]


def _sources(paths: "list[Path] | None") -> "list[Source] | None":
    import sys

    from controller.cli.validate import documents
    from controller.intake.sources.files import FilesSource
    from controller.intake.sources.text import TextSource

    documents(paths or [])
    found: list[Source] = []
    for path in dict.fromkeys(paths or []):
        found.append(TextSource(sys.stdin.buffer.read()) if str(path) == "-" else FilesSource(path))
    return found or None


def plan(
    file: Files = None,
    detailed_exitcode: Annotated[bool, typer.Option(help="Exit 2 when there are changes.")] = False,
    out: Annotated[Path | None, typer.Option(help="Also save the plan here, for 'holdfast apply FILE'.")] = None,
) -> None:
    """Show what apply would do, and why; changes nothing."""
    from controller.cli import apply as converge
    from controller.cli import saved_plan as saved
    from controller.cli.plan import render

    forecast, outside = asyncio.run(converge.foresee(context.settings(), _sources(file)))
    if OPTIONS.data:
        emit({**forecast.to_json(), **outside.to_json()})
    else:
        print(render(forecast), end="")
    outside.tell()
    outside.refuse_mistakes()
    if out is not None:
        saved.write(forecast, out)
    if detailed_exitcode and (outside.holds or any(forecast.counts())):
        raise Stop(Exit.CHANGES)


def apply(
    saved_plan: Annotated[Path | None, typer.Argument(metavar="PLAN", help="File that plan --out wrote.")] = None,
    file: Files = None,
    timeout: Annotated[str, typer.Option(help="Give up waiting after this long, such as 90s, 15m, 1h.")] = "15m",
    yes: Annotated[
        bool, typer.Option("-y", "--yes", help="Never ask; accepted for scripts, nothing is asked.")
    ] = False,
) -> None:
    """Make it so, and wait until it is. With a saved plan: only while everything is as it was foreseen."""
    from controller.cli import apply as converge
    from controller.cli import saved_plan as saved

    seconds = duration(timeout)
    wanted = saved.read(saved_plan) if saved_plan is not None else None
    settings = context.settings()
    running = context.client(settings)
    if running is None:
        converge.alone(settings, _sources(file), seconds, wanted)
        return
    if file:
        fail("error: a controller is running and reads its own sources; change those, or stop it first", Exit.USAGE)
    if wanted is not None:
        saved.require(wanted, asyncio.run(converge.foresee(settings, None))[0])
    converge.beside(running, seconds)


def duration(text: str) -> float:
    """Seconds of `90s`, `15m` or `1h`. Anything else is a usage error."""
    units = {"s": 1, "m": 60, "h": 3600}
    number = text[:-1]
    if text[-1:] in units and number.isascii() and number.isdigit() and int(number):
        return float(int(number) * units[text[-1]])
    raise typer.BadParameter("use a number with s, m or h, such as 15m", param_hint="--timeout")


def run() -> None:
    """Run the controller in the foreground until SIGTERM or Ctrl-C; what it started keeps running."""
    from controller.cli import run as serving

    serving.run(context.settings())


def _ask(
    verb: str, body: dict[str, Any], none: str, alone: "Callable[[Control], Awaitable[dict[str, Any] | None]]"
) -> dict[str, Any]:
    """Through the running controller, else by ourselves under the lock; `none` is said when that finds nothing."""
    settings = context.settings()
    running = context.client(settings)
    if running is not None:
        return running.post(verb, **body)
    from controller.manager import Manager

    async def here() -> dict[str, Any] | None:
        async with Manager.open(settings) as manager:
            return await alone(manager)

    context.quiet()
    found = asyncio.run(here())
    if found is None:
        fail(f"error: {none}")
    return found


def retry(key: Key) -> None:
    """Try failed revisions again: at once beside a running controller, else at the next apply."""

    async def alone(control: "Control") -> dict[str, Any]:
        return {"keys": list(await control.retry(key))}

    none = f"nothing at {key} is quarantined"
    _keys(_ask("retry", {"key": key}, none, alone), none)


def reconcile(key: Key) -> None:
    """Ask the running controller for a look at a project or stage now."""
    from controller.cli import tables

    settings = context.settings()
    running = context.client(settings)
    if running is None:
        fail("error: no controller is running; use 'holdfast apply'", Exit.UNREACHABLE)
    prefix, _ = tables.split(key)
    none = f"nothing is known of {key}"
    stages = [name for name in running.status()["stages"] if tables.below(name, prefix)]
    if not stages:
        fail(f"error: {none}")
    _keys(running.post("reconcile", keys=stages), none)


def _keys(found: dict[str, Any], none: str) -> None:
    if not found["keys"]:
        fail(f"error: {none}")
    if OPTIONS.data:
        emit(found)
    else:
        print("\n".join(found["keys"]))


def confirm(digest: Annotated[str, typer.Argument(metavar="DIGEST", help="As plan and apply print it.")]) -> None:
    """Allow exactly the held change with this digest; the running controller, or the next apply, makes it."""

    async def alone(control: "Control") -> dict[str, Any] | None:
        return {"digest": digest} if await control.confirm(digest) else None

    none = f"nothing is held back under the digest {digest!a}"
    _done(_ask("confirm", {"digest": digest}, none, alone), f"{digest} is allowed")


def suspend(key: StageKey) -> None:
    """Leave a stage (project/stage) alone until it is resumed."""
    _suspend(key, True)


def resume(key: StageKey) -> None:
    """Look after a suspended stage (project/stage) again."""
    _suspend(key, False)


def _suspend(key: str, on: bool) -> None:
    async def alone(control: "Control") -> dict[str, Any] | None:
        try:
            await control.suspend(key, on)
        except KeyError:
            return None
        return {"key": key, "suspended": on}

    found = _ask("suspend" if on else "resume", {"key": key}, f"there is no stage {key}", alone)
    _done(found, f"{key} is {'suspended' if on else 'resumed'}")


def _done(found: dict[str, Any], text: str) -> None:
    if OPTIONS.data:
        emit(found)
    else:
        say(text)


def doctor() -> None:
    """Check everything that is needed and say exactly what is missing."""
    from controller.cli.doctor import run as checks

    checks.run()


COMMANDS: dict[str, Callable[..., None]] = {
    "plan": plan,
    "apply": apply,
    "run": run,
    "retry": retry,
    "confirm": confirm,
    "suspend": suspend,
    "resume": resume,
    "reconcile": reconcile,
    "doctor": doctor,
}
