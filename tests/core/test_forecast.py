"""What a plan foresees: the real plan played forward over worlds that were themselves played into being."""

from dataclasses import replace
from typing import Any

import pytest

from controller.core.forecast import simulate
from controller.core.forecast.forecast import fingerprint, forecast
from controller.core.forecast.types import Change, StageForecast
from controller.core.model.decision import Rules
from controller.core.model.desired import (
    Check,
    DesiredInstance,
    DesiredStage,
    Env,
    Notice,
    Origin,
    PreDeployStep,
    SecretRef,
    Template,
)
from controller.core.model.digests import gate_hash
from controller.core.model.memory import Quarantine
from controller.core.model.observed import Observed, RouteTable, SecretsSeen
from controller.core.planning.spec_fields import FieldChange

NOW = 1_700_000_000.0
LATER = NOW + 1000
EMPTY = Observed()


def instance(tag: str, **more: Any) -> DesiredInstance:
    """A declared tag with a hostname of its own."""
    hostname = f"{tag.replace('.', '-')}.example.com"
    return replace(DesiredInstance(tag, None, Origin("files:./desired", "shop.yaml", 3), hostname=hostname), **more)


def stage(*tags: str, key: str = "shop/dev", host: str = "shop.example.com", **more: Any) -> DesiredStage:
    """A stage with these tags, oldest first."""
    project, _, name = key.partition("/")
    base = DesiredStage(
        key,
        project,
        name,
        template=Template("example.com/shop"),
        port=8080,
        check=Check(port=8080),
        instances=tuple(instance(tag) for tag in tags),
        default_hostnames=(host,),
    )
    return replace(base, **more)


def env(**values: str | SecretRef) -> Template:
    """A template with these variables."""
    return Template("example.com/shop", env=tuple(Env(name, value) for name, value in values.items()))


def world(*stages: DesiredStage, seen: Observed = EMPTY) -> Observed:
    """What is observed once these stages are as declared; with memory of the last one."""
    played = simulate.simulate([(desired, seen) for desired in stages], Rules(), NOW)
    assert all(simulation.settled and simulation.plan.status.ready for simulation in played)
    containers = tuple(container for one in played for container in one.last.containers)
    return replace(played[-1].last, containers=containers, facts={})


def forecast_of(desired: DesiredStage, observed: Observed) -> StageForecast:
    """The forecast of one stage, some time later."""
    return forecast([(desired, observed)], Rules(), LATER, "catalog").stages[0]


def summary(result: StageForecast) -> list[str]:
    """Symbol, kind and name of each change."""
    return [f"{change.symbol} {change.kind} {change.name}" for change in result.changes]


def change(result: StageForecast, kind: str, name: str) -> Change:
    """The change of one instance or route."""
    return next(one for one in result.changes if (one.kind, one.name) == (kind, name))


def test_a_first_deploy_adds_instances_and_routes_without_downtime() -> None:
    """Nothing runs yet, so nothing can be down."""
    result = forecast_of(stage("1.0"), EMPTY)
    assert summary(result) == ["+ instance 1.0", "+ route shop.example.com", "+ route 1-0.example.com"]
    assert (result.downtime, result.downtime_why) == (0.0, "nothing runs yet")
    assert result.notices == ()


def test_what_is_as_declared_is_left_alone() -> None:
    """No change, also days later, and everything is named as left alone."""
    desired = stage("1.0", "1.1")
    result = forecast_of(desired, world(desired))
    assert result.changes == ()
    assert result.unchanged == (
        "instance 1.0",
        "instance 1.1",
        "route shop.example.com",
        "route 1-0.example.com",
        "route 1-1.example.com",
    )


def test_replacing_a_tag_moves_the_default_route_and_has_no_downtime() -> None:
    """The new tag comes, the old one goes, and the default route says from where to where."""
    result = forecast_of(stage("1.1"), world(stage("1.0")))
    assert summary(result) == [
        "+ instance 1.1",
        "- instance 1.0",
        "~ route shop.example.com",
        "- route 1-0.example.com",
        "+ route 1-1.example.com",
    ]
    assert change(result, "route", "shop.example.com").fields == (FieldChange("tag", "1.0", "1.1"),)
    assert change(result, "instance", "1.0").reason == "no longer declared"
    assert result.downtime == 0.0


def test_a_changed_spec_names_its_fields() -> None:
    """BlueGreen: the instance is changed in place, the routes follow, and only what differs is listed."""
    before, after = env(LOG="info", SAME="x"), env(LOG="debug", SAME="x")
    result = forecast_of(stage("1.0", template=after), world(stage("1.0", template=before)))
    assert summary(result) == ["~ instance 1.0", "~ route shop.example.com", "~ route 1-0.example.com"]
    assert change(result, "instance", "1.0").fields == (FieldChange("env.LOG", "info", "debug"),)
    assert change(result, "route", "shop.example.com").reason == "it follows 1.0 to its new container"
    assert result.downtime == 0.0


def test_a_changed_spec_with_recreate_has_a_downtime_and_says_why() -> None:
    """Grace 10 s, start 2 s, three attempts of 10 s with 5 s between: 52 s at most."""
    settings: dict[str, Any] = {"strategy": "Recreate", "strategy_why": "volume shop-dev-up is writable"}
    result = forecast_of(
        stage("1.0", template=env(A="2"), **settings), world(stage("1.0", template=env(A="1"), **settings))
    )
    assert change(result, "instance", "1.0").symbol == "-/+"
    assert result.downtime == 52.0
    assert "volume shop-dev-up is writable" in result.downtime_why


def test_replacing_a_tag_with_recreate_has_a_downtime() -> None:
    """Containers of different tags do not overlap either."""
    result = forecast_of(stage("1.1", strategy="Recreate"), world(stage("1.0", strategy="Recreate")))
    assert summary(result)[:2] == ["+ instance 1.1", "- instance 1.0"]
    assert result.downtime == 52.0


def test_a_worker_with_recreate_has_a_downtime_although_it_has_no_route() -> None:
    """What does not run does not work."""
    worker: dict[str, Any] = {
        "port": None,
        "default_hostnames": (),
        "check": Check(type="none"),
        "strategy": "Recreate",
    }
    tags = (instance("1.0", hostname=None),)
    before = stage(instances=tags, template=env(A="1"), **worker)
    result = forecast_of(stage(instances=tags, template=env(A="2"), **worker), world(before))
    assert summary(result) == ["-/+ instance 1.0"]
    assert result.downtime == 13.0


def test_an_eviction_says_that_it_is_one() -> None:
    """What is beyond maxInstances goes, with the reason, and the notice says that it would come back."""
    result = forecast_of(stage("1.0", "1.1", "1.2", max_instances=2), world(stage("1.0", "1.1", max_instances=2)))
    assert summary(result)[:2] == ["- instance 1.0", "+ instance 1.2"]
    reason = "evicted: beyond maxInstances, and every newer one has passed"
    assert change(result, "instance", "1.0").reason == reason
    assert result.notices == ("1.0 stays away: evicted: beyond maxInstances; it runs again when there is room",)


def test_a_ttl_is_part_of_a_plan_only_once_it_has_ended() -> None:
    """What expires next week is no change of today."""
    desired = stage(instances=(instance("1.0"), instance("f", ttl=2000.0), instance("1.1")))
    observed = world(desired)
    assert forecast_of(desired, observed).changes == ()
    expired = forecast([(desired, observed)], Rules(), NOW + 2001, "catalog").stages[0]
    assert summary(expired) == ["- instance f", "- route f.example.com"]


def test_a_stage_that_is_gone_loses_everything() -> None:
    """Routes and instances go, with the reason."""
    result = forecast_of(DesiredStage("shop/dev", "shop", "dev", declared=False), world(stage("1.0")))
    assert summary(result) == ["- instance 1.0", "- route 1-0.example.com", "- route shop.example.com"]
    assert change(result, "instance", "1.0").reason == "the stage is no longer declared"


def test_two_stages_that_swap_their_hostnames_move_them() -> None:
    """Each stage shows the hostname that it takes over, and none shows a removal."""
    one, two = stage("1.0", key="shop/one", host="a.io"), stage("1.0", key="shop/two", host="b.io")
    one, two = (replace(item, tag_routes=False, instances=(instance("1.0", hostname=None),)) for item in (one, two))
    both = simulate.simulate([(one, EMPTY), (two, EMPTY)], Rules(), NOW)
    table = both[1].last.routes
    seen = [replace(one.last, routes=table, facts={}) for one in both]
    swapped = (
        replace(one, default_hostnames=("b.io",), claimed_elsewhere=frozenset({"a.io"})),
        replace(two, default_hostnames=("a.io",), claimed_elsewhere=frozenset({"b.io"})),
    )
    result = forecast(list(zip(swapped, seen, strict=True)), Rules(), LATER, "catalog")
    assert [summary(one) for one in result.stages] == [["~ route b.io"], ["~ route a.io"]]
    assert result.stages[0].changes[0].fields == (FieldChange("stage", "shop/two", "shop/one"),)


def test_a_changed_secret_is_named_without_its_value() -> None:
    """Only the digest of the values is known: old and new are masked."""
    desired = stage("1.0", template=env(DB_PASSWORD=SecretRef("file", "/run/secrets/db")))
    before = world(desired, seen=Observed(secrets=SecretsSeen("k1", "aaaa")))
    result = forecast_of(desired, replace(before, secrets=SecretsSeen("k1", "bbbb")))
    assert change(result, "instance", "1.0").fields == (FieldChange("secrets", "***", "***"),)


def test_a_changed_literal_password_is_named_without_its_value() -> None:
    """The field is known by elimination, its text stays hidden."""
    result = forecast_of(
        stage("1.0", template=env(DB_PASSWORD="b")), world(stage("1.0", template=env(DB_PASSWORD="a")))
    )
    assert change(result, "instance", "1.0").fields == (FieldChange("env.DB_PASSWORD", "***", "***"),)
    assert change(result, "instance", "1.0").reason.endswith("; a masked value changed")


def test_a_lost_state_folder_hides_the_details_and_removes_nothing() -> None:
    """Without memory nothing changes by itself, and a changed spec says why its fields are unknown."""
    desired = stage("1.0", template=env(A="1"))
    lost = replace(world(desired), memory=EMPTY.memory)
    assert forecast_of(desired, lost).changes == ()
    result = forecast_of(stage("1.0", template=env(A="2")), lost)
    assert change(result, "instance", "1.0").reason.endswith("spec changed (details unknown: the state folder was new)")
    assert change(result, "instance", "1.0").fields == ()


def test_drift_is_shown_as_what_mends_it() -> None:
    """A container that was stopped is started again; a route that was deleted is set again."""
    desired = stage("1.0")
    observed = world(desired)
    stopped = tuple(
        replace(container, state="exited", exit_code=137, address=None) for container in observed.containers
    )
    result = forecast_of(desired, replace(observed, containers=stopped))
    assert change(result, "instance", "1.0").symbol == "~"
    assert "exited with 137" in change(result, "instance", "1.0").reason
    assert (result.downtime, result.downtime_why) == (0.0, "already down: nothing runs")
    routes = {name: route for name, route in observed.routes.routes.items() if name != "shop.example.com"}
    assert summary(forecast_of(desired, replace(observed, routes=RouteTable(routes)))) == ["+ route shop.example.com"]


@pytest.mark.parametrize(
    ("state", "why"), [({"state": "paused"}, "paused"), ({"connected": False, "address": None}, "network")]
)
def test_a_container_that_was_tampered_with_is_mended_in_place(state: dict[str, Any], why: str) -> None:
    """Paused or outage off the network: the same container goes on, so nothing is replaced."""
    desired = stage("1.0")
    observed = world(desired)
    result = forecast_of(
        desired, replace(observed, containers=tuple(replace(container, **state) for container in observed.containers))
    )
    assert summary(result)[0] == "~ instance 1.0"
    assert why in result.changes[0].reason


def test_a_tag_that_moved_is_followed_only_on_demand() -> None:
    """With trackDigest the digest is the field that changes; without it nothing does."""
    pushed = "sha256:" + 64 * "b"
    observed = world(stage("1.0"))
    moved = observed.memory.of("1.0").model_copy(update={"moved": pushed})
    observed = replace(observed, memory=observed.memory.with_instance("1.0", moved))
    assert forecast_of(stage("1.0"), observed).changes == ()
    (field,) = change(forecast_of(stage("1.0", track_digest=True), observed), "instance", "1.0").fields
    assert (field.path, field.new) == ("digest", pushed)


def test_a_migration_prolongs_the_gap_of_recreate() -> None:
    """The one-off container runs while the old one is stopped already."""
    desired = stage("1.1", strategy="Recreate", pre_deploy=PreDeployStep(("./migrate",), 300.0))
    assert forecast_of(desired, world(stage("1.0", strategy="Recreate"))).downtime == 352.0
    gentle = replace(desired, strategy="BlueGreen")
    assert forecast_of(gentle, world(stage("1.0"))).downtime == 0.0


def test_what_is_held_over_is_named_with_the_reason_of_its_successor() -> None:
    """A replaced tag whose successor failed stays, and both are told."""
    observed = world(stage("1.0"))
    desired = stage("1.1")
    made = simulate.simulate([(desired, observed)], Rules(), NOW)[0]
    failed = next(container for container in made.last.containers if container.tag == "1.1")
    quarantine = Quarantine(
        revision=failed.revision, gate=gate_hash(desired), reason="Exited", message="code 1", at=NOW
    )
    pinned = made.last.memory.of("1.1").model_copy(update={"quarantine": quarantine, "passed": (), "settled": ""})
    result = forecast_of(desired, replace(observed, memory=observed.memory.with_instance("1.1", pinned)))
    assert result.changes == ()
    assert result.notices == (
        "1.1 was rolled back: Exited: code 1; 'holdfast retry shop/dev/1.1' tries it again",
        "1.0 is held over: kept until its successor has passed",
    )


def test_a_quarantined_tag_is_a_notice_with_the_way_out() -> None:
    """It is not tried again, so it is no change; the command that does is named."""
    observed = world(stage("1.0"))
    desired = stage("1.0", "1.1")
    made = simulate.simulate([(desired, observed)], Rules(), NOW)[0]
    failed = next(container for container in made.last.containers if container.tag == "1.1")
    quarantine = Quarantine(
        revision=failed.revision, gate=gate_hash(desired), reason="HealthCheckFailed", message="status 503", at=NOW
    )
    pinned = made.last.memory.of("1.1").model_copy(update={"quarantine": quarantine, "passed": (), "settled": ""})
    memory = observed.memory.with_instance("1.1", pinned)
    result = forecast_of(desired, replace(observed, memory=memory))
    assert result.changes == ()
    assert result.notices == (
        "1.1 was rolled back: HealthCheckFailed: status 503; 'holdfast retry shop/dev/1.1' tries it again",
    )


@pytest.mark.parametrize("by_hand", [False, True])
def test_a_suspended_stage_is_left_alone(by_hand: bool) -> None:
    """Nothing would happen, and the plan says what ends that."""
    memory = EMPTY.memory.model_copy(update={"suspended": by_hand})
    result = forecast_of(stage("1.0", suspend=not by_hand), Observed(memory=memory))
    assert result.changes == ()
    assert result.notices[0].startswith("suspended, nothing will happen: ")
    assert ("holdfast resume shop/dev" in result.notices[0]) == by_hand


def test_what_stands_in_the_way_is_a_notice() -> None:
    """A missing secret, a hostname that somebody else holds, and what the documents were refused for."""
    missing = SecretsSeen(missing=("file:/run/secrets/db does not exist",))
    notice = Notice("TagCollision", "1.0 and 1-0 have one hostname")
    result = forecast_of(
        stage("1.0", notices=(notice,)),
        Observed(secrets=missing, routes=RouteTable({}, {"shop.example.com": "proxy host 7"})),
    )
    assert result.changes == ()
    assert result.notices == (
        "TagCollision: 1.0 and 1-0 have one hostname",
        "a secret is missing: file:/run/secrets/db does not exist",
        "shop.example.com is held by proxy host 7, and stays so",
    )


def test_a_stage_that_only_looks_again_is_at_rest() -> None:
    """What runs is asked for its tag's digest for ever while another tag waits for a secret: that is no change."""
    running = world(stage("1.0"))
    missing = SecretsSeen(missing=("file:/run/secrets/db does not exist",))
    result = forecast_of(stage("1.0", "1.1"), replace(running, secrets=missing))
    assert (result.changes, result.notices) == ((), ("a secret is missing: file:/run/secrets/db does not exist",))


def test_a_plan_that_never_rests_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of passes is bounded."""
    monkeypatch.setattr(simulate, "ROUNDS", 2)
    assert forecast_of(stage("1.0"), EMPTY).notices[0].startswith("does not settle")


def test_a_fingerprint_moves_with_hostnames_that_the_stage_wants() -> None:
    """Whoever holds another hostname is nothing to the stage."""
    desired = stage("1.0")
    mark = fingerprint(desired, EMPTY)
    assert fingerprint(desired, replace(EMPTY, routes=RouteTable({}, {"other.example.com": "Ann"}))) == mark
    assert fingerprint(desired, replace(EMPTY, routes=RouteTable({}, {"shop.example.com": "Ann"}))) != mark


def test_a_fingerprint_moves_with_the_world_and_the_documents_and_not_with_time() -> None:
    """A saved plan is refused when what it goes by has changed."""
    desired = stage("1.0")
    observed = world(desired)
    mark = fingerprint(desired, observed)
    soon, late = (forecast([(desired, observed)], Rules(), now, "catalog") for now in (LATER, LATER + 86400))
    assert soon == late
    assert soon.stages[0].fingerprint == mark
    moved = tuple(
        replace(item, instances=(replace(desired.instances[0], origin=Origin("x", "y")),)) for item in [desired]
    )
    assert fingerprint(moved[0], observed) == mark
    stopped = replace(
        observed, containers=tuple(replace(container, state="exited") for container in observed.containers)
    )
    others = [
        fingerprint(desired, stopped),
        fingerprint(desired, replace(observed, containers=())),
        fingerprint(desired, replace(observed, routes=RouteTable())),
        fingerprint(desired, replace(observed, memory=observed.memory.model_copy(update={"suspended": True}))),
        fingerprint(desired, replace(observed, secrets=SecretsSeen("k1", "aaaa"))),
        fingerprint(stage("1.1"), observed),
    ]
    assert mark not in others
    assert len(set(others)) == len(others)
    assert forecast([(desired, observed)], Rules(), LATER, "other").digest != soon.digest


def test_forecasting_changes_nothing_it_was_given() -> None:
    """The observed values are read only."""
    observed = world(stage("1.0"))
    kept = (observed.containers, dict(observed.routes.routes), observed.memory.model_dump())
    forecast_of(stage("1.1"), observed)
    assert kept == (observed.containers, dict(observed.routes.routes), observed.memory.model_dump())
