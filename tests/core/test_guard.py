"""The guard: nothing that runs is lost by a failing source, a wrong edit or a lost memory."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core import catalog
from controller.core.catalog_types import Catalog, Incumbents, Sourced
from controller.core.desired import StageKey
from controller.core.memory import StageMemory
from controller.core.status import StageStatus, Transition
from controller.guard import Guard
from controller.interfaces import Delivery
from tests.core.catalog_documents import NOTHING, RULES, A, B, build, project, request, running, serving, stage, tags
from tests.core.test_catalog_properties import DOCUMENTS


class LastGood:
    """A store that only knows last good documents; what it holds outlives the guard."""

    def __init__(self) -> None:
        self.documents: dict[str, tuple[Sourced, ...]] = {}
        self.writes = 0

    async def last_good(self, source: str) -> tuple[Sourced, ...] | None:
        return self.documents.get(source)

    async def keep_good(self, source: str, documents: Sequence[Sourced]) -> None:
        self.documents[source] = tuple(documents)
        self.writes += 1

    async def memory(self, stage: StageKey) -> StageMemory:
        raise NotImplementedError

    async def record(self, stage: StageKey, memory: StageMemory, transitions: Sequence[Transition], now: float) -> None:
        raise NotImplementedError

    async def report(self, status: StageStatus) -> None:
        raise NotImplementedError

    async def forget(self, stage: StageKey) -> None:
        raise NotImplementedError


def shops(count: int, *listed: str) -> list[Sourced]:
    """Projects shop0, shop1 … with one stage each, each in a file of its own."""
    return [project(f"shop{i}", at=f"{i}.yaml", stages=[stage("dev", *(listed or ("1",)))]) for i in range(count)]


async def started(
    store: LastGood, *sources: str, percent: float = 25, prune: bool = True, restore: bool = True
) -> Guard:
    """A guard as after a start of the controller."""
    guard = Guard(store, sources or (A,), percent, prune)
    if restore:
        await guard.restore()
    return guard


async def deliver(
    guard: Guard, *documents: Sourced, source: str = A, unread: Sequence[str] = (), complete: bool = True
) -> None:
    """One delivery of a source."""
    await guard.deliver(Delivery(source, documents, complete=complete, unread=tuple(unread)))


async def accepted(*documents: Sourced, percent: float = 25, store: LastGood | None = None) -> tuple[Guard, Incumbents]:
    """A guard that accepted these documents, and everything of them runs."""
    guard = await started(store or LastGood(), percent=percent)
    await deliver(guard, *documents)
    up = serving(guard.catalog(RULES, NOTHING))
    await guard.keep()
    return guard, up


async def test_what_is_delivered_is_accepted() -> None:
    """Without anything at stake documents become the catalog as they are."""
    guard = await started(LastGood())
    await deliver(guard, *shops(3))
    assert guard.complete
    assert guard.catalog(RULES, NOTHING) == build(*shops(3))
    assert guard.holds() == ()


async def test_a_source_that_cannot_be_read_deletes_nothing() -> None:
    """An incomplete delivery leaves the last good documents, and what it did read is taken over."""
    guard, up = await accepted(*shops(3))
    await deliver(guard, complete=False)
    assert set(guard.catalog(RULES, up).stages) == {"shop0/dev", "shop1/dev", "shop2/dev"}
    changed = project("shop1", at="1.yaml", stages=[stage("dev", "2")])
    await deliver(guard, changed, project("new", at="n.yaml", stages=[stage("dev", "1")]), complete=False)
    found = guard.catalog(RULES, up)
    assert set(found.stages) == {"shop0/dev", "shop1/dev", "shop2/dev", "new/dev"}
    assert tags(found, "shop1/dev") == ["2"]
    assert guard.holds() == ()


async def test_a_file_with_errors_keeps_its_last_good_documents() -> None:
    """Only that file: a deletion elsewhere is one, and what moved out of it is taken from its new place."""
    guard, up = await accepted(*shops(3))
    await deliver(guard, shops(1)[0], unread=["1.yaml"])
    assert set(guard.catalog(RULES, up).stages) == {"shop0/dev", "shop1/dev"}
    await deliver(guard, project("shop1", at="z.yaml", stages=[stage("dev", "2")]), shops(1)[0], unread=["1.yaml"])
    found = guard.catalog(RULES, up)
    assert tags(found, "shop1/dev") == ["2"]
    assert found.stages["shop1/dev"].notices == ()


async def test_an_error_in_a_file_does_not_hand_its_project_to_a_duplicate() -> None:
    """The refused second document of a name stays refused while the first cannot be read."""
    twins = [project(at="a.yaml", stages=[stage("dev", "1")]), project(at="b.yaml", stages=[stage("dev", "2")])]
    guard, up = await accepted(*twins)
    await deliver(guard, twins[1], unread=["a.yaml"])
    assert tags(guard.catalog(RULES, up)) == ["1"]


async def test_nothing_is_pruned_until_every_source_delivered() -> None:
    """Stages and instances that are missing are left alone as long as one source was not heard."""
    guard = await started(LastGood(), A, B)
    await deliver(guard, *shops(1))
    found = guard.catalog(RULES, NOTHING)
    assert not guard.complete
    assert (found.stages["shop0/dev"].prune, catalog.stage(found, "other/dev").prune) == (False, False)
    await deliver(guard, source=B, complete=False)
    assert not guard.complete
    await deliver(guard, source=B)
    assert guard.complete
    found = guard.catalog(RULES, NOTHING)
    assert (found.stages["shop0/dev"].prune, catalog.stage(found, "other/dev").prune) == (True, True)


async def test_a_source_of_unknown_name_is_a_mistake() -> None:
    """Documents nobody asked for are not mixed in."""
    guard = await started(LastGood())
    with pytest.raises(KeyError):
        await deliver(guard, source="files:./elsewhere")


async def test_one_stage_may_go_without_asking() -> None:
    """One thing is not more than one, though it is half of what runs and its hostname goes with it."""
    guard, up = await accepted(*shops(2))
    await deliver(guard, *shops(1))
    assert set(guard.catalog(RULES, up).stages) == {"shop0/dev"}
    assert guard.holds() == ()


async def test_a_mass_deletion_waits_for_its_confirmation() -> None:
    """More than one and more than a quarter: the last good stays until exactly this set is confirmed."""
    guard, up = await accepted(*shops(4))
    await deliver(guard, *shops(2))
    found = guard.catalog(RULES, up)
    assert set(found.stages) == {f"shop{i}/dev" for i in range(4)}
    (hold,) = guard.holds()
    assert hold.losses == (
        "shop2/dev: 1 would go, the stage is no longer declared",
        "shop3/dev: 1 would go, the stage is no longer declared",
    )
    assert "4 of 8" in hold.message
    assert guard.confirm("0" * 12) is False
    assert guard.holds() == (hold,)
    assert guard.confirm(hold.digest) is True
    assert guard.catalog(RULES, up) == build(*shops(2), incumbents=up)
    assert guard.holds() == ()


async def test_a_hold_goes_when_the_sources_go_back() -> None:
    """Nothing is left of a mistake that was taken back."""
    guard, up = await accepted(*shops(4))
    await deliver(guard)
    guard.catalog(RULES, up)
    assert guard.holds() != ()
    await deliver(guard, *shops(4))
    assert guard.catalog(RULES, up) == build(*shops(4), incumbents=up)
    assert guard.holds() == ()


async def test_an_edit_after_the_confirmation_needs_another() -> None:
    """A confirmation is for one set; going back to that set later does not revive it."""
    guard, up = await accepted(*shops(4))
    await deliver(guard, *shops(2))
    guard.catalog(RULES, up)
    (first,) = guard.holds()
    assert guard.confirm(first.digest)
    await deliver(guard, *shops(1))
    assert len(guard.catalog(RULES, up).stages) == 4
    (second,) = guard.holds()
    assert second.digest != first.digest
    await deliver(guard, *shops(2))
    assert len(guard.catalog(RULES, up).stages) == 4
    assert [hold.digest for hold in guard.holds()] == [first.digest]


async def test_nothing_is_pruned_while_a_change_is_held() -> None:
    """The last good documents say what runs; what they do not name is left alone as well."""
    guard, up = await accepted(*shops(4))
    await deliver(guard)
    found = guard.catalog(RULES, up)
    assert [item.prune for item in found.stages.values()] == [False] * 4
    assert catalog.stage(found, "other/dev").prune is False


@pytest.mark.parametrize(
    ("before", "after", "held"),
    [
        (stage("dev", "1", "2", "3", "4"), stage("dev", "3", "4"), True),
        (stage("dev", "1", "2", "3", "4"), stage("dev", "4"), True),
        (stage("dev", "1", "2", "3", "4"), stage("dev"), True),
        (stage("dev", "1", "2", "3", "4"), stage("dev", "2", "3", "4"), False),
        (stage("dev", "1", "2", "3", "4"), stage("dev", "5", "6", "7", "8"), False),
        (stage("dev", "1", "2", "3", "4"), stage("dev", "1", "2", "3", "4", maxInstances=1), False),
        (stage("dev", "1", "2", "3", "4", maxInstances=2), stage("dev", "3", "4"), False),
        (stage("dev", "1"), stage("dev"), False),
        (stage("dev", "1", "2", "3", "4", host="home-1"), stage("dev", "1", "2", "3", "4", host="home-2"), True),
    ],
)
async def test_only_a_net_loss_of_running_instances_counts(
    before: dict[str, object], after: dict[str, object], held: bool
) -> None:
    """A replaced tag and one beyond maxInstances are no loss; a stage that moves to another host is one."""
    guard, up = await accepted(project(stages=[before]))
    await deliver(guard, project(stages=[after]))
    guard.catalog(RULES, up)
    assert bool(guard.holds()) is held


async def test_what_never_ran_is_no_loss() -> None:
    """Declared instances without a container that passed may go."""
    guard, _ = await accepted(*shops(4))
    await deliver(guard)
    assert guard.catalog(RULES, running({"shop0/dev": ["1"]})).stages == {}


async def test_the_share_counts_everything_together() -> None:
    """Two of ten stages go, three do not; at a hundred per cent everything does."""
    guard, up = await accepted(*shops(10))
    await deliver(guard, *shops(8))
    assert len(guard.catalog(RULES, up).stages) == 8
    guard, up = await accepted(*shops(10))
    await deliver(guard, *shops(7))
    assert len(guard.catalog(RULES, up).stages) == 10
    guard, up = await accepted(*shops(10), percent=100)
    await deliver(guard)
    assert len(guard.catalog(RULES, up).stages) == 0


async def test_a_loss_that_was_accepted_is_not_counted_again() -> None:
    """While confirmed ones are still on their way out, the next small edit is a small edit."""
    guard, up = await accepted(*shops(4))
    await deliver(guard, *shops(2))
    guard.catalog(RULES, up)
    assert guard.confirm(guard.holds()[0].digest)
    guard.catalog(RULES, up)
    await deliver(guard, *shops(2, "1", "2"))
    assert tags(guard.catalog(RULES, up), "shop0/dev") == ["1", "2"]
    assert guard.holds() == ()


async def test_an_accepted_eviction_is_not_counted_again() -> None:
    """What is beyond maxInstances still runs for a while; to declare the rest of it away is no loss."""
    guard, up = await accepted(project(stages=[stage("dev", "1", "2", "3", "4")]))
    await deliver(guard, project(stages=[stage("dev", "1", "2", "3", "4", maxInstances=2)]))
    guard.catalog(RULES, up)
    await deliver(guard, project(stages=[stage("dev", "3", "4", maxInstances=2)]))
    assert tags(guard.catalog(RULES, up)) == ["3", "4"]
    assert guard.holds() == ()


async def test_routes_that_an_accepted_change_gave_up_are_not_counted() -> None:
    """Without tagRoutes their hostnames go one by one; the next edit does not wait for that."""
    listed = ("1", "2", "3", "4", "5")
    guard, up = await accepted(project(stages=[stage("dev", *listed)]), percent=0)
    for drain in ("1s", "2s"):
        await deliver(guard, project(stages=[stage("dev", *listed, tagRoutes=False, drain=drain)]))
        assert guard.catalog(RULES, up).stages["shop/dev"].drain == float(drain[:-1])
        assert guard.holds() == ()


async def test_what_is_held_over_counts_for_its_successor() -> None:
    """An old tag that serves until the new one passes is the stage's running instance."""
    guard, up = await accepted(*shops(4))
    await deliver(guard, *shops(4, "2"))
    guard.catalog(RULES, up)
    assert guard.holds() == ()
    await deliver(guard, *(project(f"shop{i}", at=f"{i}.yaml", stages=[stage("dev")]) for i in range(4)))
    guard.catalog(RULES, up)
    assert len(guard.holds()[0].losses) == 4


async def test_another_domain_waits() -> None:
    """The settings changed under a running guard: routes stay as they were until it is confirmed."""
    guard, up = await accepted(*shops(4))
    moved = replace(RULES, domain="example.org")
    found = guard.catalog(moved, up)
    assert found.claims == build(*shops(4)).claims
    (hold,) = guard.holds()
    assert hold.losses[0] == "shop0/dev: nothing would answer at stage-dev-shop0.example.com any more"
    assert guard.confirm(hold.digest)
    assert guard.catalog(moved, up).claims == build(*shops(4), rules=moved).claims


async def test_another_domain_after_a_restart_waits() -> None:
    """The old settings are not known any more, so the stages are left alone as they are routed."""
    store = LastGood()
    _, up = await accepted(*shops(4), store=store)
    moved = replace(RULES, domain="example.org")
    guard = await started(store)
    await deliver(guard, *shops(4))
    found = guard.catalog(moved, up)
    assert [item.suspend for item in found.stages.values()] == [True] * 4
    assert guard.confirm(guard.holds()[0].digest)
    assert [item.suspend for item in guard.catalog(moved, up).stages.values()] == [False] * 4


async def test_another_domain_waits_without_a_store_and_before_all_was_heard() -> None:
    """A look at the catalog before the first delivery does not make the new settings the known ones."""
    up = serving(build(*shops(4)))
    moved = replace(RULES, domain="example.org")
    guard = await started(LastGood(), A, B)
    guard.catalog(moved, up)
    await deliver(guard, source=B)
    await deliver(guard, *shops(4))
    found = guard.catalog(moved, up)
    assert len(guard.holds()[0].losses) == 8
    assert [item.suspend for item in found.stages.values()] == [True] * 4


async def test_a_held_change_stops_no_stage_whose_routes_stay() -> None:
    """After a restart a leftover hostname of a tag that was replaced is no reason to leave its stage alone."""
    store = LastGood()
    _, up = await accepted(*shops(4), store=store)
    up = replace(up, hostnames={**up.hostnames, "stage-dev-shop0-0.example.com": ("shop0/dev", "0")})
    guard = await started(store)
    await deliver(guard)
    assert [item.suspend for item in guard.catalog(RULES, up).stages.values()] == [False] * 4
    assert len(guard.holds()[0].losses) == 4


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
        found = guard.catalog(RULES, replace(halfway, hostnames={**up.hostnames, **older}))
        assert guard.holds() == ()
        assert tags(found) == ["1", "2", "3", "4"]


@pytest.mark.parametrize("lost", [False, True])
async def test_a_mass_deletion_over_a_restart_waits(lost: bool) -> None:
    """What runs is enough to know what would be lost, also when the store is gone."""
    store = LastGood()
    _, up = await accepted(*shops(4), store=store)
    guard = await started(LastGood() if lost else store)
    await deliver(guard, *shops(1))
    found = guard.catalog(RULES, up)
    (hold,) = guard.holds()
    assert len(hold.losses) == 3
    assert catalog.stage(found, "shop3/dev").prune is False
    assert "shop0/dev" in found.stages
    assert guard.confirm(hold.digest)
    found = guard.catalog(RULES, up)
    assert (set(found.stages), catalog.stage(found, "shop3/dev").prune) == ({"shop0/dev"}, True)


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
    up = serving(build(*shops(2), project("old", source=B, stages=[stage("dev", "1")])))
    guard = await started(LastGood(), A)
    await deliver(guard, *shops(2, "2"))
    found = guard.catalog(RULES, up)
    assert [catalog.stage(found, key).prune for key in ("old/dev", "older/dev", "shop0/dev")] == [False, True, True]
    assert tags(found, "shop0/dev") == ["2"]
    assert B in guard.holds()[0].message
    assert guard.holds()[0].losses == ("old/dev: 1 would go, the stage is no longer declared",)
    await deliver(guard, *shops(1, "2"))
    found = guard.catalog(RULES, up)
    assert (set(found.stages), catalog.stage(found, "old/dev").prune) == ({"shop0/dev"}, False)
    assert guard.confirm(guard.holds()[0].digest)
    assert catalog.stage(guard.catalog(RULES, up), "old/dev").prune is True
    await deliver(guard, *shops(1, "3"))
    assert catalog.stage(guard.catalog(RULES, up), "old/dev").prune is True
    assert guard.holds() == ()


async def test_a_dropped_source_does_not_add_to_a_change_of_others() -> None:
    """What is spared is not lost: two of ten stages may still go."""
    store = LastGood()
    await accepted(*shops(10), store=store)
    domains = [f"{i}.example.org" for i in range(40)]
    up = serving(build(*shops(10), project("old", source=B, stages=[stage("dev", "1", domains=domains)])))
    guard = await started(store, A)
    await deliver(guard, *shops(8))
    assert len(guard.catalog(RULES, up).stages) == 8
    assert guard.holds()[0].losses == ("old/dev: 1 would go, the stage is no longer declared",)


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
        found = guard.catalog(RULES, up)
        assert guard.holds()[0].losses == ("shop/dev: 2 would go, it is no longer declared",)
        assert (found.stages["shop/dev"].prune, found.stages["shop0/dev"].prune) == (False, True)


async def test_a_renamed_source_is_not_a_dropped_one() -> None:
    """What the new one declares as well stays by its word; containers carry the old name for long."""
    up = serving(build(*(replace(item, source=B) for item in shops(4))))
    guard = await started(LastGood(), A)
    await deliver(guard, *shops(4))
    assert guard.catalog(RULES, up) == build(*shops(4), incumbents=up)
    await deliver(guard, *shops(3))
    assert catalog.stage(guard.catalog(RULES, up), "shop3/dev").prune is True
    assert guard.holds() == ()


@given(DOCUMENTS, st.data())
async def test_what_a_failing_source_leaves_out_stays(documents: list[Sourced], data: st.DataObject) -> None:
    """Safety: any part of the documents, delivered as a part, is the same catalog."""
    places = {(item.document.kind, item.document.metadata.name, item.path): item for item in documents}
    whole = [item for item in places.values() if item.source == A]
    guard, up = await accepted(*whole)
    before = guard.catalog(RULES, up)
    part = [item for item in whole if data.draw(st.booleans())]
    await deliver(guard, *part, complete=False)
    assert guard.catalog(RULES, up) == before


@given(DOCUMENTS, DOCUMENTS, st.booleans())
async def test_no_change_takes_more_than_it_may(old: list[Sourced], new: list[Sourced], restarted: bool) -> None:
    """Safety: whatever is written next, what is pruned without being asked is one instance or at most a quarter."""
    store = LastGood()
    guard, up = await accepted(*(replace(item, source=A) for item in old), store=store)
    if restarted:
        guard = await started(store)
    await deliver(guard, *(replace(item, source=A) for item in new))
    found = guard.catalog(RULES, up)
    if found.prune:
        declared = {key: len(item.instances) for key, item in found.stages.items()}
        lost = sum(max(0, len(tags) - declared.get(key, 0)) for key, tags in up.running.items())
        assert lost <= 1 or lost <= 0.25 * 2 * sum(len(tags) for tags in up.running.values())


async def test_a_source_that_was_not_heard_yet_keeps_what_runs_by_it() -> None:
    """Store lost and one source away: its stages are neither gone, nor taken over by a twin, nor is a hostname."""
    theirs = project("shop", source=B, stages=[stage("dev", "1")])
    domain = project("blog", source=B, stages=[stage("dev", "1", domains=["www.example.org"])])
    up = serving(build(theirs, domain))
    twin = project("shop", source=A, stages=[stage("dev", "2")])
    taker = project("taker", source=A, stages=[stage("dev", "1", domains=["www.example.org"])])
    guard = await started(LastGood(), A, B)
    await deliver(guard, twin, taker)
    found = guard.catalog(RULES, up)
    assert guard.holds() == ()
    assert (found.stages["shop/dev"].suspend, found.stages["taker/dev"].suspend) == (True, True)
    assert catalog.stage(found, "blog/dev").prune is False
    await deliver(guard, theirs, domain, source=B)
    found = guard.catalog(RULES, up)
    assert (tags(found), found.stages["shop/dev"].suspend) == (["1"], False)
    assert found.claims["www.example.org"] == "blog/dev"


async def test_a_late_source_that_comes_back_smaller_is_held() -> None:
    """What its absence hid is counted once it delivers, although the other documents did not change."""
    up = serving(build(*shops(2), *(project(f"b{i}", source=B, stages=[stage("dev", "1")]) for i in range(3))))
    guard = await started(LastGood(), A, B)
    await deliver(guard, *shops(2))
    guard.catalog(RULES, up)
    assert guard.holds() == ()
    await deliver(guard, source=B)
    found = guard.catalog(RULES, up)
    assert len(guard.holds()[0].losses) == 3
    assert catalog.stage(found, "b0/dev").prune is False


async def test_part_of_a_silent_source_is_not_its_last_good() -> None:
    """What an unfinished first delivery brought is acted on but not remembered as everything."""
    store = LastGood()
    guard = await started(store)
    await deliver(guard, *shops(1), complete=False)
    assert set(guard.catalog(RULES, NOTHING).stages) == {"shop0/dev"}
    await guard.keep()
    assert store.documents == {}


async def test_applying_a_path_never_prunes_other_stages() -> None:
    """Without pruning, stages absent from the path are no loss and are not gone; those in it are as declared."""
    up = serving(build(*shops(4), project(stages=[stage("dev", "1", "2")])))
    guard = await started(LastGood(), B, prune=False)
    await deliver(guard, project(source=B, stages=[stage("dev", "2")]), source=B)
    found: Catalog = guard.catalog(RULES, up)
    assert guard.holds() == ()
    assert (catalog.stage(found, "shop0/dev").prune, found.stages["shop/dev"].prune) == (False, True)


async def test_lines_do_not_matter() -> None:
    """A comment above a document is no other set: a confirmation holds, and origins show the new line."""
    guard, up = await accepted(*shops(4))
    await deliver(guard, *shops(2))
    guard.catalog(RULES, up)
    digest = guard.holds()[0].digest
    await deliver(guard, *(replace(item, line=7) for item in shops(2)))
    guard.catalog(RULES, up)
    assert guard.holds()[0].digest == digest
    assert guard.confirm(digest)
    assert guard.catalog(RULES, up).stages["shop0/dev"].origin.line == 7
