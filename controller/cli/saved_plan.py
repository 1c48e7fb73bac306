"""Saved plans: `plan --out FILE` writes one; `apply FILE` carries it out only while nothing has changed since."""

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
        content: Any = json.loads(data) if len(data) <= MAX_BYTES else None
        version = content["formatVersion"]
        fingerprints = {str(stage["key"]): str(stage["fingerprint"]) for stage in content["stages"]}
    except (ValueError, KeyError, TypeError, RecursionError):
        fail(f"error: {path} is not a saved plan; {HELP}", Exit.USAGE)
    if version != FORMAT_VERSION:
        text = f"{path} is a plan of format {version}, this program knows {FORMAT_VERSION}"
        fail(f"error: {text}; run 'holdfast plan' again", Exit.USAGE)
    return fingerprints


def differences(saved: dict[str, str], now: Forecast) -> list[str]:
    """One sentence per stage for which the plan is out of date."""
    stages = {stage.key: stage for stage in now.stages}
    sentences = [f"{key}: it is neither declared nor running any more" for key in sorted(saved.keys() - stages.keys())]
    for key, stage in sorted(stages.items()):
        if key not in saved:
            if stage.changes:
                sentences.append(f"{key}: the plan knows nothing of it")
        elif saved[key] != stage.fingerprint:
            sentences.append(f"{key}: what is declared or what runs has changed since the plan was made")
    return sentences


def require(saved: dict[str, str], now: Forecast) -> None:
    """End the command, before anything is done, unless the plan holds for every stage."""
    sentences = differences(saved, now)
    if sentences:
        for sentence in sentences:
            say(sentence)
        raise Stop(Exit.FAILED, "error: the plan is out of date; run 'holdfast plan' again")
