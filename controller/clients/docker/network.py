"""The network of the settings: made once when missing, addressed by id, never removed once in use.

Engine 20.10 allows two networks of one name and then refuses the name as ambiguous, so the oldest of ours is used. A
network of that name that somebody else made is used as it is.
"""

import contextlib
import json
import threading

from controller.clients.docker import errors
from controller.clients.docker.engine import WRITE_TIMEOUT_S, Engine
from controller.clients.docker.errors import EngineError
from controller.clients.docker.ownership import NETWORK_LABEL, Document, is_our_network
from controller.clients.docker.transport import ReplyLost
from controller.clients.docker.view import timestamp
from controller.core.model.errors import WorldBad


class Network:
    """The id of the network, found or made when first needed."""

    def __init__(self, engine: Engine, name: str, controller_id: str) -> None:
        self._engine = engine
        self._controller_id = controller_id
        self._lock = threading.Lock()
        self.name = name
        self.id: str | None = None
        self.reference = name
        """What a new container names as its network: the name, which survives that the network is made anew, or the id
        where two networks have that name."""

    def ensure(self, again: bool = False) -> str:
        """Id of the network, which is made when there is none. `again`: do not believe the id from before."""
        with self._lock:
            if self.id is None or again:
                self.id = self._find() or self._make()
            return self.id

    def _find(self) -> str | None:
        named = networks_named(self._engine, self.name)
        if not named:
            return None
        best = min(named, key=self._rank)
        self.reference = self.name if len(named) == 1 else str(best["Id"])
        if best.get("Driver") in ("host", "null"):
            message = f"docker.network {self.name} has driver {best['Driver']}: containers cannot be reached on it"
            raise WorldBad(message, reason="NetworkUnusable")
        return str(best["Id"])

    def _rank(self, network: Document) -> tuple[bool, float, str]:
        ours = is_our_network(network, self._controller_id)
        return not ours, timestamp(network.get("Created")) or 0.0, str(network["Id"])

    def _make(self) -> str:
        labels = {NETWORK_LABEL: self._controller_id}
        body = {"Name": self.name, "Driver": "bridge", "CheckDuplicate": True, "Labels": labels}
        task = f"create network {self.name}"
        try:
            created = self._engine.json("POST", "/networks/create", body=body, timeout=WRITE_TIMEOUT_S)
        except EngineError as error:
            existing = self._find() if error.status == 409 else None
            if existing is None:
                raise errors.outcome(errors.CREATE_NETWORK, error).failure(error, task) from error
            return existing
        except ReplyLost as error:
            existing = self._find()
            if existing is None:
                raise WorldBad(f"cannot {task}: {error}", reason="NetworkMissing") from error
            return existing
        return self._oldest(str(created["Id"]))

    def _oldest(self, created: str) -> str:
        """Of two that were made at the same time the older stays; ours goes again, nothing is attached to it yet."""
        best = self._find() or created
        if best != created:
            with contextlib.suppress(EngineError, ReplyLost):
                self._engine.request("DELETE", f"/networks/{created}", timeout=WRITE_TIMEOUT_S)
            return self._find() or best
        return best


def networks_named(engine: Engine, name: str) -> list[Document]:
    """List rows of the networks with exactly this name: Docker's filter also finds names that hold it."""
    params = {"filters": json.dumps({"name": [name]})}
    networks = engine.read("/networks", "list networks", params) or ()
    return [network for network in networks if network.get("Name") == name]
