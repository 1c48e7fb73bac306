"""What a plan says would happen, as data: printed by the command line and given out as JSON.

Secret values never get here: whoever builds a `FieldChange` writes `***` for them.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from controller.core.model.desired import StageKey, Strategy
from controller.core.planning.spec_fields import FieldChange

FORMAT_VERSION = 1
Symbol = Literal["+", "~", "-", "-/+"]


@dataclass(frozen=True)
class Change:
    """One instance or route that would be added (+), changed (~), removed (-) or replaced (-/+)."""

    symbol: Symbol
    kind: Literal["instance", "route"]
    name: str
    reason: str
    fields: tuple[FieldChange, ...] = ()


@dataclass(frozen=True)
class StageForecast:
    """What would happen to one stage."""

    key: StageKey
    changes: tuple[Change, ...] = ()
    downtime: float = 0.0
    """Seconds without an answer at most."""
    downtime_why: str = ""
    unchanged: tuple[str, ...] = ()
    """Instances and routes that are left alone, such as "instance 1.4.2"."""
    notices: tuple[str, ...] = ()
    fingerprint: str = ""
    strategy: Strategy = "BlueGreen"
    strategy_why: str = "default"
    """Default, declared, or the volume that asks for it."""


@dataclass(frozen=True)
class Forecast:
    """What would happen to all stages; `digest` names exactly this plan."""

    stages: tuple[StageForecast, ...] = ()
    digest: str = ""

    def counts(self) -> tuple[int, int, int]:
        """How many are added, changed (replaced counts here) and removed."""
        symbols = [change.symbol for stage in self.stages for change in stage.changes]
        return symbols.count("+"), symbols.count("~") + symbols.count("-/+"), symbols.count("-")

    def to_json(self) -> dict[str, Any]:
        """The plan as plain data, with the version of its format."""
        add, change, remove = self.counts()
        summary = {"add": add, "change": change, "remove": remove}
        return {"formatVersion": FORMAT_VERSION, **asdict(self), "summary": summary}
