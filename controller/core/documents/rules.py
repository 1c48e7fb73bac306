"""Rules between the fields of one document that a type cannot say.

They look at plain data and pass over what has the wrong type, so that they speak up beside the mistakes that the models
find, in the same run. Rules between documents are the catalog's.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from controller.core.documents import quantity, strategy
from controller.core.documents.codes import Code
from controller.core.documents.diagnostics import Problem
from controller.core.documents.yaml_tree import Loc
from controller.core.model.limits import (
    MAX_CPUS,
    MAX_DURATION,
    MAX_ENV_TOTAL,
    MAX_USER,
    MIN_CPUS,
    MIN_MEMORY,
    MIN_PAUSE,
)
from controller.core.model.names import PREFIX
from controller.core.model.policy import below

FORBIDDEN_MOUNTS = ("/proc", "/sys", "/dev")
"""Places inside a container that Docker fills itself."""

HIGHEST_PORT = 65535


def project(spec: dict[str, Any]) -> Iterator[Problem]:
    """Rules of a project's spec; places begin at spec."""
    at: Loc = ("spec",)
    yield from _image(spec.get("image"), (*at, "image"))
    stages = _list(spec.get("stages"))
    yield from _shared(spec, _port(spec, *stages), at)
    yield from _volumes(_list(spec.get("volumes")), (*at, "volumes"))
    yield from _unique(stages, "name", (*at, "stages"), "stage")
    yield from _domains(stages, at)
    for index, stage in enumerate(stages):
        yield from _stage(stage, spec, (*at, "stages", index))


def _port(spec: dict[str, Any], *blocks: dict[str, Any]) -> Any:
    """The port that a check falls back to: the project's, or one that the other level of the check names."""
    named = [_mapping(block.get("healthCheck")).get("port") for block in blocks]
    return spec.get("port", next((port for port in named if port is not None), None))


def metadata(data: dict[str, Any]) -> Iterator[Problem]:
    """Rules of a document's metadata: the age of a request goes by its time."""
    text = data.get("creationTimestamp")
    if isinstance(text, str) and _measure(quantity.timestamp, text) is None:
        help = "write it as Kubernetes does, such as 2026-01-01T00:00:00Z, or remove the line"
        yield Problem(("metadata", "creationTimestamp"), Code.FORM, f"'{text[:64]}' is not a time", help)


def request(spec: dict[str, Any]) -> Iterator[Problem]:
    """Rules of a DeployRequest's spec."""
    yield from _duration(spec.get("ttl"), ("spec", "ttl"), MIN_PAUSE)


def _stage(stage: dict[str, Any], spec: dict[str, Any], at: Loc) -> Iterator[Problem]:
    yield from _shared(stage, _port(spec, spec), at)
    if stage.get("domains") and "port" not in spec:
        help = "add 'port' to spec, or remove the domains"
        yield Problem((*at, "domains"), Code.NEEDS_PORT, "a project without a port has no hostnames", help)
    yield from _overlap(stage, spec, at)
    instances = _list(stage.get("instances"))
    last: dict[Any, int] = {}
    for index, instance in enumerate(instances):
        yield from _duration(instance.get("ttl"), (*at, "instances", index, "ttl"), MIN_PAUSE)
        if isinstance(instance.get("tag"), str):
            last[instance["tag"]] = index
    default = stage.get("defaultTag")
    index = last.get(default, -1) if isinstance(default, str) else -1
    if index >= 0 and instances[index].get("ttl") is not None:
        message = f"the default route points at {default}, which may not expire"
        help = "remove the ttl, or name another defaultTag"
        yield Problem((*at, "instances", index, "ttl"), Code.TTL_ON_DEFAULT, message, help)


def _overlap(stage: dict[str, Any], spec: dict[str, Any], at: Loc) -> Iterator[Problem]:
    most = stage.get("maxInstances")
    if not isinstance(most, int) or isinstance(most, bool) or most <= 1:
        return
    declared = stage.get("strategy", spec.get("strategy"))
    volumes = _list(spec.get("volumes"))
    writable = (f"volume '{volume.get('name')}'" for volume in volumes if volume.get("readOnly") is not True)
    found, why = strategy.strategy_of(declared, next(writable, ""))
    if found == "Recreate":
        reason = f"{why}, so" if declared is None else "with strategy Recreate"
        yield Problem((*at, "maxInstances"), Code.RECREATE, f"{reason} containers never overlap", strategy.HELP)


def _shared(block: dict[str, Any], port: Any, at: Loc) -> Iterator[Problem]:
    """Rules of the fields that a project and a stage have in common."""
    yield from _env(_list(block.get("env")), (*at, "env"))
    yield from _labels(block.get("labels"), (*at, "labels"))
    yield from _health(_mapping(block.get("healthCheck")), port, (*at, "healthCheck"))
    yield from _resources(_mapping(block.get("resources")), (*at, "resources"))
    yield from _user(block.get("user"), (*at, "user"))
    for name in ("stopGracePeriod", "drain", "bake"):
        yield from _duration(block.get(name), (*at, name), 0)
    yield from _duration(block.get("progressDeadline"), (*at, "progressDeadline"), 1)
    before = _mapping(block.get("preDeploy"))
    yield from _duration(before.get("timeout"), (*at, "preDeploy", "timeout"), MIN_PAUSE)


def _env(items: Sequence[dict[str, Any]], at: Loc) -> Iterator[Problem]:
    yield from _unique(items, "name", at, "variable")
    total = sum(len(str(item.get("name")).encode()) + len(str(item.get("value", "")).encode()) + 2 for item in items)
    if total > MAX_ENV_TOTAL:
        message = f"the variables have {total} bytes together, at most {MAX_ENV_TOTAL} fit a process"
        yield Problem(at, Code.TOTAL, message, "put the large ones into a volume")
    for index, item in enumerate(items):
        path = _mapping(item.get("valueFrom")).get("file")
        if isinstance(path, str):
            yield from _no_way_up(path, (*at, index, "valueFrom", "file"))


def _labels(labels: Any, at: Loc) -> Iterator[Problem]:
    for key in _mapping(labels):
        if key.lower().startswith(PREFIX):
            message = f"labels of {PREFIX} are written by Holdfast alone"
            yield Problem((*at, key), Code.RESERVED, message, "use a prefix of your own", on_key=True)


def _health(check: dict[str, Any], port: Any, at: Loc) -> Iterator[Problem]:
    kind = check.get("type")
    if kind in ("http", "tcp") and port is None and "port" not in check:
        help = "add 'port' here or to spec, or use type: docker or none"
        yield Problem((*at, "type"), Code.NEEDS_PORT, f"a {kind} check needs a port", help)
    if kind is None and port is None and "port" not in check:
        for unasked in (name for name in ("path", "statuses") if name in check):
            help = "add 'port' here or to spec, or remove it: what only has to run is not asked"
            message = f"'{unasked}' is never asked without a port"
            yield Problem((*at, unasked), Code.NEEDS_PORT, message, help, on_key=True)
    for name in {"tcp": ("path", "statuses"), "docker": _WEB, "none": _WEB}.get(str(kind), ()):
        if name in check:
            message = f"'{name}' means nothing with type: {kind}"
            yield Problem((*at, name), Code.MEANINGLESS, message, "remove it", on_key=True)
    path = check.get("path")
    if isinstance(path, str) and (path.startswith("//") or "#" in path):
        help = "only a path is asked, on the container's own address"
        yield Problem((*at, "path"), Code.FORM, "this is more than a path", help)
    yield from _statuses(check.get("statuses"), (*at, "statuses"))
    for name, least in {"interval": MIN_PAUSE, "timeout": MIN_PAUSE, "startPeriod": 0, "liveness": 0}.items():
        yield from _duration(check.get(name), (*at, name), least)


_WEB = ("path", "statuses", "port")


def _statuses(statuses: Any, at: Loc) -> Iterator[Problem]:
    if not isinstance(statuses, str):
        return
    for part in statuses.split(","):
        low, dash, high = part.partition("-")
        if dash and low.isdigit() and high.isdigit() and int(low) > int(high):
            yield Problem(at, Code.RANGE, f"the range {part} is empty", f"write {high}-{low}")


def _resources(resources: dict[str, Any], at: Loc) -> Iterator[Problem]:
    memory = _measure(quantity.memory, resources.get("memory"))
    if memory is not None and memory < MIN_MEMORY:
        yield Problem((*at, "memory"), Code.RANGE, "Docker refuses less than 6Mi", "write at least 6Mi, such as 256Mi")
    cpus = _measure(quantity.cpus, resources.get("cpus"))
    if cpus is not None and not MIN_CPUS <= cpus <= MAX_CPUS:
        message = f"this must be at least {MIN_CPUS:g} and at most {MAX_CPUS:.0f} processors"
        yield Problem((*at, "cpus"), Code.RANGE, message, 'write a share, such as "0.5" or "2"')


def _user(user: Any, at: Loc) -> Iterator[Problem]:
    for part in user.split(":") if isinstance(user, str) else ():
        if re.fullmatch("-?[0-9]+", part) and not (part.isdigit() and len(part) <= 10 and int(part) <= MAX_USER):
            message = f"{part[:64]} is no number of a user or group"
            yield Problem(at, Code.RANGE, message, f"write a number from 0 to {MAX_USER}, or a name")


def _duration(text: Any, at: Loc, least: float) -> Iterator[Problem]:
    seconds = _measure(quantity.duration, text)
    if seconds is None:
        return
    if seconds < least:
        yield Problem(at, Code.RANGE, f"this must be at least {_words(least)}", "write a longer time, such as 5s")
    elif seconds > MAX_DURATION:
        yield Problem(at, Code.RANGE, "this is longer than a year", "write a shorter time, such as 72h")


def _words(seconds: float) -> str:
    return f"{seconds * 1000:.0f}ms" if seconds < 1 else f"{seconds:.0f}s"


def _measure(convert: Callable[[str], float], text: Any) -> float | None:
    """The quantity; None for what is none, which the models report."""
    try:
        return convert(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _volumes(volumes: Sequence[dict[str, Any]], at: Loc) -> Iterator[Problem]:
    yield from _unique(volumes, "name", at, "volume")
    seen: dict[str, int] = {}
    for index, volume in enumerate(volumes):
        target, host = volume.get("mountPath"), volume.get("hostPath")
        if isinstance(host, str):
            yield from _no_way_up(host, (*at, index, "hostPath"))
        if not isinstance(target, str):
            continue
        here: Loc = (*at, index, "mountPath")
        yield from _no_way_up(target, here)
        plain = "/" + "/".join(part for part in target.split("/") if part not in ("", "."))
        if plain == "/" or any(below(plain, place) and plain != "/dev/shm" for place in FORBIDDEN_MOUNTS):
            yield Problem(
                here, Code.PATH, f"nothing can be mounted on {target}", "use a folder of the app, such as /data"
            )
        if plain in seen:
            message = f"two volumes are mounted on {plain}"
            yield Problem(here, Code.DUPLICATE_NAME, message, "give each a path of its own")
        seen[plain] = index


def _domains(stages: Sequence[dict[str, Any]], at: Loc) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for index, stage in enumerate(stages):
        domains = stage.get("domains")
        for place, domain in enumerate(domains if isinstance(domains, list) else []):
            if not isinstance(domain, str):
                continue
            key = domain.lower()
            if key in seen:
                message = f"'{domain}' is a domain of stage '{seen[key]}' already"
                here: Loc = (*at, "stages", index, "domains", place)
                yield Problem(here, Code.DUPLICATE_NAME, message, "a hostname points at one stage: keep one")
            seen.setdefault(key, str(stage.get("name")))


def _unique(items: Sequence[dict[str, Any]], field: str, at: Loc, what: str) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, item in enumerate(items):
        name = item.get(field)
        if isinstance(name, str) and name in seen:
            message = f"there are two {what}s named '{name}' in this list"
            yield Problem((*at, index, field), Code.DUPLICATE_NAME, message, "keep one, or rename the other")
        elif isinstance(name, str):
            seen.add(name)


def _image(image: Any, at: Loc) -> Iterator[Problem]:
    host = image.partition("/")[0] if isinstance(image, str) and "/" in image else ""
    _, colon, port = host.rpartition(":")
    if colon and port.isdigit() and not 1 <= int(port) <= HIGHEST_PORT:
        yield Problem(at, Code.RANGE, f"{port} is no port of a registry", "write a port from 1 to 65535")


def _no_way_up(path: str, at: Loc) -> Iterator[Problem]:
    if ".." in path.split("/"):
        yield Problem(at, Code.PATH, "'..' is not allowed in a path", "write the whole path")


def _list(value: Any) -> list[dict[str, Any]]:
    """The items of a list, each as a mapping; those of another type as empty ones, so that positions stay."""
    return [_mapping(item) for item in value] if isinstance(value, list) else []


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
