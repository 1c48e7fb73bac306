"""The program as people run it: declared, applied, replaced, rolled back, removed; on a real Engine and Caddy."""

import json
from typing import Any

import pytest

from tests.parts.sandbox import Sandbox


def serves(box: Sandbox, tag: str, host: str) -> bool:
    """True when this tag answers under the hostname."""
    reply = box.get(host)
    return reply.status == 200 and reply.body.startswith(f"{tag} ")


def running(box: Sandbox) -> dict[str, str]:
    """Container ids by tag of what runs."""
    found = [c for c in box.containers() if c["State"]["Status"] == "running"]
    return {c["Config"]["Labels"]["holdfast.dev/tag"]: c["Id"] for c in found}


def applied(box: Sandbox, code: int = 0) -> "Any":
    """Apply, and check how it ended."""
    done = box.holdfast("apply", "--timeout", "60s")
    assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
    return done


def test_a_declared_tag_runs_and_answers_under_both_hostnames(sandbox: Sandbox) -> None:
    """Liveness: apply ends with 0 when the tag runs, is routed and answers; a second apply changes nothing."""
    sandbox.push("1.0")
    sandbox.write(sandbox.project("shop", "1.0"))

    done = applied(sandbox)

    assert f"http://{sandbox.host('shop')}" in done.stdout
    assert serves(sandbox, "1.0", sandbox.host("shop"))
    assert serves(sandbox, "1.0", sandbox.host("shop", "1.0"))
    before = sandbox.containers()
    applied(sandbox)
    after = sandbox.containers()
    assert [(c["Id"], c["State"]["StartedAt"]) for c in before] == [(c["Id"], c["State"]["StartedAt"]) for c in after]
    assert before[0]["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"


def test_tags_run_side_by_side_and_the_newest_has_the_default_route(sandbox: Sandbox) -> None:
    """Liveness: each tag answers under its own hostname, the newest under the stage's."""
    for tag in ("1.0", "1.1", "2.0-rc.1"):
        sandbox.push(tag)
    sandbox.write(sandbox.project("shop", "1.0", "1.1", "2.0-rc.1"))

    applied(sandbox)

    for tag in ("1.0", "1.1", "2.0-rc.1"):
        assert serves(sandbox, tag, sandbox.host("shop", tag))
    assert serves(sandbox, "2.0-rc.1", sandbox.host("shop"))


def test_a_replaced_tag_goes_and_leaves_nothing(sandbox: Sandbox) -> None:
    """Liveness: [1.0] becomes [2.0]; the old one, its route and its container are gone in the end."""
    sandbox.push("1.0")
    sandbox.push("2.0")
    sandbox.write(sandbox.project("shop", "1.0"))
    applied(sandbox)

    sandbox.write(sandbox.project("shop", "2.0"))
    applied(sandbox)

    assert serves(sandbox, "2.0", sandbox.host("shop"))
    assert sandbox.get(sandbox.host("shop", "1.0")).status == 404
    assert list(running(sandbox)) == ["2.0"]
    assert sandbox.leftovers() == []


@pytest.mark.parametrize("broken", ["health", "exit"])
def test_a_broken_tag_is_taken_back_while_the_old_one_serves(sandbox: Sandbox, broken: str) -> None:
    """Safety: the old tag keeps its container and its routes; apply ends with 1 and says so; nothing is left."""
    sandbox.push("1.0")
    sandbox.push("2.0", BROKEN=broken)
    sandbox.write(sandbox.project("shop", "1.0"))
    applied(sandbox)
    before = running(sandbox)

    sandbox.write(sandbox.project("shop", "2.0"))
    done = applied(sandbox, 1)

    assert "2.0" in done.stderr
    assert serves(sandbox, "1.0", sandbox.host("shop"))
    assert serves(sandbox, "1.0", sandbox.host("shop", "1.0"))
    assert running(sandbox) == before
    assert sandbox.leftovers() == []
    status = json.loads(sandbox.holdfast("get", "-o", "json").stdout)["shop/dev"]
    assert {i["tag"]: i["phase"] for i in status["instances"]} == {"1.0": "HeldOver", "2.0": "RolledBack"}
    rows = json.loads(sandbox.holdfast("history", "-o", "json").stdout)
    assert [row["status"] for row in rows if row["tag"] == "2.0"] == ["RolledBack"]

    sandbox.push("3.0")
    sandbox.write(sandbox.project("shop", "3.0"))
    applied(sandbox)
    assert list(running(sandbox)) == ["3.0"]


def test_a_changed_variable_makes_a_new_container(sandbox: Sandbox) -> None:
    """Liveness: a changed spec replaces the container; the new one has the value."""
    sandbox.push("1.0")
    sandbox.write(sandbox.project("shop", "1.0", env=[{"name": "MESSAGE", "value": "one"}]))
    applied(sandbox)
    before = running(sandbox)

    sandbox.write(sandbox.project("shop", "1.0", env=[{"name": "MESSAGE", "value": "two"}]))
    applied(sandbox)

    assert sandbox.get(sandbox.host("shop")).body.strip().endswith("two")
    assert running(sandbox).keys() == before.keys()
    assert running(sandbox) != before
    assert len(sandbox.containers()) == 1


def test_beyond_max_instances_the_oldest_is_evicted(sandbox: Sandbox) -> None:
    """Liveness: with room for two the third evicts the first, after it has passed."""
    for tag in ("1.0", "1.1", "1.2"):
        sandbox.push(tag)
    limit = {"maxInstances": 2}
    sandbox.write(sandbox.project("shop", "1.0", "1.1", stage_fields=limit))
    applied(sandbox)

    sandbox.write(sandbox.project("shop", "1.0", "1.1", "1.2", stage_fields=limit))
    plan = sandbox.holdfast("plan")
    applied(sandbox)

    assert "evict" in plan.stdout.lower()
    assert sorted(running(sandbox)) == ["1.1", "1.2"]
    assert sandbox.leftovers() == []


def test_a_volume_is_never_shared_by_two_containers(sandbox: Sandbox) -> None:
    """Safety: with a writable volume the old one stops before the new one starts; data and volume stay."""
    sandbox.push("1.0")
    sandbox.push("2.0")
    sandbox.push("3.0", BROKEN="health")
    volumes = [{"name": "data", "mountPath": "/data"}]
    sandbox.write(sandbox.project("shop", "1.0", volumes=volumes))
    applied(sandbox)
    assert sandbox.get(sandbox.host("shop"), "/write?kept").status == 200
    first = sandbox.containers()[0]["State"]["StartedAt"]

    sandbox.write(sandbox.project("shop", "2.0", volumes=volumes))
    applied(sandbox)

    assert sandbox.get(sandbox.host("shop"), "/read").body.strip() == "kept"
    assert len(sandbox.containers()) == 1
    assert sandbox.containers()[0]["State"]["StartedAt"] > first

    sandbox.write(sandbox.project("shop", "3.0", volumes=volumes))
    applied(sandbox, 1)
    assert serves(sandbox, "2.0", sandbox.host("shop"))
    assert list(running(sandbox)) == ["2.0"]
    assert sandbox.leftovers() == []


def test_pre_deploy_runs_once_before_the_gate(sandbox: Sandbox) -> None:
    """Safety: the one-off container runs once per revision; a failing one takes the revision back."""
    sandbox.push("1.0")
    volumes = [{"name": "data", "mountPath": "/data"}]
    step = {"command": ["/bin/sh", "-c", "echo migrated >> /data/lines"], "timeout": "20s"}
    sandbox.write(sandbox.project("shop", "1.0", volumes=volumes, preDeploy=step))
    applied(sandbox)
    assert sandbox.get(sandbox.host("shop"), "/read").body.split() == ["migrated"]
    assert len(sandbox.containers()) == 1

    bad = {"command": ["/bin/sh", "-c", "echo no such table >&2; exit 3"]}
    changed = sandbox.project("shop", "1.0", volumes=volumes, preDeploy=bad, env=[{"name": "X", "value": "y"}])
    sandbox.write(changed)
    applied(sandbox, 1)
    assert serves(sandbox, "1.0", sandbox.host("shop"))
    assert "no such table" in sandbox.holdfast("explain", "shop/dev/1.0").stdout
    assert sandbox.leftovers() == []


def test_an_empty_list_removes_the_stage(sandbox: Sandbox) -> None:
    """Liveness: `instances: []` removes containers and routes; the volume stays."""
    sandbox.push("1.0")
    sandbox.write(sandbox.project("shop", "1.0", volumes=[{"name": "data", "mountPath": "/data"}]))
    applied(sandbox)

    sandbox.write(sandbox.project("shop", volumes=[{"name": "data", "mountPath": "/data"}]))
    applied(sandbox)

    assert sandbox.containers() == []
    assert sandbox.get(sandbox.host("shop")).status in (0, 404)
    volume = sandbox.engine.client.volumes.get("shop-dev-data")
    volume.remove()


def test_a_deploy_request_adds_an_instance_and_its_deletion_removes_it(sandbox: Sandbox) -> None:
    """Liveness: a DeployRequest declares one more instance for as long as its file is there."""
    sandbox.push("1.0")
    sandbox.push("1.1")
    sandbox.write(sandbox.project("shop", "1.0"))
    request = {
        "apiVersion": "holdfast.dev/v1alpha1",
        "kind": "DeployRequest",
        "metadata": {"name": "shop-dev-1-1"},
        "spec": {"project": "shop", "stage": "dev", "tag": "1.1"},
    }
    path = sandbox.write(request, name="request.yaml")
    applied(sandbox)
    assert sorted(running(sandbox)) == ["1.0", "1.1"]
    assert serves(sandbox, "1.1", sandbox.host("shop"))

    path.unlink()
    applied(sandbox)
    assert list(running(sandbox)) == ["1.0"]
    assert serves(sandbox, "1.0", sandbox.host("shop"))


def test_a_worker_runs_without_a_route(sandbox: Sandbox) -> None:
    """Liveness: without a port there are no routes, and the gate is that it keeps running."""
    sandbox.push("1.0")
    project = sandbox.project("worker", "1.0")
    del project["spec"]["port"], project["spec"]["healthCheck"]
    sandbox.write(project)

    applied(sandbox)

    assert list(running(sandbox)) == ["1.0"]
    assert sandbox.get(sandbox.host("worker")).status in (0, 404)


def test_an_old_one_that_ignores_sigterm_is_gone_when_apply_ends(sandbox: Sandbox) -> None:
    """Liveness: apply ends with 0 only when the old container has been stopped and removed."""
    sandbox.push("1.0", IGNORE_TERM="1")
    sandbox.push("2.0")
    sandbox.write(sandbox.project("shop", "1.0", stopGracePeriod="4s"))
    applied(sandbox)

    sandbox.write(sandbox.project("shop", "2.0", stopGracePeriod="4s"))
    applied(sandbox)

    assert [c["Config"]["Labels"]["holdfast.dev/tag"] for c in sandbox.containers()] == ["2.0"]
    rows = json.loads(sandbox.holdfast("history", "-o", "json").stdout)
    assert all(row["status"] != "Running" for row in rows)


def test_an_invalid_document_blocks_no_other_and_deletes_nothing(sandbox: Sandbox) -> None:
    """Safety: a project whose file is broken goes on running, another one is deployed; apply ends with 65."""
    sandbox.push("1.0")
    path = sandbox.write(sandbox.project("blog", "1.0"), name="blog.yaml")
    applied(sandbox)
    before = running(sandbox)

    path.write_text(path.read_text().replace("image:", "imgae:"))
    sandbox.write(sandbox.project("shop", "1.0"))
    done = applied(sandbox, 65)

    assert "did you mean 'image'?" in done.stderr
    assert serves(sandbox, "1.0", sandbox.host("shop"))
    assert serves(sandbox, "1.0", sandbox.host("blog"))
    assert before["1.0"] in [c["Id"] for c in sandbox.containers()]
