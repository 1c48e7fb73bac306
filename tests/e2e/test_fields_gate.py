"""Fields of the gate: what a container is asked, how often and how long; read from the app's own record."""

from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from tests.e2e.observations import Request, container, events, recorder, started
from tests.e2e.test_lifecycle import applied, serves
from tests.parts.sandbox import Sandbox

SHORT = {"progressDeadline": "1s"}
"""Where nothing has passed yet, a failure counts once this long has gone by."""


def check(**fields: Any) -> dict[str, Any]:
    """A quick health check with these fields replaced."""
    path = {} if "type" in fields else {"path": "/healthz"}
    return {**path, "retries": 1, "interval": "100ms", "timeout": "1s", "liveness": "0s", **fields}


def gaps(requests: list[Request]) -> list[float]:
    """Seconds between requests."""
    return [later.at - earlier.at for earlier, later in pairwise(requests)]


@pytest.mark.field("spec.healthCheck.type")
def test_each_type_of_check_asks_something_else(sandbox: Sandbox) -> None:
    """An app that answers 503 passes a connect, Docker's check and none; only http and a bad HEALTHCHECK fail."""
    sandbox.push("sick", BROKEN="health")
    sandbox.push("sure", BROKEN="health", HEALTHCHECK="true")
    sandbox.push("unsure", HEALTHCHECK="false")
    cases = {
        "http": ("sick", check(type="http", path="/healthz")),
        "tcp": ("sick", check(type="tcp")),
        "none": ("sick", {"type": "none"}),
        "well": ("sure", {"type": "docker"}),
        "unwell": ("unsure", {"type": "docker"}),
    }
    projects = [sandbox.project(name, tag, healthCheck=asked, **SHORT) for name, (tag, asked) in cases.items()]
    sandbox.write(*projects)

    applied(sandbox, 1)

    assert {name: sandbox.get(sandbox.host(name)).status for name in cases} == {
        "http": 404,
        "tcp": 200,
        "none": 200,
        "well": 200,
        "unwell": 404,
    }


def test_an_app_that_answers_503_by_itself_is_proven_by_its_health_path(sandbox: Sandbox) -> None:
    """Liveness: the path that is declared is asked through the proxy as well, not `/`; a restart goes on with it."""
    sandbox.push("1.0", FRONT="503")
    sandbox.write(sandbox.project("shop", "1.0", healthCheck=check()))

    applied(sandbox)

    assert sandbox.get(sandbox.host("shop")).status == 503
    again = sandbox.holdfast("plan", "--detailed-exitcode")
    assert again.returncode == 0, again.stdout


@pytest.mark.field(
    "spec.healthCheck.path", "spec.healthCheck.port", "spec.healthCheck.statuses", "spec.stages[].healthCheck"
)
def test_the_path_the_port_and_the_statuses_are_those_declared(sandbox: Sandbox) -> None:
    """418 passes where it is listed; a second port is asked where it is named; a stage overrides one field alone."""
    sandbox.push("1.0")
    teapot = check(path="/status?418", statuses="200,410-420")
    both = ["/bin/sh", "-c", "nc -ll -p 9090 -e /bin/true & exec /bin/sh /app/serve.sh"]
    stages: list[dict[str, Any]] = [{"name": name, "instances": [{"tag": "1.0"}]} for name in ("dev", "strict")]
    stages[1] |= {"healthCheck": {"statuses": "200"}}
    sandbox.write(
        sandbox.project("teapot", healthCheck=teapot, stages=stages, **SHORT),
        sandbox.project("both", "1.0", healthCheck=check(type="tcp", port=9090), command=both),
        sandbox.project("one", "1.0", healthCheck=check(type="tcp", port=9090), **SHORT),
    )

    applied(sandbox, 1)

    assert serves(sandbox, "1.0", sandbox.host("teapot"))
    assert sandbox.get(sandbox.host("teapot", stage="strict")).status == 404
    assert serves(sandbox, "1.0", sandbox.host("both"))
    assert sandbox.get(sandbox.host("one")).status == 404


@pytest.mark.field(
    "spec.healthCheck.successThreshold",
    "spec.healthCheck.interval",
    "spec.healthCheck.retries",
    "spec.healthCheck.timeout",
    "spec.healthCheck.startPeriod",
)
def test_the_app_is_asked_as_often_and_as_long_as_declared(sandbox: Sandbox) -> None:
    """The app's own record: how many questions, how far apart, how long each, and not before the start period."""
    sandbox.push("1.0")
    thrice, twice, slow, late = recorder(sandbox, "thrice", "twice", "slow", "late")
    sandbox.write(
        sandbox.project(
            "thrice", "1.0", healthCheck=check(retries=3, successThreshold=3, interval="600ms"), **thrice.spec
        ),
        sandbox.project("twice", "1.0", healthCheck=check(path="/status?503", retries=2), **SHORT, **twice.spec),
        sandbox.project(
            "slow",
            "1.0",
            healthCheck=check(path="/slow?30", timeout="1s", retries=2),
            progressDeadline="6s",
            **slow.spec,
        ),
        sandbox.project("late", "1.0", healthCheck=check(startPeriod="1500ms"), **late.spec),
    )

    applied(sandbox, 1)

    asked = thrice.requests("/healthz", direct=True)
    assert len(asked) == 3
    assert all(0.45 < gap < 5 for gap in gaps(asked))
    by_container = [[r for r in twice.requests("/status?503") if r.container == one] for one in names(twice.requests())]
    assert by_container
    assert {len(found) for found in by_container} == {2}
    first = slow.requests("/slow?30")[:2]
    assert first[0].container == first[1].container
    assert 0.9 < first[1].at - first[0].at < 20
    assert 1.3 < late.requests()[0].at - started(container(sandbox, "late")) < 6


def names(requests: list[Request]) -> list[str]:
    """Containers that were asked, each once."""
    return list(dict.fromkeys(item.container for item in requests))


@pytest.mark.field("spec.healthCheck.liveness", "spec.healthCheck.restartOnFailure")
def test_what_runs_is_asked_again_and_restarted_only_where_that_is_declared(sandbox: Sandbox) -> None:
    """One is asked twice a second and one never again; of two sick ones that is restarted which asks for it."""
    sandbox.push("1.0")
    often, never, restarts, stays = recorder(sandbox, "often", "never", "restarts", "stays")
    quick = check(liveness="300ms", retries=2)
    sandbox.write(
        sandbox.project("often", "1.0", healthCheck=check(liveness="500ms"), **often.spec),
        sandbox.project("never", "1.0", healthCheck=check(liveness="0s"), **never.spec),
        sandbox.project("restarts", "1.0", healthCheck={**quick, "restartOnFailure": True}, **restarts.spec),
        sandbox.project("stays", "1.0", healthCheck=quick, **stays.spec),
    )
    sandbox.start()
    for name in ("often", "never", "restarts", "stays"):
        sandbox.wait(partial(serves, sandbox, "1.0", sandbox.host(name)), f"{name} answers")
    before = {name: container(sandbox, name)["State"]["StartedAt"] for name in ("restarts", "stays")}
    for name in before:
        assert sandbox.get(sandbox.host(name), "/sick").body == "sick\n"

    sandbox.wait(
        lambda: container(sandbox, "restarts")["State"]["StartedAt"] != before["restarts"], "the sick one restarts"
    )
    asked = len(stays.requests("/healthz"))
    sandbox.wait(lambda: len(stays.requests("/healthz")) > asked + 3, "the other one is asked again")
    sandbox.wait(lambda: len(often.requests("/healthz", direct=True)) > 3, "the well one is asked again")

    assert container(sandbox, "stays")["State"]["StartedAt"] == before["stays"]
    assert all(gap > 0.35 for gap in gaps(often.requests("/healthz", direct=True))[1:])
    assert len(never.requests("/healthz", direct=True)) == 1


@pytest.mark.field("spec.preDeploy.command", "spec.preDeploy.timeout", "spec.stages[].preDeploy")
def test_pre_deploy_runs_before_the_first_question_and_not_longer_than_declared(sandbox: Sandbox) -> None:
    """What the command writes is there before the app is asked; one that hangs is stopped and its app never asked."""
    sandbox.push("1.0")
    good, stuck = recorder(sandbox, "good", "stuck")
    step = {"command": ["/bin/sh", "-c", "echo project >/record/done"]}
    stages: list[dict[str, Any]] = [{"name": name, "instances": [{"tag": "1.0"}]} for name in ("base", "dev")]
    stages[1] |= {"preDeploy": {"command": ["touch", "/record/stage"]}}
    hangs = {"command": ["sleep", "60"], "timeout": "1s"}
    sandbox.write(
        sandbox.project("good", preDeploy=step, stages=stages, **good.spec),
        sandbox.project("stuck", "1.0", preDeploy=hangs, **SHORT, **stuck.spec),
    )

    applied(sandbox, 1)

    made = {name: (good.folder / name).stat().st_mtime for name in ("done", "stage")}
    first = {r.container: r.at for r in reversed(good.requests())}
    for stage, name in (("base", "done"), ("dev", "stage")):
        asked = first[container(sandbox, "good", stage)["Id"][:12]]
        assert made[name] < asked + 0.05
    assert stuck.requests() == []
    assert sandbox.get(sandbox.host("stuck")).status == 404
    seen = [e for e in events(sandbox, 0) if (e.stage, e.role) == ("stuck/dev", "preDeploy")]
    begun = {e.container: e.at for e in seen if e.action == "start"}
    ran = [e.at - begun[e.container] for e in seen if e.action == "die"]
    assert ran
    assert all(0.98 < seconds < 8 for seconds in ran)


@pytest.mark.field("spec.progressDeadline", "spec.stages[].progressDeadline")
def test_a_rollout_is_given_up_at_its_deadline(sandbox: Sandbox) -> None:
    """Of two stages whose app never listens the one with a short deadline loses its container, the other waits."""
    sandbox.push("1.0", START_DELAY="60")
    patient = check(retries=1000, timeout="200ms")
    stages: list[dict[str, Any]] = [{"name": name, "instances": [{"tag": "1.0"}]} for name in ("soon", "later")]
    stages[1] |= {"progressDeadline": "10m"}
    sandbox.write(sandbox.project("shop", healthCheck=patient, stages=stages, progressDeadline="1s"))

    sandbox.start()
    sandbox.wait(lambda: "destroy" in actions(sandbox, "shop/soon"), "the first one is given up")

    assert actions(sandbox, "shop/soon").count("create") == 1
    assert actions(sandbox, "shop/later").count("create") == 1
    assert container(sandbox, "shop", "later")["State"]["Running"]


def actions(box: Sandbox, stage: str) -> list[str]:
    """What happened to a stage's containers, oldest first."""
    return [item.action for item in events(box, 0) if item.stage == stage]
