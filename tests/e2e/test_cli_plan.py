"""`plan` as a person reads it: every symbol with its reason, evictions, downtime, what is left alone; saved plans."""

import json

from tests.e2e.test_lifecycle import applied, running
from tests.parts.sandbox import Sandbox

VOLUMES = [{"name": "data", "mountPath": "/data"}]


def test_every_kind_of_change_has_its_symbol_and_reason(sandbox: Sandbox) -> None:
    """+ ~ - and -/+, field by field; downtime with the reason why it is not 0 s; then nothing to do."""
    sandbox.push("1.0")
    sandbox.push("1.1")
    web = sandbox.project("web", "1.0", env=[{"name": "LEVEL", "value": "info"}])
    store = sandbox.project("store", "1.0", volumes=VOLUMES)
    sandbox.write(web, store)
    first = sandbox.holdfast("plan")
    assert "  +   instance 1.0  (declared, not running)" in first.stdout
    assert "  strategy: BlueGreen (default)\n  downtime: 0 s (nothing runs yet)" in first.stdout
    assert "  strategy: Recreate (volume store-dev-data is writable)" in first.stdout
    assert "Plan: 6 to add, 0 to change, 0 to remove." in first.stdout
    assert sandbox.containers() == []
    applied(sandbox)
    rest = sandbox.holdfast("plan", "--detailed-exitcode")
    assert (rest.returncode, rest.stdout.splitlines()[-1]) == (0, "Plan: nothing to do.")

    web = sandbox.project("web", "1.1", env=[{"name": "LEVEL", "value": "debug"}])
    store = sandbox.project("store", "1.0", volumes=VOLUMES, command=["/bin/sh", "/app/serve.sh"])
    sandbox.write(web, store)
    done = sandbox.holdfast("plan", "--detailed-exitcode")
    assert done.returncode == 2
    text = done.stdout
    assert "  +   instance 1.1  (declared, not running)" in text
    assert "  -   instance 1.0  (no longer declared)" in text
    assert f"  ~   route    {sandbox.host('web')}  (it moves from 1.0 to 1.1)\n        tag: 1.0 → 1.1" in text
    assert (
        "  -/+ instance 1.0  (the declared revision differs from the running one)\n        command: (none) → [" in text
    )
    assert "  downtime: 0 s (BlueGreen: the old one serves until the new one answers)" in text
    assert "  downtime: up to " in text
    assert "volume store-dev-data is writable: the old one stops before the new one starts" in text
    applied(sandbox)
    assert sandbox.holdfast("plan", "--detailed-exitcode").returncode == 0


def test_an_eviction_is_foreseen_and_named(sandbox: Sandbox) -> None:
    """Beyond maxInstances the oldest is said to be evicted, and what stays is left alone; as text and as data."""
    for tag in ("1.0", "1.1", "1.2"):
        sandbox.push(tag)
    limit = {"maxInstances": 2}
    sandbox.write(sandbox.project("shop", "1.0", "1.1", stage_fields=limit))
    applied(sandbox)
    sandbox.write(sandbox.project("shop", "1.0", "1.1", "1.2", stage_fields=limit))

    text = sandbox.holdfast("plan").stdout
    assert "  -   instance 1.0  (evicted: it is beyond maxInstances" in text
    assert "  left alone: instance 1.1, 1 route" in text
    data = json.loads(sandbox.holdfast("plan", "-o", "json").stdout)
    assert (data["formatVersion"], data["holds"], data["notices"]) == (1, [], [])
    [stage] = data["stages"]
    changes = {
        (item["symbol"], item["name"]): item["reason"] for item in stage["changes"] if item["kind"] == "instance"
    }
    assert changes[("-", "1.0")].startswith("evicted")
    assert stage["downtime"] == 0

    done = applied(sandbox)  # an evicted tag is as declared: maxInstances says so
    assert "shop/dev/1.0 Evicted" in done.stderr
    assert sorted(running(sandbox)) == ["1.1", "1.2"]


def test_a_saved_plan_holds_while_documents_and_world_do(sandbox: Sandbox) -> None:
    """Made and applied beside a running controller and without; refused per stage when anything moved."""
    for tag in ("1.0", "1.1"):
        sandbox.push(tag)
    sandbox.write(sandbox.project("shop", "1.0"), sandbox.project("web", "1.0"))
    assert sandbox.holdfast("plan", "--out", "p.json").returncode == 0
    done = sandbox.holdfast("apply", "p.json")
    assert done.returncode == 0, done.stderr

    again = sandbox.holdfast("apply", "p.json")
    assert again.returncode == 1
    assert [line.split(":")[0] for line in again.stderr.splitlines()] == ["shop/dev", "web/dev", "error"]

    sandbox.write(sandbox.project("shop", "1.1"), sandbox.project("web", "1.0"))
    assert sandbox.holdfast("plan", "--out", "p.json").returncode == 0
    victim = next(item for item in sandbox.containers() if item["Config"]["Labels"]["holdfast.dev/stage"] == "web/dev")
    sandbox.engine.client.api.remove_container(victim["Id"], force=True)
    moved = sandbox.holdfast("apply", "p.json")
    assert moved.returncode == 1
    assert "web/dev: what is declared or what runs has changed since the plan was made" in moved.stderr
    assert "shop/dev:" not in moved.stderr
    assert "the plan is out of date; run 'holdfast plan' again" in moved.stderr
    assert running(sandbox) != {}

    applied(sandbox)
    sandbox.start()
    sandbox.wait(lambda: sandbox.holdfast("reconcile", "shop").returncode == 0, "the controller answers")
    sandbox.holdfast("suspend", "shop/dev")
    assert sandbox.holdfast("plan", "--out", "p.json").returncode == 0
    assert sandbox.holdfast("apply", "p.json").returncode == 0
    sandbox.holdfast("resume", "shop/dev")
    refused = sandbox.holdfast("apply", "p.json")
    assert refused.returncode == 1
    assert "shop/dev: what is declared or what runs has changed" in refused.stderr


def test_documents_by_hand_touch_and_prune_nothing_else(sandbox: Sandbox) -> None:
    """`apply -f` of one of two projects leaves the other's container as it is; a request for nothing is told."""
    for tag in ("1.0", "1.1"):
        sandbox.push(tag)
    sandbox.write(sandbox.project("shop", "1.0"), name="shop.yaml")
    sandbox.write(sandbox.project("web", "1.0"), name="web.yaml")
    applied(sandbox)
    before = {c["Id"]: c["State"]["StartedAt"] for c in sandbox.containers() if "/web-" in c["Name"]}

    sandbox.write(sandbox.project("shop", "1.1"), name="shop.yaml")
    planned = sandbox.holdfast("plan", "-f", "desired/shop.yaml")
    assert "web" not in planned.stdout
    done = sandbox.holdfast("apply", "-f", "desired/shop.yaml")
    assert done.returncode == 0, done.stderr
    assert "web" not in done.stdout + done.stderr
    assert {c["Id"]: c["State"]["StartedAt"] for c in sandbox.containers() if "/web-" in c["Name"]} == before

    request = {
        "apiVersion": "holdfast.dev/v1alpha1",
        "kind": "DeployRequest",
        "metadata": {"name": "typo"},
        "spec": {"project": "shpo", "stage": "dev", "tag": "1.0"},
    }
    sandbox.write(request, name="request.yaml")
    for verb in ("plan", "apply"):
        told = sandbox.holdfast(verb)
        assert "refused: " in told.stderr
        assert "shpo" in told.stderr
        assert told.returncode == (0 if verb == "plan" else 1)


def test_beside_an_invalid_document_the_rest_is_planned(sandbox: Sandbox) -> None:
    """As with apply: the mistake with its place, the plan of what goes on, 65; as data too; and nothing is saved."""
    sandbox.push("1.0")
    sandbox.write(sandbox.project("shop", "1.0"))
    sandbox.write(sandbox.project("blog", "1.0", port=0), name="blog.yaml")

    done = sandbox.holdfast("plan", "--detailed-exitcode", "--out", "saved.json")
    assert done.returncode == 65
    assert "--> desired/blog.yaml:7:9  (spec.port)" in done.stderr
    assert "  +   instance 1.0  (declared, not running)" in done.stdout
    assert not (sandbox.folder / "saved.json").exists()

    data = sandbox.holdfast("plan", "-o", "json")
    found = json.loads(data.stdout)
    assert (data.returncode, [item["code"] for item in found["diagnostics"]]) == (65, ["E0110"])
    assert [stage["key"] for stage in found["stages"]] == ["shop/dev"]
    assert sandbox.containers() == []
