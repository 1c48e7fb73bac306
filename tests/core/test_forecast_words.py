"""What a plan says of outages, sizes and other stages: words that people decide on."""

from dataclasses import replace
from typing import Any

import pytest

from controller.core.forecast.forecast import fingerprint, forecast
from controller.core.model.decision import Rules
from controller.core.model.desired import Check, DesiredStage, Mount, Template
from controller.core.model.observed import RouteTable
from controller.core.model.policy import PolicyRules
from controller.core.planning import spec_fields
from tests.core.test_forecast import EMPTY, LATER, change, forecast_of, stage, world


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        (("1.0",), ("1.0",), "nothing changes"),
        (("1.0", "1.1"), ("1.1",), "what is removed is no longer declared or wanted"),
        (("1.0",), ("1.1",), "BlueGreen: the old one serves until the new one answers"),
        (("1.0",), ("1.0", "1.1"), "BlueGreen: the old one serves until the new one answers"),
    ],
    ids=["nothing", "removed", "replaced", "added"],
)
def test_why_there_is_no_outage(before: tuple[str, ...], after: tuple[str, ...], why: str) -> None:
    """Zero seconds, and the reason that belongs to the change."""
    result = forecast_of(stage(*after), world(stage(*before)))
    assert (result.downtime, result.downtime_why) == (0.0, why)


def test_what_no_hostname_leads_to_has_no_outage() -> None:
    """A container whose route is still to be written serves nobody, also with Recreate."""
    declared = stage("1.0", strategy="Recreate")
    result = forecast_of(declared, replace(world(declared), routes=RouteTable()))
    assert (result.downtime, result.downtime_why) == (0.0, "no hostname leads to it yet")


def test_a_tag_without_a_move_of_the_default_route_leaves_what_runs() -> None:
    """With `defaultTag` nothing that serves is touched."""
    result = forecast_of(stage("1.0", "1.1", default_tag="1.0"), world(stage("1.0", default_tag="1.0")))
    assert (result.downtime, result.downtime_why) == (0.0, "what runs keeps running")


@pytest.mark.parametrize(
    ("check", "seconds"),
    [
        ({}, 10 + 3 * 10 + 2 * 5),
        ({"retries": 1}, 10 + 10),
        ({"success_threshold": 2}, 10 + 4 * 10 + 3 * 5),
        ({"start_period": 7.0}, 10 + 7 + 3 * 10 + 2 * 5),
    ],
    ids=["defaults", "one attempt", "two successes", "start period"],
)
def test_an_outage_is_the_longest_gate_after_the_longest_stop(check: dict[str, Any], seconds: float) -> None:
    """Recreate: stop grace, start, and every attempt at its slowest; only differences count here, not the start."""
    least = outage({"retries": 1, "timeout": 0.0, "interval": 0.0}, stop_grace=0.0)
    assert outage(check, stop_grace=10.0) - least == seconds


def outage(check: dict[str, Any], **more: Any) -> float:
    """Predicted seconds of a changed spec with Recreate."""
    declared = stage("1.0", strategy="Recreate", check=Check(port=8080, **check), **more)
    changed = replace(declared, template=Template("example.com/shop", user="1000"))
    return forecast_of(changed, world(declared)).downtime


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (1 << 30, "1Gi"), (3 << 30, "3Gi"), (1536 << 20, "1536Mi"), (1 << 20, "1Mi"), (3 << 20, "3Mi"),
        (3 << 10, "3Ki"), (6_000_001, "6000001"),
    ],
)  # fmt: skip
def test_a_size_is_shown_in_the_largest_unit_that_says_it_whole(size: int, words: str) -> None:
    """As a person would write it in a document."""
    declared = DesiredStage("shop/dev", "shop", "dev", template=Template("example.com/shop", memory=size))
    assert spec_fields.flatten(declared, "1.0")["resources.memory"] == words


def test_a_fingerprint_follows_the_routes_of_its_own_stage_and_what_it_wants() -> None:
    """Another stage's route is no news, unless it is on a hostname that this one declares."""
    desired = stage("1.0")
    observed = world(desired)
    mark = fingerprint(desired, observed)
    routes = dict(observed.routes.routes)
    theirs = replace(routes["shop.example.com"], hostname="x.example.com", stage="blog/dev")
    assert fingerprint(desired, replace(observed, routes=RouteTable(routes | {"x.example.com": theirs}))) == mark
    mine = replace(theirs, stage="shop/dev")
    moved = replace(theirs, hostname="shop.example.com")
    assert fingerprint(desired, replace(observed, routes=RouteTable(routes | {"x.example.com": mine}))) != mark
    assert fingerprint(desired, replace(observed, routes=RouteTable(routes | {"shop.example.com": moved}))) != mark


@pytest.mark.parametrize(
    ("template", "rules", "words"),
    [
        (Template("example.com/shop"), PolicyRules(), ()),
        (
            Template("example.com/shop"),
            PolicyRules(registries=("ghcr.io",)),
            ("registry example.com is not in policy.registries (image example.com/shop)",),
        ),
        (
            Template("example.com/shop", mounts=(Mount("/srv/x", "/x", bind=True), Mount("data", "/data"))),
            PolicyRules(),
            ("bind mount /srv/x is not below policy.bindRoots",),
        ),
        (
            Template("example.com/shop", mounts=(Mount("/srv/x", "/x", bind=True),)),
            PolicyRules(bind_roots=("/srv",)),
            (),
        ),
    ],
    ids=["plain", "registry", "bind mount", "bind root"],
)
def test_what_the_policy_will_refuse_is_said_before(
    template: Template, rules: PolicyRules, words: tuple[str, ...]
) -> None:
    """A plan names what a document may not ask for, once and with the tag; what is allowed gets no word."""
    desired = stage("1.0", template=template)
    result = forecast([(desired, EMPTY)], Rules(policy=rules), LATER, "catalog").stages[0]
    assert result.notices == tuple(f"1.0 will be refused by the policy: {item}" for item in words)
    running = forecast([(desired, world(desired))], Rules(policy=rules), LATER, "catalog").stages[0]
    assert running.notices == ()


def test_a_plan_says_that_an_empty_list_lets_go_of_the_default_tag() -> None:
    """Beside the removal, and also when nothing is there any more."""
    (words,) = forecast_of(stage(default_tag="1.0"), EMPTY).notices
    assert words.startswith("instances: [] removes defaultTag 1.0 too")
    assert forecast_of(stage(), EMPTY).notices == ()


@pytest.mark.parametrize("tag", ["d", "it", "is", "a", "not", "declared", "s", "e.d"])
def test_a_reason_reads_the_same_whatever_the_tag_is_called(tag: str) -> None:
    """A tag that is also a word, or the end of one, changes nothing in a sentence."""
    assert reasons(tag) == reasons("1.0")
    assert all(reasons(tag))


def reasons(tag: str) -> list[str]:
    """Why an instance of this tag would be made, changed and removed, and its routes set."""
    declared = stage(tag)
    made = forecast_of(declared, EMPTY)
    changed = forecast_of(replace(declared, template=Template("example.com/shop", user="1")), world(declared))
    gone = forecast_of(stage("9.9"), world(declared))
    routes = {one.reason for one in made.changes if one.kind == "route"}
    return [*(change(one, "instance", tag).reason for one in (made, changed, gone)), *sorted(routes)]
