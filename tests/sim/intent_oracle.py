"""Durable intent (S26): what cannot be repeated is in the state folder before it is asked for."""

from dataclasses import dataclass, field

from controller.core.model import names
from tests.sim.call_border import Effect
from tests.sim.engine import Engine
from tests.sim.store import Disk

Key = tuple[str, str, str]


@dataclass
class Intent:
    """Judges each creation by what was recorded until then, also when that was lost since."""

    disk: Disk
    engine: Engine
    controller: str
    breaches: list[str] = field(default_factory=list)
    _recorded: dict[Key, int] = field(default_factory=dict)
    """Highest attempt by stage, tag and revision."""

    def before(self, effect: Effect) -> None:
        """Nothing is remembered of the world before."""

    def after(self, effect: Effect) -> None:
        """Take note of a record; compare a creation."""
        if effect.controller != self.controller:
            return
        if effect.op == "store.record":
            self._note(effect.target.split(" ", 1)[0])
        if effect.op == "docker.create":
            self._created(effect)

    def _note(self, stage: str) -> None:
        for tag, memory in self.disk.memory[stage].instances.items():
            for revision, attempt in memory.attempts.items():
                recorded = self._recorded.get((stage, tag, revision), 0)
                self._recorded[stage, tag, revision] = max(recorded, attempt)

    def _created(self, effect: Effect) -> None:
        box = self.engine.by_name(effect.target)
        if box is None or box.controller != self.controller:
            return
        key = (box.stage, box.tag, box.labels[names.REVISION])
        attempt, recorded = int(box.labels[names.ATTEMPT]), self._recorded.get(key, 0)
        if attempt > recorded:
            self.breaches.append(f"S26 at {effect}: attempt {attempt}, and {recorded} is recorded")
