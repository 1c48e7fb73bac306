"""How `apply` ended: a sentence per stage that is not as declared, the URLs, and one exit code per outcome."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from controller.cli.output import OPTIONS, Exit, Stop, emit, fail, say
from controller.core.forecast.forecast import PHASES
from controller.core.model.errors import Diagnostic
from controller.core.model.status import StageStatus


@dataclass(frozen=True)
class Outside:
    """What happens to no stage: changes that the guard holds back, and documents that were refused."""

    holds: Sequence[Mapping[str, Any]] = ()
    notices: Sequence[str] = field(default=())
    wrong: Sequence[Diagnostic] = field(default=())
    """Documents that cannot be used; they were told at the start, and blocked no others."""

    def to_json(self) -> dict[str, Any]:
        """For `-o json`."""
        diagnostics = [asdict(item) for item in self.wrong]
        return {"holds": [dict(hold) for hold in self.holds], "notices": list(self.notices), "diagnostics": diagnostics}

    def tell(self) -> None:
        """Say it on stderr, with what helps."""
        for notice in self.notices:
            say(f"refused: {notice}")
        for hold in self.holds:
            say(f"held back: {hold['message']}")
            for loss in hold["losses"]:
                say(f"  {loss}")
            say(f"  to allow it: holdfast confirm {hold['digest']}")

    def refuse_mistakes(self) -> None:
        """End the command when documents cannot be used; the others have had their turn."""
        if self.wrong:
            many = len(self.wrong)
            fail(f"error: {many} mistake{'s' if many > 1 else ''} in documents; they changed nothing", Exit.INVALID)


def finish(found: Mapping[str, StageStatus], outside: Outside) -> None:
    """Say how each stage ended, and end the command with the exit code for it."""
    with contextlib.suppress(BrokenPipeError):  # whoever reads no further still wants to know how it ended
        if OPTIONS.data:
            stages = {key: item.model_dump(mode="json") for key, item in sorted(found.items())}
            emit({"stages": stages, **outside.to_json()})
        else:
            for key, item in sorted(found.items()):
                print("\n".join([key, *(f"  {url}" for url in _urls(item))]), flush=True)
    for key, item in sorted(found.items()):
        for sentence in _unready(item):
            say(f"{key}: {sentence}")
    outside.tell()
    outside.refuse_mistakes()
    if outside.holds:
        raise Stop(Exit.FAILED)
    if any(not item.settled for item in found.values()):
        fail("error: timed out; what was begun goes on at the next apply or in the running controller", Exit.TIMEOUT)
    if outside.notices or any(not item.ready for item in found.values()):
        raise Stop(Exit.FAILED)


def _urls(status: StageStatus) -> list[str]:
    """Addresses that answer: the default one first, those of what is there then; a candidate has none yet."""
    own = [url for item in status.instances if item.health not in ("Missing", "Progressing") for url in item.urls]
    return [url for url in dict.fromkeys([*status.urls, *own]) if url in own]


def _unready(status: StageStatus) -> Iterator[str]:
    """Why a stage is not as declared: each instance that ended elsewhere, else what the stage itself says."""
    if status.ready:
        return
    ended = [item for item in status.instances if item.phase in PHASES and item.phase not in ("Evicted", "Expired")]
    for item in ended:
        yield f"{item.tag} {PHASES[item.phase]}" + (f": {item.message}" if item.message else "")
    ready = status.condition("Ready")
    text = (ready.message or ready.reason) if ready else status.reason or "not ready"
    if not ended or not status.settled:
        yield text
    else:
        yield from (f"{item.reason}: {item.message}" for item in _stage_wide(status))


def _stage_wide(status: StageStatus) -> Iterator[Any]:
    """Conditions about documents or hostnames of the stage, which belong to no instance."""
    known = ("Ready", "Reconciling", "Stalled", "Healthy", "TagMoved", "Suspended")
    return (item for item in status.conditions if item.type not in known and item.status == "True")
