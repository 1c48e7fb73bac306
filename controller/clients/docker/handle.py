"""Looks at single containers, and posts to them once it is sure that they are ours and unchanged."""

from collections.abc import Callable

from controller.clients.docker.engine import Engine, image_path
from controller.clients.docker.ownership import Document, shown
from controller.clients.docker.transport import ReplyLost
from controller.core.model.errors import HoldfastError, OutcomeUnknown, Unreachable
from controller.core.model.observed import Container


class Handle:
    """What all changing calls share; runs in threads. `changed` hears the id of each container that is touched."""

    def __init__(self, engine: Engine, controller_id: str, changed: Callable[[str], None]) -> None:
        self.engine = engine
        self.controller_id = controller_id
        self.changed = changed

    def look(self, reference: str) -> Document | None:
        """Inspect document of a container by id or name; None when there is none. Raises `Unreachable`."""
        document = self.engine.find(f"/containers/{image_path(reference)}/json", f"inspect {reference}")
        if document is not None and not isinstance(document, dict):
            raise Unreachable(f"Docker's answer about {reference} is not an inspect document")
        return document

    def same(self, target: Container) -> Document | None:
        """The container as it is now; None when it is gone, or no longer the one that was observed."""
        document = self.look(target.id)
        if document is None or not shown(document).is_still(target, self.controller_id):
            return None
        return document

    def post(self, target: Container, verb: str, timeout: float, body: object = None, **params: str) -> None:
        """Call POST /containers/ID/verb."""
        self.changed(target.id)
        try:
            path = f"/containers/{target.id}/{verb}"
            self.engine.request("POST", path, params=params or None, body=body, timeout=timeout)
        finally:
            self.changed(target.id)

    def settle(self, target: Container, lost: ReplyLost, doing: str, done: Callable[[str], bool]) -> None:
        """After a lost reply, look whether the state is as it should be. Raises `OutcomeUnknown` when it is not."""
        try:
            document = self.look(target.id)
        except HoldfastError as error:
            raise OutcomeUnknown(f"{doing} {target.name}: {lost}") from error
        state = str(((document or {}).get("State") or {}).get("Status", "gone"))
        if not done(state):
            raise OutcomeUnknown(f"{doing} {target.name}: {lost}; it is {state} now") from lost
