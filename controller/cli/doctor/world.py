"""Checks of `doctor` that ask: the Engine, its network, the containers, the proxy and the sources."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from controller.cli.doctor import machine
from controller.cli.doctor.machine import Finding
from controller.core.model.errors import HoldfastError, Unreachable

if TYPE_CHECKING:
    from controller.clients.state.store import SqliteStore
    from controller.interfaces import Diagnosable, EngineInfo, NetworkInfo, OwnedContainer, Proxy, Source
    from controller.settings import Settings

SKEW = 30.0
"""Seconds that two clocks may differ: TTLs and the age of containers are told by the Engine's clock."""
ASKED = 3
"""Running containers whose address is tried."""
NAMED = 3
"""Things that a line names before it only counts them."""


async def engine(settings: "Settings", runtime: "Diagnosable", store: "SqliteStore") -> AsyncIterator[Finding]:
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
        found = await runtime.network_info()
        usual = found or await runtime.network_info("bridge")
        addresses = [item.address for item in await runtime.list() if item.running and item.address]
        made = await runtime.owned_containers()
    except HoldfastError as error:
        yield Finding("network", False, error.message, "see the Engine's log", True)
        return
    name = settings.docker.network
    yield network(name, found)
    yield await asyncio.to_thread(containers, name, info, usual, addresses[:ASKED])
    if settings.proxy.reach == "name":
        yield names(name, found)
    yield owners(settings.id, made, store)
    for _, strange in runtime.impostors():
        yield impostor(strange)


def clock(skew: float) -> Finding:
    """The Engine's clock agrees with ours."""
    if abs(skew) <= SKEW:
        return Finding("clock", True, "the Engine's agrees with ours")
    text = f"the Engine's is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} ours"
    return Finding("clock", False, text, "set both by NTP; TTLs and ages depend on it")


def network(name: str, found: "NetworkInfo | None") -> Finding:
    """Containers can be put into the network and reached there."""
    if found is None:
        return Finding("network", True, f"{name} is not there yet and will be made")
    if not found.attachable:
        text = f"{name} is of a swarm and not attachable"
        return Finding("network", False, text, "make it with --attachable, or set docker.network to a new name")
    if found.driver in ("host", "null", "macvlan", "ipvlan"):
        text = f"{name} has driver {found.driver}: containers in it cannot be reached from this machine"
        return Finding("network", False, text, "set docker.network to a new name; a bridge is made then")
    return Finding("network", True, f"{name} ({found.driver})")


def containers(name: str, info: "EngineInfo", found: "NetworkInfo | None", addresses: Sequence[str]) -> Finding:
    """Containers answer on their own addresses: the gate asks them there. `found`: their network, or a like one."""
    remedy = f"run the controller where they can be reached, such as in a container in the network {name}"
    if addresses:
        deaf = [address for address in addresses if not machine.reaches(address)]
        if not deaf:
            return Finding("containers", True, f"{', '.join(addresses)} can be reached from here")
        return Finding("containers", False, f"{', '.join(deaf)} cannot be reached from here", remedy)
    if info.apart:
        return Finding("containers", False, f"their addresses lead nowhere from here: {info.apart}", remedy)
    if any(machine.is_local(gateway) for gateway in (found.gateways if found is not None else ())):
        return Finding("containers", True, "none runs yet; their network begins on this machine")
    text = "none runs yet, and their network does not begin on this machine"
    return Finding("containers", True, text, f"ask again when one runs; if it cannot be reached then: {remedy}")


def names(name: str, found: "NetworkInfo | None") -> Finding:
    """With proxy.reach name the proxy is a container in the same network."""
    remedy = f"docker network connect {name} PROXY, or set proxy.reach"
    if found is None:
        return Finding("reach", True, f"by name: the proxy must join {name} when that is made", remedy)
    if not found.others:
        text = f"by name, but no container other than ours is in {name}: no proxy can know their names"
        return Finding("reach", False, text, remedy)
    return Finding("reach", True, f"by name: {name} has {found.others} container(s) beside ours")


def owners(controller: str, made: "Sequence[OwnedContainer]", store: "SqliteStore") -> Finding:
    """No other state folder makes containers under our id."""
    remembered = {stage: store.remembered(stage) for stage in {item.stage for item in made}}
    unknown = [
        item
        for item in made
        if remembered[item.stage].of(item.tag).attempts.get(item.revision, 0) < item.attempt
        and item.revision not in remembered[item.stage].of(item.tag).passed
    ]
    if not unknown:
        return Finding("owner", True, f"{len(made)} container(s) of {controller}, all made from this state folder")
    shown = [item.name for item in unknown]
    text = ", ".join(shown[:NAMED]) + (f" and {len(shown) - NAMED} more" if len(shown) > NAMED else "")
    begun = store.begun()
    if begun is not None and any(item.created > begun for item in unknown):
        text = (
            f"another controller with id {controller} works on this Engine: {text} was not made from this state folder"
        )
        remedy = "stop one of the two, or give it an id of its own in its settings"
        return Finding("owner", False, text, remedy)
    text = f"{text}: made before this state folder began"
    return Finding("owner", True, text, "fine if the folder was lost or is new; else another controller has this id")


def impostor(name: str) -> Finding:
    """Nobody renamed a container of ours: it is not ours any more, and runs on beside the one made in its place."""
    text = f"{name} has labels of ours and another name: it was renamed, or made from an image of one; it is left alone"
    remedy = f"'docker rm -f {name}' if nobody needs it; it may write to the same volumes as the one in its place"
    return Finding("renamed", True, text, remedy)


async def proxy(settings: "Settings", client: "Proxy") -> AsyncIterator[Finding]:
    """The proxy's configuration can be read, and it listens where routes are asked for."""
    try:
        table = await client.read()
    except HoldfastError as error:
        key = "proxy.url" if settings.proxy.kind == "npm" else "proxy.admin"
        remedy = f"start the proxy, or set {key}" if isinstance(error, Unreachable) else f"see {key} in the settings"
        yield Finding("proxy", False, error.message, remedy, isinstance(error, Unreachable))
        return
    yield Finding("proxy", True, f"{settings.proxy.kind}: {len(table.routes)} route(s) of ours")
    address = settings.proxy.address
    if settings.proxy.kind == "caddy" and machine.is_local(address.rpartition(":")[0].strip("[]")):
        yield machine.handed_over()
    why = await asyncio.to_thread(machine.listens, address)
    if not why:
        yield Finding("proxy address", True, f"{address} answers")
    elif settings.proxy.kind == "caddy" and not table.routes:
        yield Finding("proxy address", True, f"nobody listens at {address} yet; Caddy does from the first route on")
    else:
        remedy = "set proxy.address to where the proxy listens"
        yield Finding("proxy address", False, f"{address}: {why}", remedy, True)


async def documents(sources: "Sequence[Source]") -> AsyncIterator[Finding]:
    """Every source can be read, and all of its documents are valid."""
    for source in sources:
        delivery = await source.load()
        wrong = len(delivery.diagnostics)
        if not delivery.complete:
            text = delivery.detail or "it cannot be read as a whole"
            yield Finding("documents", False, f"{source.name}: {text}", "nothing is removed for it; mend the source")
        elif wrong:
            text = f"{source.name}: {wrong} error{'' if wrong == 1 else 's'}"
            yield Finding("documents", False, text, "'holdfast validate' shows them")
        else:
            yield Finding("documents", True, f"{source.name}: {len(delivery.documents)}")
