"""The keys of holdfast.yaml that say where and what: each one read from Docker, the proxy, a receiver or the disk."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.contract.test_notify import Receiver
from tests.e2e.observations import container, environment
from tests.e2e.test_lifecycle import applied, running, serves
from tests.parts.process import answers, free_port
from tests.parts.sandbox import Reply, Sandbox
from tests.parts.tap import Tap


def dials(box: Sandbox) -> set[str]:
    """Where Caddy sends requests to, by its own configuration."""
    text = httpx.get(f"{box.caddy.admin}/config/", trust_env=False).text
    found: set[str] = set()

    def collect(value: Any) -> None:
        if isinstance(value, dict):
            found.update([value["dial"]] if "dial" in value else [])
            for inner in value.values():
                collect(inner)
        for inner in value if isinstance(value, list) else ():
            collect(inner)

    collect(json.loads(text))
    return found


@pytest.mark.setting("id", "domain", "hostnames.default", "hostnames.instance", "sources[].files.path")
@pytest.mark.setting("docker.network")
def test_names_come_from_the_settings_and_a_variable_beats_the_file(sandbox: Sandbox) -> None:
    """Hostnames by the patterns below the domain, the container's mark and network, documents of two sources."""
    sandbox.push("1.0")
    sandbox.configure(
        domain="file.test",
        hostnames={"default": "{project}-at-{stage}", "instance": "{tag}.{project}-{stage}"},
        sources=[{"files": {"path": "./desired"}}, {"files": {"path": "./more.yaml"}}],
    )
    sandbox.environment["HOLDFAST_DOMAIN"] = sandbox.domain
    sandbox.write(sandbox.project("site", "1.0")).rename(sandbox.folder / "more.yaml")
    sandbox.write(sandbox.project("shop", "1.0"))

    applied(sandbox)

    for project in ("shop", "site"):
        assert serves(sandbox, "1.0", f"{project}-at-dev.{sandbox.domain}")
        assert serves(sandbox, "1.0", f"1-0.{project}-dev.{sandbox.domain}")
    found = container(sandbox, "shop")
    assert found["Config"]["Labels"]["holdfast.dev/controller"] == sandbox.id
    assert list(found["NetworkSettings"]["Networks"]) == [sandbox.network]
    assert sandbox.get("shop-at-dev.file.test").status == 404


@pytest.mark.setting("docker.config", "docker.host")
def test_credentials_are_those_of_the_folder_that_is_named(sandbox: Sandbox) -> None:
    """The pull that Docker gets carries the user of config.json in that folder."""
    sandbox.push("1.0")
    tap = Tap(sandbox.folder / "tap.sock", sandbox.engine.url)
    folder = sandbox.folder / "docker"
    folder.mkdir()
    user = base64.b64encode(b"robot:pass").decode()
    (folder / "config.json").write_text(json.dumps({"auths": {sandbox.registry.address: {"auth": user}}}))
    sandbox.configure(docker={"host": tap.url, "network": sandbox.network, "config": "./docker"})
    sandbox.write(sandbox.project("shop", "1.0"))

    applied(sandbox)

    tap.close()
    pull = next(call for call in tap.calls if "/images/create" in call.path)
    told = json.loads(base64.urlsafe_b64decode(pull.headers["x-registry-auth"] + "=="))
    assert (told["username"], told["password"]) == ("robot", "pass")


@pytest.mark.setting("proxy.kind", "proxy.admin", "proxy.listen", "proxy.address", "proxy.reach")
def test_the_proxy_listens_where_it_is_told_and_leads_to_a_published_port(sandbox: Sandbox) -> None:
    """Routes on a second port only; with `published` through a port of 127.0.0.1, without to the container itself."""
    sandbox.push("1.0")
    sandbox.write(sandbox.project("shop", "1.0"))
    applied(sandbox)
    found = container(sandbox, "shop")
    assert dials(sandbox) == {f"{found['NetworkSettings']['Networks'][sandbox.network]['IPAddress']}:8080"}
    assert not found["HostConfig"]["PortBindings"]
    usual, port = sandbox.caddy.address, free_port()
    told = {"kind": "caddy", "admin": sandbox.caddy.admin, "listen": f":{port}", "address": f"127.0.0.1:{port}"}
    sandbox.configure(proxy={**told, "reach": "published"})

    applied(sandbox)

    sandbox.caddy.address = f"127.0.0.1:{port}"
    assert serves(sandbox, "1.0", sandbox.host("shop"))
    bound = container(sandbox, "shop")["NetworkSettings"]["Ports"]["8080/tcp"]
    assert dials(sandbox) == {f"127.0.0.1:{bound[0]['HostPort']}"}
    assert bound[0]["HostIp"] == "127.0.0.1"
    sandbox.caddy.address = usual
    assert sandbox.get(sandbox.host("shop")).status in (0, 404)


@pytest.mark.setting("proxy.reach", "proxy.tls.mode", "proxy.tls.email")
def test_the_proxy_is_told_names_and_the_contact_of_its_authority(sandbox: Sandbox) -> None:
    """With `name` the upstream is the container's name; with acme Caddy has the e-mail address for these hostnames."""
    sandbox.push("1.0")
    tls = {"mode": "acme", "email": "admin@example.com"}
    sandbox.configure(proxy={**sandbox.settings["proxy"], "reach": "name", "tls": tls})
    sandbox.write(sandbox.project("shop", "1.0"))
    sandbox.start()

    sandbox.wait(lambda: dials(sandbox), "the route is there")

    assert dials(sandbox) == {f"{container(sandbox, 'shop')['Name'].lstrip('/')}:8080"}
    policy = httpx.get(f"{sandbox.caddy.admin}/config/apps/tls/automation/policies/0", trust_env=False).json()
    assert sandbox.host("shop") in policy["subjects"]
    assert [issuer.get("email") for issuer in policy["issuers"]] == ["admin@example.com"]


@pytest.mark.setting("proxy.address")
def test_a_route_is_asked_for_where_the_settings_say(sandbox: Sandbox) -> None:
    """Where nothing answers there the new container never takes over: the old one keeps its route."""
    sandbox.push("1.0")
    sandbox.push("2.0")
    sandbox.write(sandbox.project("shop", "1.0"))
    applied(sandbox)
    before = running(sandbox)["1.0"]
    sandbox.configure(proxy={**sandbox.settings["proxy"], "address": f"127.0.0.1:{free_port()}"})
    sandbox.write(sandbox.project("shop", "2.0"))

    done = sandbox.holdfast("apply", "--timeout", "4s")

    assert done.returncode == 75, done.stderr
    assert running(sandbox)["1.0"] == before


@pytest.fixture
def receivers() -> Iterator[tuple[Receiver, Receiver]]:
    """Two receivers of webhooks."""
    pair = (Receiver(), Receiver())
    yield pair
    for one in pair:
        one.close()


@pytest.mark.setting("notifications[].url.file", "notifications[].url.env", "notifications[].events")
@pytest.mark.setting("notifications[].secret.file", "notifications[].secret.env")
def test_receivers_are_told_what_they_asked_for(sandbox: Sandbox, receivers: tuple[Receiver, Receiver]) -> None:
    """One gets signed successes at its secret address, the other the roll-back; each signature is its own key's."""
    first, second = receivers
    sandbox.push("1.0")
    sandbox.push("2.0", BROKEN="health")
    (sandbox.folder / "secrets" / "hook").write_text("key one\n")
    (sandbox.folder / "secrets" / "where").write_text(second.url)
    sandbox.environment |= {"HOLDFAST_SECRET_HOOK": "key two", "HOLDFAST_SECRET_WHERE": first.url}
    there, key = {"env": "HOLDFAST_SECRET_WHERE"}, {"file": "hook"}
    sandbox.configure(
        notifications=[
            {"url": there, "secret": key, "events": ["success"]},
            {"url": {"file": "where"}, "secret": {"env": "HOLDFAST_SECRET_HOOK"}, "events": ["rollback"]},
            {"url": first.url.replace("/hook", "/plain"), "events": ["rollback"]},
        ]
    )
    sandbox.write(sandbox.project("shop", "1.0"))
    applied(sandbox)
    sandbox.write(sandbox.project("shop", "1.0", "2.0"))
    applied(sandbox, 1)

    by_path = {(path, json.loads(body)["tag"]) for path, _, body in first.got}
    assert by_path == {("/hook", "1.0"), ("/plain", "2.0")}
    assert [json.loads(body)["tag"] for _, _, body in second.got] == ["2.0"]
    for secret, (path, headers, body) in (("key one", first.got[0]), ("key two", second.got[0])):
        assert path == "/hook"
        told = dict(part.split("=", 1) for part in headers["Holdfast-Signature"].split(","))
        text = f"{told['t']}.".encode() + body
        assert told["v1"] == hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()
    assert "Holdfast-Signature" not in next(headers for path, headers, _ in first.got if path == "/plain")


@pytest.mark.setting("policy.registries", "policy.secretRoots", "policy.bindRoots")
def test_what_the_policy_does_not_allow_is_never_made(sandbox: Sandbox) -> None:
    """Another repository, not even pulled; a folder and a secret outside the roots: no container of theirs."""
    sandbox.push("1.0")
    for name in ("keys", "other"):
        (sandbox.folder / name).mkdir()
        (sandbox.folder / name / "key").write_text(name)
    sandbox.configure(
        policy={
            "registries": [sandbox.image],
            "bindRoots": [str(sandbox.folder / "other")],
            "secretRoots": ["./keys"],
        }
    )
    elsewhere = f"{sandbox.id}/elsewhere"
    sandbox.registry.push(elsewhere, "1.0")
    outside = [{"name": "x", "mountPath": "/x", "hostPath": str(sandbox.folder / "desired"), "readOnly": True}]
    secret = [{"name": "KEY", "valueFrom": {"file": str(sandbox.folder / "other" / "key")}}]
    sandbox.write(
        sandbox.project("good", "1.0", env=[{"name": "KEY", "valueFrom": {"file": "key"}}]),
        sandbox.project("image", "1.0", image=f"{sandbox.registry.address}/{elsewhere}"),
        sandbox.project("bind", "1.0", volumes=outside),
        sandbox.project("secret", "1.0", env=secret),
    )

    done = sandbox.holdfast("apply", "--timeout", "6s")

    assert done.returncode == 75, done.stderr
    assert sandbox.engine.client.api.images(name=f"{sandbox.registry.address}/{elsewhere}") == []
    assert {c["Config"]["Labels"]["holdfast.dev/stage"] for c in sandbox.containers()} == {"good/dev"}
    assert environment(container(sandbox, "good"))["KEY"] == "keys"
    for text in ("policy.registries", "policy.bindRoots", "secret"):
        assert text in done.stderr


@pytest.mark.setting("policy.capabilities")
@pytest.mark.parametrize(("listed", "dropped"), [([], ["NET_RAW"]), (["NET_RAW"], [])])
def test_a_listed_capability_is_kept(sandbox: Sandbox, listed: list[str], dropped: list[str]) -> None:
    """Containers lose NET_RAW unless the policy lists it; the list changes what the kernel lets the process do."""
    sandbox.push("1.0")
    sandbox.configure(policy={"capabilities": listed})
    sandbox.write(sandbox.project("shop", "1.0"))

    applied(sandbox)

    found = container(sandbox, "shop")
    assert [name.removeprefix("CAP_") for name in found["HostConfig"]["CapDrop"] or []] == dropped
    with open(f"/proc/{found['State']['Pid']}/status") as file:
        bounding = next(int(line.split()[1], 16) for line in file if line.startswith("CapBnd"))
    assert bool(bounding & 1 << 13) is bool(listed)


@pytest.mark.setting("api.listen")
def test_the_api_listens_where_it_is_told_or_nowhere(sandbox: Sandbox) -> None:
    """/readyz answers at the address while the controller runs; with null nothing listens."""
    url = f"http://127.0.0.1:{free_port()}"
    sandbox.push("1.0")
    sandbox.write(sandbox.project("shop", "1.0"))
    sandbox.configure(api={"listen": url.removeprefix("http://")})
    sandbox.start()
    sandbox.wait(lambda: httpx.get(f"{url}/readyz", trust_env=False).status_code == 200 if answers(url) else False, url)
    sandbox.stop()
    assert not answers(url)

    sandbox.configure(api=None)
    sandbox.start()
    sandbox.wait(lambda: sandbox.log.read_text().count("controller starts") == 2, "it starts again")
    sandbox.wait(lambda: reply(sandbox).status == 200, "the app answers")
    assert not answers(url)


def reply(box: Sandbox) -> Reply:
    """What the app says under its stage's hostname."""
    return box.get(box.host("shop"))
