"""What runs and is routed now, as the catalog and the guard ask for it."""

from dataclasses import replace

from controller.core.catalog.types import incumbents
from controller.core.model.memory import InstanceMemory, StageMemory
from controller.core.model.observed import Route
from tests.core.gate_world import NEW, OLD

OLD_ROUTE = Route("shop.test", "shop/dev", "2", "default", NEW.id, "10.0.0.2", 80)


def test_what_passed_or_has_a_route_runs() -> None:
    """A candidate runs for nobody, nor does a one-off container or one that is being removed."""
    one_off = replace(OLD, id="c" * 64, tag="3", role="preDeploy")
    leaving = replace(OLD, id="d" * 64, tag="4", state="removing")
    assert incumbents([NEW, OLD, one_off, leaving], [], {}).running == {"shop/dev": {"1"}}
    routed = incumbents([NEW, OLD], [OLD_ROUTE], {})
    assert routed.running == {"shop/dev": {"1", "2"}}
    assert routed.hostnames == {"shop.test": ("shop/dev", "2")}


def test_the_newest_container_tells_who_declared_a_stage() -> None:
    """One without a source tells nothing."""
    old, new = replace(OLD, born=1, source="a"), replace(NEW, born=2, source="b")
    assert incumbents([new, old], [], {}).sources == {"shop/dev": "b"}
    assert incumbents([replace(new, source=""), old], [], {}).sources == {"shop/dev": "a"}


def test_what_is_remembered_beats_a_label() -> None:
    """When a tag was first seen: from the store, else from its containers; a store that was lost tells nothing."""
    containers = [replace(OLD, seen=5), replace(NEW, seen=0)]
    memory = StageMemory(instances={"1": InstanceMemory(), "2": InstanceMemory(seen=7)})
    assert incumbents(containers, [], {"shop/dev": memory}).seen == {("shop/dev", "1"): 5, ("shop/dev", "2"): 7}
