"""What the controller needs of the world, one module per seam. Production clients and the test world implement it.

Imports `core` only. Every implementation keeps these rules. A call has its effect, raises an error of
`core.model.errors`, or raises `OutcomeUnknown`. Effects are repeatable: already done is success. A destructive call is
given the `Container` that was observed, checks again that it is ours (same 64-hex id, labels, name), and does nothing
when it is gone.
"""

from controller.core.catalog.safeguards import Hold
from controller.interfaces.clock import Clock
from controller.interfaces.control import Control
from controller.interfaces.diagnosable import Diagnosable, EngineInfo, NetworkInfo, OwnedContainer
from controller.interfaces.probe import Probe, Prober
from controller.interfaces.proxy import Answer, Proxy
from controller.interfaces.reads import Reads
from controller.interfaces.runtime import Runtime, RuntimeEvent
from controller.interfaces.secrets import Secrets
from controller.interfaces.source import Delivery, Source
from controller.interfaces.store import Store

__all__ = [
    "Answer", "Clock", "Control", "Delivery", "Diagnosable", "EngineInfo", "Hold", "NetworkInfo", "OwnedContainer",
    "Probe", "Prober", "Proxy", "Reads", "Runtime", "RuntimeEvent", "Secrets", "Source", "Store",
]  # fmt: skip
