"""The real controller on the simulated clients: what `controller.parts` makes, with other parts."""

from typing import TYPE_CHECKING

from controller.core.catalog.types import CatalogRules
from controller.wiring import Limits, Parts
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


def parts(sim: "Simulation", life: Life) -> Parts:
    """Everything that one life of the controller works with."""
    source = SimSource(sim.border, life, sim.folder)
    secrets, outbox = SimSecrets(sim.border, life, sim.secrets), sim.disk.outbox
    return Parts(
        runtime=SimRuntime(sim.border, life, sim.engine, sim.id),
        proxy=SimProxy(sim.border, life, sim.proxy, sim.engine),
        prober=SimProber(sim.border, life, sim.engine),
        secrets=secrets,
        store=SimStore(sim.border, life, sim.disk),
        stored=SimReads(sim.disk),
        sources=(source,),
        clock=sim.clock,
        rules=sim.rules,
        catalog_rules=CatalogRules(sim.id, DOMAIN, sources=(source.name,)),
        limits=Limits(guard_percent=sim.guard_percent),
        known=dict(sim.disk.statuses),
        confirmed=SimNote(life, sim.disk),
        notify=SimNotifier(life, outbox, sim.receivers, secrets, sim.clock).run if outbox else None,
    )
