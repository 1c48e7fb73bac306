"""The network of the settings: made once when missing, addressed by id, never removed once in use.

Engine 20.10 allows two networks of one name and then refuses the name as ambiguous, so the oldest of ours is used. A
network of that name that somebody else made is used as it is.
"""

import contextlib
import json
import threading
from typing import Any

from controller.clients.docker.engine import WRITE_TIMEOUT, Engine
from controller.clients.docker.errors import EngineError, ReplyLost, engine_failure
from controller.clients.docker.view import timestamp
from controller.core.model import names
from controller.core.model.errors import Unreachable, WorldBad

NETWORK_LABEL = names.PREFIX + "network"


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
        """Id of the network. `again`: do not believe the id that was found before."""
        with self._lock:
            if self.id is None or again:
                self.id = self._find() or self._make()
            return self.id

    def _find(self) -> str | None:
        try:
            found = self._engine.json("GET", "/networks", params={"filters": json.dumps({"name": [self.name]})})
        except EngineError as error:
            raise Unreachable(f"cannot list networks: {error.message}") from error
        mine = [item for item in found or () if item.get("Name") == self.name]
        if not mine:
            return None
        best = min(mine, key=self._rank)
        self.reference = self.name if len(mine) == 1 else str(best["Id"])
        if best.get("Driver") in ("host", "null"):
            message = f"docker.network {self.name} has driver {best['Driver']}: containers cannot be reached on it"
            raise WorldBad(message, reason="NetworkUnusable")
        return str(best["Id"])

    def _rank(self, item: dict[str, Any]) -> tuple[bool, float, str]:
        ours = (item.get("Labels") or {}).get(NETWORK_LABEL) == self._controller_id
        return not ours, timestamp(item.get("Created")) or 0.0, str(item["Id"])

    def _make(self) -> str:
        body = {
            "Name": self.name,
            "Driver": "bridge",
            "CheckDuplicate": True,
            "Labels": {NETWORK_LABEL: self._controller_id},
        }
        try:
            made = self._engine.json("POST", "/networks/create", body=body, timeout=WRITE_TIMEOUT)
        except EngineError as error:
            found = self._find() if error.status == 409 else None
            if found is None:
                raise engine_failure(error, f"cannot create network {self.name}", "NetworkMissing") from error
            return found
        except ReplyLost as error:
            found = self._find()
            if found is None:
                raise WorldBad(f"cannot create network {self.name}: {error}", reason="NetworkMissing") from error
            return found
        return self._oldest(str(made["Id"]))

    def _oldest(self, made: str) -> str:
        """Of two that were made at the same time the older stays; ours goes again, nothing is attached to it yet."""
        best = self._find() or made
        if best != made:
            with contextlib.suppress(EngineError, ReplyLost):
                self._engine.request("DELETE", f"/networks/{made}", timeout=WRITE_TIMEOUT)
            return self._find() or best
        return best
