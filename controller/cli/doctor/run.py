"""`doctor`: run every check, in the order in which a person would fix things, and say what is missing."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from controller.cli import context
from controller.cli.doctor import machine
from controller.cli.doctor.machine import Finding
from controller.cli.output import GREEN, OPTIONS, RED, YELLOW, Exit, Stop, emit, paint
from controller.core.model.errors import Diagnostic, HoldfastError, InvalidInput, Unreachable

if TYPE_CHECKING:
    from controller.settings import Settings

COLORS = {"ok": GREEN, "note": YELLOW, "FAIL": RED}


def doctor() -> None:
    """Check everything that is needed and say exactly what is missing."""
    try:
        settings = context.settings()
    except InvalidInput as error:
        findings = [_mistake(mistake) for mistake in error.diagnostics]
        show([*findings, machine.engine_socket(None)])
        return
    context.log_bugs_only()
    show([Finding("settings", True, str(OPTIONS.config)), *local(settings), *asyncio.run(remote(settings))])


def _mistake(mistake: Diagnostic) -> Finding:
    where = f"{mistake.source}:{mistake.line}" if mistake.line else mistake.source
    text = mistake.message if mistake.source in mistake.message else f"{where}: {mistake.message}"
    return Finding("settings", False, text, mistake.help or "fix it")


def local(settings: "Settings") -> list[Finding]:
    """The checks of this machine."""
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
        return Finding("controller", True, f"process {running.status().pid} runs")
    except (HoldfastError, OSError) as error:
        text = error.message if isinstance(error, HoldfastError) else str(error)
        return Finding("controller", False, text, "run as its user", isinstance(error, Unreachable))


async def remote(settings: "Settings") -> list[Finding]:
    """The checks of Docker, the proxy and the sources."""
    from controller import wiring
    from controller.cli.doctor import npm, world
    from controller.clients.npm.proxy import NpmProxy
    from controller.interfaces import Diagnosable

    findings: list[Finding] = []
    try:
        async with wiring.opened(settings, lock=False) as clients:
            socket = machine.engine_socket(settings.docker.host)
            if not socket.ok:
                findings.append(socket)
            elif isinstance(clients.runtime, Diagnosable):
                findings += [finding async for finding in world.engine(settings, clients.runtime, clients.stored)]
            findings += [finding async for finding in world.proxy(settings, clients.proxy)]
            if isinstance(clients.proxy, NpmProxy):
                findings += [finding async for finding in npm.npm(settings, clients.proxy)]
            findings += [finding async for finding in world.documents(clients.sources)]
    except HoldfastError as error:
        findings.append(Finding("state", False, error.message, "run as its owner, or set state.path"))
    return findings


def show(findings: Sequence[Finding]) -> None:
    """Print the findings; the exit code says the worst: 69 (something does not answer), 1 or 0."""
    if OPTIONS.data:
        emit({"checks": [finding.to_json() for finding in findings]})
    else:
        for finding in findings:
            print(f"{paint(f'{finding.level:<4}', COLORS[finding.level])} {finding.check}: {finding.detail}")
            if finding.remedy:
                print(f"     → {finding.remedy}")
    if any(finding.unreachable for finding in findings):
        raise Stop(Exit.UNREACHABLE)
    if not all(finding.ok for finding in findings):
        raise Stop(Exit.FAILED)
