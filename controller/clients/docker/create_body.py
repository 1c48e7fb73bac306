"""The body of a create call, built by one pure function. The policy judges the very body that Docker gets.

Beyond the spec every container gets: `no-new-privileges`, no NET_RAW (unless `policy.capabilities` lists it; ping works
through ICMP sockets), at most 4,096 processes, restart policy `no` until the gate has passed, and rotated logs.
No init is forced: an image may bring its own.
"""

import math
from collections.abc import Mapping
from typing import Any

from controller.core.model import identity
from controller.core.model.actions import ContainerSpec
from controller.core.model.desired import SecretRef
from controller.core.model.errors import WorldBad
from controller.core.model.policy import TAKEN_AWAY

PIDS_MAX = 4096
LOG_ROTATION = {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}


def labels(spec: ContainerSpec, controller_id: str) -> dict[str, str]:
    """Labels of the container. Every label of ours is written, so that none can be inherited from the image."""
    return identity.create_labels(dict(spec.labels), spec.role, controller_id)


def body(
    spec: ContainerSpec,
    values: Mapping[SecretRef, str],
    *,
    controller_id: str,
    network: str,
    rotate_logs: bool,
    capabilities: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Body of POST /containers/create. `network`: id or name. Raises `WorldBad` (SecretMissing)."""
    config: dict[str, Any] = {
        "Image": spec.image,
        "Labels": labels(spec, controller_id),
        "Env": [f"{env.name}={_value(env.value, values)}" for env in spec.env],
        "StopTimeout": math.ceil(spec.stop_grace),
        "HostConfig": _host_config(spec, network, rotate_logs, capabilities),
        "NetworkingConfig": {"EndpointsConfig": {network: {}}},
    }
    if spec.command is not None:
        # Docker drops the image's Cmd when an entrypoint is given, which is what Kubernetes does too.
        config["Entrypoint"] = list(spec.command)
        config["Cmd"] = list(spec.args or ())
    elif spec.args:
        config["Cmd"] = list(spec.args)
    if spec.user is not None:
        config["User"] = spec.user
    if spec.publish is not None:
        config["ExposedPorts"] = {f"{spec.publish}/tcp": {}}
    return config


def _host_config(spec: ContainerSpec, network: str, rotate_logs: bool, capabilities: tuple[str, ...]) -> dict[str, Any]:
    host: dict[str, Any] = {
        "NetworkMode": network,
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
        "SecurityOpt": ["no-new-privileges"],
        "PidsLimit": PIDS_MAX,
    }
    allowed = {capability.upper().removeprefix("CAP_") for capability in capabilities}
    if dropped := [name for name in TAKEN_AWAY if name not in allowed]:
        host["CapDrop"] = dropped
    if rotate_logs:
        host["LogConfig"] = LOG_ROTATION
    if spec.memory is not None:
        host["Memory"] = host["MemorySwap"] = spec.memory
    if spec.cpus is not None:
        host["NanoCpus"] = round(spec.cpus * 1_000_000_000)
    if spec.mounts:
        host["Mounts"] = [
            {
                "Type": "bind" if mount.bind else "volume",
                "Source": mount.source,
                "Target": mount.target,
                "ReadOnly": mount.read_only,
            }
            for mount in spec.mounts
        ]
    if spec.publish is not None:
        host["PortBindings"] = {f"{spec.publish}/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}
    return host


def _value(value: str | SecretRef, values: Mapping[SecretRef, str]) -> str:
    if isinstance(value, str):
        return value
    try:
        return values[value]
    except KeyError:
        raise WorldBad(f"secret {value.kind}:{value.name} was not resolved", reason="SecretMissing") from None
