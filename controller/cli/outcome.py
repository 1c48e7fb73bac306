"""How `apply` ended: a sentence per stage that is not as declared, the URLs, and one exit code per outcome."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from controller.cli import output
from controller.cli.output import OPTIONS, Exit, Stop, emit, fail
from controller.core.forecast.forecast import PHASES
from controller.core.model.errors import Diagnostic
from controller.core.model.status import Condition, StageStatus
from controller.interfaces import Hold, Reads

SUMMARIES = ("Ready", "Reconciling", "Stalled", "Healthy", "TagMoved", "Suspended")
"""Conditions that sum up the instances; every other one is about documents or hostnames of the stage."""


@dataclass(frozen=True)
class Unapplied:
    """What belongs to no stage: changes that the guard holds back, and documents that were refused or are invalid."""

    holds: Sequence[Hold] = ()
    notices: Sequence[str] = ()
    mistakes: Sequence[Diagnostic] = ()
    """Diagnostics of invalid documents; they were shown at the start, and blocked no others."""

    def to_json(self) -> dict[str, Any]:
        """For `-o json`."""
        holds = [asdict(hold) for hold in self.holds]
        diagnostics = [asdict(mistake) for mistake in self.mistakes]
        return {"holds": holds, "notices": list(self.notices), "diagnostics": diagnostics}

    def say(self) -> None:
        """Say on stderr what was refused or is held back, and the command that allows it."""
        for notice in self.notices:
            output.say(f"refused: {notice}")
        for hold in self.holds:
            output.say(f"held back: {hold.message}")
            for loss in hold.losses:
                output.say(f"  {loss}")
            output.say(f"  to allow it: holdfast confirm {hold.digest}")

    def fail_for_mistakes(self) -> None:
        """End the command when documents are invalid; the others have been applied."""
        if count := len(self.mistakes):
            text = "1 mistake; this document was" if count == 1 else f"{count} mistakes; these documents were"
            fail(f"error: {text} ignored", Exit.INVALID)


def unapplied(reads: Reads) -> Unapplied:
    """What the guard holds back and what was refused now."""
    return Unapplied(reads.holds(), reads.notices())


def finish(statuses: Mapping[str, StageStatus], unapplied: Unapplied) -> None:
    """Say how each stage ended, and end the command with the exit code for it."""
    with contextlib.suppress(BrokenPipeError):  # a reader that closed the output still gets the exit code
        if OPTIONS.data:
            stages = {key: status.model_dump(mode="json") for key, status in sorted(statuses.items())}
            emit({"stages": stages, **unapplied.to_json()})
        else:
            for key, status in sorted(statuses.items()):
                print("\n".join([key, *(f"  {url}" for url in _urls(status))]), flush=True)
    for key, status in sorted(statuses.items()):
        for sentence in _why_not_ready(status):
            output.say(f"{key}: {sentence}")
    unapplied.say()
    unapplied.fail_for_mistakes()
    if unapplied.holds:
        raise Stop(Exit.FAILED)
    if any(not status.settled for status in statuses.values()):
        fail("error: timed out; what was begun goes on at the next apply or in the running controller", Exit.TIMEOUT)
    if unapplied.notices or any(not status.ready for status in statuses.values()):
        raise Stop(Exit.FAILED)


def _urls(status: StageStatus) -> list[str]:
    """Addresses that answer, the default one first; a candidate has none yet."""
    answering = [one for one in status.instances if one.health not in ("Missing", "Progressing")]
    urls = [url for instance in answering for url in instance.urls]
    return [url for url in dict.fromkeys([*status.urls, *urls]) if url in urls]


def _why_not_ready(status: StageStatus) -> Iterator[str]:
    """Why a stage is not as declared: each instance that ended elsewhere, else what the stage itself says."""
    if status.ready:
        return
    ended = [one for one in status.instances if one.phase in PHASES and one.phase not in ("Evicted", "Expired")]
    for instance in ended:
        yield f"{instance.tag} {PHASES[instance.phase]}" + (f": {instance.message}" if instance.message else "")
    ready = status.condition("Ready")
    text = (ready.message or ready.reason) if ready else status.reason or "not ready"
    if not ended or not status.settled:
        yield text
    else:
        yield from (f"{condition.reason}: {condition.message}" for condition in _stage_wide(status))


def _stage_wide(status: StageStatus) -> Iterator[Condition]:
    """Conditions about documents or hostnames of the stage, which belong to no instance."""
    return (one for one in status.conditions if one.type not in SUMMARIES and one.status == "True")
