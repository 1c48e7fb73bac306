"""The share of mutants that was noticed: by module, in all, and between which bounds it lies."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import sqrt

SURE = 1.96
"""Standard deviations on both sides that hold the truth in 95 of 100 samples."""


@dataclass
class Count:
    """Mutants of one module."""

    there: int = 0
    judged: int = 0
    noticed: int = 0

    @property
    def share(self) -> float:
        """Noticed of those judged, from 0 to 1."""
        return self.noticed / self.judged if self.judged else 0.0


def interval(count: Count) -> tuple[float, float]:
    """Bounds of the share (Wilson's, 95 %); the share itself where all there are were judged."""
    many, share = count.judged, count.share
    if not many or many == count.there:
        return share, share
    middle = (share + SURE**2 / (2 * many)) / (1 + SURE**2 / many)
    half = SURE / (1 + SURE**2 / many) * sqrt(share * (1 - share) / many + SURE**2 / (4 * many**2))
    return middle - half, middle + half


def table(counts: Mapping[str, Count]) -> Iterable[str]:
    """One line for each module, the worst first, and one for all together."""
    total = Count()
    for name, count in sorted(counts.items(), key=lambda item: (item[1].share, item[0])):
        if count.judged:
            yield f"{name:28} {count.noticed:5} of {count.judged:5}  {100 * count.share:5.1f} %"
        total.there += count.there
        total.judged += count.judged
        total.noticed += count.noticed
    low, high = interval(total)
    yield (
        f"{'all':28} {total.noticed:5} of {total.judged:5}  {100 * total.share:5.1f} %"
        f"  ({100 * low:.1f} to {100 * high:.1f} %; {total.there} there are)"
    )


def spread(there: Mapping[str, int], many: int) -> dict[str, int]:
    """How many to draw of each module, in proportion, and of each at least one; 0: all."""
    total = sum(there.values())
    if not many or many >= total:
        return dict(there)
    exact = {name: many * size / total for name, size in there.items()}
    drawn = {name: max(1, int(share)) if there[name] else 0 for name, share in exact.items()}
    rest = sorted(exact, key=lambda name: (drawn[name] - exact[name], name))
    for name in rest[: max(0, many - sum(drawn.values()))]:
        drawn[name] += 1
    return drawn
