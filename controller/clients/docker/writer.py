"""The changing calls on containers that exist. Each may be repeated: done already is success.

Before each the container is inspected by its 64-hex id and compared with what was observed. When it is gone or no
longer the same, nothing is done. A lost reply is resolved by looking.
"""

import math
import time

from controller.clients.docker import errors
from controller.clients.docker.attach import Attacher
from controller.clients.docker.engine import WRITE_TIMEOUT_S
from controller.clients.docker.errors import EngineError, raise_unless_done
from controller.clients.docker.handle import Handle
from controller.clients.docker.transport import ReplyLost
from controller.core.model.errors import OutcomeUnknown, WorldBad
from controller.core.model.observed import Container

REMOVAL_WAIT_S = 30.0
"""How long to wait for a removal that somebody else began."""
REMOVAL_POLL_S = 0.1
STOP_MARGIN_S = 60.0
"""How long a stop may take beyond the grace period."""


class Writer:
    """Start, stop, restart, remove, unpause and mark; runs in threads."""

    def __init__(self, handle: Handle, attacher: Attacher) -> None:
        self._handle = handle
        self._attacher = attacher

    def start(self, target: Container) -> None:
        """See `Runtime.start`."""
        for again in (False, True):
            if self._handle.same(target) is None:
                raise WorldBad(f"cannot start {target.name}: it is gone", reason="ContainerGone")
            try:
                self._handle.post(target, "start", WRITE_TIMEOUT_S)
                return
            except ReplyLost as error:
                self._handle.settle(target, error, "starting", lambda state: state == "running")
                return
            except EngineError as error:
                row = errors.outcome(errors.START, error, image=target.image, name=target.name)
                if again or not row.mendable:
                    raise row.failure(error, f"start {target.name}") from error
                self._attacher.reattach(target)

    def stop(self, target: Container, grace: float) -> None:
        """See `Runtime.stop`."""
        seconds = max(0, math.ceil(grace))
        if self._handle.same(target) is None:
            return
        try:
            self._handle.post(target, "stop", seconds + STOP_MARGIN_S, t=str(seconds))
        except ReplyLost as error:
            self._handle.settle(target, error, "stopping", _is_stopped)
        except EngineError as error:
            raise_unless_done(errors.STOP, error, f"stop {target.name}", name=target.name)

    def restart(self, target: Container, grace: float) -> None:
        """See `Runtime.restart`."""
        seconds = max(0, math.ceil(grace))
        before = self._handle.same(target)
        if before is None:
            return
        started = (before.get("State") or {}).get("StartedAt")
        try:
            self._handle.post(target, "restart", seconds + STOP_MARGIN_S + WRITE_TIMEOUT_S, t=str(seconds))
        except ReplyLost as error:
            after = self._handle.same(target)
            state = (after or {}).get("State") or {}
            if after is not None and (state.get("Status") != "running" or state.get("StartedAt") == started):
                raise OutcomeUnknown(f"restarting {target.name}: {error}") from error
        except EngineError as error:
            raise_unless_done(errors.RESTART, error, f"restart {target.name}", image=target.image, name=target.name)

    def remove(self, target: Container) -> None:
        """See `Runtime.remove`."""
        if self._handle.same(target) is None:
            return
        self._handle.changed(target.id)
        try:
            path, params = f"/containers/{target.id}", {"v": "1", "force": "0"}
            self._handle.engine.request("DELETE", path, params=params, timeout=WRITE_TIMEOUT_S)
        except ReplyLost as error:
            if self._handle.look(target.id) is not None:
                raise OutcomeUnknown(f"removing {target.name}: {error}") from error
        except EngineError as error:
            row = errors.outcome(errors.REMOVE, error, name=target.name)
            if row.mendable:
                self._await_gone(target)
            else:
                raise_unless_done(errors.REMOVE, error, f"remove {target.name}", name=target.name)
        finally:
            self._handle.changed(target.id)

    def unpause(self, target: Container) -> None:
        """See `Runtime.unpause`."""
        if self._handle.same(target) is None:
            return
        try:
            self._handle.post(target, "unpause", WRITE_TIMEOUT_S)
        except ReplyLost as error:
            self._handle.settle(target, error, "unpausing", lambda state: state != "paused")
        except EngineError as error:
            raise_unless_done(errors.UNPAUSE, error, f"unpause {target.name}", name=target.name)

    def mark(self, target: Container, passed: bool) -> None:
        """See `Runtime.mark`."""
        name = "unless-stopped" if passed else "no"
        if self._handle.same(target) is None:
            return
        body = {"RestartPolicy": {"Name": name, "MaximumRetryCount": 0}}
        try:
            self._handle.post(target, "update", WRITE_TIMEOUT_S, body=body)
        except ReplyLost as error:
            document = self._handle.same(target)
            if document is not None and document["HostConfig"]["RestartPolicy"]["Name"] != name:
                raise OutcomeUnknown(f"marking {target.name}: {error}") from error
        except EngineError as error:
            raise_unless_done(errors.MARK, error, f"mark {target.name}", name=target.name)

    def _await_gone(self, target: Container) -> None:
        deadline = time.monotonic() + REMOVAL_WAIT_S
        while self._handle.look(target.id) is not None:
            if time.monotonic() > deadline:
                message = f"cannot remove {target.name}: a removal that began earlier does not end"
                raise WorldBad(message, reason="RemoveFailed")
            time.sleep(REMOVAL_POLL_S)


def _is_stopped(state: str) -> bool:
    return state in ("exited", "created", "dead", "gone", "removing")
