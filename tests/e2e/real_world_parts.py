"""What stories reach for behind the world that they are played in, on real parts: clock, containers, folder, proxy."""

import asyncio
import selectors
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from controller.core.model import names
from controller.core.model.desired import SecretRef
from tests.parts.sandbox import Sandbox

SPEED = 20.0
SECRETS = "/run/secrets/"


class _FastSelector(selectors.DefaultSelector):
    """Waits a share of what it is asked to."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(None if timeout is None else timeout / SPEED)


class FastLoop(asyncio.SelectorEventLoop):
    """The stories' clock."""

    def __init__(self) -> None:
        super().__init__(_FastSelector())

    def time(self) -> float:
        """Seconds that pass faster than the machine's."""
        return super().time() * SPEED


@dataclass(frozen=True)
class Box:
    """A container, as stories ask of it."""

    id: str
    name: str
    tag: str
    state: str
    image: str
    job: bool
    passed: bool
    runs: str
    """Says another thing after each start."""

    @staticmethod
    def of_inspect(inspected: dict[str, Any]) -> "Box":
        """What `docker inspect` says."""
        labels = inspected["Config"]["Labels"]
        return Box(
            id=inspected["Id"],
            name=inspected["Name"].lstrip("/"),
            tag=labels[names.TAG],
            state=inspected["State"]["Status"],
            image=inspected["Config"]["Image"],
            job=labels[names.ROLE] == "preDeploy",
            passed=inspected["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped",
            runs=inspected["State"]["StartedAt"],
        )


@dataclass
class BreakablePart:
    """The registry and the proxy, as stories break them."""

    down: bool = False
    stumbles: int = 0
    restart: Callable[[], None] = lambda: None


class Files(dict[SecretRef, str]):
    """Secrets, each a file below the sandbox."""

    def __init__(self, box: Sandbox) -> None:
        super().__init__()
        self._box = box

    def __setitem__(self, ref: SecretRef, value: str) -> None:
        super().__setitem__(ref, value)
        (self._box.folder / "secrets" / ref.name.removeprefix(SECRETS)).write_text(value)


@dataclass
class Folder:
    """The folder of documents, which may be away."""

    sandbox: Sandbox

    @property
    def reachable(self) -> bool:
        """It is where it should be."""
        return self.sandbox.desired.name == "desired"

    @reachable.setter
    def reachable(self, there: bool) -> None:
        place = self.sandbox.folder / ("desired" if there else "away")
        self.sandbox.desired = self.sandbox.desired.rename(place)

    def touched(self) -> None:
        """The system tells who watches."""


@dataclass
class Engine:
    """What happened at the Engine."""

    asked: list[tuple[str, str]]

    @property
    def made(self) -> int:
        """How many containers were created."""
        return sum(what == "create" for what, _ in self.asked)


class Border:
    """Where stories say what somebody does."""

    def note(self, actor: str, op: str, target: str) -> None:
        """It is seen anyway."""
