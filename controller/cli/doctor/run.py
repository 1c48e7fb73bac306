"""What `doctor` does: run every check, in the order in which a person would mend things, and say what is missing."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from controller.cli import context
from controller.cli.doctor import machine, npm, world
from controller.cli.doctor.machine import Finding
from controller.cli.output import GREEN, OPTIONS, RED, YELLOW, Exit, Stop, emit, paint
from controller.core.model.errors import HoldfastError, InvalidInput, Unreachable

if TYPE_CHECKING:
    from controller.settings import Settings

COLORS = {"ok": GREEN, "note": YELLOW, "FAIL": RED}


def run() -> None:
    """Run the checks and end with 0, 69 (something does not answer) or 1."""
    try:
        settings = context.settings()
    except InvalidInput as error:
        found = [_mistake(item.source, item.line, item.message, item.help) for item in error.diagnostics]
        show([*found, machine.engine_socket(None)])
        return
    context.quiet()
    show([Finding("settings", True, str(OPTIONS.config)), *local(settings), *asyncio.run(asked(settings))])


def _mistake(source: str, line: int, message: str, help: str) -> Finding:
    where = f"{source}:{line}" if line else source
    return Finding("settings", False, message if source in message else f"{where}: {message}", help or "mend it")


def local(settings: "Settings") -> list[Finding]:
    """What this machine tells."""
    path = settings.state.path
    return [
        machine.state_folder(path),
        machine.disk(path),
        controller(settings),
        machine.credentials(settings.docker.config),
    ]


def controller(settings: "Settings") -> Finding:
    """A running controller answers on its socket; none is no mistake."""
    try:
        running = context.client(settings)
        if running is None:
            return Finding("controller", True, "none runs; 'holdfast run' keeps everything as declared")
        return Finding("controller", True, f"process {running.status()['pid']} runs")
    except (HoldfastError, OSError) as error:
        text = error.message if isinstance(error, HoldfastError) else str(error)
        return Finding("controller", False, text, "run as its user", isinstance(error, Unreachable))


async def asked(settings: "Settings") -> list[Finding]:
    """What Docker, the proxy and the sources tell."""
    from controller import wiring
    from controller.clients.npm.proxy import NpmProxy
    from controller.interfaces import Diagnosable

    found: list[Finding] = []
    try:
        async with wiring.opened(settings, lock=False) as opened:
            socket = machine.engine_socket(settings.docker.host)
            if not socket.ok:
                found.append(socket)
            elif isinstance(opened.runtime, Diagnosable):
                found += [item async for item in world.engine(settings, opened.runtime, context.store(settings))]
            found += [item async for item in world.proxy(settings, opened.proxy)]
            if isinstance(opened.proxy, NpmProxy):
                found += [item async for item in npm.npm(settings, opened.proxy)]
            found += [item async for item in world.documents(opened.sources)]
    except HoldfastError as error:
        found.append(Finding("state", False, error.message, "run as its owner, or set state.path"))
    return found


def show(found: Sequence[Finding]) -> None:
    """Print the findings; the exit code says the worst."""
    if OPTIONS.data:
        emit({"checks": [item.to_json() for item in found]})
    else:
        for item in found:
            print(f"{paint(f'{item.level:<4}', COLORS[item.level])} {item.check}: {item.detail}")
            if item.remedy:
                print(f"     → {item.remedy}")
    if any(item.unreachable for item in found):
        raise Stop(Exit.UNREACHABLE)
    if not all(item.ok for item in found):
        raise Stop(Exit.FAILED)
