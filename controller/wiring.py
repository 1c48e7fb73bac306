"""The composition root: makes the clients from the settings, and every piece of a controller from its clients.

The manager, the commands that need only clients, and the tests' simulator all compose here.
"""

import os
from asyncio import Event, to_thread
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace

from controller.broadcast import Broadcast
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
from controller.clients.state.reader import ReadOnlyStore, StateReader
from controller.clients.state.store import SqliteStore
from controller.core.catalog.safeguards import Limits
from controller.core.catalog.types import CatalogRules
from controller.core.model.decision import Rules
from controller.core.model.desired import StageKey
from controller.core.model.status import StageStatus
from controller.intake.guard import Confirmed, Guard
from controller.intake.intake import Intake
from controller.intake.sources import factory
from controller.interfaces import Clock, Prober, Proxy, Reads, Runtime, Secrets, Source, Store
from controller.loop import Pieces
from controller.reconcile import Reconciler
from controller.settings import Settings
from controller.stage_registry import StageRegistry
from controller.work.apply import Applier
from controller.work.container_snapshot import ContainerSnapshot
from controller.work.housekeeping import Housekeeper
from controller.work.operations import Operations
from controller.work.perform import Performer
from controller.work.queue import WorkQueue
from controller.work.route_writer import RouteWriter
from controller.work.wakeups import Wakeups

SECRET_KEY = "secret.key"
PROGRESS_DELAY_S = 1.0
"""Seconds after which a pass shows the progress of an operation."""


@dataclass(frozen=True)
class Clients:
    """What a controller reaches the world and its state folder by. Who made them closes them."""

    runtime: Runtime
    proxy: Proxy
    prober: Prober
    secrets: Secrets
    store: Store
    stored: Reads
    """The content of the state folder, for showing."""
    sources: Sequence[Source]
    clock: Clock
    earlier: Mapping[StageKey, StageStatus] = field(default_factory=dict)
    """The last statuses of an earlier process."""
    confirmed: Confirmed | None = None
    """Remembers which mass change somebody allowed."""
    notify: Callable[[Event], Awaitable[None]] | None = None
    housekeeper: Housekeeper | None = None
    keep_lock: Callable[[], None] | None = None


@dataclass(frozen=True)
class Config:
    """What of the settings and of the command the pieces go by."""

    rules: Rules
    catalog_rules: CatalogRules
    starts: int = 4
    """Container starts at a time."""
    pulls: int = 2
    """Pulls at a time."""
    resync: float = 30.0
    """Seconds between two looks at everything."""
    guard_percent: float = 25.0
    prune: bool = True
    """False: undeclared stages are left alone, and what is accepted is not remembered as last good."""
    writes: bool = True
    """False: only for a forecast, the state folder belongs to another process."""


def compose(clients: Clients, config: Config) -> Pieces:
    """Make every piece of one controller, and connect them."""
    clock, runtime, housekeeper = clients.clock, clients.runtime, clients.housekeeper
    queue, wakeups, broadcast = WorkQueue(clock), Wakeups(), Broadcast()
    snapshot, route_writer = ContainerSnapshot(runtime, clock), RouteWriter(clients.proxy, clock)

    def ended(stage: StageKey) -> None:
        snapshot.mark_changed(stage)
        queue.add(stage)

    def progressed(stage: StageKey) -> None:
        queue.add_after(stage, PROGRESS_DELAY_S)

    # Performs one operation: a client call with a deadline, or a loop such as the gate's.
    performer = Performer(
        runtime,
        clients.prober,
        route_writer,
        clients.secrets,
        clock,
        wakeups=wakeups,
        starts=config.starts,
        pulls=config.pulls,
        pulled=housekeeper.note_pull if housekeeper is not None else _ignore,
    )
    # Starts operations, runs each key once, and keeps their facts for the next pass.
    operations = Operations(performer.perform, clock, ended, progressed)
    # Carries out the actions of a pass: makes quick calls itself, and hands operations to `operations`.
    applier = Applier(
        runtime,
        clients.secrets,
        operations,
        snapshot.mark_changed,
        housekeeper.note_removal if housekeeper is not None else _ignore,
    )
    names = tuple(source.name for source in clients.sources)
    limits = Limits(names, config.guard_percent, config.prune)
    guard = Guard(clients.store, limits, clients.confirmed, keep=config.prune and config.writes)
    intake = Intake(clients.sources, guard, replace(config.catalog_rules, sources=names))
    registry = StageRegistry(
        intake=intake,
        snapshot=snapshot,
        route_writer=route_writer,
        operations=operations,
        queue=queue,
        store=clients.store,
        prune=config.prune,
        stored=set(clients.earlier),
    )
    reconciler = Reconciler(
        desired=intake.desired,
        snapshot=snapshot,
        route_writer=route_writer,
        operations=operations,
        applier=applier,
        secrets=clients.secrets,
        store=clients.store,
        broadcast=broadcast,
        clock=clock,
        rules=config.rules,
        is_stopping=lambda: queue.is_stopped,
        earlier=clients.earlier,
    )
    return Pieces(
        id=config.catalog_rules.controller_id,
        intake=intake,
        registry=registry,
        queue=queue,
        reconciler=reconciler,
        operations=operations,
        broadcast=broadcast,
        wakeups=wakeups,
        clock=clock,
        resync=config.resync,
        events=runtime.events,
        stored=clients.stored,
        housekeeper=housekeeper,
        notify=clients.notify,
        keep_lock=clients.keep_lock,
    )


def configured(settings: Settings, *, prune: bool = True, writes: bool = True) -> Config:
    """The part of the settings that the pieces go by."""
    limits = settings.limits
    return Config(
        rules=settings.rules(),
        catalog_rules=settings.catalog_rules(),
        starts=2 * (os.cpu_count() or 1) if limits.starts == "auto" else limits.starts,
        pulls=limits.pulls,
        resync=limits.resync,
        guard_percent=limits.guard_percent,
        prune=prune,
        writes=writes,
    )


@asynccontextmanager
async def opened(
    settings: Settings, sources: Sequence[Source] | None = None, *, lock: bool = True
) -> AsyncIterator[Clients]:
    """Make the clients, and close them at the end. `sources` replace those of the settings.

    `lock` False opens everything for reading only. Raises `Locked`, `WorldBad`.
    """
    async with AsyncExitStack() as stack:
        folder = settings.state.path
        state_lock = StateLock(folder) if lock else None
        if state_lock is not None:
            state_lock.acquire()
            stack.callback(state_lock.release)
        clock = SystemClock()
        history = settings.state.history
        stored = StateReader(folder)
        store = SqliteStore.open(folder, history.max_age, history.max_count) if lock else None
        if store is not None:
            stack.callback(store.close)
        runtime = chosen_runtime(settings)
        stack.push_async_callback(runtime.close)
        secrets = FileSecrets(settings.policy.secret_roots, os.environ, folder / SECRET_KEY)
        proxy = chosen_proxy(settings, secrets, clock)
        stack.push_async_callback(proxy.close)
        prober = HttpProber()
        stack.push_async_callback(prober.close)
        if sources is None:
            sources = [factory.source(entry) for entry in settings.sources]
        yield Clients(
            runtime=runtime,
            proxy=proxy,
            prober=prober,
            secrets=secrets,
            store=store or ReadOnlyStore(folder),
            stored=stored,
            sources=sources,
            clock=clock,
            earlier=await to_thread(stored.statuses),
            confirmed=ConfirmedNote(folder),
            notify=Notifier(store, settings.notifications, secrets, clock, settings.id).run if store else None,
            housekeeper=Housekeeper(runtime, PulledNote(folder), settings.limits.image_history) if lock else None,
            keep_lock=state_lock.keep if state_lock is not None else None,
        )


def chosen_runtime(settings: Settings) -> DockerRuntime:
    """The Engine that the settings name; nothing is asked of it yet."""
    docker = settings.docker
    config = str(docker.config) if docker.config is not None else None
    return DockerRuntime(settings.id, docker.network, docker.host, config, settings.policy_rules(), SystemClock())


def chosen_proxy(settings: Settings, secrets: Secrets, clock: Clock) -> CaddyProxy | NpmProxy:
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
    addresses = (chosen.address, chosen.tls_address)
    return NpmProxy(chosen.url, chosen.identity, password, addresses=addresses, site=site, clock=clock)


def _ignore(*_: object) -> None:
    """Nobody cleans up images."""
