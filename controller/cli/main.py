"""The command `holdfast`. Heavy imports are inside the commands, so that --help answers at once."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

from controller.cli import change, document, show
from controller.cli.output import OPTIONS, Exit, Stop, colored, say

app = typer.Typer(
    name="holdfast",
    help="Keeps Docker hosts exactly as declared.",
    add_completion=False,
    no_args_is_help=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for _module in (document, change, show):
    for _name, _command in _module.COMMANDS.items():
        app.command(_name)(_command)


@app.callback()
def _options(
    config: Annotated[Path | None, typer.Option(help="Settings file; default ./holdfast.yaml.")] = None,
    output: Annotated[str, typer.Option("-o", "--output", help="text, wide, json or yaml.")] = "text",
    no_color: Annotated[bool, typer.Option("--no-color", help="No colour.")] = False,
) -> None:
    if output not in ("text", "wide", "json", "yaml"):
        raise typer.BadParameter("use text, wide, json or yaml", param_hint="-o")
    OPTIONS.config = config or Path(os.environ.get("HOLDFAST_CONFIG") or "holdfast.yaml")
    OPTIONS.config_given = config is not None or "HOLDFAST_CONFIG" in os.environ
    OPTIONS.output = output
    OPTIONS.color = colored(no_color)


def hoist(args: list[str]) -> list[str]:
    """Move the global options in front of the verb, where the parser wants them; nothing after `--` is touched."""
    front: list[str] = []
    rest: list[str] = []
    items = iter(args)
    for item in items:
        if item == "--":
            return [*front, *rest, item, *items]
        if item in ("--config", "--output", "-o"):
            front += [item, *[value for value in (next(items, None),) if value is not None]]
        elif item == "--no-color" or item.startswith(("--config=", "--output=")):
            front.append(item)
        else:
            rest.append(item)
    return front + rest


def run(args: list[str]) -> int:
    """Run one command line and return its exit code."""
    try:
        code = app(hoist(args), prog_name="holdfast", standalone_mode=False)
        return int(code or 0)
    except Stop as stop:
        if str(stop):
            say(str(stop))
        return int(stop.code)
    except TyperException as error:
        say(f"error: {error.format_message() if hasattr(error, 'format_message') else error}")
        say("Try 'holdfast --help'.")
        return int(Exit.USAGE)
    except (KeyboardInterrupt, typer.Abort):
        say("interrupted; nothing is lost: the next apply, or the controller, goes on from here")
        return int(Exit.INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except Exception as error:
        return _failed(error)


def _failed(error: Exception) -> int:
    from controller.core.errors import HoldfastError, InvalidInput, Locked, Unreachable

    if isinstance(error, InvalidInput):
        document.report(error.diagnostics)
        return int(Exit.INVALID)
    if isinstance(error, HoldfastError):
        say(f"error: {error.message}")
        kinds = ((Unreachable, Exit.UNREACHABLE), (Locked, Exit.TIMEOUT))
        return int(next((code for kind, code in kinds if isinstance(error, kind)), Exit.FAILED))
    if os.environ.get("HOLDFAST_DEBUG") == "1":
        raise error
    say(f"bug: {type(error).__name__}: {error} (HOLDFAST_DEBUG=1 shows the traceback)")
    return int(Exit.FAILED)


def main() -> None:
    """Entry point."""
    sys.exit(run(sys.argv[1:]))
