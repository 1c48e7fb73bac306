"""Keys of operations and quick calls, built here only; each function is named like the kind of its key.

Two actions with one key are the same work: it is done once, and one fact answers both. The start time of a container is
part of the key where another start needs the work again; a check or a marker where another one does.
"""

from controller.core.model import digests
from controller.core.model.desired import Check
from controller.core.model.observed import Container, Key, KeyKind, Route


def pull(image: str, tag: str, digest: str) -> Key:
    """The pull of a tag; `digest` is empty while none is pinned."""
    return Key("pull", f"{image}:{tag}@{digest}")


def digest(image: str, tag: str) -> Key:
    """The look at which digest a tag has in the registry."""
    return Key("digest", f"{image}:{tag}")


def create(name: str) -> Key:
    """The creation of the container of this name."""
    return Key("create", name)


def pre(name: str) -> Key:
    """The run of the preDeploy container of this name."""
    return Key("pre", name)


def start(container: Container) -> Key:
    """The next start of a container."""
    return _of_start("start", container)


def stop(container: Container) -> Key:
    """The stop of a container that leaves."""
    return _of_start("stop", container)


def stop_and_keep(container: Container) -> Key:
    """The stop of a container that is kept."""
    return _of_start("halt", container)


def restart(container: Container) -> Key:
    """The restart of an unhealthy container."""
    return _of_start("restart", container)


def gate(container: Container, check: Check) -> Key:
    """The gate of this start of a container by this check."""
    return _of_start("gate", container, check)


def watch(container: Container, check: Check) -> Key:
    """The liveness probe of this start of a container by this check."""
    return _of_start("watch", container, check)


def unpause(container: Container) -> Key:
    """The end of a pause."""
    return Key("unpause", container.id)


def connect(container: Container) -> Key:
    """The connection of a container to our network."""
    return Key("connect", container.id)


def mark(container: Container, passed: bool) -> Key:
    """The change of a restart policy: what passed gets `unless-stopped`, what leaves gets `no`."""
    return Key("mark", container.id, "passed" if passed else "leaves")


def remove(container: Container) -> Key:
    """The removal of a container."""
    return Key("remove", container.id)


def route(route: Route) -> Key:
    """The write of a route."""
    return Key("route", route.hostname, route.marker)


def unroute(hostname: str) -> Key:
    """The deletion of a hostname's route."""
    return Key("unroute", hostname)


def verify(route: Route) -> Key:
    """The proof of a route through the proxy."""
    return Key("verify", route.hostname, route.marker)


def _of_start(kind: KeyKind, container: Container, check: Check | None = None) -> Key:
    started = str(container.started_at)
    version = started if check is None else f"{started}:{digests.check_hash(check)}"
    return Key(kind, container.id, version)
