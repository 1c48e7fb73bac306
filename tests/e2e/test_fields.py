"""Fields of the documents that make a container: read from `docker inspect` or from the app behind the proxy."""

from typing import Any

import pytest

from tests.e2e.observations import container, environment
from tests.e2e.test_lifecycle import applied, running, serves
from tests.parts.sandbox import Sandbox


@pytest.mark.field(
    "metadata.name",
    "spec.image",
    "spec.port",
    "spec.env[].name",
    "spec.env[].value",
    "spec.env[].valueFrom.file",
    "spec.env[].valueFrom.env",
    "spec.command",
    "spec.args",
    "spec.user",
    "spec.labels",
    "spec.resources.memory",
    "spec.resources.cpus",
    "spec.stages[].name",
    "spec.stages[].instances[].tag",
)
@pytest.mark.field(
    "spec.stages[].env",
    "spec.stages[].command",
    "spec.stages[].args",
    "spec.stages[].user",
    "spec.stages[].labels",
    "spec.stages[].resources",
)
def test_a_container_is_made_as_declared_and_a_stage_overrides(sandbox: Sandbox) -> None:
    """Docker shows what the project says; in prod what prod says, and what it does not say from the project."""
    sandbox.push("1.0")
    sandbox.push("1.1")
    (sandbox.folder / "secrets" / "db").write_text("from a file\n")
    sandbox.environment["HOLDFAST_SECRET_TOKEN"] = "from a variable"
    env = [
        {"name": "PORT", "value": "9000"},
        {"name": "LEVEL", "value": "info"},
        {"name": "DB", "valueFrom": {"file": "db"}},
        {"name": "TOKEN", "valueFrom": {"env": "HOLDFAST_SECRET_TOKEN"}},
    ]
    prod = {
        "name": "prod",
        "instances": [{"tag": "1.1"}],
        "env": [{"name": "LEVEL", "value": "warning"}, {"name": "MORE", "value": ""}],
        "command": ["/bin/busybox", "sh"],
        "args": ["/app/serve.sh", "prod"],
        "user": "1001",
        "labels": {"tier": "b"},
        "resources": {"cpus": "250m"},
    }
    project = sandbox.project(
        "shop",
        port=9000,
        env=env,
        command=["/bin/sh"],
        args=["/app/serve.sh", "dev"],
        user="1000:1002",
        labels={"team": "web", "tier": "a"},
        resources={"memory": "64Mi", "cpus": "0.5"},
        stages=[{"name": "dev", "instances": [{"tag": "1.0"}]}, prod],
    )
    sandbox.write(project)

    applied(sandbox)

    dev, other = container(sandbox, "shop"), container(sandbox, "shop", "prod")
    assert dev["Name"].startswith("/shop-dev-1-0-")
    assert other["Name"].startswith("/shop-prod-1-1-")
    assert dev["Config"]["Image"].startswith(sandbox.image)
    assert serves(sandbox, "1.0", sandbox.host("shop"))
    assert serves(sandbox, "1.1", sandbox.host("shop", stage="prod"))
    told = {"PORT": "9000", "DB": "from a file", "TOKEN": "from a variable"}
    assert environment(dev).items() >= {**told, "LEVEL": "info"}.items()
    assert environment(other).items() >= {**told, "LEVEL": "warning", "MORE": ""}.items()
    assert "MORE" not in environment(dev)
    assert "DB=from a file\n" in sandbox.get(sandbox.host("shop"), "/env").body
    assert [dev["Path"], *dev["Args"]] == ["/bin/sh", "/app/serve.sh", "dev"]
    assert [other["Path"], *other["Args"]] == ["/bin/busybox", "sh", "/app/serve.sh", "prod"]
    assert (owner(sandbox, dev["Id"]), owner(sandbox, other["Id"])) == ("1000:1002", "1001:0")
    assert dev["Config"]["Labels"].items() >= {"team": "web", "tier": "a"}.items()
    assert other["Config"]["Labels"].items() >= {"team": "web", "tier": "b"}.items()
    assert (dev["HostConfig"]["Memory"], dev["HostConfig"]["NanoCpus"]) == (64 * 1024**2, 500_000_000)
    assert (other["HostConfig"]["Memory"], other["HostConfig"]["NanoCpus"]) == (64 * 1024**2, 250_000_000)


def owner(box: Sandbox, container_id: str) -> str:
    """Numbers of user and group that a container's first process runs as."""
    pid = box.engine.client.api.inspect_container(container_id)["State"]["Pid"]
    with open(f"/proc/{pid}/status") as file:
        lines = dict(line.split(":", 1) for line in file)
    return f"{lines['Uid'].split()[0]}:{lines['Gid'].split()[0]}"


@pytest.mark.field("spec.command", "spec.args")
def test_args_alone_keep_the_entrypoint_and_a_command_alone_drops_the_images_arguments(sandbox: Sandbox) -> None:
    """As in Kubernetes: args follow the image's entrypoint; a command stands alone."""
    sandbox.push("1.0")
    both: list[dict[str, Any]] = [{"name": name, "instances": [{"tag": "1.0"}]} for name in ("args", "command")]
    both[0] |= {"args": ["x"]}
    both[1] |= {"command": ["/bin/sh", "/app/serve.sh"]}
    sandbox.write(sandbox.project("shop", stages=both))

    applied(sandbox)

    first, second = container(sandbox, "shop", "args"), container(sandbox, "shop", "command")
    assert [first["Path"], *first["Args"]] == ["/bin/sh", "/app/serve.sh", "x"]
    assert [second["Path"], *second["Args"]] == ["/bin/sh", "/app/serve.sh"]


@pytest.mark.field(
    "spec.volumes[].name", "spec.volumes[].mountPath", "spec.volumes[].readOnly", "spec.volumes[].hostPath"
)
@pytest.mark.setting("policy.bindRoots")
def test_volumes_are_mounted_as_declared(sandbox: Sandbox) -> None:
    """A named volume keeps lines, a folder of the host is read, a read-only mount takes none."""
    sandbox.push("1.0")
    folder = sandbox.folder / "shared"
    folder.mkdir()
    (folder / "lines").write_text("of the host\n")
    sandbox.configure(policy={"bindRoots": [str(folder)]})
    named = {"name": "data", "mountPath": "/data"}
    bound = {"name": "conf", "mountPath": "/conf", "hostPath": str(folder), "readOnly": True}
    there = [{"name": "DATA", "value": "/conf"}]
    sandbox.write(
        sandbox.project("shop", "1.0", volumes=[named]),
        sandbox.project("site", "1.0", volumes=[bound, {**named, "readOnly": True}], env=there),
    )

    applied(sandbox)

    assert sandbox.get(sandbox.host("shop"), "/write?kept").status == 200
    assert sandbox.get(sandbox.host("shop"), "/read").body == "kept\n"
    assert sandbox.get(sandbox.host("site"), "/read").body == "of the host\n"
    assert sandbox.get(sandbox.host("site"), "/write?x").status == 500
    mounts = {m["Destination"]: m for name in ("shop", "site") for m in container(sandbox, name)["Mounts"]}
    assert mounts["/conf"]["Source"] == str(folder)
    names = {m["Name"]: m["RW"] for m in container(sandbox, "site")["Mounts"] if m["Type"] == "volume"}
    assert names == {"site-dev-data": False}
    assert [m["Name"] for m in container(sandbox, "shop")["Mounts"]] == ["shop-dev-data"]


@pytest.mark.field("metadata.labels", "metadata.annotations", "metadata.namespace", "metadata.creationTimestamp")
def test_what_kubernetes_adds_to_a_project_touches_no_container(sandbox: Sandbox) -> None:
    """Labels, annotations, namespace and time of a document are not the container's, and a change recreates nothing."""
    sandbox.push("1.0")
    project = sandbox.project("shop", "1.0")
    project["metadata"] |= {"labels": {"mine": "1"}, "annotations": {"note": "one"}}
    sandbox.write(project)
    applied(sandbox)
    before = running(sandbox)
    assert "mine" not in container(sandbox, "shop")["Config"]["Labels"]

    project["metadata"] = {
        "name": "shop",
        "labels": {"mine": "2"},
        "annotations": {"note": "two"},
        "namespace": "default",
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    sandbox.write(project)
    applied(sandbox)

    assert running(sandbox) == before
    assert serves(sandbox, "1.0", sandbox.host("shop"))


@pytest.mark.field("apiVersion", "kind", "DeployRequest.apiVersion", "DeployRequest.kind")
def test_another_version_or_kind_starts_nothing(sandbox: Sandbox) -> None:
    """Only what the program knows is acted on: each file of the rest is refused by name, and the good one runs."""
    sandbox.push("1.0")
    spec = {"project": "good", "stage": "dev", "tag": "1.1"}
    request = {"apiVersion": "holdfast.dev/v1alpha1", "kind": "DeployRequest", "metadata": {"name": "r"}, "spec": spec}
    sandbox.write({**sandbox.project("next", "1.0"), "apiVersion": "holdfast.dev/v2"}, name="version.yaml")
    sandbox.write({**sandbox.project("other", "1.0"), "kind": "Deployment"}, name="kind.yaml")
    sandbox.write({**request, "apiVersion": "v1"}, name="request.yaml")
    sandbox.write({**request, "kind": "Request"}, name="request-kind.yaml")
    sandbox.write(sandbox.project("good", "1.0"), name="good.yaml")

    sandbox.start()
    sandbox.wait(lambda: serves(sandbox, "1.0", sandbox.host("good")), "the good one answers")

    assert {c["Config"]["Labels"]["holdfast.dev/stage"] for c in sandbox.containers()} == {"good/dev"}
    assert list(running(sandbox)) == ["1.0"]
    refused = [line for line in sandbox.log.read_text().splitlines() if "refused" in line]
    for name in ("version.yaml", "kind.yaml", "request.yaml", "request-kind.yaml"):
        assert any(name in line for line in refused)
