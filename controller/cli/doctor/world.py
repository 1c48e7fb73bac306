"""Checks of `doctor` beyond this machine: the Engine, its network, the containers, the proxy and the sources."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from controller.cli.doctor import machine
from controller.cli.doctor.machine import Finding
from controller.core.model.errors import HoldfastError, Unreachable
from controller.core.model.memory import StageMemory
from controller.interfaces import Diagnosable, EngineInfo, NetworkInfo, OwnedContainer, Proxy, Reads, Source
from controller.settings import Settings

CLOCK_SKEW_MAX_S = 30.0
"""TTLs and the age of containers go by the Engine's clock."""
TRIED_ADDRESSES = 3
"""Running containers whose address is tried."""
NAMED_CONTAINERS = 3
"""A finding names so many containers and counts the rest."""


async def engine(settings: Settings, runtime: Diagnosable, stored: Reads) -> AsyncIterator[Finding]:
    """Everything about the Engine; ends at once when it does not answer."""
    try:
        info = await runtime.engine_info()
    except HoldfastError as error:
        yield Finding("engine", False, error.message, "is Docker running?", True)
        return
    yield Finding("engine", True, f"{info.name}: Docker {info.version}, API {info.api}")
    if info.disk_free is not None:
        remedy = "free at least 1 GiB: 'docker system df' shows what takes it"
        yield machine.space("docker disk", info.disk_free, info.root_dir, remedy)
    yield clock(info.clock_skew)
    try:
        own = await runtime.network_info()
        own_or_bridge = own or await runtime.network_info("bridge")
        addresses = [container.address for container in await runtime.list() if container.running and container.address]
        owned = await runtime.owned_containers()
    except HoldfastError as error:
        yield Finding("network", False, error.message, "see the Engine's log", True)
        return
    name = settings.docker.network
    yield network(name, own)
    yield await asyncio.to_thread(containers, name, info, own_or_bridge, addresses[:TRIED_ADDRESSES])
    if settings.proxy.reach == "name":
        yield names(name, own)
    yield owners(settings.id, owned, stored)
    for _, lookalike in runtime.lookalikes():
        yield renamed(lookalike)


def clock(skew: float) -> Finding:
    """The Engine's clock agrees with ours."""
    if abs(skew) <= CLOCK_SKEW_MAX_S:
        return Finding("clock", True, "the Engine's agrees with ours")
    text = f"the Engine's is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} ours"
    return Finding("clock", False, text, "set both by NTP; TTLs and ages depend on it")


def network(name: str, info: NetworkInfo | None) -> Finding:
    """Containers can be put into the network and reached there."""
    if info is None:
        return Finding("network", True, f"{name} is not there yet and will be made")
    if not info.attachable:
        text = f"{name} is of a swarm and not attachable"
        return Finding("network", False, text, "make it with --attachable, or set docker.network to a new name")
    if info.driver in ("host", "null", "macvlan", "ipvlan"):
        text = f"{name} has driver {info.driver}: containers in it cannot be reached from this machine"
        return Finding("network", False, text, "set docker.network to a new name; a bridge is made then")
    return Finding("network", True, f"{name} ({info.driver})")


def containers(name: str, info: EngineInfo, network: NetworkInfo | None, addresses: Sequence[str]) -> Finding:
    """Containers answer on their own addresses: the gate asks them there. `network`: theirs, or the bridge."""
    remedy = f"run the controller where they can be reached, such as in a container in the network {name}"
    if addresses:
        unreachable = [address for address in addresses if not machine.reaches(address)]
        if not unreachable:
            return Finding("containers", True, f"{', '.join(addresses)} can be reached from here")
        return Finding("containers", False, f"{', '.join(unreachable)} cannot be reached from here", remedy)
    if info.apart:
        return Finding("containers", False, f"their addresses lead nowhere from here: {info.apart}", remedy)
    if any(machine.is_local(gateway) for gateway in (network.gateways if network is not None else ())):
        return Finding("containers", True, "none runs yet; their network begins on this machine")
    text = "cannot tell yet whether containers are reachable from here"
    return Finding("containers", True, text, f"run doctor again after the first deploy; if they are not: {remedy}")


def names(name: str, info: NetworkInfo | None) -> Finding:
    """With proxy.reach name the proxy is a container in the same network."""
    remedy = f"docker network connect {name} PROXY, or set proxy.reach"
    if info is None:
        return Finding("reach", True, f"by name: the proxy must join {name} when that is made", remedy)
    if not info.others:
        text = f"by name, but no container other than ours is in {name}: no proxy can know their names"
        return Finding("reach", False, text, remedy)
    return Finding("reach", True, f"by name: {name} has {_count(info.others, 'container')} beside ours")


def owners(controller: str, owned: Sequence[OwnedContainer], stored: Reads) -> Finding:
    """No other state folder makes containers under our id."""
    memories = {stage: stored.memory(stage) for stage in {container.stage for container in owned}}
    unknown = [container for container in owned if not _is_remembered(container, memories[container.stage])]
    if not unknown:
        return Finding("owner", True, f"no other controller uses this id ({_count(len(owned), 'container')})")
    names, more = [container.name for container in unknown][:NAMED_CONTAINERS], len(unknown) - NAMED_CONTAINERS
    text = ", ".join(names) + (f" and {more} more" if more > 0 else "")
    begun = stored.oldest_record()
    if begun is not None and any(container.created > begun for container in unknown):
        other = f"another controller with id {controller} works on this Engine"
        remedy = "stop one of the two, or give it an id of its own in its settings"
        return Finding("owner", False, f"{other}: {text} was not made from this state folder", remedy)
    text = f"{text}: made before this state folder began"
    return Finding("owner", True, text, "fine if the folder was lost or is new; else another controller has this id")


def _is_remembered(container: OwnedContainer, stage: StageMemory) -> bool:
    memory = stage.of(container.tag)
    return memory.attempts.get(container.revision, 0) >= container.attempt or container.revision in memory.passed


def renamed(name: str) -> Finding:
    """Nobody renamed a container of ours: it is not ours any more, and runs on beside the one made in its place."""
    text = f"{name} has labels of ours and another name: it was renamed, or made from an image of one; it is left alone"
    remedy = f"'docker rm -f {name}' if nobody needs it; it may write to the same volumes as the one in its place"
    return Finding("renamed", True, text, remedy)


async def proxy(settings: Settings, client: Proxy) -> AsyncIterator[Finding]:
    """The proxy's configuration can be read, and it listens where routes are asked for."""
    try:
        table = await client.read()
    except HoldfastError as error:
        key = "proxy.url" if settings.proxy.kind == "npm" else "proxy.admin"
        remedy = f"start the proxy, or set {key}" if isinstance(error, Unreachable) else f"see {key} in the settings"
        yield Finding("proxy", False, error.message, remedy, isinstance(error, Unreachable))
        return
    yield Finding("proxy", True, f"{settings.proxy.kind}: {_count(len(table.routes), 'route')} made by Holdfast")
    address = settings.proxy.address
    if settings.proxy.kind == "caddy" and machine.is_local(address.rpartition(":")[0].strip("[]")):
        yield machine.handed_over()
    why = await asyncio.to_thread(machine.listens, address)
    if not why:
        yield Finding("proxy address", True, f"{address} answers")
    elif settings.proxy.kind == "caddy" and not table.routes:
        yield Finding("proxy address", True, f"nobody listens at {address} yet; Caddy opens it with the first route")
    else:
        remedy = "set proxy.address to where the proxy listens"
        yield Finding("proxy address", False, f"{address}: {why}", remedy, True)


async def documents(sources: Sequence[Source]) -> AsyncIterator[Finding]:
    """Every source can be read, and all of its documents are valid."""
    for source in sources:
        delivery = await source.load()
        mistakes = len(delivery.diagnostics)
        place = source.name.removeprefix("files:")
        if not delivery.complete:
            text = delivery.detail or "it cannot be read as a whole"
            yield Finding("documents", False, f"{place}: {text}", "nothing is removed for it; fix the source")
        elif mistakes:
            text = f"{place}: {_count(mistakes, 'error')}"
            yield Finding("documents", False, text, "'holdfast validate' shows them")
        else:
            yield Finding("documents", True, f"{place}: {_count(len(delivery.documents), 'document')}")


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
