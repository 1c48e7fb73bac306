"""Attaches containers to the network of the settings, and gives them a fresh endpoint where theirs is stale."""

from controller.clients.docker import errors
from controller.clients.docker.engine import WRITE_TIMEOUT_S
from controller.clients.docker.errors import EngineError, raise_unless_done
from controller.clients.docker.handle import Handle
from controller.clients.docker.network import Network
from controller.clients.docker.ownership import Document
from controller.clients.docker.transport import ReplyLost
from controller.clients.docker.view import endpoint, networks
from controller.core.model.errors import OutcomeUnknown
from controller.core.model.observed import Container


class Attacher:
    """Changing calls on a container's endpoint; runs in threads."""

    def __init__(self, handle: Handle, network: Network) -> None:
        self._handle = handle
        self._network = network

    def connect(self, target: Container) -> None:
        """See `Runtime.connect`."""
        for again in (False, True):
            # Engine 20.10 accepts the id of a network that is gone for a stopped container: always look.
            network_id = self._network.ensure(again=True)
            document = self._handle.same(target)
            if document is None:
                return
            end = self._endpoint(document, network_id)
            if end is not None and end.get("NetworkID") in ("", None, network_id):
                return
            if end is not None:  # attached to a network of that name that is gone
                self._detach(target, str(end["NetworkID"]))
            try:
                self._attach(target, network_id)
                return
            except EngineError as error:
                if error.status == 404 and self._handle.look(target.id) is None:
                    return
                row = errors.outcome(errors.CONNECT, error, name=target.name)
                if again:
                    raise row.failure(error, f"connect {target.name}") from error
                if row.mendable:
                    document = self._handle.look(target.id)
                    if document is None or self._endpoint(document, network_id) is not None:
                        return
                    self._detach(target, network_id)

    def reattach(self, target: Container) -> None:
        """Give it a fresh endpoint: an unclean end of the Engine, or a network made anew, leaves a stale one."""
        network_id = self._network.ensure(again=True)
        end = self._endpoint(self._handle.look(target.id) or {}, network_id)
        stale = str((end or {}).get("NetworkID") or network_id)
        for network in dict.fromkeys((stale, network_id, self._network.name)):
            self._detach(target, network)
        try:
            self._attach(target, network_id)
        except EngineError as error:
            raise_unless_done(errors.CONNECT, error, f"connect {target.name}", name=target.name)

    def _endpoint(self, document: Document, network_id: str) -> Document | None:
        return endpoint(networks(document), self._network.name, network_id)

    def _attach(self, target: Container, network_id: str) -> None:
        body = {"Container": target.id}
        self._handle.changed(target.id)
        try:
            self._handle.engine.request("POST", f"/networks/{network_id}/connect", body=body, timeout=WRITE_TIMEOUT_S)
        except ReplyLost as error:
            document = self._handle.same(target)
            if document is not None and self._endpoint(document, network_id) is None:
                raise OutcomeUnknown(f"connecting {target.name}: {error}") from error
        finally:
            self._handle.changed(target.id)

    def _detach(self, target: Container, network: str) -> None:
        body = {"Container": target.id, "Force": True}
        try:
            self._handle.engine.request("POST", f"/networks/{network}/disconnect", body=body, timeout=WRITE_TIMEOUT_S)
        except EngineError as error:
            raise_unless_done(errors.DISCONNECT, error, f"disconnect {target.name}", name=target.name)
        except ReplyLost as error:
            raise OutcomeUnknown(f"disconnecting {target.name}: {error}") from error
