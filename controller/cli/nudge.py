"""`retry`, `reconcile`, `confirm`, `suspend`, `resume`: small changes that a person asks of a controller."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from controller.cli import context, keys
from controller.cli.keys import Key, StageKey
from controller.cli.output import OPTIONS, Exit, emit, fail, say

if TYPE_CHECKING:
    from controller.interfaces import Control


def retry(key: Key) -> None:
    """Try failed revisions again: at once beside a running controller, else at the next apply."""

    async def alone(control: "Control") -> dict[str, Any]:
        return {"keys": list(await control.retry(key))}

    none = f"{key} has no failed revision to retry"
    _print_keys(_ask("retry", {"key": key}, none, alone), none, " will be tried again")


def reconcile(key: Key) -> None:
    """Ask the running controller for a look at a project or stage now."""
    controller = context.client(context.settings())
    if controller is None:
        fail("error: no controller is running; use 'holdfast apply'", Exit.UNREACHABLE)
    prefix, _ = keys.split(key)
    none = f"nothing is known of {key}"
    stages = [name for name in controller.status().stages if keys.is_below(name, prefix)]
    if not stages:
        fail(f"error: {none}")
    _print_keys(controller.post("reconcile", keys=stages), none)


def confirm(digest: Annotated[str, typer.Argument(metavar="DIGEST", help="As plan and apply print it.")]) -> None:
    """Allow exactly the held change with this digest; the running controller, or the next apply, makes it."""

    async def alone(control: "Control") -> dict[str, Any] | None:
        return {"digest": digest} if await control.confirm(digest) else None

    none = f"nothing is held back under the digest {digest!a}"
    _print_done(_ask("confirm", {"digest": digest}, none, alone), f"{digest} is allowed")


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

    answer = _ask("suspend" if on else "resume", {"key": key}, f"there is no stage {key}", alone)
    _print_done(answer, f"{key} is {'suspended' if on else 'resumed'}")


def _ask(
    verb: str, body: dict[str, Any], none: str, alone: "Callable[[Control], Awaitable[dict[str, Any] | None]]"
) -> dict[str, Any]:
    """The answer of the running controller, else of `alone` under the lock; without one `none` ends the command."""
    settings = context.settings()
    controller = context.client(settings)
    if controller is not None:
        return controller.post(verb, **body)
    from controller.manager import Manager

    async def act() -> dict[str, Any] | None:
        async with Manager.open(settings) as manager:
            return await alone(manager)

    context.log_bugs_only()
    answer = asyncio.run(act())
    if answer is None:
        fail(f"error: {none}")
    return answer


def _print_keys(answer: dict[str, Any], none: str, outcome: str = "") -> None:
    """Print one line per key: the key and what becomes of it. Without keys, `none` ends the command."""
    if not answer["keys"]:
        fail(f"error: {none}")
    if OPTIONS.data:
        emit(answer)
    else:
        print("\n".join(key + outcome for key in answer["keys"]))


def _print_done(answer: dict[str, Any], text: str) -> None:
    if OPTIONS.data:
        emit(answer)
    else:
        say(text)
