"""The command `holdfast`. Heavy imports are inside the commands, so that --help answers at once."""

import errno
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException
from typer.main import get_command

from controller.cli import nudge as change
from controller.cli import show
from controller.cli import validate as documents
from controller.cli.output import OPTIONS, Exit, Stop, colored, say

app = typer.Typer(
    name="holdfast",
    help="Keeps Docker hosts exactly as declared.",
    add_completion=False,
    no_args_is_help=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _module in (documents, change, show):
    for _name, _command in _module.COMMANDS.items():
        app.command(_name)(_command)


@app.callback()
def _options(
    config: Annotated[Path | None, typer.Option(help="Settings; default HOLDFAST_CONFIG, ./holdfast.yaml.")] = None,
    output: Annotated[str, typer.Option("-o", "--output", help="text, wide, json or yaml.")] = "text",
    no_color: Annotated[bool, typer.Option("--no-color", help="No colour.")] = False,
) -> None:
    if output not in ("text", "wide", "json", "yaml"):
        raise typer.BadParameter("use text, wide, json or yaml", param_hint="-o")
    OPTIONS.config = config or Path(os.environ.get("HOLDFAST_CONFIG") or "holdfast.yaml")
    OPTIONS.output = output
    OPTIONS.color = colored(no_color, sys.stdout)
    OPTIONS.progress_color = colored(no_color, sys.stderr)


def hoist(args: list[str]) -> list[str]:
    """Move the global options in front of the verb, where the parser wants them; nothing after `--` is touched."""
    front: list[str] = []
    rest: list[str] = []
    items = iter(args)
    for item in items:
        if item == "--":
            return [*front, *rest, item, *items]
        if item in ("--config", "--output", "-o"):
            value = next(items, None)
            if value is None:
                raise typer.BadParameter("it needs a value", param_hint=item)
            front += [item, value]
        elif item == "--no-color" or item.startswith(("--config=", "--output=")):
            front.append(item)
        else:
            rest.append(item)
    return front + rest


def run(args: list[str]) -> int:
    """Run one command line and return its exit code."""
    try:
        code = _invoke(args)
        sys.stdout.flush()
        return code
    except Stop as stop:
        if str(stop):
            say(str(stop))
        return int(stop.code)
    except TyperException as error:
        return _misused(error)
    except (KeyboardInterrupt, typer.Abort):
        say("interrupted")
        return int(Exit.INTERRUPTED)
    except BrokenPipeError:
        _no_output()
        return 0
    except Exception as error:
        return _failed(error)


def _invoke(args: list[str]) -> int:
    """Parse and call, without the parser's own handling of interrupts, broken pipes and errors."""
    command = get_command(app)
    try:
        with command.make_context("holdfast", hoist(args)) as context:
            command.invoke(context)
    except typer.Exit as end:
        return end.exit_code
    return 0


def _misused(error: TyperException) -> int:
    context = getattr(error, "ctx", None)
    say(f"error: {error.format_message() if hasattr(error, 'format_message') else error}")
    say(f"Try '{context.command_path if context is not None else 'holdfast'} --help'.")
    return int(Exit.USAGE)


def _failed(error: Exception) -> int:
    from controller.core.model.errors import HoldfastError, InvalidInput, Locked, Unreachable

    if isinstance(error, InvalidInput):
        documents.report(error.diagnostics)
        return int(Exit.INVALID)
    if isinstance(error, HoldfastError):
        say(f"error: {error.message}")
        kinds = ((Unreachable, Exit.UNREACHABLE), (Locked, Exit.TIMEOUT))
        return int(next((code for kind, code in kinds if isinstance(error, kind)), Exit.FAILED))
    if isinstance(error, OSError) and error.filename is None and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
        _no_output()
        say(f"error: the output cannot be written: {error.strerror}")
        return int(Exit.FAILED)
    if os.environ.get("HOLDFAST_DEBUG") == "1":
        raise error
    say(f"bug: {type(error).__name__}: {error} (HOLDFAST_DEBUG=1 shows the traceback)")
    return int(Exit.FAILED)


def _no_output() -> None:
    """Send what is still to be written to nowhere, so that the end of the process does not stumble over it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _open_streams() -> None:
    """Give the process an output where it was started without, and let no character fail in any encoding."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            while (opened := os.open(os.devnull, os.O_WRONLY)) < number:
                pass
            setattr(sys, name, os.fdopen(opened, "w", encoding="utf-8"))
        getattr(sys, name).reconfigure(errors="backslashreplace")


def main() -> None:
    """Entry point."""
    _open_streams()
    sys.exit(run(sys.argv[1:]))
