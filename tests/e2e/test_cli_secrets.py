"""A secret's value is in the container and nowhere else; webhooks tell how rollouts end, also across a kill."""

import hashlib
import hmac
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.test_notify import Receiver
from tests.e2e.test_lifecycle import applied, serves
from tests.parts.sandbox import Sandbox

CANARY = "c4n4ry-7Qx!'\"\\ $HOME"
CHANGED = "ch4ng3d-9Zk"
HOOK = "h00k-p4th-5e"
KEY = "s1gn1ng-k3y"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A server that takes webhooks."""
    server = Receiver()
    yield server
    server.close()


def leaks(folder: Path, *secrets: str) -> list[str]:
    """Files below the state folder that hold one of these, in whatever part of them."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and any(secret.encode() in path.read_bytes() for secret in secrets):
            found.append(str(path))
    return found


def test_a_secret_reaches_the_container_and_nothing_else(sandbox: Sandbox, receiver: Receiver) -> None:
    """No output of any verb, no log, no file of the state folder, no label and no webhook holds its value."""
    (sandbox.folder / "secrets" / "db").write_text(f"{CANARY}\n")
    (sandbox.folder / "secrets" / "key").write_text(f"{KEY}\n")
    sandbox.environment["HOLDFAST_SECRET_HOOK"] = f"{receiver.url}/{HOOK}"
    sandbox.configure(notifications=[{"url": {"env": "HOLDFAST_SECRET_HOOK"}, "secret": {"file": "key"}}])
    env = [{"name": "DB_PASSWORD", "valueFrom": {"file": "db"}}]
    sandbox.push("1.0")
    sandbox.push("2.0", BROKEN="health")
    told: list[str] = []

    def run(*arguments: str, code: int = 0) -> "subprocess.CompletedProcess[str]":
        done = sandbox.holdfast(*arguments)
        assert done.returncode == code, done.stderr
        told.extend([done.stdout, done.stderr])
        return done

    sandbox.write(sandbox.project("shop", "1.0", env=env))
    run("plan")
    run("plan", "-o", "json", "--out", "p.json")
    run("apply", "p.json")
    assert sandbox.get(sandbox.host("shop", "1.0"), "/env").body.count(CANARY) == 1

    sandbox.write(sandbox.project("shop", "1.0", "2.0", env=env))
    run("apply", code=1)
    (sandbox.folder / "secrets" / "db").write_text(CHANGED)
    assert '"secrets"' in run("plan", "-o", "json").stdout
    assert "secrets: *** (hidden)" in run("plan").stdout
    sandbox.start()
    sandbox.wait(lambda: sandbox.holdfast("reconcile", "shop").returncode == 0, "the controller answers")
    run("apply", code=1)
    assert CHANGED in sandbox.get(sandbox.host("shop", "1.0"), "/env").body
    (sandbox.folder / "secrets" / "db").unlink()
    assert "was not found below" in run("plan").stdout
    run("apply", "--timeout", "2s", code=75)
    assert serves(sandbox, "1.0", sandbox.host("shop", "1.0"))
    receiver.always = "500"
    for verb in ("get", "describe", "explain", "history", "logs", "events"):
        for form in ("wide", "json"):
            run(verb, "shop", "-o", form)
    run("doctor")
    sandbox.stop()

    secrets = (CANARY, CHANGED, HOOK, KEY)
    told.append(sandbox.log.read_text())
    told += [str(container["Config"]["Labels"]) + container["Name"] for container in sandbox.containers()]
    told += [body.decode() + str({**headers, "Host": ""}) for _, headers, body in receiver.got]
    told.append((sandbox.folder / "p.json").read_text())
    assert [text for text in told if any(secret in text for secret in secrets)] == []
    assert leaks(sandbox.folder / ".holdfast", *secrets) == []
    assert receiver.got


def test_a_missing_secret_says_what_to_do_and_blocks_nothing_else(sandbox: Sandbox) -> None:
    """The reference and the place are named; another project goes on; once it is there the next apply does it."""
    sandbox.push("1.0")
    env = [{"name": "DB_PASSWORD", "valueFrom": {"file": "db"}}]
    sandbox.write(sandbox.project("shop", "1.0", env=env), sandbox.project("web", "1.0"))
    done = sandbox.holdfast("apply", "--timeout", "4s")
    assert done.returncode == 75
    assert f"secret file:db was not found below {sandbox.folder}/secrets" in done.stderr
    assert serves(sandbox, "1.0", sandbox.host("web"))
    (sandbox.folder / "secrets" / "db").write_text(CANARY)
    applied(sandbox)
    assert serves(sandbox, "1.0", sandbox.host("shop"))


def test_webhooks_tell_each_end_signed_and_at_least_once(sandbox: Sandbox, receiver: Receiver) -> None:
    """Success, rollback and failure; refused at first and the controller killed, the same delivery comes again."""
    (sandbox.folder / "secrets" / "key").write_text(KEY)
    sandbox.configure(notifications=[{"url": receiver.url, "secret": {"file": "key"}}])
    sandbox.push("1.0")
    sandbox.push("2.0", BROKEN="health")
    sandbox.write(sandbox.project("shop", "1.0"))
    applied(sandbox)
    assert [item["event"] for item in receiver.bodies] == ["success"]

    receiver.always = "500"
    sandbox.start()
    sandbox.wait(lambda: sandbox.holdfast("reconcile", "shop").returncode == 0, "the controller answers")
    sandbox.write(sandbox.project("shop", "2.0"))
    sandbox.wait(lambda: len(receiver.got) >= 2, "it tried to tell of the roll-back")
    sandbox.kill(signal.SIGKILL)
    before = len(receiver.got)
    assert {item["event"] for item in receiver.bodies[1:]} == {"rollback"}

    receiver.always = "200"
    sandbox.start()
    sandbox.wait(lambda: len(receiver.got) > before, "it is told after the restart")
    sandbox.stop()
    assert len(set(receiver.ids[1:])) == 1
    assert receiver.ids[0] != receiver.ids[1]
    assert (receiver.bodies[-1]["project"], receiver.bodies[-1]["tag"]) == ("shop", "2.0")

    sandbox.write(sandbox.project("web", "2.0", progressDeadline="1s"), name="web.yaml")
    applied(sandbox, 1)
    sandbox.wait(lambda: receiver.bodies[-1]["event"] == "failure", "a first deploy that never ran is a failure")
    for _, headers, body in receiver.got:
        stamp, mark = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", headers["Holdfast-Signature"]).groups()  # type: ignore[union-attr]
        assert mark == hmac.new(KEY.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
