"""What the next pass makes of a creation that did not end as it should: the plan is run again with its own memory."""

from dataclasses import replace

import pytest

from controller.core.model.actions import Create, Pull
from controller.core.model.decision import Plan, Rules
from controller.core.model.errors import Failure
from controller.core.model.observed import Fact, Key, Observed
from controller.core.planning.plan import plan
from tests.core import plan_cases
from tests.core.plan_cases import NOW

CASE = {
    "stage": {"tags": ["1.0"]},
    "memory": {"instances": {"1.0": {"digest": plan_cases.DIGEST, "image": "registry.test/shop"}}},
    "facts": {"Pull 1.0": {"status": "succeeded", "data": {"digest": plan_cases.DIGEST}}},
}
STAGE = plan_cases.desired(CASE)
PULLED = plan_cases.observed(CASE, STAGE)


def creation(decided: Plan) -> Create:
    """The one creation of a plan."""
    [made] = [action for action in decided.actions if isinstance(action, Create)]
    return made


def failed(observed: Observed, key: Key, problem: Failure, ago: float = 100.0) -> Observed:
    """The same with a failed call."""
    fact = Fact(key, "failed", NOW - ago, NOW - ago, failures=1, failure=problem)
    return replace(observed, facts={**observed.facts, key: fact})


def test_a_creation_of_unknown_outcome_is_tried_again_under_the_same_name() -> None:
    """Safety: the name is the lock; another number would make a second container (S6, S26)."""
    first = plan(STAGE, PULLED, Rules(), NOW)
    made = creation(first)
    after = failed(replace(PULLED, memory=first.memory), made.key, Failure("OutcomeUnknown", "no answer", False))
    assert creation(plan(STAGE, after, Rules(), NOW)).spec.name == made.spec.name


def test_a_creation_that_is_forgotten_gets_the_next_number() -> None:
    """What was recorded before is never used for another container; so it is after a restart."""
    first = plan(STAGE, PULLED, Rules(), NOW)
    again = creation(plan(STAGE, replace(PULLED, memory=first.memory), Rules(), NOW))
    assert creation(first).spec.name.endswith("-1")
    assert again.spec.name == creation(first).spec.name[:-1] + "2"


def test_a_lost_store_goes_on_behind_the_highest_number_that_is_seen() -> None:
    """Safety: a failed container that still has the name is no container to be taken over."""
    case = CASE | {"containers": {"a": {"tag": "1.0", "state": "dead", "attempt": 4}}}
    seen = plan_cases.observed(case, STAGE)
    made = creation(plan(STAGE, seen, Rules(), NOW))
    assert made.spec.name.endswith("-5")


def test_another_revision_counts_for_itself() -> None:
    """The number is that of this revision, so that names tell how often it was tried."""
    case = CASE | {"containers": {"a": {"tag": "1.0", "made": "before", "attempt": 7, "passed": True}}}
    decided = plan(STAGE, plan_cases.observed(case, STAGE), Rules(), NOW)
    assert creation(decided).spec.name.endswith("-1")


def test_a_port_of_the_host_is_published_only_where_the_proxy_comes_that_way() -> None:
    """`proxy.reach` decides; a container that is made for another way is another revision."""
    ways = {reach: creation(plan(STAGE, PULLED, Rules(reach=reach), NOW)).spec for reach in ("ip", "name", "published")}
    assert {reach: spec.publish for reach, spec in ways.items()} == {"ip": None, "name": None, "published": 8080}
    assert ways["ip"].name == ways["name"].name != ways["published"].name


def test_an_image_that_somebody_pruned_is_pulled_again() -> None:
    """The pull that succeeded before counts no more (F35)."""
    first = plan(STAGE, PULLED, Rules(), NOW)
    made = creation(first)
    gone = failed(replace(PULLED, memory=first.memory), made.key, Failure("ImageGone", "no such image", False))
    kept = plan(STAGE, gone, Rules(), NOW).keep
    assert not any(key.kind == "pull" for key in kept)
    after = replace(gone, facts={key: fact for key, fact in gone.facts.items() if key in kept})
    assert [type(action) for action in plan(STAGE, after, Rules(), NOW).actions] == [Pull]


@pytest.mark.parametrize("reason", ["PolicyDenied", "InvalidConfig"])
def test_what_another_try_cannot_mend_is_given_up_at_once(reason: str) -> None:
    """Although nothing of the stage has ever passed."""
    first = plan(STAGE, PULLED, Rules(), NOW)
    bad = failed(replace(PULLED, memory=first.memory), creation(first).key, Failure(reason, "refused", True), 0.0)
    decided = plan(STAGE, bad, Rules(), NOW)
    quarantine = decided.memory.of("1.0").quarantine
    assert quarantine is not None
    assert quarantine.reason == reason
    assert decided.memory.of("1.0").rollout is None


def test_any_other_failure_of_the_very_first_is_tried_again() -> None:
    """Until the progress deadline, with a pause; then it is given up."""
    first = plan(STAGE, PULLED, Rules(), NOW)
    bad = failed(replace(PULLED, memory=first.memory), creation(first).key, Failure("StartRefused", "no", True), 0.0)
    decided = plan(STAGE, bad, Rules(), NOW)
    rollout = decided.memory.of("1.0").rollout
    assert decided.memory.of("1.0").quarantine is None
    assert decided.memory.of("1.0").seen == 0
    assert rollout is not None
    assert rollout.tries == 1
    assert NOW < rollout.retry_at <= NOW + 1
    late = plan(STAGE, replace(bad, memory=first.memory), Rules(), NOW + STAGE.progress_deadline)
    assert late.memory.of("1.0").quarantine is not None
    assert [line.step for line in late.transitions][-2:] == ["fail", "end"]
