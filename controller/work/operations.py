"""Long work beside the passes: it runs once per key, and its progress and end are facts. Lives in memory only.

A pass starts operations, and the next one reads their facts; nobody waits for them. After a crash the same plan starts
them again. `perform` does the work; here is which stages asked for it and how it stands.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from controller.core.model.actions import Operation
from controller.core.model.backoff import delay
from controller.core.model.desired import StageKey
from controller.core.model.errors import Failure, HoldfastError, WorldBad
from controller.core.model.observed import Fact, Key
from controller.interfaces import Clock
from controller.telemetry import log

FREE_REPEATS = 3
"""How often a key may succeed and be started again at once, before the repeats are slowed down."""
REPEAT_WINDOW_S = 2.0
"""A start within so many seconds of the end of the last one counts as such a repeat."""

Perform = Callable[[Operation, "Progress"], Coroutine[Any, Any, Mapping[str, str]]]
Notify = Callable[[StageKey], None]


@dataclass(eq=False)
class _Entry:
    fact: Fact
    kind: type
    cancellable: bool = False
    owners: set[StageKey] = field(default_factory=set)
    """Stages that need it."""
    former: set[StageKey] = field(default_factory=set)
    """Owners that need it no longer; they still see it until its end, so that they do not act across it."""
    task: "asyncio.Task[Mapping[str, str]] | None" = None
    repeats: int = 0
    is_waiting: bool = False
    """It waits for its turn: no call was made yet."""

    @property
    def is_cancellable(self) -> bool:
        """True while cancelling it leaves nothing half done."""
        return self.is_waiting or self.cancellable


class Progress:
    """Takes what a running operation reports of itself."""

    def __init__(self, entry: _Entry, progressed: Notify, ended: Notify) -> None:
        self._entry = entry
        self._progressed = progressed
        self._ended = ended

    @property
    def note(self) -> str:
        """The last note."""
        return self._entry.fact.note

    def report(self, note: str) -> None:
        """Set the note that a person reads; passes see it about a second later."""
        if note != self._entry.fact.note:
            self._entry.fact = replace(self._entry.fact, note=note)
            self._notify(self._progressed)

    def mark_waiting(self) -> None:
        """It waits for its turn: until `mark_begun` it is cancelled when no stage needs it any more."""
        self._entry.is_waiting = True

    def mark_begun(self) -> None:
        """Its turn has come."""
        self._entry.is_waiting = False

    def report_result(self, data: Mapping[str, str], note: str, wake: bool) -> None:
        """Set a result while it goes on; `wake` asks for a pass of its stages at once."""
        self._entry.fact = replace(self._entry.fact, data=dict(data), note=note)
        if wake:
            self._notify(self._ended)

    def _notify(self, notify: Notify) -> None:
        for stage in sorted(self._entry.owners):
            notify(stage)


class Operations:
    """All operations of this controller. `ended` and `progressed` ask for a pass of a stage, now and soon."""

    def __init__(self, perform: Perform, clock: Clock, ended: Notify, progressed: Notify) -> None:
        self._perform = perform
        self._clock = clock
        self._ended = ended
        self._progressed = progressed
        self._entries: dict[Key, _Entry] = {}
        self._stages: dict[StageKey, set[Key]] = {}
        self._ending: dict[Key, asyncio.Task[Mapping[str, str]]] = {}
        self._closed = False

    def facts(self, stage: StageKey) -> Mapping[Key, Fact]:
        """What is known of the operations and failed quick calls of a stage, by key."""
        return {key: self._entries[key].fact for key in sorted(self._stages.get(stage, ()))}

    def start(self, stage: StageKey, action: Operation) -> None:
        """Begin it, or share the one that runs under this key. Failures in a row are counted until it succeeds."""
        entry = self._entries.get(action.key)
        if entry is not None and entry.task is not None:
            entry.former.discard(stage)
            self._own(stage, action.key, entry)
        elif not self._closed:
            self._begin(stage, action, entry)

    def note_failure(self, stage: StageKey, key: Key, error: HoldfastError) -> None:
        """Keep the failure of a quick call as a fact."""
        before = self._entries.get(key)
        now = self._clock.now()
        fact = Fact(key, "failed", now, failures=before.fact.failures if before else 0)
        entry = _Entry(_failed(fact, error, now), type(None), owners=before.owners if before else set())
        self._entries[key] = entry
        self._own(stage, key, entry)

    def forget(self, stage: StageKey, key: Key) -> None:
        """Forget an ended operation or a failed quick call."""
        entry = self._entries.get(key)
        if entry is not None and entry.task is None and stage in entry.owners:
            self._disown(stage, key, entry)

    def cancel_all_but(self, stage: StageKey, kept: frozenset[Key]) -> None:
        """Cancel what the stage no longer needs where that is possible, and forget what ended of it."""
        for key in sorted(self._stages.get(stage, set()) - kept):
            entry = self._entries[key]
            if entry.task is not None and not entry.is_cancellable:
                entry.former.add(stage)
            else:
                self._disown(stage, key, entry)
        for key in self._stages.get(stage, set()) & kept:
            self._entries[key].former.discard(stage)

    def cancel_waiting(self, stage: StageKey) -> None:
        """Cancel what still waits for its turn: something else is declared now.

        The next pass starts again what it needs. It may be late, because the pass that runs may hang in a call.
        """
        for key in sorted(self._stages.get(stage, ())):
            entry = self._entries[key]
            if entry.task is not None and entry.is_waiting:
                self._disown(stage, key, entry)

    def forget_ended(self, kind: type) -> None:
        """Forget the ended operations of a kind, so that the next passes start them again."""
        for key, entry in list(self._entries.items()):
            if entry.kind is kind and entry.task is None:
                for stage in sorted(entry.owners):
                    self._disown(stage, key, entry)

    async def close(self, seconds: float) -> None:
        """Begin nothing more, cancel what can be cancelled, and give the rest so many seconds to end."""
        self._closed = True
        tasks = set(self._ending.values())
        for entry in self._entries.values():
            if entry.task is not None:
                tasks.add(entry.task)
                if entry.is_cancellable:
                    entry.task.cancel()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _begin(self, stage: StageKey, action: Operation, before: _Entry | None) -> None:
        now = self._clock.now()
        entry = _Entry(Fact(action.key, "running", now), type(action), action.cancellable)
        if before is not None:
            entry.fact = replace(entry.fact, failures=before.fact.failures, data=before.fact.data)
            entry.owners = before.owners
            if before.fact.status == "succeeded" and now - (before.fact.ended_at or 0.0) < REPEAT_WINDOW_S:
                entry.repeats = before.repeats + 1
        self._entries[action.key] = entry
        self._own(stage, action.key, entry)
        entry.task = asyncio.create_task(self._run(action, entry), name=str(action.key))
        entry.task.add_done_callback(lambda task: self._end(action.key, entry, task))

    async def _run(self, action: Operation, entry: _Entry) -> Mapping[str, str]:
        cancelled = self._ending.get(action.key)
        if cancelled is not None:
            await asyncio.wait({cancelled})
        if entry.repeats > FREE_REPEATS:
            await self._clock.sleep(delay(entry.repeats - FREE_REPEATS, str(action.key)))
        return await self._perform(action, Progress(entry, self._progressed, self._ended))

    def _end(self, key: Key, entry: _Entry, task: "asyncio.Task[Mapping[str, str]]") -> None:
        if self._ending.get(key) is task:
            del self._ending[key]
        entry.task = None
        if task.cancelled():
            for stage in sorted(entry.owners):
                self._disown(stage, key, entry)
            return
        now = self._clock.now()
        error = task.exception()
        if error is None:
            entry.fact = replace(entry.fact, status="succeeded", ended_at=now, failures=0, data=dict(task.result()))
        elif isinstance(error, HoldfastError):
            entry.fact = _failed(entry.fact, error, now)
        elif not isinstance(error, Exception):
            return  # the program is being torn down
        else:
            log.error("bug in an operation", key=str(key), exc_info=error)
            text = f"{type(error).__name__} in {entry.kind.__name__}; see the controller's log"
            entry.fact = _failed(entry.fact, WorldBad(text, reason="Bug"), now)
        owners = sorted(entry.owners)
        for stage in sorted(entry.former):
            self._disown(stage, key, entry)
        for stage in owners:
            self._ended(stage)

    def _own(self, stage: StageKey, key: Key, entry: _Entry) -> None:
        entry.owners.add(stage)
        self._stages.setdefault(stage, set()).add(key)

    def _disown(self, stage: StageKey, key: Key, entry: _Entry) -> None:
        entry.owners.discard(stage)
        entry.former.discard(stage)
        keys = self._stages.get(stage)
        if keys is not None:
            keys.discard(key)
            if not keys:
                del self._stages[stage]
        if not entry.owners and self._entries.get(key) is entry:
            del self._entries[key]
            if entry.task is not None:
                self._ending[key] = entry.task
                entry.task.cancel()


def _failed(fact: Fact, error: HoldfastError, now: float) -> Fact:
    retry_after = error.retry_after if isinstance(error, WorldBad) else None
    return replace(
        fact,
        status="failed",
        ended_at=now,
        failures=fact.failures + 1,
        failure=Failure.of(error),
        retry_after=retry_after or 0.0,
    )
