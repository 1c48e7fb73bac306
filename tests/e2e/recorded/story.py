"""What a recorded site is made of: its settings, its documents, its images, and what happens to it before it rests."""

from collections.abc import Callable
from typing import Any

from tests.e2e.recorded.place import LISTEN
from tests.parts.registry import Registry
from tests.parts.sandbox import Sandbox

ID = "site"
PULLED_FROM = 5000
"""Port of the registry: it is part of the names of images."""
SECRET = "made-up-value\n"

SETTINGS: dict[str, Any] = {
    "id": ID,
    "domain": "example.test",
    "docker": {"network": ID},
    "proxy": {"kind": "caddy", "listen": LISTEN, "address": LISTEN},
    "sources": [{"files": {"path": "./desired"}}],
    "limits": {"resync": "1s"},
    "api": None,
}
"""Where the Engine and the proxy's admin API are stands in the environment, because it changes."""

QUICK = {"path": "/healthz", "retries": 3, "interval": "200ms", "timeout": "5s", "liveness": "1s"}
TIMES = {"drain": "500ms", "stopGracePeriod": "1s"}


def push(registry: Registry, image: str, tag: str, **behaviour: str) -> None:
    """Serve an image under a tag."""
    registry.push(f"{ID}/{image}", tag, **behaviour)


def play(box: Sandbox, applied: Callable[[int], None]) -> None:
    """Make the site: begun, changed, one tag failed, tags pushed again, one stage suspended by hand.

    `applied`: waits until everything has settled, and checks with which code `apply` ended.
    """
    registry = box.registry
    for image, tags in {"shop": "1.0 1.1", "api": "1.0", "store": "16", "legacy": "1.0 2.0"}.items():
        for tag in tags.split():
            push(registry, image, tag)
    push(registry, "api", "2.0", BROKEN="health")
    for tag in ("7", "8"):
        push(registry, "worker", tag, HEALTHCHECK="true")
    write(box, shop("1.0"), api("1.0"), store(), worker("7"), legacy("1.0"))
    box.start()
    box.wait(lambda: "controller starts" in box.log.read_text(), "the controller starts")
    applied(0)

    write(box, shop("1.0", "1.1"), api("1.0", "2.0"), worker("8"), request("1.1"))
    applied(1)
    assert box.holdfast("suspend", "legacy/dev").returncode == 0
    write(box, legacy("2.0", suspend=True))
    applied(1)

    push(registry, "shop", "1.0")
    push(registry, "api", "1.0")
    assert box.stop() == 0
    box.start()  # a controller asks for digests when it starts, and then seldom
    known = "api/dev", "1.0", "update", "Succeeded"
    box.wait(lambda: all(word in box.holdfast("history", "api/dev/1.0").stdout for word in known), "it is followed")
    box.wait(lambda: "TagMoved" in box.holdfast("describe", "shop/dev").stdout, "it is told")
    applied(1)


def write(box: Sandbox, *documents: dict[str, Any]) -> None:
    """Write each document into a file of its own."""
    for document in documents:
        box.write(document, name=f"{document['metadata']['name']}.yaml")


def document(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    """A document."""
    return {"apiVersion": "holdfast.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def project(name: str, *stages: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """A project of the test app."""
    image = f"127.0.0.1:{PULLED_FROM}/{ID}/{name}"
    return document("Project", name, image=image, **spec, **TIMES, stages=list(stages))


def stage(name: str, *tags: str, **more: Any) -> dict[str, Any]:
    """A stage that shall run these tags."""
    return {"name": name, **more, "instances": [{"tag": tag} for tag in tags]}


def shop(*tags: str) -> dict[str, Any]:
    """Tags side by side with a route each, and a stage that overrides what the project says."""
    domains = ["shop.test", "www.shop.test"]
    env = [{"name": "LOG_LEVEL", "value": "warning"}]
    return project(
        "shop",
        stage("dev", *tags),
        stage("prod", "1.0", domains=domains, defaultTag="1.0", env=env, maxInstances=3),
        port=8080,
        labels={"team": "shop"},
        env=[{"name": "LOG_LEVEL", "value": "info"}, {"name": "REGION", "value": "north"}],
        resources={"memory": "64Mi", "cpus": "0.5"},
        healthCheck=QUICK,
    )


def api(*tags: str) -> dict[str, Any]:
    """A secret, a migration before the gate, and a tag that is followed when it is pushed again."""
    return project(
        "api",
        stage("dev", *tags),
        port=8080,
        env=[{"name": "API_KEY", "valueFrom": {"file": "api-key"}}],
        preDeploy={"command": ["/bin/sh", "-c", "exit 0"], "timeout": "1m"},
        trackDigest=True,
        healthCheck=QUICK,
    )


def store() -> dict[str, Any]:
    """A volume, so that the old one stops before the new one starts."""
    return project(
        "store",
        stage("dev", "16"),
        port=8080,
        tagRoutes=False,
        volumes=[{"name": "data", "mountPath": "/data"}],
        healthCheck={"type": "tcp", "liveness": "1s"},
    )


def worker(tag: str) -> dict[str, Any]:
    """No port, and a check that Docker makes."""
    return project("worker", stage("dev", tag), healthCheck={"type": "docker", "interval": "200ms", "liveness": "1s"})


def legacy(tag: str, **prod: Any) -> dict[str, Any]:
    """Stages that are left alone, once with a tag declared that does not run."""
    return project("legacy", stage("dev", tag), stage("prod", tag, **prod), port=8080, healthCheck=QUICK)


def request(tag: str) -> dict[str, Any]:
    """An instance that is asked for, for a time."""
    return document("DeployRequest", "try-it", project="shop", stage="prod", tag=tag, ttl="300d")
