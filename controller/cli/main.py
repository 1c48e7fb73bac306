"""The command `holdfast`: its verbs, its global options, and the exit code of every outcome.

Heavy imports are inside the commands, so that --help answers at once.
"""

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException
from typer.main import get_command

from controller.cli import apply, explain, init, nudge, plan, run, schema, show, validate
from controller.cli.doctor.run import doctor
from controller.cli.help import VerbCommand
from controller.cli.output import OPTIONS, Exit, Stop, emit, say, wants_color

app = typer.Typer(
    name="holdfast",
    help="Keeps Docker hosts exactly as declared.",
    add_completion=False,
    no_args_is_help=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def version() -> None:
    """Print the versions of this program and of what it uses."""
    import platform
    from importlib.metadata import version as version_of

    versions = {"holdfast": version_of("holdfast"), "python": platform.python_version()}
    versions |= {name: version_of(name) for name in ("docker", "httpx", "pydantic", "fastapi", "uvicorn")}
    if OPTIONS.data:
        emit(versions)
        return
    for name, number in versions.items():
        print(f"{name} {number}")


VERBS: dict[Callable[..., None], str] = {
    init.init: "Write the first settings and an example document.",
    validate.validate: "Check documents and show all their mistakes.",
    schema.schema: "Print the JSON Schema of the documents, for editors.",
    schema.crds: "Print the CustomResourceDefinitions for kubectl.",
    version: "Print the versions of Holdfast and its libraries.",
    plan.plan: "Show what apply would do, and why; changes nothing.",
    apply.apply: "Carry out the changes and wait for the result.",
    run.run: "Run the controller in the foreground.",
    nudge.retry: "Try failed revisions again.",
    nudge.confirm: "Allow a change that is held back.",
    nudge.suspend: "Leave a stage alone until it is resumed.",
    nudge.resume: "Look after a suspended stage again.",
    nudge.reconcile: "Have the running controller check a stage now.",
    doctor: "Check what Holdfast needs and say what is missing.",
    show.get: "Show what runs, and above it what needs a person.",
    show.describe: "Show everything known of a project, stage or tag.",
    explain.explain: "Say why something happened or did not.",
    show.history: "Show past rollouts, the newest first.",
    show.logs: "Show the log of rollouts, or with --app of the app.",
    show.events: "Show the newest log lines of all stages.",
}
"""Each verb and its line in --help, in that order; a verb is called as its function is."""
EPILOG = "Also, as with every verb: -o text|wide|json|yaml, --config FILE, --no-color."
for _verb, _line in VERBS.items():
    app.command(_verb.__name__, cls=VerbCommand, short_help=_line, epilog=EPILOG)(_verb)


@app.callback()
def _options(
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Settings; default HOLDFAST_CONFIG, ./holdfast.yaml.")
    ] = None,
    output: Annotated[str, typer.Option("-o", "--output", metavar="FORMAT", help="text, wide, json or yaml.")] = "text",
    no_color: Annotated[bool, typer.Option("--no-color", help="No colour.")] = False,
) -> None:
    if output not in ("text", "wide", "json", "yaml"):
        raise typer.BadParameter("use text, wide, json or yaml", param_hint="-o")
    OPTIONS.config = config or Path(os.environ.get("HOLDFAST_CONFIG") or "holdfast.yaml")
    OPTIONS.output = output
    OPTIONS.color = wants_color(no_color, sys.stdout)
    OPTIONS.progress_color = wants_color(no_color, sys.stderr)


def move_options_first(args: list[str]) -> list[str]:
    """Move the global options in front of the verb, where the parser wants them; nothing after `--` is touched."""
    front: list[str] = []
    rest: list[str] = []
    remaining = iter(args)
    for arg in remaining:
        if arg == "--":
            return [*front, *rest, arg, *remaining]
        if arg in ("--config", "--output", "-o"):
            value = next(remaining, None)
            if value is None:
                raise typer.BadParameter("it needs a value", param_hint=arg)
            front += [arg, value]
        elif arg == "--no-color" or arg.startswith(("--config=", "--output=")):
            front.append(arg)
        else:
            rest.append(arg)
    return front + rest


def execute(args: list[str]) -> int:
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
        return _usage_error(error)
    except (KeyboardInterrupt, typer.Abort):
        say("interrupted")
        return int(Exit.INTERRUPTED)
    except BrokenPipeError:
        _discard_output()
        return 0
    except Exception as error:
        return _failed(error)


def _invoke(args: list[str]) -> int:
    """Parse and call; interrupts, broken pipes and errors reach the caller and not the parser's own handlers."""
    command = get_command(app)
    try:
        with command.make_context("holdfast", move_options_first(args)) as context:
            command.invoke(context)
    except typer.Exit as exit_:
        return exit_.exit_code
    return 0


def _usage_error(error: TyperException) -> int:
    context = getattr(error, "ctx", None)
    say(f"error: {error.format_message() if hasattr(error, 'format_message') else error}")
    say(f"Try '{context.command_path if context is not None else 'holdfast'} --help'.")
    return int(Exit.USAGE)


def _failed(error: Exception) -> int:
    from controller.core.model.errors import HoldfastError, InvalidInput, Locked, Unreachable

    if isinstance(error, InvalidInput):
        validate.report(error.diagnostics)
        return int(Exit.INVALID)
    if isinstance(error, HoldfastError):
        say(f"error: {error.message}")
        kinds = ((Unreachable, Exit.UNREACHABLE), (Locked, Exit.TIMEOUT))
        return int(next((code for kind, code in kinds if isinstance(error, kind)), Exit.FAILED))
    if isinstance(error, OSError) and error.filename is None and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
        _discard_output()
        say(f"error: the output cannot be written: {error.strerror}")
        return int(Exit.FAILED)
    if os.environ.get("HOLDFAST_DEBUG") == "1":
        raise error
    say(f"bug: {type(error).__name__}: {error} (HOLDFAST_DEBUG=1 shows the traceback)")
    return int(Exit.FAILED)


def _discard_output() -> None:
    """Send what is still to be written to /dev/null, so that flushing it at the end of the process cannot fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _open_streams() -> None:
    """Open /dev/null where the process was started without an output, and escape what the encoding cannot print."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            while (opened := os.open(os.devnull, os.O_WRONLY)) < number:
                pass
            setattr(sys, name, os.fdopen(opened, "w", encoding="utf-8"))
        getattr(sys, name).reconfigure(errors="backslashreplace")


def main() -> None:
    """Entry point."""
    _open_streams()
    sys.exit(execute(sys.argv[1:]))
