"""Creates containers: the policy has the last word on the body, and Docker's name conflict is the lock."""

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from controller.clients.docker import create_body, errors
from controller.clients.docker.engine import WRITE_TIMEOUT_S
from controller.clients.docker.errors import EngineError
from controller.clients.docker.handle import Handle
from controller.clients.docker.network import Network
from controller.clients.docker.ownership import shown
from controller.clients.docker.transport import ReplyLost
from controller.core.model.actions import ContainerSpec
from controller.core.model.desired import SecretRef
from controller.core.model.errors import Conflict, OutcomeUnknown, RevisionBad, WorldBad
from controller.core.model.policy import PolicyRules, violations

HOLDER_WAIT_S = 3.0
"""How long to wait until whoever took a name can be looked at."""
HOLDER_POLL_S = 0.05


class Creator:
    """The create call; runs in threads."""

    def __init__(self, handle: Handle, network: Network, policy: PolicyRules) -> None:
        self._handle = handle
        self._engine = handle.engine
        self._network = network
        self._policy = policy
        self._rotate: bool | None = None

    def create(self, spec: ContainerSpec, values: Mapping[SecretRef, str]) -> str:
        """See `Runtime.create`."""
        for again in (False, True):
            self._network.ensure(again)
            config = self._config(spec, values, self._network.reference)
            try:
                path, named = "/containers/create", {"name": spec.name}
                created = self._engine.json("POST", path, params=named, body=config, timeout=WRITE_TIMEOUT_S)
                return str(created["Id"])
            except ReplyLost as error:
                return self._holder_after_loss(spec, error)
            except EngineError as error:
                if error.status == 409:
                    holder = self._holder_soon(spec)
                    if holder is not None:
                        return holder
                row = errors.outcome(errors.CREATE, error, image=spec.image, name=spec.name)
                if again or not row.mendable:
                    raise row.failure(error, f"create {spec.name}") from error
        raise AssertionError

    def _config(self, spec: ContainerSpec, values: Mapping[SecretRef, str], network: str) -> dict[str, Any]:
        config = create_body.body(
            spec,
            values,
            controller_id=self._handle.controller_id,
            network=network,
            rotate_logs=self._rotate_logs(),
            capabilities=self._policy.capabilities,
        )
        refused = violations(config, self._policy)
        if not refused and self._engine.socket_path:
            # What is bound is the resolved folder, so that a symlink cannot point elsewhere in between.
            for mount in config["HostConfig"].get("Mounts", ()):
                if mount["Type"] == "bind":
                    mount["Source"] = os.path.realpath(mount["Source"])
            refused = violations(config, self._resolved_rules())
        if refused:
            raise RevisionBad(f"policy refuses {spec.name}: {'; '.join(refused)}", reason="PolicyDenied")
        return config

    def _resolved_rules(self) -> PolicyRules:
        rules, socket = self._policy, self._engine.socket_path or "/"
        roots = tuple(os.path.realpath(root) for root in rules.bind_roots)
        return replace(rules, bind_roots=roots, protected=tuple(map(os.path.realpath, (*rules.protected, socket))))

    def _rotate_logs(self) -> bool:
        if self._rotate is None:
            info = self._engine.read("/info", "tell its settings") or {}
            self._rotate = info.get("LoggingDriver") == "json-file" and not _daemon_has_log_options()
        return self._rotate

    def _holder(self, spec: ContainerSpec) -> str | None:
        document = self._handle.look(spec.name)
        if document is None:
            return None
        holder = shown(document)
        if not holder.carries(create_body.labels(spec, self._handle.controller_id)):
            message = f"the name {spec.name} is held by container {holder.id[:12]}, which is not ours"
            raise Conflict(message, reason="NameTaken")
        return holder.id

    def _holder_soon(self, spec: ContainerSpec) -> str | None:
        """The holder of a taken name; while it is being made or removed Docker keeps the name and shows nobody."""
        deadline = time.monotonic() + HOLDER_WAIT_S
        while (holder := self._holder(spec)) is None and time.monotonic() < deadline:
            time.sleep(HOLDER_POLL_S)
        return holder

    def _holder_after_loss(self, spec: ContainerSpec, lost: ReplyLost) -> str:
        """The id behind the name; none proves nothing: a hanging Engine may make it later. The name is the lock."""
        with suppress(WorldBad):
            if holder := self._holder(spec):
                return holder
        raise OutcomeUnknown(f"creating {spec.name}: {lost}") from lost


def _daemon_has_log_options() -> bool:
    """True when the daemon of this machine has log settings of its own, which are not ours to override."""
    try:
        with open("/etc/docker/daemon.json", encoding="utf-8") as file:
            settings = json.load(file)
    except (OSError, ValueError):
        return False
    return isinstance(settings, dict) and ("log-opts" in settings or "log-driver" in settings)
