"""Looks at our containers: one filtered list call, and an inspect of those whose details are no longer known."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from email.utils import parsedate_to_datetime

from controller.clients.docker import view
from controller.clients.docker.cache import DetailsCache
from controller.clients.docker.errors import EngineError
from controller.clients.docker.handle import Handle
from controller.clients.docker.network import Network
from controller.clients.docker.ownership import Document, Shown, list_params, shown
from controller.clients.docker.transport import TRANSPORT_ERRORS
from controller.clients.docker.view import UNKNOWN_DETAILS, Details
from controller.core.model import names
from controller.core.model.desired import StageKey
from controller.core.model.errors import Unreachable
from controller.core.model.identity import Identity
from controller.core.model.observed import Container
from controller.interfaces import Clock
from controller.telemetry import log

UNSEEN_MAX = 2
"""Containers that Docker may list and not inspect, in a list of everything; with more the Engine itself is ill."""


class Lister:
    """What is there of ours; runs in threads."""

    def __init__(self, handle: Handle, network: Network, cache: DetailsCache, clock: Clock) -> None:
        self._handle = handle
        self._network = network
        self._cache = cache
        self._clock = clock
        self._lookalikes: dict[str, str] = {}
        self._reported: dict[str, str] = {}

    def list(self, stage: StageKey | None) -> tuple[Container, ...]:
        """See `Runtime.list`."""
        rows, now = self._rows(stage)
        if stage is None:
            self._cache.prune({str(row["Id"]) for row in rows})
            self._reported, self._lookalikes = self._lookalikes, {}
        containers = self._containers(rows, now, UNSEEN_MAX if stage is None else 0)
        return tuple(sorted(containers, key=lambda container: container.name))

    def inspect(self, container_id: str) -> Container | None:
        """See `Runtime.inspect`."""
        ticket = self._cache.ticket(container_id)
        document = self._handle.look(container_id)
        identity = self._identity(shown(document)) if document is not None else None
        if document is None or identity is None:
            return None
        inspected = view.details(document)
        self._cache.keep(str(document["Id"]), inspected, ticket, self._clock.monotonic())
        return self._container(document, identity, inspected)

    def lookalikes(self) -> tuple[tuple[str, str], ...]:
        """See `Diagnosable.lookalikes`."""
        return tuple(sorted(self._lookalikes.items()))

    def _rows(self, stage: StageKey | None) -> tuple[Sequence[Document], float]:
        """Rows of the list and the Engine's clock, Unix seconds."""
        params = list_params(self._handle.controller_id, stage)
        try:
            response = self._handle.engine.request("GET", "/containers/json", params=params)
            rows: Sequence[Document] = response.json()
        except EngineError as error:
            raise Unreachable(f"Docker cannot list containers: {error.message}") from error
        except ValueError as error:
            raise Unreachable("Docker's list of containers is not JSON") from error
        except TRANSPORT_ERRORS as error:
            raise Unreachable(f"Docker's list of containers broke off: {type(error).__name__}") from error
        return rows, _date(response.headers.get("Date")) or self._clock.now()

    def _containers(self, rows: Sequence[Document], now: float, unseen_max: int) -> Iterator[Container]:
        """Those that are ours. Up to `unseen_max` that cannot be inspected hold up no others."""
        for row in rows:
            identity = self._identity(shown(row))
            if identity is None:
                continue
            try:
                container = self._listed(row, identity, now)
            except Unreachable as error:
                if unseen_max == 0:
                    raise
                unseen_max -= 1
                log.warning("container not seen, its stage waits", container=str(row["Id"])[:12], error=error.message)
                container = replace(self._container(row, identity, UNKNOWN_DETAILS), unseen=True)
            if container is not None:
                yield container

    def _listed(self, row: Document, identity: Identity, now: float) -> Container | None:
        inspected = self._cache.get(str(row["Id"]), self._clock.monotonic())
        if inspected is not None and view.is_current(inspected, row, now):
            return self._container(row, identity, inspected)
        return self.inspect(str(row["Id"]))

    def _container(self, document: Document, identity: Identity, inspected: Details) -> Container:
        return view.container(document, identity, inspected, network=self._network.name, network_id=self._network.id)

    def _identity(self, what: Shown) -> Identity | None:
        if what.is_lookalike(self._handle.controller_id):
            self._note_lookalike(what)
        return what.identity(self._handle.controller_id)

    def _note_lookalike(self, what: Shown) -> None:
        self._lookalikes[what.id] = what.name
        if self._reported.get(what.id) != what.name:
            self._reported[what.id] = what.name
            stage = what.labels.get(names.STAGE, "")
            log.warning("container with our labels and another name is left alone", container=what.name, stage=stage)


def _date(text: str | None) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except ValueError:
        return None
