"""Rules between the fields of one document, which a type cannot say.

They read plain data and skip what has the wrong type, so that they report in the same run as the models do. Rules
between documents are the catalog's.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from controller.core.documents import quantity, strategy
from controller.core.documents.codes import Code
from controller.core.documents.diagnostics import Problem
from controller.core.documents.yaml_tree import Loc
from controller.core.model import limits
from controller.core.model.names import PREFIX
from controller.core.model.policy import below

FORBIDDEN_MOUNTS = ("/proc", "/sys", "/dev")
"""Places inside a container that Docker fills itself."""

PORT_MAX = 65535

_HTTP_FIELDS = ("path", "statuses")
_FIELDS_WITHOUT_EFFECT = {"tcp": _HTTP_FIELDS, "docker": (*_HTTP_FIELDS, "port"), "none": (*_HTTP_FIELDS, "port")}
"""Fields of a health check that its type never uses."""


def project(spec: dict[str, Any]) -> Iterator[Problem]:
    """Rules of a project's spec; places begin at spec."""
    at: Loc = ("spec",)
    yield from _image(spec.get("image"), (*at, "image"))
    stages = _mappings(spec.get("stages"))
    yield from _shared(spec, _check_port(spec, *stages), at)
    yield from _volumes(_mappings(spec.get("volumes")), (*at, "volumes"))
    yield from _unique(stages, "name", (*at, "stages"), "stage")
    yield from _domains(stages, at)
    for index, stage in enumerate(stages):
        yield from _stage(stage, spec, (*at, "stages", index))


def metadata(data: dict[str, Any]) -> Iterator[Problem]:
    """Rules of a document's metadata: creationTimestamp, by which requests are ordered, must be a time."""
    text = data.get("creationTimestamp")
    if isinstance(text, str) and _quantity(quantity.timestamp, text) is None:
        help = "write it as Kubernetes does, such as 2026-01-01T00:00:00Z, or remove the line"
        yield Problem(("metadata", "creationTimestamp"), Code.FORM, f"'{text[:64]}' is not a time", help)


def request(spec: dict[str, Any]) -> Iterator[Problem]:
    """Rules of a DeployRequest's spec."""
    yield from _duration(spec.get("ttl"), ("spec", "ttl"), limits.MIN_PAUSE)


def _check_port(spec: dict[str, Any], *blocks: dict[str, Any]) -> Any:
    """The port that a check falls back to: the project's, else one that the check of another level names."""
    ports = [_mapping(block.get("healthCheck")).get("port") for block in blocks]
    return spec.get("port", next((port for port in ports if port is not None), None))


def _stage(stage: dict[str, Any], spec: dict[str, Any], at: Loc) -> Iterator[Problem]:
    yield from _shared(stage, _check_port(spec, spec), at)
    if stage.get("domains") and "port" not in spec:
        help = "add 'port' to spec, or remove the domains"
        yield Problem((*at, "domains"), Code.NEEDS_PORT, "a project without a port has no hostnames", help)
    yield from _overlap(stage, spec, at)
    yield from _ttls(stage, at)


def _ttls(stage: dict[str, Any], at: Loc) -> Iterator[Problem]:
    """A ttl is a duration, and the default tag has none. Of a tag that is listed twice the last entry counts."""
    instances = _mappings(stage.get("instances"))
    index_of_tag: dict[str, int] = {}
    for index, instance in enumerate(instances):
        yield from _duration(instance.get("ttl"), (*at, "instances", index, "ttl"), limits.MIN_PAUSE)
        if isinstance(instance.get("tag"), str):
            index_of_tag[instance["tag"]] = index
    default = stage.get("defaultTag")
    default_index = index_of_tag.get(default) if isinstance(default, str) else None
    if default_index is not None and instances[default_index].get("ttl") is not None:
        message = f"{default} is the defaultTag, which may not expire"
        help = "remove the ttl, or name another defaultTag"
        yield Problem((*at, "instances", default_index, "ttl"), Code.TTL_ON_DEFAULT, message, help)


def _overlap(stage: dict[str, Any], spec: dict[str, Any], at: Loc) -> Iterator[Problem]:
    maximum = stage.get("maxInstances")
    if not isinstance(maximum, int) or isinstance(maximum, bool) or maximum <= 1:
        return
    declared = stage.get("strategy", spec.get("strategy"))
    volumes = _mappings(spec.get("volumes"))
    writable = (f"volume '{volume.get('name')}'" for volume in volumes if volume.get("readOnly") is not True)
    effective, why = strategy.strategy_of(declared, next(writable, ""))
    if effective == "Recreate":
        reason = f"{why}, so" if declared is None else "with strategy Recreate"
        yield Problem((*at, "maxInstances"), Code.RECREATE, f"{reason} containers never overlap", strategy.HELP)


def _shared(block: dict[str, Any], port: Any, at: Loc) -> Iterator[Problem]:
    """Rules of the fields that a project and a stage have in common."""
    yield from _env(_mappings(block.get("env")), (*at, "env"))
    yield from _labels(block.get("labels"), (*at, "labels"))
    yield from _health_check(_mapping(block.get("healthCheck")), port, (*at, "healthCheck"))
    yield from _resources(_mapping(block.get("resources")), (*at, "resources"))
    yield from _user(block.get("user"), (*at, "user"))
    for name in ("stopGracePeriod", "drain", "bake"):
        yield from _duration(block.get(name), (*at, name), 0)
    yield from _duration(block.get("progressDeadline"), (*at, "progressDeadline"), 1)
    pre_deploy = _mapping(block.get("preDeploy"))
    yield from _duration(pre_deploy.get("timeout"), (*at, "preDeploy", "timeout"), limits.MIN_PAUSE)


def _env(variables: Sequence[dict[str, Any]], at: Loc) -> Iterator[Problem]:
    yield from _unique(variables, "name", at, "variable")
    texts = [(str(variable.get("name")), str(variable.get("value", ""))) for variable in variables]
    total = sum(len(name.encode()) + len(value.encode()) + 2 for name, value in texts)
    if total > limits.MAX_ENV_TOTAL:
        message = f"the variables have {total} bytes together, a process can take {limits.MAX_ENV_TOTAL}"
        yield Problem(at, Code.TOTAL, message, "move large values to files in a volume")
    for index, variable in enumerate(variables):
        path = _mapping(variable.get("valueFrom")).get("file")
        if isinstance(path, str):
            yield from _no_parent_folder(path, (*at, index, "valueFrom", "file"))


def _labels(labels: Any, at: Loc) -> Iterator[Problem]:
    for key in _mapping(labels):
        if key.lower().startswith(PREFIX):
            message = f"labels that begin with {PREFIX} are reserved for Holdfast"
            yield Problem((*at, key), Code.RESERVED, message, "use a prefix of your own", on_key=True)


def _health_check(check: dict[str, Any], port: Any, at: Loc) -> Iterator[Problem]:
    kind = check.get("type")
    has_port = port is not None or "port" in check
    if kind in ("http", "tcp") and not has_port:
        help = "add 'port' here or to spec, or use type: docker or none"
        yield Problem((*at, "type"), Code.NEEDS_PORT, f"a check of type {kind} needs a port", help)
    if kind is None and not has_port:
        for name in (name for name in _HTTP_FIELDS if name in check):
            help = f"add 'port' here or to spec, or remove '{name}'"
            message = f"'{name}' has no effect without a port"
            yield Problem((*at, name), Code.NEEDS_PORT, message, help, on_key=True)
    for name in _FIELDS_WITHOUT_EFFECT.get(str(kind), ()):
        if name in check:
            message = f"'{name}' has no effect with type: {kind}"
            yield Problem((*at, name), Code.MEANINGLESS, message, f"remove '{name}', or change the type", on_key=True)
    path = check.get("path")
    if isinstance(path, str) and (path.startswith("//") or "#" in path):
        help = "write only the path, such as /healthz: it is requested from the container's own address"
        yield Problem((*at, "path"), Code.FORM, "this is more than a path", help)
    yield from _statuses(check.get("statuses"), (*at, "statuses"))
    shortest = {"interval": limits.MIN_PAUSE, "timeout": limits.MIN_PAUSE, "startPeriod": 0, "liveness": 0}
    for name, least in shortest.items():
        yield from _duration(check.get(name), (*at, name), least)


def _statuses(statuses: Any, at: Loc) -> Iterator[Problem]:
    if not isinstance(statuses, str):
        return
    for part in statuses.split(","):
        low, dash, high = part.partition("-")
        if dash and low.isdigit() and high.isdigit() and int(low) > int(high):
            yield Problem(at, Code.RANGE, f"the range {part} is empty", f"write {high}-{low}")


def _resources(resources: dict[str, Any], at: Loc) -> Iterator[Problem]:
    memory = _quantity(quantity.memory, resources.get("memory"))
    if memory is not None and memory < limits.MIN_MEMORY:
        yield Problem((*at, "memory"), Code.RANGE, "Docker refuses less than 6Mi", "write at least 6Mi, such as 256Mi")
    cpus = _quantity(quantity.cpus, resources.get("cpus"))
    if cpus is not None and not limits.MIN_CPUS <= cpus <= limits.MAX_CPUS:
        message = f"this must be at least {limits.MIN_CPUS:g} and at most {limits.MAX_CPUS:.0f} processors"
        yield Problem((*at, "cpus"), Code.RANGE, message, 'write a share, such as "0.5" or "2"')


def _user(user: Any, at: Loc) -> Iterator[Problem]:
    for part in user.split(":") if isinstance(user, str) else ():
        if re.fullmatch("-?[0-9]+", part) and not (part.isdigit() and len(part) <= 10 and int(part) <= limits.MAX_USER):
            message = f"{part[:64]} is not the number of a user or group"
            yield Problem(at, Code.RANGE, message, f"write a number from 0 to {limits.MAX_USER}, or a name")


def _duration(text: Any, at: Loc, least: float) -> Iterator[Problem]:
    seconds = _quantity(quantity.duration, text)
    if seconds is None:
        return
    if seconds < least:
        shortest = f"{least * 1000:.0f}ms" if least < 1 else f"{least:.0f}s"
        yield Problem(at, Code.RANGE, f"this must be at least {shortest}", "write a longer time, such as 5s")
    elif seconds > limits.MAX_DURATION:
        yield Problem(at, Code.RANGE, "this is longer than a year", "write a shorter time, such as 72h")


def _quantity(convert: Callable[[str], float], text: Any) -> float | None:
    """The quantity; None for text that is none, which the models report."""
    try:
        return convert(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _volumes(volumes: Sequence[dict[str, Any]], at: Loc) -> Iterator[Problem]:
    yield from _unique(volumes, "name", at, "volume")
    mounted: set[str] = set()
    for index, volume in enumerate(volumes):
        target, host_path = volume.get("mountPath"), volume.get("hostPath")
        if isinstance(host_path, str):
            yield from _no_parent_folder(host_path, (*at, index, "hostPath"))
        if not isinstance(target, str):
            continue
        here: Loc = (*at, index, "mountPath")
        yield from _no_parent_folder(target, here)
        path = "/" + "/".join(part for part in target.split("/") if part not in ("", "."))
        if path == "/" or any(below(path, place) and path != "/dev/shm" for place in FORBIDDEN_MOUNTS):
            message = f"nothing can be mounted on {target}"
            yield Problem(here, Code.PATH, message, "use a folder of the app, such as /data")
        if path in mounted:
            message = f"two volumes are mounted on {path}"
            yield Problem(here, Code.DUPLICATE_NAME, message, "give each a path of its own")
        mounted.add(path)


def _domains(stages: Sequence[dict[str, Any]], at: Loc) -> Iterator[Problem]:
    stage_of_domain: dict[str, str] = {}
    for index, stage in enumerate(stages):
        domains = stage.get("domains")
        for position, domain in enumerate(domains if isinstance(domains, list) else []):
            if not isinstance(domain, str):
                continue
            key = domain.lower()
            if key in stage_of_domain:
                message = f"'{domain}' is a domain of stage '{stage_of_domain[key]}' already"
                here: Loc = (*at, "stages", index, "domains", position)
                yield Problem(here, Code.DUPLICATE_NAME, message, "a hostname points at one stage: keep one")
            stage_of_domain.setdefault(key, str(stage.get("name")))


def _unique(entries: Sequence[dict[str, Any]], field: str, at: Loc, what: str) -> Iterator[Problem]:
    names: set[str] = set()
    for index, entry in enumerate(entries):
        name = entry.get(field)
        if isinstance(name, str) and name in names:
            message = f"there are two {what}s named '{name}' in this list"
            yield Problem((*at, index, field), Code.DUPLICATE_NAME, message, "keep one, or rename the other")
        elif isinstance(name, str):
            names.add(name)


def _image(image: Any, at: Loc) -> Iterator[Problem]:
    host = image.partition("/")[0] if isinstance(image, str) and "/" in image else ""
    _, colon, port = host.rpartition(":")
    if colon and port.isdigit() and not 1 <= int(port) <= PORT_MAX:
        yield Problem(at, Code.RANGE, f"{port} is not a port of a registry", f"write a port from 1 to {PORT_MAX}")


def _no_parent_folder(path: str, at: Loc) -> Iterator[Problem]:
    if ".." in path.split("/"):
        yield Problem(at, Code.PATH, "'..' is not allowed in a path", "write the whole path without '..'")


def _mappings(value: Any) -> list[dict[str, Any]]:
    """The entries of a list, each as a mapping; those of another type as empty ones, so that positions stay."""
    return [_mapping(entry) for entry in value] if isinstance(value, list) else []


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
