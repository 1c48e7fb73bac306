"""The guard: nothing that runs is lost by a failing source or a wrong edit."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.catalog.types import Catalog, Sourced
from tests.core.catalog_documents import NOTHING, RULES, A, B, catalog_of, project, running, serving, stage, tags
from tests.core.guard_setup import LastGood, accepted, deliver, shops, started
from tests.core.test_catalog_properties import DOCUMENTS


async def test_what_is_delivered_is_accepted() -> None:
    """Without anything at stake documents become the catalog as they are."""
    guard = await started(LastGood())
    await deliver(guard, *shops(3))
    assert guard.complete
    assert guard.catalog(RULES, NOTHING) == catalog_of(*shops(3))
    assert guard.holds() == ()


async def test_a_source_that_cannot_be_read_deletes_nothing() -> None:
    """An incomplete delivery leaves the last good documents, and what it did read is taken over."""
    guard, up = await accepted(*shops(3))
    await deliver(guard, complete=False)
    assert set(guard.catalog(RULES, up).stages) == {"shop0/dev", "shop1/dev", "shop2/dev"}
    changed = project("shop1", at="1.yaml", stages=[stage("dev", "2")])
    await deliver(guard, changed, project("new", at="n.yaml", stages=[stage("dev", "1")]), complete=False)
    catalog = guard.catalog(RULES, up)
    assert set(catalog.stages) == {"shop0/dev", "shop1/dev", "shop2/dev", "new/dev"}
    assert tags(catalog, "shop1/dev") == ["2"]
    assert guard.holds() == ()


async def test_a_file_with_errors_keeps_its_last_good_documents() -> None:
    """Only that file: a deletion elsewhere is one, and what moved out of it is taken from its new place."""
    guard, up = await accepted(*shops(3))
    await deliver(guard, shops(1)[0], unread=["1.yaml"])
    assert set(guard.catalog(RULES, up).stages) == {"shop0/dev", "shop1/dev"}
    await deliver(guard, project("shop1", at="z.yaml", stages=[stage("dev", "2")]), shops(1)[0], unread=["1.yaml"])
    catalog = guard.catalog(RULES, up)
    assert tags(catalog, "shop1/dev") == ["2"]
    assert catalog.stages["shop1/dev"].notices == ()


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
    catalog = guard.catalog(RULES, NOTHING)
    assert not guard.complete
    assert (catalog.stages["shop0/dev"].prune, catalog.stage("other/dev").prune) == (False, False)
    await deliver(guard, source=B, complete=False)
    assert not guard.complete
    await deliver(guard, source=B)
    assert guard.complete
    catalog = guard.catalog(RULES, NOTHING)
    assert (catalog.stages["shop0/dev"].prune, catalog.stage("other/dev").prune) == (True, True)


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
    catalog = guard.catalog(RULES, up)
    assert set(catalog.stages) == {f"shop{i}/dev" for i in range(4)}
    (hold,) = guard.holds()
    assert hold.losses == (
        "shop2/dev: 1 would be removed, the stage is no longer declared",
        "shop3/dev: 1 would be removed, the stage is no longer declared",
    )
    assert hold.message.startswith(
        "2 of 4 running instances and 2 of 4 default hostnames would be removed, which is more than "
    )
    assert guard.confirm("0" * 12) is False
    assert guard.holds() == (hold,)
    assert guard.confirm(hold.digest) is True
    assert guard.catalog(RULES, up) == catalog_of(*shops(2), incumbents=up)
    assert guard.holds() == ()


async def test_a_hold_goes_when_the_sources_go_back() -> None:
    """Nothing is left of a mistake that was taken back."""
    guard, up = await accepted(*shops(4))
    await deliver(guard)
    guard.catalog(RULES, up)
    assert guard.holds() != ()
    await deliver(guard, *shops(4))
    assert guard.catalog(RULES, up) == catalog_of(*shops(4), incumbents=up)
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
    catalog = guard.catalog(RULES, up)
    assert [declared.prune for declared in catalog.stages.values()] == [False] * 4
    assert catalog.stage("other/dev").prune is False


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


@pytest.mark.parametrize(("emptied", "held"), [(1, False), (2, False), (3, True)])
async def test_hostnames_that_stay_do_not_hide_how_much_goes(emptied: int, held: bool) -> None:
    """A stage without instances keeps its default hostname; of eight, two are a quarter and three are more."""
    guard, up = await accepted(*shops(8))
    empty = [project(f"shop{i}", stages=[stage("dev")]) for i in range(emptied)]
    await deliver(guard, *empty, *shops(8)[emptied:])
    guard.catalog(RULES, up)
    assert [hold.message.partition(" would be removed")[0] for hold in guard.holds()] == (
        ["3 of 8 running instances"] if held else []
    )


async def test_the_share_is_of_all_stages_together() -> None:
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
    catalog = guard.catalog(moved, up)
    assert catalog.claims == catalog_of(*shops(4)).claims
    (hold,) = guard.holds()
    assert hold.losses[0] == "shop0/dev: nothing would answer at stage-dev-shop0.example.com any more"
    assert guard.confirm(hold.digest)
    assert guard.catalog(moved, up).claims == catalog_of(*shops(4), rules=moved).claims


@given(DOCUMENTS, st.data())
async def test_what_a_failing_source_leaves_out_stays(documents: list[Sourced], data: st.DataObject) -> None:
    """Safety: any part of the documents, delivered as a part, is the same catalog."""
    places = {document.origin.document[1:]: document for document in documents}
    whole = [document for document in places.values() if document.origin.source == A]
    guard, up = await accepted(*whole)
    before = guard.catalog(RULES, up)
    part = [document for document in whole if data.draw(st.booleans())]
    await deliver(guard, *part, complete=False)
    assert guard.catalog(RULES, up) == before


async def test_applying_a_path_never_prunes_other_stages() -> None:
    """Without pruning, stages absent from the path are no loss and are not gone; those in it are as declared."""
    up = serving(catalog_of(*shops(4), project(stages=[stage("dev", "1", "2")])))
    guard = await started(LastGood(), B, prune=False)
    await deliver(guard, project(source=B, stages=[stage("dev", "2")]), source=B)
    catalog: Catalog = guard.catalog(RULES, up)
    assert guard.holds() == ()
    assert (catalog.stage("shop0/dev").prune, catalog.stages["shop/dev"].prune) == (False, True)


async def test_what_was_deleted_on_purpose_goes_without_asking() -> None:
    """Each deletion is told once, and counts until the stages are gone, also in a source that is not read whole."""
    guard, up = await accepted(*shops(4))
    await deliver(guard, *shops(4)[1:], deleted=shops(1))
    await deliver(guard, complete=False, deleted=shops(4)[1:3])
    assert set(guard.catalog(RULES, up).stages) == {"shop3/dev"}
    assert guard.holds() == ()
    await deliver(guard)
    assert set(guard.catalog(RULES, up).stages) == set()
    assert guard.holds() == ()


async def test_a_deletion_counts_while_another_change_is_held() -> None:
    """It is told once; what it deleted is not counted in what waits, and not when that is taken back either."""
    guard, up = await accepted(*shops(6))
    await deliver(guard, *shops(2), deleted=shops(4)[2:])
    for _ in range(2):
        guard.catalog(RULES, up)
        assert len(guard.holds()[0].losses) == 2
        await deliver(guard, *shops(2))
    await deliver(guard, *shops(2), *shops(6)[4:])
    assert len(guard.catalog(RULES, up).stages) == 4
    assert guard.holds() == ()


async def test_what_is_declared_again_is_no_longer_deleted() -> None:
    """A later loss of it is one like any other."""
    guard, up = await accepted(*shops(4))
    await deliver(guard, deleted=shops(4))
    await deliver(guard, *shops(4))
    await deliver(guard)
    assert len(guard.catalog(RULES, up).stages) == 4
    assert len(guard.holds()[0].losses) == 4


async def test_lines_do_not_matter() -> None:
    """A comment above a document is no other set: a confirmation holds, and origins show the new line."""
    guard, up = await accepted(*shops(4))
    await deliver(guard, *shops(2))
    guard.catalog(RULES, up)
    digest = guard.holds()[0].digest
    await deliver(guard, *(replace(document, origin=replace(document.origin, line=7)) for document in shops(2)))
    guard.catalog(RULES, up)
    assert guard.holds()[0].digest == digest
    assert guard.confirm(digest)
    assert guard.catalog(RULES, up).stages["shop0/dev"].origin.line == 7
