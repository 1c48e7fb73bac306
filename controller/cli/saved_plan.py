"""Saved plans: `plan --out FILE` writes one, `apply FILE` does it only while everything is as it was foreseen."""

import json
from pathlib import Path
from typing import Any

from controller.cli.output import Exit, Stop, fail, say
from controller.core.forecast.types import FORMAT_VERSION, Forecast

MAX_BYTES = 64 * 1024 * 1024
HELP = "use 'holdfast apply FILE' with a file that 'holdfast plan --out FILE' wrote, or 'holdfast apply -f PATH'"


def write(forecast: Forecast, path: Path) -> None:
    """Save a plan."""
    try:
        path.write_text(json.dumps(forecast.to_json(), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        fail(f"error: {path}: {error.strerror}")


def read(path: Path) -> dict[str, str]:
    """Fingerprints by stage of a saved plan. Anything else is a usage error."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        fail(f"error: {path}: {error.strerror}", Exit.USAGE)
    try:
        found: Any = json.loads(data) if len(data) <= MAX_BYTES else None
        version = found["formatVersion"]
        prints = {str(stage["key"]): str(stage["fingerprint"]) for stage in found["stages"]}
    except (ValueError, KeyError, TypeError, RecursionError):
        fail(f"error: {path} is not a saved plan; {HELP}", Exit.USAGE)
    if version != FORMAT_VERSION:
        fail(f"error: {path} is a plan of format {version}, this program knows {FORMAT_VERSION}; plan anew", Exit.USAGE)
    return prints


def moved(saved: dict[str, str], now: Forecast) -> list[str]:
    """One sentence per stage for which the plan does not hold any more."""
    found = {stage.key: stage for stage in now.stages}
    told = [f"{key}: it is neither declared nor running any more" for key in sorted(saved.keys() - found.keys())]
    for key, stage in sorted(found.items()):
        if key not in saved:
            if stage.changes:
                told.append(f"{key}: the plan knows nothing of it")
        elif saved[key] != stage.fingerprint:
            told.append(f"{key}: what is declared or what runs has changed since the plan was made")
    return told


def require(saved: dict[str, str], now: Forecast) -> None:
    """End the command, before anything is done, unless the plan holds for every stage."""
    told = moved(saved, now)
    if told:
        for sentence in told:
            say(sentence)
        raise Stop(Exit.FAILED, "error: the plan does not hold any more and nothing was changed; plan anew")
