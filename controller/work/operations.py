"""Long work beside the passes: once per key, its progress and its end as facts. Lives in memory only.

A pass starts operations and reads their facts in the next one; nobody waits for them. After a crash the same plan
starts them again. What an operation does is in `steps`; here is only who asked for it and how it stands.
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
"""How often the same key may succeed and be asked for again at once, before the repeats are slowed down."""
AT_ONCE = 2.0
"""Seconds after its end within which asking again counts as such a repeat."""

Run = Callable[[Operation, "Progress"], Coroutine[Any, Any, Mapping[str, str]]]
Tell = Callable[[StageKey], None]


@dataclass(eq=False)
class _Entry:
    fact: Fact
    kind: type
    cancellable: bool = False
    owners: set[StageKey] = field(default_factory=set)
    dropped: set[StageKey] = field(default_factory=set)
    """Owners that go by it no longer; they still see it until its end, so that they do not act across it."""
    task: "asyncio.Task[Mapping[str, str]] | None" = None
    repeats: int = 0
    waits: bool = False
    """It waits for its turn: nothing has been asked of the world yet."""

    @property
    def harmless(self) -> bool:
        """True while calling it off changes nothing."""
        return self.waits or self.cancellable


class Progress:
    """What a running operation tells of itself."""

    def __init__(self, entry: _Entry, progressed: Tell, ended: Tell) -> None:
        self._entry = entry
        self._progressed = progressed
        self._ended = ended

    @property
    def note(self) -> str:
        """What was last told."""
        return self._entry.fact.note

    def say(self, note: str) -> None:
        """Progress for a person; passes see it, at most about once a second."""
        if note != self._entry.fact.note:
            self._entry.fact = replace(self._entry.fact, note=note)
            self._tell(self._progressed)

    def waits(self) -> None:
        """It waits for its turn: until `begins` it is called off when nobody goes by it any more."""
        self._entry.waits = True

    def begins(self) -> None:
        """From now on it runs to its end."""
        self._entry.waits = False

    def found(self, data: Mapping[str, str], note: str, wake: bool) -> None:
        """A result while it goes on; with `wake` the stages look at once."""
        self._entry.fact = replace(self._entry.fact, data=dict(data), note=note)
        if wake:
            self._tell(self._ended)

    def _tell(self, whom: Tell) -> None:
        for stage in sorted(self._entry.owners):
            whom(stage)


class Operations:
    """All operations of this controller. `ended` and `progressed` ask for a pass of a stage, now and soon."""

    def __init__(self, run: Run, clock: Clock, ended: Tell, progressed: Tell) -> None:
        self._run = run
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
        known = self._entries.get(action.key)
        if known is not None and known.task is not None:
            known.dropped.discard(stage)
            self._own(stage, action.key, known)
        elif not self._closed:
            self._begin(stage, action, known)

    def note_failure(self, stage: StageKey, key: Key, error: HoldfastError) -> None:
        """Keep the failure of a quick call as a fact."""
        known = self._entries.get(key)
        now = self._clock.now()
        begun = Fact(key, "failed", now, failures=known.fact.failures if known else 0)
        entry = _Entry(_failed(begun, error, now), type(None), owners=known.owners if known else set())
        self._entries[key] = entry
        self._own(stage, key, entry)

    def clear(self, stage: StageKey, key: Key) -> None:
        """Forget an ended operation or a failed quick call."""
        entry = self._entries.get(key)
        if entry is not None and entry.task is None and stage in entry.owners:
            self._disown(stage, key, entry)

    def keep(self, stage: StageKey, keys: frozenset[Key]) -> None:
        """Go by these keys only: what else is running is called off where that is harmless, what ended is forgotten."""
        for key in sorted(self._stages.get(stage, set()) - keys):
            entry = self._entries[key]
            if entry.task is not None and not entry.harmless:
                entry.dropped.add(stage)
            else:
                self._disown(stage, key, entry)
        for key in self._stages.get(stage, set()) & keys:
            self._entries[key].dropped.discard(stage)

    def outdate(self, stage: StageKey) -> None:
        """Something else is declared: call off what still waits for its turn.

        The next pass asks again for what it wants; that may be late, for the one that goes on may hang in a call.
        """
        for key in sorted(self._stages.get(stage, ())):
            entry = self._entries[key]
            if entry.task is not None and entry.waits:
                self._disown(stage, key, entry)

    def look_again(self, kind: type) -> None:
        """Forget the ended operations of a kind, so that the next passes begin them anew."""
        for key, entry in list(self._entries.items()):
            if entry.kind is kind and entry.task is None:
                for stage in sorted(entry.owners):
                    self._disown(stage, key, entry)

    async def close(self, seconds: float) -> None:
        """Begin nothing more, call off what is harmless, and give the rest so long to end."""
        self._closed = True
        tasks = set(self._ending.values())
        for entry in self._entries.values():
            if entry.task is not None:
                tasks.add(entry.task)
                if entry.harmless:
                    entry.task.cancel()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _begin(self, stage: StageKey, action: Operation, known: _Entry | None) -> None:
        now = self._clock.now()
        entry = _Entry(Fact(action.key, "running", now), type(action), action.cancellable)
        if known is not None:
            entry.fact = replace(entry.fact, failures=known.fact.failures, data=known.fact.data)
            entry.owners = known.owners
            if known.fact.status == "succeeded" and now - (known.fact.ended_at or 0.0) < AT_ONCE:
                entry.repeats = known.repeats + 1
        self._entries[action.key] = entry
        self._own(stage, action.key, entry)
        entry.task = asyncio.create_task(self._body(action, entry), name=str(action.key))
        entry.task.add_done_callback(lambda task: self._end(action.key, entry, task))

    async def _body(self, action: Operation, entry: _Entry) -> Mapping[str, str]:
        before = self._ending.get(action.key)
        if before is not None:
            await asyncio.wait({before})
        if entry.repeats > FREE_REPEATS:
            await self._clock.sleep(delay(entry.repeats - FREE_REPEATS, str(action.key)))
        return await self._run(action, Progress(entry, self._progressed, self._ended))

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
        for stage in sorted(entry.dropped):
            self._disown(stage, key, entry)
        for stage in owners:
            self._ended(stage)

    def _own(self, stage: StageKey, key: Key, entry: _Entry) -> None:
        entry.owners.add(stage)
        self._stages.setdefault(stage, set()).add(key)

    def _disown(self, stage: StageKey, key: Key, entry: _Entry) -> None:
        entry.owners.discard(stage)
        entry.dropped.discard(stage)
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
    wish = error.retry_after if isinstance(error, WorldBad) else None
    return replace(
        fact,
        status="failed",
        ended_at=now,
        failures=fact.failures + 1,
        failure=Failure.of(error),
        retry_after=wish or 0.0,
    )
