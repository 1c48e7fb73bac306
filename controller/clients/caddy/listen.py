"""Caddy's listen addresses, pure: `:80`, `tcp/127.0.0.1:8000-8010`, `[::1]:80`."""

import functools
from collections.abc import Sequence
from typing import Any

EVERYWHERE = ("", "0.0.0.0", "::")
"""Hosts that stand for every address of the machine."""


@functools.lru_cache(maxsize=256)
def address(text: str) -> tuple[str, range] | None:
    """Host and ports of a TCP listen address; None for anything else, such as a unix socket or a placeholder."""
    network, slash, place = text.rpartition("/")
    if slash and network not in ("tcp", "tcp4", "tcp6"):
        return None
    host, colon, numbers = place.rpartition(":")
    low, _, high = numbers.partition("-")
    if not colon or not low.isdecimal() or not (high or low).isdecimal():
        return None
    return host.strip("[]").lower(), range(int(low), int(high or low) + 1)


def ports(listen: Sequence[Any]) -> set[int]:
    """All TCP ports of a server's addresses."""
    return {port for text in listen if (place := address(str(text))) for port in place[1]}


def covers(theirs: Any, ours: str) -> bool:
    """True when all that comes to our address comes to theirs, so that Caddy refuses two servers there."""
    there, here = address(str(theirs)), address(ours)
    if there is None or here is None:
        return str(theirs) == ours
    same = there[0] == here[0] or there[0] in EVERYWHERE
    return same and bool(set(there[1]) & set(here[1]))
