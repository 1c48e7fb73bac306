"""The changing calls, each repeatable: done already is success, a lost reply is resolved by looking.

Before anything that could hurt, the container is inspected by its 64-hex id and compared with what was observed; when
it is gone or no longer the same, nothing is done.
"""

import json
import math
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from controller.clients.docker.create_body import body, labels
from controller.clients.docker.engine import READ_TIMEOUT, WRITE_TIMEOUT, Engine, image_path
from controller.clients.docker.errors import EngineError, ReplyLost, create_failure, engine_failure, start_failure
from controller.clients.docker.network import Network
from controller.clients.docker.view import endpoint, networks
from controller.core.model import identity, names
from controller.core.model.actions import ContainerSpec
from controller.core.model.desired import SecretRef
from controller.core.model.errors import Conflict, HoldfastError, OutcomeUnknown, RevisionBad, Unreachable, WorldBad
from controller.core.model.observed import Container
from controller.core.model.policy import PolicyRules, violations

REMOVAL_WAIT = 30.0
"""Seconds to wait for a removal that somebody else began."""
HOLDER_WAIT = 3.0
"""Seconds to wait until whoever took a name is there to be looked at."""
STOP_MARGIN = 60.0
"""Seconds beyond the grace period that a stop may take."""

Document = Mapping[str, Any]


class Writer:
    """Changing calls on containers; runs in threads."""

    def __init__(
        self,
        engine: Engine,
        network: Network,
        controller_id: str,
        policy: PolicyRules,
        changed: Callable[[str], None],
    ) -> None:
        self._engine = engine
        self._network = network
        self._controller_id = controller_id
        self._policy = policy
        self._changed = changed
        self._rotate: bool | None = None

    def look(self, reference: str) -> Document | None:
        """Inspect document of a container by id or name; None when there is none. Raises `Unreachable`."""
        try:
            found = self._engine.json("GET", f"/containers/{image_path(reference)}/json", timeout=READ_TIMEOUT)
        except EngineError as error:
            if error.status == 404:
                return None
            raise Unreachable(f"Docker cannot inspect {reference}: {error.message}") from error
        return found if isinstance(found, dict) else None

    def create(self, spec: ContainerSpec, values: Mapping[SecretRef, str]) -> str:
        """See `Runtime.create`."""
        for again in (False, True):
            self._network.ensure(again)
            config = self._config(spec, values, self._network.reference)
            try:
                made = self._engine.json(
                    "POST", "/containers/create", params={"name": spec.name}, body=config, timeout=WRITE_TIMEOUT
                )
                return str(made["Id"])
            except ReplyLost as error:
                held = self._holder_or_none(spec, error)
                if held is None:
                    # Not there now is no proof: a hanging Engine may make it later. Its name is the lock.
                    raise OutcomeUnknown(f"creating {spec.name}: {error}") from error
                return held
            except EngineError as error:
                if error.status == 409:
                    held = self._holder_soon(spec)
                    if held is not None:
                        return held
                failure = create_failure(error, spec.name, spec.image)
                if again or failure.reason != "NetworkMissing":
                    raise failure from error
        raise AssertionError

    def start(self, target: Container) -> None:
        """See `Runtime.start`."""
        for again in (False, True):
            if self._same(target) is None:
                raise WorldBad(f"cannot start {target.name}: it is gone", reason="ContainerGone")
            try:
                self._post(target, "start", WRITE_TIMEOUT)
                return
            except ReplyLost as error:
                self._settle(target, error, "starting", lambda state: state == "running")
                return
            except EngineError as error:
                stale = error.says("already exists in network", "no such network") or (
                    error.says("network") and error.says("not found")
                )
                if again or not stale:
                    raise start_failure(error, target.name) from error
                self._reattach(target)

    def stop(self, target: Container, grace: float) -> None:
        """See `Runtime.stop`."""
        seconds = max(0, math.ceil(grace))
        if self._same(target) is None:
            return
        try:
            self._post(target, "stop", seconds + STOP_MARGIN, t=str(seconds))
        except ReplyLost as error:
            self._settle(target, error, "stopping", _stopped)
        except EngineError as error:
            if error.status != 404 and not error.says("is not running", "no such container"):
                raise engine_failure(error, f"cannot stop {target.name}", "StopFailed") from error

    def restart(self, target: Container, grace: float) -> None:
        """See `Runtime.restart`."""
        seconds = max(0, math.ceil(grace))
        before = self._same(target)
        if before is None:
            return
        started = (before.get("State") or {}).get("StartedAt")
        try:
            self._post(target, "restart", seconds + STOP_MARGIN + WRITE_TIMEOUT, t=str(seconds))
        except ReplyLost as error:
            after = self._same(target)
            state = (after or {}).get("State") or {}
            if after is not None and (state.get("Status") != "running" or state.get("StartedAt") == started):
                raise OutcomeUnknown(f"restarting {target.name}: {error}") from error
        except EngineError as error:
            if error.status != 404 or not error.says("no such container"):
                raise start_failure(error, target.name) from error

    def remove(self, target: Container) -> None:
        """See `Runtime.remove`."""
        if self._same(target) is None:
            return
        self._changed(target.id)
        path = f"/containers/{target.id}"
        try:
            self._engine.request("DELETE", path, params={"v": "1", "force": "0"}, timeout=WRITE_TIMEOUT)
        except ReplyLost as error:
            if self.look(target.id) is not None:
                raise OutcomeUnknown(f"removing {target.name}: {error}") from error
        except EngineError as error:
            if error.status == 409 and error.says("already in progress"):
                self._await_gone(target)
            elif error.status != 404:
                runs = error.says("running container", "is running", "paused", "restarting container")
                reason = "StillRunning" if runs else "RemoveFailed"
                raise engine_failure(error, f"cannot remove {target.name}", reason) from error
        finally:
            self._changed(target.id)

    def unpause(self, target: Container) -> None:
        """See `Runtime.unpause`."""
        if self._same(target) is None:
            return
        try:
            self._post(target, "unpause", WRITE_TIMEOUT)
        except ReplyLost as error:
            self._settle(target, error, "unpausing", lambda state: state != "paused")
        except EngineError as error:
            if error.status != 404 and not error.says("is not paused", "is not running"):
                raise engine_failure(error, f"cannot unpause {target.name}", "UnpauseFailed") from error

    def connect(self, target: Container) -> None:
        """See `Runtime.connect`."""
        for again in (False, True):
            # Engine 20.10 accepts the id of a network that is gone for a stopped container: always look.
            network = self._network.ensure(again=True)
            found = self._same(target)
            if found is None:
                return
            end = endpoint(networks(found), self._network.name, network)
            if end is not None and end.get("NetworkID") in ("", None, network):
                return
            if end is not None:  # attached to a network of that name that is gone
                self._detach(target, str(end["NetworkID"]))
            try:
                self._attach(target, network)
                return
            except EngineError as error:
                if error.status == 404 and self.look(target.id) is None:
                    return
                if again:
                    raise engine_failure(error, f"cannot connect {target.name}", "ConnectFailed") from error
                if error.says("already exists", "already connected", "already attached"):
                    now = self.look(target.id)
                    if now is None or endpoint(networks(now), self._network.name, network) is not None:
                        return
                    self._detach(target, network)

    def mark(self, target: Container, passed: bool) -> None:
        """See `Runtime.mark`."""
        name = "unless-stopped" if passed else "no"
        if self._same(target) is None:
            return
        policy = {"RestartPolicy": {"Name": name, "MaximumRetryCount": 0}}
        try:
            self._post(target, "update", WRITE_TIMEOUT, body=policy)
        except ReplyLost as error:
            found = self._same(target)
            if found is not None and found["HostConfig"]["RestartPolicy"]["Name"] != name:
                raise OutcomeUnknown(f"marking {target.name}: {error}") from error
        except EngineError as error:
            if error.status != 404 and not error.says("marked for removal", "no such container"):
                raise engine_failure(error, f"cannot mark {target.name}", "MarkFailed") from error

    # Parts

    def _config(self, spec: ContainerSpec, values: Mapping[SecretRef, str], network: str) -> dict[str, Any]:
        config = body(
            spec,
            values,
            controller_id=self._controller_id,
            network=network,
            rotate_logs=self._rotate_logs(),
            capabilities=self._policy.capabilities,
        )
        found = violations(config, self._policy)
        if not found and self._engine.socket_path:
            # What is bound is the resolved folder, so that a symlink cannot point elsewhere in between.
            for mount in config["HostConfig"].get("Mounts", ()):
                if mount["Type"] == "bind":
                    mount["Source"] = os.path.realpath(mount["Source"])
            found = violations(config, self._resolved_rules())
        if found:
            raise RevisionBad(f"policy refuses {spec.name}: {'; '.join(found)}", reason="PolicyDenied")
        return config

    def _resolved_rules(self) -> PolicyRules:
        rules, socket = self._policy, self._engine.socket_path or "/"
        return PolicyRules(
            registries=rules.registries,
            bind_roots=tuple(os.path.realpath(root) for root in rules.bind_roots),
            capabilities=rules.capabilities,
            protected=(*(os.path.realpath(path) for path in rules.protected), os.path.realpath(socket)),
        )

    def _rotate_logs(self) -> bool:
        if self._rotate is None:
            try:
                info = self._engine.json("GET", "/info") or {}
            except EngineError as error:
                raise Unreachable(f"Docker does not tell its settings: {error.message}") from error
            self._rotate = info.get("LoggingDriver") == "json-file" and not _daemon_log_options()
        return self._rotate

    def _same(self, target: Container) -> Document | None:
        found = self.look(target.id)
        if found is None or found.get("Id") != target.id or str(found.get("Name", "")).lstrip("/") != target.name:
            return None
        have = (found.get("Config") or {}).get("Labels") or {}
        want = {
            names.CONTROLLER: self._controller_id,
            names.STAGE: target.stage,
            names.TAG: target.tag,
            names.REVISION: target.revision,
            names.ATTEMPT: str(target.attempt),
        }
        if any(have.get(key) != value for key, value in want.items()) or not identity.agrees(target.name, have):
            return None
        return found

    def _holder(self, spec: ContainerSpec) -> str | None:
        found = self.look(spec.name)
        if found is None:
            return None
        have = (found.get("Config") or {}).get("Labels") or {}
        want = labels(spec, self._controller_id)
        if any(have.get(key) != value for key, value in want.items()):
            message = f"the name {spec.name} is held by container {found['Id'][:12]}, which is not ours"
            raise Conflict(message, reason="NameTaken")
        return str(found["Id"])

    def _holder_soon(self, spec: ContainerSpec) -> str | None:
        """The holder of a taken name; while it is being made or removed Docker keeps the name and shows nobody."""
        deadline = time.monotonic() + HOLDER_WAIT
        while (held := self._holder(spec)) is None and time.monotonic() < deadline:
            time.sleep(0.05)
        return held

    def _holder_or_none(self, spec: ContainerSpec, lost: ReplyLost) -> str | None:
        try:
            return self._holder(spec)
        except WorldBad as error:
            raise OutcomeUnknown(f"creating {spec.name}: {lost}") from error

    def _settle(self, target: Container, lost: ReplyLost, doing: str, done: Callable[[str], bool]) -> None:
        try:
            found = self.look(target.id)
        except HoldfastError as error:
            raise OutcomeUnknown(f"{doing} {target.name}: {lost}") from error
        state = str(((found or {}).get("State") or {}).get("Status", "gone"))
        if not done(state):
            raise OutcomeUnknown(f"{doing} {target.name}: {lost}; it is {state} now") from lost

    def _post(self, target: Container, verb: str, timeout: float, body: object = None, **params: str) -> None:
        self._changed(target.id)
        try:
            self._engine.request(
                "POST", f"/containers/{target.id}/{verb}", params=params or None, body=body, timeout=timeout
            )
        finally:
            self._changed(target.id)

    def _attach(self, target: Container, network: str) -> None:
        self._changed(target.id)
        try:
            self._engine.request(
                "POST", f"/networks/{network}/connect", body={"Container": target.id}, timeout=WRITE_TIMEOUT
            )
        except ReplyLost as error:
            found = self._same(target)
            if found is not None and endpoint(networks(found), self._network.name, network) is None:
                raise OutcomeUnknown(f"connecting {target.name}: {error}") from error
        finally:
            self._changed(target.id)

    def _detach(self, target: Container, network: str) -> None:
        try:
            self._engine.request(
                "POST",
                f"/networks/{network}/disconnect",
                body={"Container": target.id, "Force": True},
                timeout=WRITE_TIMEOUT,
            )
        except EngineError as error:
            if error.status not in (403, 404) and not error.says("not connected", "not found"):
                raise engine_failure(error, f"cannot disconnect {target.name}", "ConnectFailed") from error
        except ReplyLost as error:
            raise OutcomeUnknown(f"disconnecting {target.name}: {error}") from error

    def _reattach(self, target: Container) -> None:
        """Give it a fresh endpoint: an unclean end of the Engine, or a network made anew, leaves a stale one."""
        network = self._network.ensure(again=True)
        found = self.look(target.id)
        end = endpoint(networks(found or {}), self._network.name, network)
        old = str((end or {}).get("NetworkID") or network)
        for item in dict.fromkeys((old, network, self._network.name)):
            self._detach(target, item)
        try:
            self._attach(target, network)
        except EngineError as error:
            raise engine_failure(error, f"cannot connect {target.name}", "ConnectFailed") from error

    def _await_gone(self, target: Container) -> None:
        deadline = time.monotonic() + REMOVAL_WAIT
        while self.look(target.id) is not None:
            if time.monotonic() > deadline:
                raise WorldBad(f"the removal of {target.name} does not end", reason="RemoveFailed")
            time.sleep(0.1)


def _stopped(state: str) -> bool:
    return state in ("exited", "created", "dead", "gone", "removing")


def _daemon_log_options() -> bool:
    """True when the daemon of this machine has log settings of its own, which are not ours to override."""
    try:
        with open("/etc/docker/daemon.json", encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and ("log-opts" in found or "log-driver" in found)
