"""How long to wait before something that failed is tried again: exponential, with jitter, capped, for ever.

The jitter comes from the key, so that the same inputs give the same plan.
"""

import hashlib

from controller.core.model.observed import Fact

BASE_S = 1.0
CAP_S = 300.0


def delay(failures: int, key: str) -> float:
    """Seconds to wait after so many failures in a row: 1, 2, 4 … 300, shortened by up to a fifth."""
    if failures <= 0:
        return 0.0
    full = min(CAP_S, BASE_S * 2.0 ** min(failures - 1, 20))
    drawn = int.from_bytes(hashlib.sha256(f"{key}#{failures}".encode()).digest()[:4], "big") / 2**32
    return full * (1.0 - 0.2 * drawn)


def due(fact: Fact) -> float:
    """Unix seconds from when a failed fact may be tried again; the other side's own wish wins when it is later."""
    return (fact.ended_at or fact.started_at) + max(delay(fact.failures, str(fact.key)), fact.retry_after)
