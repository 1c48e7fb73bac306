"""How the page of the crash matrix reads: rows to Markdown, and back.

`full` fills and writes it; nobody edits it. What a story's effects are is said by `effects` and `stored`.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.sim.faults import Call, Mode

PAGE = Path(__file__).parents[1] / "MATRIX.md"
MODES: tuple[Mode, ...] = ("before", "during", "after", "lost", "fail", "hang", "late")
PROXIES = ("caddy", "npm")
WORDS = {"proxy.write": "route"}
BLOCK_EFFECTS_MAX = 8
"""Effects of a repeated block that are taken together."""

HEAD = """# The crash matrix

Written by `make matrix`, never by hand: each story of `tests/sim/scenarios.py` is played in the simulated world with a
fault at every single effect, on a proxy that is written at once and forgets when it restarts (caddy) and on one that
is written host by host and remembers (npm). Safety is judged after each effect; in the end there must be the same
containers, routes and phases as without the fault, nothing else of ours, every rollout closed, hardly more calls than
without it, and silence. A fault that did not strike fails the run.

| fault | meaning |
|---|---|
| before, after | the controller dies before, after the effect, and is started again a second later |
| during | it dies while a long call goes on: pull, start, stop, restart |
| lost | the effect happens and the reply does not come |
| fail | nothing happens, the connection is refused |
| hang | nothing happens, and 40 seconds later the client gives up |
| late | the client gives up after 40 seconds, and the effect happens all the same 12 seconds later |

The store is a local file, so that a call of it only meets crashes. **passes**: most passes of one stage from the fault
until its last effect before somebody acts again; **more**: most passes more than the story has there without a fault.
A repeated block of effects is written once, with its number.
"""

PAIRS = """Each fault, and a crash before or after one of the seven effects that follow it. One whose second fault lies
beyond the end of the story is not counted."""


@dataclass
class Row:
    """What came of one story on one proxy."""

    story: str
    proxy: str
    effects: str
    stored: str
    double: bool = False
    """With two faults."""
    faults: Counter[str] = field(default_factory=Counter)
    """Played, by mode."""
    converged: int = 0
    passes: int = 0
    more: int = 0
    failed: list[str] = field(default_factory=list)
    """Cells that did not converge, each with its first line."""

    def join(self, other: "Row") -> None:
        """Add what another part of the same story gave."""
        self.faults += other.faults
        self.converged += other.converged
        self.passes, self.more = max(self.passes, other.passes), max(self.more, other.more)
        self.failed += other.failed

    @property
    def played(self) -> int:
        """Number of faults, or of pairs."""
        return self.faults.total()


def effects(calls: Iterable[Call]) -> str:
    """What a story does to Docker and the proxy, in order."""
    return " ".join(_blocks([_word(call) for call in calls if not call.op.startswith("store.")]))


def stored(calls: Iterable[Call]) -> str:
    """What it writes into the store, by kind."""
    counts = Counter(call.op.removeprefix("store.") for call in calls if call.op.startswith("store."))
    return ", ".join(f"{count} {op}" for op, count in sorted(counts.items()))


def render(single: Sequence[Row], double: Sequence[Row]) -> str:
    """The whole page."""
    parts = [
        HEAD,
        f"## One fault\n\n{_sum(single, 'faults')}\n",
        _table(
            [
                "story",
                "proxy",
                "effects on Docker and the proxy",
                "in the store",
                *MODES,
                "converged",
                "passes",
                "more",
            ],
            [[row.story, row.proxy, row.effects, row.stored, *_played(row), *_result(row)] for row in single],
        ),
        f"## Two faults\n\n{PAIRS} {_sum(double, 'pairs')}\n",
        _table(
            ["story", "proxy", "pairs", "converged", "passes"],
            [[row.story, row.proxy, str(row.played), *_result(row)[:2]] for row in double],
        ),
    ]
    failed = [f"- `{line}`" for row in (*single, *double) for line in row.failed]
    return "\n".join([*parts, *(["## What did not converge\n", *failed, ""] if failed else [])])


def read(text: str) -> tuple[list[Row], list[Row]]:
    """The rows of a page: one fault, two faults."""
    lines = (line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| "))
    rows = [[cell.strip() for cell in line] for line in lines if len(line) > 4 and line[1] in PROXIES]
    single = [_single(row) for row in rows if len(row) == 7 + len(MODES)]
    return single, [_double(row) for row in rows if len(row) == 5]


def _single(cells: Sequence[str]) -> Row:
    played = {mode: int(cell) for mode, cell in zip(MODES, cells[4:], strict=False) if cell != "-"}
    converged, needed, more = cells[-3:]
    story, proxy, effects, stored = cells[:4]
    row = Row(story, proxy, effects, stored, faults=Counter(played))
    row.converged, row.passes, row.more = int(converged.split()[0]), int(needed), int(more)
    return row


def _double(cells: Sequence[str]) -> Row:
    story, proxy, pairs, converged, needed = cells
    return Row(story, proxy, "", "", True, Counter(pairs=int(pairs)), int(converged.split()[0]), int(needed))


def _word(call: Call) -> str:
    return WORDS.get(call.op) or call.op.partition(".")[2]


def _blocks(words: Sequence[str]) -> list[str]:
    """Repeated blocks once, each with its number."""
    blocks: list[str] = []
    at = 0
    while at < len(words):
        size, times = max(((size, _times(words, at, size)) for size in range(1, BLOCK_EFFECTS_MAX + 1)), key=_saved)
        block = " ".join(words[at : at + size]) if times > 1 else words[at]
        blocks.append(block if times == 1 else f"{block} x{times}" if size == 1 else f"({block}) x{times}")
        at += size * times if times > 1 else 1
    return blocks


def _times(words: Sequence[str], at: int, size: int) -> int:
    block, times = words[at : at + size], 1
    while words[at + times * size : at + (times + 1) * size] == block:
        times += 1
    return times


def _saved(block: tuple[int, int]) -> tuple[int, int]:
    size, times = block
    return size * (times - 1), -size


def _sum(rows: Sequence[Row], what: str) -> str:
    played, converged = sum(row.played for row in rows), sum(row.converged for row in rows)
    stories = len({row.story for row in rows})
    return f"{stories} stories, {played:,} {what}, {converged:,} converged."


def _played(row: Row) -> list[str]:
    return [str(row.faults[mode] or "-") for mode in MODES]


def _result(row: Row) -> list[str]:
    return [f"{row.converged} of {row.played}", str(row.passes), f"{row.more:+}"]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
