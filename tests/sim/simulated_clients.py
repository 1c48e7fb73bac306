"""Simulated clients for `controller.wiring.compose`, which makes the real controller from them."""

from typing import TYPE_CHECKING

from controller.core.catalog.types import CatalogRules
from controller.wiring import Clients, Config
from tests.sim.call_border import Life
from tests.sim.expected_model import DOMAIN
from tests.sim.proxy import SimProber, SimProxy
from tests.sim.reads import SimReads
from tests.sim.receivers import SimNotifier
from tests.sim.runtime import SimRuntime
from tests.sim.sources import SimSource
from tests.sim.store import SimNote, SimSecrets, SimStore

if TYPE_CHECKING:
    from tests.world import Simulation


def clients(sim: "Simulation", life: Life) -> Clients:
    """What one life of the controller works with."""
    secrets, outbox = SimSecrets(sim.border, life, sim.secrets), sim.disk.outbox
    return Clients(
        runtime=SimRuntime(sim.border, life, sim.engine, sim.id),
        proxy=SimProxy(sim.border, life, sim.proxy, sim.engine),
        prober=SimProber(sim.border, life, sim.engine),
        secrets=secrets,
        store=SimStore(sim.border, life, sim.disk),
        stored=SimReads(sim.disk),
        sources=(SimSource(sim.border, life, sim.folder),),
        clock=sim.clock,
        earlier=dict(sim.disk.statuses),
        confirmed=SimNote(life, sim.disk),
        notify=SimNotifier(life, outbox, sim.receivers, secrets, sim.clock).run if outbox else None,
    )


def config(sim: "Simulation") -> Config:
    """The settings of the simulated controller."""
    return Config(sim.rules, CatalogRules(sim.id, DOMAIN), guard_percent=sim.guard_percent)
