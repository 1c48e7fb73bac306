"""The guard over restarts: a lost store, sources that are late, sources that the settings dropped."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.catalog.types import Sourced
from tests.core.catalog_documents import (
    NOTHING,
    RULES,
    A,
    B,
    catalog_of,
    of_source,
    project,
    request,
    serving,
    stage,
    tags,
)
from tests.core.guard_setup import LastGood, accepted, deliver, shops, started
from tests.core.test_catalog_properties import DOCUMENTS


async def test_another_domain_after_a_restart_waits() -> None:
    """The old settings are not known any more, so the stages are left alone as they are routed."""
    store = LastGood()
    _, up = await accepted(*shops(4), store=store)
    moved = replace(RULES, domain="example.org")
    guard = await started(store)
    await deliver(guard, *shops(4))
    catalog = guard.catalog(moved, up)
    assert [declared.suspend for declared in catalog.stages.values()] == [True] * 4
    assert guard.confirm(guard.holds()[0].digest)
    assert [declared.suspend for declared in guard.catalog(moved, up).stages.values()] == [False] * 4


async def test_another_domain_waits_without_a_store_and_before_all_was_heard() -> None:
    """A look at the catalog before the first delivery does not make the new settings the known ones."""
    up = serving(catalog_of(*shops(4)))
    moved = replace(RULES, domain="example.org")
    guard = await started(LastGood(), A, B)
    guard.catalog(moved, up)
    await deliver(guard, source=B)
    await deliver(guard, *shops(4))
    catalog = guard.catalog(moved, up)
    assert len(guard.holds()[0].losses) == 8
    assert [declared.suspend for declared in catalog.stages.values()] == [True] * 4


async def test_a_held_change_stops_no_stage_whose_routes_stay() -> None:
    """After a restart a leftover hostname of a tag that was replaced is no reason to leave its stage alone."""
    store = LastGood()
    _, up = await accepted(*shops(4), store=store)
    up = replace(up, hostnames={**up.hostnames, "stage-dev-shop0-0.example.com": ("shop0/dev", "0")})
    guard = await started(store)
    await deliver(guard)
    assert [declared.suspend for declared in guard.catalog(RULES, up).stages.values()] == [False] * 4
    assert len(guard.holds()[0].losses) == 4


async def test_what_was_restored_once_is_not_restored_again() -> None:
    """The first look is tried until it succeeds: what was delivered and allowed meanwhile stays so."""
    store = LastGood()
    _, up = await accepted(*shops(4), store=store)
    guard = await started(store)
    await deliver(guard, *shops(1))
    guard.catalog(RULES, up)
    assert guard.confirm(guard.holds()[0].digest)
    guard.catalog(RULES, up)
    await guard.keep()
    await guard.restore()
    await deliver(guard, complete=False)
    catalog = guard.catalog(RULES, up)
    assert guard.complete
    assert catalog.prune
    assert list(catalog.stages) == ["shop0/dev"]
    assert not guard.holds()


async def test_a_silent_source_does_not_switch_the_guard_off() -> None:
    """A mass deletion in one source waits although another was never heard."""
    store = LastGood()
    _, up = await accepted(*shops(4), store=store)
    guard = await started(store, A, B)
    await deliver(guard, *shops(1))
    assert len(guard.catalog(RULES, up).stages) == 4
    assert len(guard.holds()[0].losses) == 3


async def test_a_restart_holds_nothing_back_by_itself() -> None:
    """With or without the store, unchanged documents are accepted, also in the middle of a replacement."""
    documents = [project(stages=[stage("dev", "1", "2", "3")]), *shops(3), request("4")]
    store = LastGood()
    _, up = await accepted(*documents, store=store)
    halfway = replace(up, running={**up.running, "shop/dev": frozenset({"0", "00", "2", "4"})})
    older = {f"stage-dev-shop-{tag}.example.com": ("shop/dev", tag) for tag in ("0", "00")}
    for memory in (store, LastGood()):
        guard = await started(memory, percent=0)
        await deliver(guard, *documents)
        catalog = guard.catalog(RULES, replace(halfway, hostnames={**up.hostnames, **older}))
        assert guard.holds() == ()
        assert tags(catalog) == ["1", "2", "3", "4"]


@pytest.mark.parametrize("lost", [False, True])
async def test_a_mass_deletion_over_a_restart_waits(lost: bool) -> None:
    """What runs is enough to know what would be lost, also when the store is gone."""
    store = LastGood()
    _, up = await accepted(*shops(4), store=store)
    guard = await started(LastGood() if lost else store)
    await deliver(guard, *shops(1))
    catalog = guard.catalog(RULES, up)
    (hold,) = guard.holds()
    assert len(hold.losses) == 3
    assert catalog.stage("shop3/dev").prune is False
    assert "shop0/dev" in catalog.stages
    assert guard.confirm(hold.digest)
    catalog = guard.catalog(RULES, up)
    assert (set(catalog.stages), catalog.stage("shop3/dev").prune) == ({"shop0/dev"}, True)


async def test_the_last_good_documents_outlive_the_controller() -> None:
    """After a restart with an unreachable source the stored documents are the catalog; held ones were not stored."""
    store = LastGood()
    guard, up = await accepted(*shops(4), store=store)
    await deliver(guard)
    guard.catalog(RULES, up)
    await guard.keep()
    guard = await started(store)
    await deliver(guard, complete=False)
    assert set(guard.catalog(RULES, up).stages) == {f"shop{i}/dev" for i in range(4)}


async def test_the_store_is_written_only_when_something_changed() -> None:
    """Resyncs cost no writes."""
    store = LastGood()
    guard, up = await accepted(*shops(2), store=store)
    for _ in range(3):
        await deliver(guard, *shops(2))
        guard.catalog(RULES, up)
        await guard.keep()
    assert store.writes == 1


async def test_a_dropped_source_needs_a_confirmation() -> None:
    """What only a source declared that the settings no longer name stays until somebody allows it; the rest goes on."""
    up = serving(catalog_of(*shops(2), project("old", source=B, stages=[stage("dev", "1")])))
    guard = await started(LastGood(), A)
    await deliver(guard, *shops(2, "2"))
    catalog = guard.catalog(RULES, up)
    assert [catalog.stage(key).prune for key in ("old/dev", "older/dev", "shop0/dev")] == [
        False,
        True,
        True,
    ]
    assert tags(catalog, "shop0/dev") == ["2"]
    assert B in guard.holds()[0].message
    assert guard.holds()[0].losses == ("old/dev: 1 would be removed, the stage is no longer declared",)
    await deliver(guard, *shops(1, "2"))
    catalog = guard.catalog(RULES, up)
    assert (set(catalog.stages), catalog.stage("old/dev").prune) == ({"shop0/dev"}, False)
    assert guard.confirm(guard.holds()[0].digest)
    assert guard.catalog(RULES, up).stage("old/dev").prune is True
    await deliver(guard, *shops(1, "3"))
    assert guard.catalog(RULES, up).stage("old/dev").prune is True
    assert guard.holds() == ()


async def test_a_dropped_source_does_not_add_to_a_change_of_others() -> None:
    """What is spared is not lost: two of ten stages may still go."""
    store = LastGood()
    await accepted(*shops(10), store=store)
    domains = [f"{i}.example.org" for i in range(40)]
    up = serving(catalog_of(*shops(10), project("old", source=B, stages=[stage("dev", "1", domains=domains)])))
    guard = await started(store, A)
    await deliver(guard, *shops(8))
    assert len(guard.catalog(RULES, up).stages) == 8
    assert guard.holds()[0].losses == ("old/dev: 1 would be removed, the stage is no longer declared",)


async def test_requests_of_a_dropped_source_need_a_confirmation() -> None:
    """The stage stays declared, its requested instance does not: that is a loss by the dropped source."""
    store = LastGood()
    mine = [project(stages=[stage("dev", "1")]), *shops(9)]
    _, up = await accepted(*mine, store=store)
    both = {**up.running, "shop/dev": frozenset({"1", "2"})}
    up = replace(up, running=both, sources={**up.sources, "shop/dev": B})
    guard = await started(store, A)
    await deliver(guard, *mine)
    for _ in range(2):
        catalog = guard.catalog(RULES, up)
        assert guard.holds()[0].losses == ("shop/dev: 2 would be removed, it is no longer declared",)
        assert (catalog.stages["shop/dev"].prune, catalog.stages["shop0/dev"].prune) == (False, True)


async def test_a_renamed_source_is_not_a_dropped_one() -> None:
    """What the new one declares as well stays by its word; containers carry the old name for long."""
    up = serving(catalog_of(*(of_source(document, B) for document in shops(4))))
    guard = await started(LastGood(), A)
    await deliver(guard, *shops(4))
    assert guard.catalog(RULES, up) == catalog_of(*shops(4), incumbents=up)
    await deliver(guard, *shops(3))
    assert guard.catalog(RULES, up).stage("shop3/dev").prune is True
    assert guard.holds() == ()


@given(DOCUMENTS, DOCUMENTS, st.booleans())
async def test_no_change_takes_more_than_it_may(old: list[Sourced], new: list[Sourced], restarted: bool) -> None:
    """Safety: whatever is written next, what is pruned without being asked is one instance or at most a quarter."""
    store = LastGood()
    guard, up = await accepted(*(of_source(document, A) for document in old), store=store)
    if restarted:
        guard = await started(store)
    await deliver(guard, *(of_source(document, A) for document in new))
    catalog = guard.catalog(RULES, up)
    if catalog.prune:
        declared = {key: len(stage.instances) for key, stage in catalog.stages.items()}
        before = catalog_of(*(of_source(document, A) for document in old), incumbents=up).stages
        room = {key: stage.max_instances or len(stage.instances) for key, stage in before.items()}
        # What is beyond maxInstances goes anyway.
        kept = {key: min(len(tags), room.get(key, len(tags))) for key, tags in up.running.items()}
        lost = sum(max(0, count - declared.get(key, 0)) for key, count in kept.items())
        assert lost <= 1 or lost <= 0.25 * 2 * sum(len(tags) for tags in up.running.values())


async def test_a_source_that_was_not_heard_yet_keeps_what_runs_by_it() -> None:
    """Store lost and one source away: its stages are neither gone, nor taken over by a twin, nor is a hostname."""
    theirs = project("shop", source=B, stages=[stage("dev", "1")])
    domain = project("blog", source=B, stages=[stage("dev", "1", domains=["www.example.org"])])
    up = serving(catalog_of(theirs, domain))
    twin = project("shop", source=A, stages=[stage("dev", "2")])
    taker = project("taker", source=A, stages=[stage("dev", "1", domains=["www.example.org"])])
    guard = await started(LastGood(), A, B)
    await deliver(guard, twin, taker)
    catalog = guard.catalog(RULES, up)
    assert guard.holds() == ()
    assert (catalog.stages["shop/dev"].suspend, catalog.stages["taker/dev"].suspend) == (True, True)
    assert catalog.stage("blog/dev").prune is False
    await deliver(guard, theirs, domain, source=B)
    catalog = guard.catalog(RULES, up)
    assert (tags(catalog), catalog.stages["shop/dev"].suspend) == (["1"], False)
    assert catalog.claims["www.example.org"] == "blog/dev"


async def test_a_late_source_that_comes_back_smaller_is_held() -> None:
    """What its absence hid is counted once it delivers, although the other documents did not change."""
    up = serving(catalog_of(*shops(2), *(project(f"b{i}", source=B, stages=[stage("dev", "1")]) for i in range(3))))
    guard = await started(LastGood(), A, B)
    await deliver(guard, *shops(2))
    guard.catalog(RULES, up)
    assert guard.holds() == ()
    await deliver(guard, source=B)
    catalog = guard.catalog(RULES, up)
    assert len(guard.holds()[0].losses) == 3
    assert catalog.stage("b0/dev").prune is False


async def test_part_of_a_silent_source_is_not_its_last_good() -> None:
    """What an unfinished first delivery brought is acted on but not remembered as everything."""
    store = LastGood()
    guard = await started(store)
    await deliver(guard, *shops(1), complete=False)
    assert set(guard.catalog(RULES, NOTHING).stages) == {"shop0/dev"}
    await guard.keep()
    assert store.documents == {}


async def test_an_unreadable_file_is_no_deletion_when_its_last_good_documents_are_lost() -> None:
    """Safety: with a lost store a broken file may hold anything that runs: nothing is pruned until it is read."""
    _, up = await accepted(*shops(2), store=LastGood())
    guard = await started(LastGood())
    await deliver(guard, shops(2)[0], unread=["1.yaml"])
    catalog = guard.catalog(RULES, up)
    assert (guard.complete, catalog.stage("shop1/dev").prune) == (False, False)
    await deliver(guard, *shops(2))
    assert (guard.complete, guard.catalog(RULES, up).prune) == (True, True)


async def test_an_unreadable_file_holds_up_nothing_where_nothing_runs() -> None:
    """On a fresh machine a broken file cannot have declared anything that runs."""
    guard = await started(LastGood())
    await deliver(guard, shops(2)[0], unread=["1.yaml"])
    assert guard.catalog(RULES, NOTHING).prune
    assert guard.complete
