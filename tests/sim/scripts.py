"""A history written down: applications, acts and faults. It reads as YAML and plays the same for ever.

A seed means something else as soon as the generator draws otherwise; a script does not.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import yaml

from controller.core.documents.spec import DeployRequest, Document, Project
from tests.sim.apps import App
from tests.sim.clock import NoProgress
from tests.sim.recorded_faults import ScriptedFaults, StruckFault
from tests.sim.user_acts import Act, perform
from tests.world import Simulation, simulate

KINDS: dict[str, type[Project] | type[DeployRequest]] = {"Project": Project, "DeployRequest": DeployRequest}
FAILURES = (AssertionError, NoProgress)
"""How a history fails."""


@dataclass(frozen=True)
class Script:
    """Everything that one history is made of."""

    acts: tuple[Act, ...]
    apps: Mapping[str, App] = field(default_factory=dict)
    """What the registry serves, by tag."""
    npm: bool = False
    faults: tuple[StruckFault, ...] = ()
    events: tuple[tuple[int, int], ...] = ()
    """Events of the Engine that did not come exactly once: number and how often."""

    def play(self) -> Simulation:
        """Play it in a new world and judge it. Raises one of `FAILURES`."""

        async def story(sim: Simulation) -> None:
            for tag, app in self.apps.items():
                sim.push(tag, app)
            for act in self.acts:
                await perform(sim, act)

        return simulate(story, ScriptedFaults(self.faults, dict(self.events)), self.npm)

    def text(self) -> str:
        """It as YAML."""
        return yaml.safe_dump(self.data(), sort_keys=False, width=110, default_flow_style=None)

    def data(self) -> dict[str, Any]:
        """It as plain data, without what is as usual."""
        data: dict[str, Any] = {"npm": True} if self.npm else {}
        data["apps"] = {tag: _unusual(app) for tag, app in self.apps.items()}
        data["acts"] = [_plain(act) for act in self.acts]
        if self.faults:
            data["faults"] = [asdict(item) for item in self.faults]
        if self.events:
            data["events"] = dict(self.events)
        return data


def script(data: Mapping[str, Any]) -> Script:
    """What `Script.data` gave, read back."""
    return Script(
        acts=tuple(_act(item) for item in data["acts"]),
        apps={str(tag): App(**app) for tag, app in data.get("apps", {}).items()},
        npm=data.get("npm", False),
        faults=tuple(StruckFault(**item) for item in data.get("faults", ())),
        events=tuple(data.get("events", {}).items()),
    )


def failure(error: BaseException) -> str:
    """The kind of a failure: two of one kind are probably one mistake. Names and numbers are left out."""
    first = str(error).partition("\n")[0]
    broken = re.match(r"(S\d+) at", first)
    if broken is not None:
        return broken.group(1)
    words = re.findall(r"(?<![^\s(])[a-zA-Z]+(?=[\s,.:)]|$)", first.partition(";")[0])
    return f"{type(error).__name__}: {' '.join(words)}"


def document(data: Mapping[str, Any]) -> Document:
    """A document from plain data."""
    return KINDS[data["kind"]].model_validate(data)


def written(item: Document) -> dict[str, Any]:
    """A document as plain data, as its author wrote it."""
    return item.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _plain(act: Act) -> dict[str, Any]:
    how = {
        name: [written(item) for item in value] if name == "documents" else value
        for name, value in act.arguments.items()
    }
    return {"do": act.name, **how} | ({} if act.wait is None else {"wait": act.wait})


def _act(data: Mapping[str, Any]) -> Act:
    how = {
        name: tuple(document(item) for item in value) if name == "documents" else value
        for name, value in data.items()
        if name not in ("do", "wait")
    }
    return Act(data["do"], how, data.get("wait"))


def _unusual(app: App) -> dict[str, Any]:
    return {item.name: getattr(app, item.name) for item in fields(app) if getattr(app, item.name) != item.default}
