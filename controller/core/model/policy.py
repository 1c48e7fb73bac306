"""What a container may ask of its host: one function on the final create body, default deny.

Docker's own decoder ignores the case of keys, so keys are compared without it. A HostConfig key that is not
listed here is refused unless it is empty.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

DEFAULT_REGISTRY = "docker.io"

PROTECTED = (
    "/proc",
    "/sys",
    "/dev",
    "/run/docker.sock",
    "/var/run/docker.sock",
    "/run/docker",
    "/var/run/docker",
    "/run/containerd",
    "/var/run/containerd",
    "/var/lib/docker",
    "/var/lib/containerd",
)
"""Never bound, nor anything above or below them: who reaches these owns the host."""

MASKED = frozenset({"/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/sched_debug", "/sys/firmware"})
READONLY = frozenset({"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"})

HARMLESS_TOP = frozenset(
    """argsescaped attachstderr attachstdin attachstdout cmd domainname entrypoint env exposedports healthcheck hostname
    image labels macaddress networkdisabled onbuild openstdin shell stdinonce stopsignal stoptimeout tty user volumes
    workingdir""".split()  # noqa: SIM905
)
HARMLESS_HOST = frozenset(
    """autoremove blkioweight capdrop consolesize cpucount cpupercent cpuperiod cpuquota
    cpuset cpusetcpus cpusetmems cpushares dns dnsoptions dnssearch init iomaximumbandwidth iomaximumiops isolation
    logconfig memory memoryreservation memoryswap memoryswappiness nanocpus pidslimit readonlyrootfs restartpolicy
    shmsize""".split()  # noqa: SIM905
)


TAKEN_AWAY = ("NET_RAW",)
"""Capabilities that Docker gives and Holdfast takes away, unless `policy.capabilities` lists them."""


@dataclass(frozen=True)
class PolicyRules:
    """The `policy` block of the settings. `protected`: more paths of this host that are never bound."""

    registries: tuple[str, ...] = ()
    """Allowed registries, or registry/path prefixes; empty: all."""
    bind_roots: tuple[str, ...] = ()
    """Absolute folders below which bind mounts are allowed."""
    capabilities: tuple[str, ...] = ()
    """Capabilities that a container may have beyond the defaults of Holdfast, without CAP_."""
    protected: tuple[str, ...] = ()


def violations(config: Mapping[str, Any], rules: PolicyRules) -> tuple[str, ...]:
    """Sentences that say what the create body asks for and may not have; empty when it is allowed.

    Symlinks are not resolved here: the caller passes the body with resolved bind sources too.
    """
    top = _lower(config)
    problems = list(_image(str(top.pop("image", "")), rules))
    host = _lower(top.pop("hostconfig", None) or {})
    problems += _networking(top.pop("networkingconfig", None) or {})
    problems += [f"{key} is not allowed" for key, value in sorted(top.items()) if value and key not in HARMLESS_TOP]
    for key, value in sorted(host.items()):
        if key in HARMLESS_HOST:
            continue
        check = _CHECKS.get(key)
        if check is not None:
            problems += check(value, rules)
        elif not _empty(value):
            problems.append(f"HostConfig.{key} is not allowed")
    return tuple(dict.fromkeys(problems))


def split_reference(image: str) -> tuple[str, str]:
    """Registry host and repository path of an image reference without tag or digest, Docker's defaults filled in."""
    name = image.split("@", 1)[0]
    head, slash, rest = name.partition("/")
    if slash and ("." in head or ":" in head or head == "localhost" or head.lower() != head):
        host, path = head.lower(), rest
    else:
        host, path = DEFAULT_REGISTRY, name
    last = path.rpartition("/")[2]
    if ":" in last:
        path = path[: path.rindex(":")]
    if host in ("index.docker.io", "registry-1.docker.io"):
        host = DEFAULT_REGISTRY
    if host == DEFAULT_REGISTRY and "/" not in path:
        path = "library/" + path
    return host, path


def below(path: str, root: str) -> bool:
    """True when the absolute path is the root or lies below it, compared by whole segments."""
    parts, base = segments(path), segments(root)
    return path.startswith("/") and ".." not in parts and parts[: len(base)] == base


def segments(path: str) -> list[str]:
    """The names in a path, without empty ones and single dots."""
    return [part for part in path.split("/") if part not in ("", ".")]


def _lower(value: Mapping[str, Any]) -> dict[str, Any]:
    return {str(key).lower(): content for key, content in value.items()}


def _empty(value: object) -> bool:
    return value is None or value in (False, 0, "", [], {}, (), 0.0)


def _image(image: str, rules: PolicyRules) -> Iterator[str]:
    if not rules.registries:
        return
    host, path = split_reference(image)
    have = [host, *segments(path)]
    for allowed in rules.registries:
        want_host, _, want_path = allowed.lower().removeprefix("https://").removeprefix("http://").partition("/")
        want = [DEFAULT_REGISTRY if want_host == "index.docker.io" else want_host, *segments(want_path)]
        if have[: len(want)] == want:
            return
    yield f"registry {host} is not in policy.registries (image {host}/{path})"


def _networking(value: Mapping[str, Any]) -> Iterator[str]:
    for name in _lower(value).get("endpointsconfig") or {}:
        if name in ("host", "none"):
            yield f"network {name} is not allowed"


def _namespace(label: str, allowed: tuple[str, ...]) -> Callable[[Any, PolicyRules], Iterator[str]]:
    def check(value: Any, rules: PolicyRules) -> Iterator[str]:
        if str(value or "").lower() not in allowed:
            yield f"{label} {value!r} is not allowed"

    return check


def _network_mode(value: Any, rules: PolicyRules) -> Iterator[str]:
    mode = str(value or "").lower()
    if mode in ("host", "none") or ":" in mode:
        yield f"NetworkMode {value!r} is not allowed"


def _capabilities(value: Any, rules: PolicyRules) -> Iterator[str]:
    allowed = {_capability(name) for name in rules.capabilities}
    for name in value or ():
        if _capability(str(name)) not in allowed:
            yield f"capability {name} is not in policy.capabilities"


def _capability(name: str) -> str:
    return name.upper().removeprefix("CAP_")


def _security(value: Any, rules: PolicyRules) -> Iterator[str]:
    for option in value or ():
        if str(option).replace("=", ":") not in ("no-new-privileges", "no-new-privileges:true"):
            yield f"SecurityOpt {option!r} is not allowed"


def _masked(label: str, needed: frozenset[str]) -> Callable[[Any, PolicyRules], Iterator[str]]:
    def check(value: Any, rules: PolicyRules) -> Iterator[str]:
        if value is not None and not needed.difference(("/proc/sched_debug",)) <= set(value):
            yield f"{label} must keep Docker's defaults"

    return check


def _runtime(value: Any, rules: PolicyRules) -> Iterator[str]:
    if value not in (None, "", "runc", "io.containerd.runc.v2"):
        yield f"Runtime {value!r} is not allowed"


def _ports(value: Any, rules: PolicyRules) -> Iterator[str]:
    for port, bindings in (value or {}).items():
        for binding in bindings or [{}]:
            if _lower(binding).get("hostip") not in ("127.0.0.1", "::1"):
                yield f"port {port} may only be published on 127.0.0.1"


def _binds(value: Any, rules: PolicyRules) -> Iterator[str]:
    for bind in value or ():
        parts = str(bind).split(":")
        if len(parts) > 1 and "/" in parts[0]:
            yield from _bind(parts[0], rules)
        elif len(parts) > 1 and parts[0].startswith((".", "~")):
            yield f"bind mount {parts[0]} must be an absolute path"
        if len(parts) > 2 and {"shared", "rshared", "slave", "rslave"} & set(parts[2].split(",")):
            yield f"mount propagation of {bind!r} is not allowed"


def _mounts(value: Any, rules: PolicyRules) -> Iterator[str]:
    for mount in map(_lower, value or ()):
        kind, source = str(mount.get("type", "")).lower(), str(mount.get("source") or "")
        if kind == "bind":
            yield from _bind(source, rules)
            propagation = _lower(mount.get("bindoptions") or {}).get("propagation")
            if propagation not in (None, "", "private", "rprivate"):
                yield f"mount propagation {propagation!r} of {source} is not allowed"
        elif kind == "volume":
            if "/" in source:
                yield f"volume name {source!r} is not allowed"
            if not _empty(_lower(mount.get("volumeoptions") or {}).get("driverconfig")):
                yield f"driver options of volume {source!r} are not allowed"
        elif kind != "tmpfs":
            yield f"mount type {kind!r} is not allowed"


def _bind(source: str, rules: PolicyRules) -> Iterator[str]:
    if not source.startswith("/") or ".." in segments(source):
        yield f"bind mount {source!r} must be an absolute path without .."
        return
    if source.endswith(("docker.sock", "containerd.sock")):
        yield f"bind mount {source} reaches the Docker socket"
    for path in (*PROTECTED, *rules.protected):
        if below(source, path) or below(path, source):
            yield f"bind mount {source} reaches {path}"
            return
    if not any(below(source, root) for root in rules.bind_roots):
        yield f"bind mount {source} is not below policy.bindRoots"


_CHECKS: Mapping[str, Callable[[Any, PolicyRules], Iterator[str]]] = {
    "binds": _binds,
    "capadd": _capabilities,
    "cgroup": _namespace("Cgroup", ("",)),
    "cgroupnsmode": _namespace("CgroupnsMode", ("", "private")),
    "ipcmode": _namespace("IpcMode", ("", "none", "private")),
    "maskedpaths": _masked("MaskedPaths", MASKED),
    "mounts": _mounts,
    "networkmode": _network_mode,
    "pidmode": _namespace("PidMode", ("",)),
    "portbindings": _ports,
    "readonlypaths": _masked("ReadonlyPaths", READONLY),
    "runtime": _runtime,
    "securityopt": _security,
    "usernsmode": _namespace("UsernsMode", ("",)),
    "utsmode": _namespace("UTSMode", ("",)),
}
