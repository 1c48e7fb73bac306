"""Details from inspects, kept until something contradicts them, so that a pass without news costs one list call."""

import threading

from controller.clients.docker.view import Details

LIVE_AGE_MAX_S = 600.0
"""How long details are believed while the event stream is open."""
BLIND_AGE_MAX_S = 30.0
"""How long they are believed without it: nothing else shows a changed restart policy."""


class DetailsCache:
    """Details by container id; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[Details, float]] = {}
        self._dropped: dict[str, int] = {}
        self._epoch = 0
        self._live = False

    def live(self, on: bool) -> None:
        """The event stream opened or ended; details from before may be old."""
        with self._lock:
            self._live = on
            self._epoch += 1
            self._kept.clear()

    def drop(self, container_id: str) -> None:
        """Something happened to this container."""
        with self._lock:
            self._kept.pop(container_id, None)
            self._dropped[container_id] = self._dropped.get(container_id, 0) + 1

    def ticket(self, container_id: str) -> tuple[int, int]:
        """Take before an inspect: `keep` refuses an answer that an event has overtaken."""
        with self._lock:
            return self._epoch, self._dropped.get(container_id, 0)

    def keep(self, container_id: str, inspected: Details, ticket: tuple[int, int], now: float) -> None:
        """Remember the answer of an inspect."""
        with self._lock:
            if ticket == (self._epoch, self._dropped.get(container_id, 0)):
                self._kept[container_id] = (inspected, now)

    def get(self, container_id: str, now: float) -> Details | None:
        """Details that may still be believed. `now` is monotonic."""
        with self._lock:
            entry = self._kept.get(container_id)
            if entry is None or now - entry[1] > (LIVE_AGE_MAX_S if self._live else BLIND_AGE_MAX_S):
                return None
            return entry[0]

    def prune(self, alive: set[str]) -> None:
        """Forget containers that are gone; call with the ids of a list of everything."""
        with self._lock:
            self._kept = {key: value for key, value in self._kept.items() if key in alive}
            self._dropped = {key: value for key, value in self._dropped.items() if key in alive}
