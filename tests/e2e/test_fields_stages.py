"""Fields of stages, instances, requests and routes: what runs where, how long, and under which hostnames."""

import time
from functools import partial
from typing import Any

import httpx
import pytest

from tests.e2e.observations import events, upgraded
from tests.e2e.test_lifecycle import applied, running, serves
from tests.parts.process import free_port
from tests.parts.sandbox import Sandbox


def stage(name: str, *tags: str, **fields: Any) -> dict[str, Any]:
    """A stage with these tags and fields."""
    return {"name": name, "instances": [{"tag": tag} for tag in tags], **fields}


def request(name: str, tag: str, *, project: str = "shop", **fields: Any) -> dict[str, Any]:
    """A DeployRequest to the stage dev; `fields` are the document's metadata."""
    return {
        "apiVersion": "holdfast.dev/v1alpha1",
        "kind": "DeployRequest",
        "metadata": {"name": name, **fields},
        "spec": {"project": project, "stage": "dev", "tag": tag},
    }


@pytest.mark.field(
    "spec.stages[].host",
    "spec.stages[].domains",
    "spec.stages[].defaultTag",
    "spec.stages[].maxInstances",
    "spec.stages[].instances[].tag",
)
@pytest.mark.field("spec.tagRoutes", "spec.stages[].tagRoutes")
def test_stages_run_what_and_where_they_say(sandbox: Sandbox) -> None:
    """One of another host, one with its own domain and default, one with room for two, one without tag routes."""
    for tag in ("1.0", "1.1", "1.2"):
        sandbox.push(tag)
    own = f"www.{sandbox.domain}"
    sandbox.write(
        sandbox.project(
            "shop",
            tagRoutes=False,
            stages=[
                stage("here", "1.0", host=sandbox.id),
                stage("there", "1.0", host="elsewhere"),
                stage("named", "1.0", "1.1", domains=[own], defaultTag="1.0", tagRoutes=True),
                stage("room", "1.0", "1.1", "1.2", maxInstances=2),
            ],
        )
    )

    applied(sandbox)

    assert serves(sandbox, "1.0", sandbox.host("shop", stage="here"))
    assert sandbox.containers(stage="shop/there") == []
    assert sandbox.get(sandbox.host("shop", stage="there")).status == 404
    assert serves(sandbox, "1.0", own)
    assert serves(sandbox, "1.0", sandbox.host("shop", stage="named"))
    assert serves(sandbox, "1.1", sandbox.host("shop", "1.1", "named"))
    assert sandbox.get(sandbox.host("shop", "1.0", "here")).status == 404
    tags = [c["Config"]["Labels"]["holdfast.dev/tag"] for c in sandbox.containers(stage="shop/room")]
    assert sorted(tags) == ["1.1", "1.2"]
    assert serves(sandbox, "1.2", sandbox.host("shop", stage="room"))


@pytest.mark.field("spec.stages[].instances[].ttl", "DeployRequest.spec.ttl")
def test_an_instance_leaves_when_its_time_is_over(sandbox: Sandbox) -> None:
    """Not before and not much later, listed or requested; the one without a ttl stays and gets the default route."""
    for tag in ("1.0", "1.1", "1.2"):
        sandbox.push(tag)
    project = sandbox.project("shop", "1.0", drain="0s")
    project["spec"]["stages"][0]["instances"].append({"tag": "1.1", "ttl": "4s"})
    short = request("short", "1.2")
    short["spec"]["ttl"] = "5s"
    sandbox.write(project, short)

    sandbox.start()
    for tag in ("1.1", "1.2"):
        sandbox.wait(partial(serves, sandbox, tag, sandbox.host("shop", tag)), f"{tag} answers")
    sandbox.wait(lambda: list(running(sandbox)) == ["1.0"], "both are gone")

    seen = {(e.tag, e.action): e.at for e in reversed(events(sandbox, 0))}
    for tag, ttl in (("1.1", 4), ("1.2", 5)):
        assert ttl - 1 < seen[tag, "die"] - seen[tag, "create"] < ttl + 4
    sandbox.wait(lambda: serves(sandbox, "1.0", sandbox.host("shop")), "the one that stays has the default route")
    assert sandbox.get(sandbox.host("shop", "1.1")).status == 404


@pytest.mark.field(
    "DeployRequest.metadata.name",
    "DeployRequest.metadata.creationTimestamp",
    "DeployRequest.metadata.namespace",
    "DeployRequest.metadata.labels",
    "DeployRequest.metadata.annotations",
    "DeployRequest.spec.project",
    "DeployRequest.spec.stage",
    "DeployRequest.spec.tag",
)
def test_requests_add_instances_and_the_newest_has_the_default_route(sandbox: Sandbox) -> None:
    """By creationTimestamp, else by name; each in the project it names; the rest of its metadata changes nothing."""
    for tag in ("1.0", "1.1", "1.2"):
        sandbox.push(tag)
    noted: dict[str, Any] = {"namespace": "team", "labels": {"mine": "1"}, "annotations": {"note": "x"}}
    sandbox.write(
        sandbox.project("shop", stages=[stage("dev", "1.0"), stage("prod", "1.0")]),
        sandbox.project("site"),
        request("a", "1.2", creationTimestamp="2026-02-01T00:00:00Z", **noted),
        request("b", "1.1", creationTimestamp="2026-01-01T00:00:00Z"),
        request("c", "1.2", project="site"),
        request("d", "1.1", project="site"),
    )

    applied(sandbox)

    there = {key: tags(sandbox, key) for key in ("shop/dev", "shop/prod", "site/dev")}
    assert there == {"shop/dev": ["1.0", "1.1", "1.2"], "shop/prod": ["1.0"], "site/dev": ["1.1", "1.2"]}
    assert serves(sandbox, "1.2", sandbox.host("shop"))
    assert serves(sandbox, "1.1", sandbox.host("site"))
    found = next(c for c in sandbox.containers(stage="shop/dev", tag="1.2"))
    assert not {"mine", "note"} & found["Config"]["Labels"].keys()


def tags(box: Sandbox, key: str) -> list[str]:
    """Tags that run in a stage."""
    return sorted(c["Config"]["Labels"]["holdfast.dev/tag"] for c in box.containers(stage=key))


@pytest.mark.field("spec.route.websockets", "spec.stages[].route")
def test_websockets_pass_unless_they_are_turned_off(sandbox: Sandbox) -> None:
    """Through the proxy: an upgrade with an echo behind it, or none; plain requests pass in both."""
    sandbox.push("1.0")
    on = {"route": {"websockets": True}}
    sandbox.write(
        sandbox.project("shop", stages=[stage("dev", "1.0"), stage("talks", "1.0", **on)], route={"websockets": False}),
        sandbox.project("usual", "1.0"),
    )

    applied(sandbox)

    assert upgraded(sandbox, sandbox.host("usual")) == (101, "echo hello")
    assert upgraded(sandbox, sandbox.host("shop", stage="talks")) == (101, "echo hello")
    assert upgraded(sandbox, sandbox.host("shop"))[0] == 426
    assert serves(sandbox, "1.0", sandbox.host("shop"))


@pytest.mark.field("spec.route.forceTLS")
@pytest.mark.setting("proxy.tls.mode")
def test_with_tls_plain_requests_are_redirected(sandbox: Sandbox) -> None:
    """Caddy's own authority signs for the hostname, the app answers over TLS, and http is sent there."""
    plain = free_port()
    pki = {"certificate_authorities": {"local": {"install_trust": False}}}
    apps = {"http": {"http_port": plain, "https_port": sandbox.caddy.port}, "pki": pki}
    httpx.post(f"{sandbox.caddy.admin}/config/apps", json=apps, trust_env=False).raise_for_status()
    sandbox.settings["proxy"]["tls"] = {"mode": "internal"}
    sandbox.configure()
    sandbox.push("1.0")
    sandbox.write(sandbox.project("shop", "1.0", route={"forceTLS": True}))

    applied(sandbox)

    host = sandbox.host("shop")
    with httpx.Client(verify=False, trust_env=False) as client:
        inside = client.get(
            f"https://{sandbox.caddy.address}/", headers={"Host": host}, extensions={"sni_hostname": host}
        )
        outside = client.get(f"http://127.0.0.1:{plain}/x", headers={"Host": host})
    assert inside.text.startswith("1.0 ")
    assert (outside.status_code, outside.headers["Location"]) == (308, f"https://{host}/x")


@pytest.mark.field("spec.route.certificate", "spec.route.accessList", "spec.route.forceTLS")
@pytest.mark.parametrize("option", ["certificate", "accessList", "forceTLS"])
def test_what_this_proxy_cannot_do_is_refused_and_what_runs_stays(sandbox: Sandbox, option: str) -> None:
    """No route without its protection: the option is refused by name, and no container is started, stopped or made."""
    sandbox.push("1.0")
    sandbox.write(sandbox.project("shop", "1.0"))
    applied(sandbox)
    since = time.time()
    value: object = True if option == "forceTLS" else "office"
    sandbox.write(sandbox.project("shop", "1.0", env=[{"name": "X", "value": "y"}], route={option: value}))

    done = sandbox.holdfast("apply", "--timeout", "10s")

    assert done.returncode == 1
    assert f"route.{option}" in done.stderr
    assert serves(sandbox, "1.0", sandbox.host("shop"))
    assert events(sandbox, since) == []
