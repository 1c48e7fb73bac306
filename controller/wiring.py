"""What a manager works with, and how it is made from the settings."""

import os
from asyncio import Event, to_thread
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from controller.clients.caddy.proxy import CaddyProxy
from controller.clients.clock import SystemClock
from controller.clients.docker.runtime import DockerRuntime
from controller.clients.notify import Notifier
from controller.clients.npm.hosts import Site
from controller.clients.npm.proxy import NpmProxy
from controller.clients.probe import HttpProber
from controller.clients.secrets import FileSecrets
from controller.clients.state.json_notes import ConfirmedNote, PulledNote
from controller.clients.state.lock import StateLock
from controller.clients.state.store import SqliteStore
from controller.core.catalog.types import CatalogRules
from controller.core.model.decision import Rules
from controller.core.model.desired import StageKey
from controller.core.model.status import StageStatus
from controller.intake.guard import Confirmed
from controller.intake.sources import factory
from controller.interfaces import Clock, Prober, Proxy, Runtime, Secrets, Source, Store
from controller.work.housekeeping import Housekeeper

if TYPE_CHECKING:
    from controller.settings import Settings

SECRET_KEY = "secret.key"


@dataclass(frozen=True)
class Limits:
    """How much happens at a time, and how often everything is looked at."""

    starts: int = 4
    pulls: int = 2
    resync: float = 30.0
    guard_percent: float = 25.0


@dataclass(frozen=True)
class Parts:
    """The clients and rules of one controller. The manager neither makes nor closes them."""

    runtime: Runtime
    proxy: Proxy
    prober: Prober
    secrets: Secrets
    store: Store
    sources: Sequence[Source]
    clock: Clock
    rules: Rules
    catalog_rules: CatalogRules
    limits: Limits = Limits()
    prune: bool = True
    """False: stages that no document declares are left alone, and what is accepted is not remembered as last good."""
    writes: bool = True
    """False: only for a forecast, the state folder belongs to somebody else."""
    known: Mapping[StageKey, StageStatus] = field(default_factory=dict)
    """Statuses of before the start, for the names of stages."""
    confirmed: Confirmed | None = None
    """Remembers which mass change somebody allowed."""
    notify: Callable[[Event], Awaitable[None]] | None = None
    """Delivers notifications until the event is set."""
    housekeeper: Housekeeper | None = None
    keep_lock: Callable[[], None] | None = None
    """Makes sure that the state folder is still ours alone. Raises `Locked` when it is not."""


@asynccontextmanager
async def opened(
    settings: "Settings", sources: Sequence[Source] | None = None, *, lock: bool = True, prune: bool = True
) -> AsyncIterator[Parts]:
    """Make the real parts and close them at the end. `sources` replace those of the settings.

    `lock` False opens everything for reading only. Raises `Locked`, `WorldBad`.
    """
    async with AsyncExitStack() as stack:
        folder = settings.state.path
        guarded = StateLock(folder) if lock else None
        if guarded is not None:
            guarded.acquire()
            stack.callback(guarded.release)
        clock = SystemClock()
        history = settings.state.history
        store = SqliteStore.open(folder, history.max_age, history.max_count) if lock else SqliteStore.reader(folder)
        stack.callback(store.close)
        runtime = chosen_runtime(settings)
        stack.push_async_callback(runtime.close)
        secrets = FileSecrets(settings.policy.secret_roots, os.environ, folder / SECRET_KEY)
        proxy = chosen_proxy(settings, secrets, clock)
        stack.push_async_callback(proxy.close)
        prober = HttpProber()
        stack.push_async_callback(prober.close)
        starts = settings.limits.starts
        own = [factory.source(entry) for entry in settings.sources]
        chosen = own if sources is None else sources
        rules = replace(settings.catalog_rules(), sources=tuple(source.name for source in chosen))
        yield Parts(
            runtime=runtime,
            proxy=proxy,
            prober=prober,
            secrets=secrets,
            store=store,
            sources=chosen,
            clock=clock,
            rules=settings.rules(),
            catalog_rules=rules,
            limits=Limits(
                starts=2 * (os.cpu_count() or 1) if starts == "auto" else starts,
                pulls=settings.limits.pulls,
                resync=settings.limits.resync,
                guard_percent=settings.limits.guard_percent,
            ),
            prune=prune,
            writes=lock,
            known=await to_thread(store.statuses),
            confirmed=ConfirmedNote(folder),
            notify=Notifier(store, settings.notifications, secrets, clock, settings.id).run if lock else None,
            housekeeper=Housekeeper(runtime, PulledNote(folder), settings.limits.image_history) if lock else None,
            keep_lock=guarded.keep if guarded is not None else None,
        )


def chosen_runtime(settings: "Settings") -> DockerRuntime:
    """The Engine that the settings name; nothing is asked of it yet."""
    docker = settings.docker
    config = str(docker.config) if docker.config is not None else None
    return DockerRuntime(settings.id, docker.network, docker.host, config, settings.policy_rules(), SystemClock())


def chosen_proxy(settings: "Settings", secrets: Secrets, clock: Clock) -> CaddyProxy | NpmProxy:
    """The proxy that the settings name; nothing is asked of it yet."""
    chosen = settings.proxy
    if chosen.kind == "caddy":
        return CaddyProxy(chosen.admin, chosen.listen, chosen.address, chosen.tls, settings.id)
    if chosen.url is None or chosen.identity is None or chosen.secret is None:
        raise ValueError("settings without url, identity or secret do not load")
    ref = chosen.secret.ref

    async def password() -> str:
        return (await secrets.resolve([ref]))[ref]

    site = Site(settings.id, chosen.certificate, chosen.force_tls, chosen.access_list, chosen.websockets)
    return NpmProxy(
        chosen.url, chosen.identity, password, addresses=(chosen.address, chosen.tls_address), site=site, clock=clock
    )
