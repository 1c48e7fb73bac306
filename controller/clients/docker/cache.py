"""What inspects told, kept until something contradicts it, so that a pass without news costs one list call."""

import threading

from controller.clients.docker.view import Details

LIVE_AGE = 600.0
"""Seconds that details are believed while the event stream is open."""
BLIND_AGE = 30.0
"""Seconds that they are believed without it: nobody tells of a changed restart policy."""


class DetailsCache:
    """Details by container id; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, tuple[Details, float]] = {}
        self._dropped: dict[str, int] = {}
        self._epoch = 0
        self._live = False

    def live(self, on: bool) -> None:
        """The event stream opened or ended; what was kept before it opened may be old."""
        with self._lock:
            self._live = on
            self._epoch += 1
            self._known.clear()

    def drop(self, container_id: str) -> None:
        """Something happened to this container."""
        with self._lock:
            self._known.pop(container_id, None)
            self._dropped[container_id] = self._dropped.get(container_id, 0) + 1

    def ticket(self, container_id: str) -> tuple[int, int]:
        """Take before an inspect: `keep` refuses an answer that an event has overtaken."""
        with self._lock:
            return self._epoch, self._dropped.get(container_id, 0)

    def keep(self, container_id: str, found: Details, ticket: tuple[int, int], now: float) -> None:
        """Remember the answer of an inspect."""
        with self._lock:
            if ticket == (self._epoch, self._dropped.get(container_id, 0)):
                self._known[container_id] = (found, now)

    def get(self, container_id: str, now: float) -> Details | None:
        """Details that may still be believed. `now` is monotonic."""
        with self._lock:
            found = self._known.get(container_id)
            if found is None or now - found[1] > (LIVE_AGE if self._live else BLIND_AGE):
                return None
            return found[0]

    def prune(self, alive: set[str]) -> None:
        """Forget containers that are gone; call with the ids of a list of everything."""
        with self._lock:
            self._known = {key: value for key, value in self._known.items() if key in alive}
            self._dropped = {key: value for key, value in self._dropped.items() if key in alive}
