"""How far each instance is, on stderr: one line per transition, and on a terminal one live line per instance."""

import sys
from collections.abc import Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from controller.cli.output import OPTIONS, say, screen
from controller.core.model.status import InstanceStatus, StageStatus

if TYPE_CHECKING:
    from rich.text import Text

SIGNS = {"Running": ("✓", "green"), "RolledBack": ("✗", "red"), "Failed": ("✗", "red"), "Degraded": ("!", "red")}
SIGNS |= dict.fromkeys(("HeldOver", "Suspended", "Evicted", "Expired"), ("!", "yellow"))
GOING = ("·", "cyan")
GONE = "gone"


class Progress:
    """Shows the statuses that it is told of."""

    def __init__(self) -> None:
        self._shown: dict[tuple[str, str], tuple[str, str]] = {}
        """By stage and tag: phase, and all words about it."""
        self._live: Any = None

    def __enter__(self) -> "Progress":
        if screen(sys.stderr):
            from rich.console import Console
            from rich.live import Live

            console = Console(stderr=True, no_color=not OPTIONS.progress_color, highlight=False)
            self._live = Live(console=console, refresh_per_second=8)
            self._live.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        if self._live is not None:
            self._live.__exit__(*error)

    def status(self, status: StageStatus) -> None:
        """Show what changed in a stage."""
        for item in status.instances:
            self._show(status.key, item.tag, item.phase, _words(item))
        left = {item.tag for item in status.instances}
        for key, tag in [key for key in self._shown if key[0] == status.key and key[1] not in left]:
            self._gone(key, tag)
        self._draw()

    def only(self, stages: Collection[str]) -> None:
        """No other stage is there any more."""
        for key, tag in [key for key in self._shown if key[0] not in stages]:
            self._gone(key, tag)
        self._draw()

    def _show(self, key: str, tag: str, phase: str, words: str) -> None:
        if self._shown.get((key, tag)) != (phase, words):
            self._shown[(key, tag)] = (phase, words)
            if self._live is None:
                say(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {key}/{tag} {words}")

    def _gone(self, key: str, tag: str) -> None:
        if self._shown[(key, tag)][1] != GONE:
            self._show(key, tag, "", GONE)

    def _draw(self) -> None:
        if self._live is not None:
            self._live.update(_screenful(self._shown))


def _words(item: InstanceStatus) -> str:
    more = item.message or item.reason
    return f"{item.phase} ({more})" if more and more != item.phase else item.phase


def _screenful(shown: dict[tuple[str, str], tuple[str, str]]) -> "Text":
    from rich.text import Text

    text = Text(no_wrap=True, overflow="ellipsis")
    width = max((len(f"{key}/{tag}") for key, tag in shown), default=0)
    for (key, tag), (phase, words) in sorted(shown.items()):
        sign, color = ("-", "dim") if words == GONE else SIGNS.get(phase, GOING)
        text.append(f"{sign} ", color)
        text.append(f"{f'{key}/{tag}':<{width}}  {words}\n")
    text.rstrip()
    return text
