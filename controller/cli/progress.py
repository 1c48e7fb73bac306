"""The progress of each instance on stderr: one line per transition, and on a terminal one live line per instance."""

import asyncio
import sys
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from controller.broadcast import EventsLost, StatusReported, Subscription
from controller.cli.output import OPTIONS, is_live, say
from controller.core.model.status import InstanceStatus, StageStatus

if TYPE_CHECKING:
    from rich.text import Text

    from controller.manager import Manager

SIGNS = {"Running": ("✓", "green"), "RolledBack": ("✗", "red"), "Failed": ("✗", "red"), "Degraded": ("!", "red")}
SIGNS |= dict.fromkeys(("HeldOver", "Suspended", "Evicted", "Expired"), ("!", "yellow"))
IN_PROGRESS = ("·", "cyan")
GONE = "gone"


class Progress:
    """Shows statuses as they come."""

    def __init__(self) -> None:
        self._shown: dict[tuple[str, str], tuple[str, str]] = {}
        """By stage and tag: the phase, and the text that is shown."""
        self._live: Any = None

    def __enter__(self) -> "Progress":
        if is_live(sys.stderr):
            from rich.console import Console
            from rich.live import Live

            console = Console(stderr=True, no_color=not OPTIONS.progress_color, highlight=False)
            self._live = Live(console=console, refresh_per_second=8)
            self._live.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        if self._live is not None:
            self._live.__exit__(*error)

    @asynccontextmanager
    async def following(self, manager: "Manager") -> AsyncIterator[None]:
        """Show every status that the manager reports until the context ends."""
        with manager.subscribe() as events:
            following = asyncio.create_task(self._follow(manager, events))
            try:
                yield
            finally:
                events.close()
                await following

    async def _follow(self, manager: "Manager", events: Subscription) -> None:
        async for event in events:
            if isinstance(event, StatusReported):
                self.show(event.status)
            elif isinstance(event, EventsLost):
                for status in manager.statuses().values():
                    self.show(status)

    def show(self, status: StageStatus) -> None:
        """Show what changed in a stage."""
        for instance in status.instances:
            self._show(status.key, instance.tag, instance.phase, _text(instance))
        tags = {instance.tag for instance in status.instances}
        for key, tag in [key for key in self._shown if key[0] == status.key and key[1] not in tags]:
            self._show_gone(key, tag)
        self._draw()

    def keep_only(self, stages: Collection[str]) -> None:
        """Show the instances of all other stages as gone."""
        for key, tag in [key for key in self._shown if key[0] not in stages]:
            self._show_gone(key, tag)
        self._draw()

    def _show(self, key: str, tag: str, phase: str, text: str) -> None:
        if self._shown.get((key, tag)) != (phase, text):
            self._shown[(key, tag)] = (phase, text)
            if self._live is None:
                say(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {key}/{tag} {text}")

    def _show_gone(self, key: str, tag: str) -> None:
        if self._shown[(key, tag)][1] != GONE:
            self._show(key, tag, "", GONE)

    def _draw(self) -> None:
        if self._live is not None:
            self._live.update(_table(self._shown))


def _text(instance: InstanceStatus) -> str:
    why = instance.message or instance.reason
    return f"{instance.phase} ({why})" if why and why != instance.phase else instance.phase


def _table(shown: dict[tuple[str, str], tuple[str, str]]) -> "Text":
    from rich.text import Text

    table = Text(no_wrap=True, overflow="ellipsis")
    width = max((len(f"{key}/{tag}") for key, tag in shown), default=0)
    for (key, tag), (phase, text) in sorted(shown.items()):
        sign, color = ("-", "dim") if text == GONE else SIGNS.get(phase, IN_PROGRESS)
        table.append(f"{sign} ", color)
        table.append(f"{f'{key}/{tag}':<{width}}  {text}\n")
    table.rstrip()
    return table
