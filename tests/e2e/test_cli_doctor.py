"""`doctor`: each thing that can be missing is really missing once, and its line says what and how to mend it."""

import json
import os
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import yaml

from tests.e2e.test_lifecycle import applied
from tests.parts.sandbox import PROGRAM, Sandbox

Checks = dict[str, dict[str, str]]


def doctor(box: Sandbox, code: int, *arguments: str) -> Checks:
    """What doctor says, by check; it ends with `code`."""
    done = box.holdfast("doctor", "-o", "json", *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    return {item["check"]: item for item in json.loads(done.stdout)["checks"]}


def failing(found: Checks) -> list[str]:
    """Names of the checks that failed."""
    return [name for name, item in found.items() if item["level"] == "fail"]


def test_all_is_well_before_and_after_the_first_apply(sandbox: Sandbox) -> None:
    """Nothing is missing although nothing was made yet; the network and the first route come by themselves."""
    sandbox.push("1.0")
    sandbox.write(sandbox.project("shop", "1.0"))
    found = doctor(sandbox, 0)
    assert failing(found) == []
    assert found["network"]["detail"] == f"{sandbox.network} is not there yet and will be made"
    assert "opens it with the first route" in found["proxy address"]["detail"]
    assert found["controller"]["detail"].startswith("none runs")
    assert not (sandbox.folder / ".holdfast").exists()

    applied(sandbox)
    child = sandbox.start()
    sandbox.wait(lambda: sandbox.holdfast("reconcile", "shop").returncode == 0, "the controller answers")
    text = sandbox.holdfast("doctor").stdout.splitlines()
    assert [line for line in text if not line.startswith("ok   ")] == []
    assert f"ok   controller: process {child.pid} runs" in text
    assert any(re.fullmatch(r"ok   containers: \d+\.\d+\.\d+\.\d+ can be reached from here", line) for line in text)
    assert "ok   owner: no other controller uses this id (1 container)" in text
    assert "ok   proxy: caddy: 2 routes made by Holdfast" in text


def test_a_renamed_container_is_named(sandbox: Sandbox) -> None:
    """It runs on beside the one that was made in its place: doctor names it and how to remove it, the log as well."""
    sandbox.push("1.0")
    sandbox.write(sandbox.project("shop", "1.0"))
    applied(sandbox)
    (old,) = sandbox.containers()
    sandbox.engine.client.api.rename(old["Id"], f"{sandbox.id}-mine")
    sandbox.start()
    sandbox.wait(lambda: len(sandbox.containers()) == 2, "another one is made in its place")

    found = doctor(sandbox, 0)["renamed"]
    assert found["level"] == "note"
    assert f"{sandbox.id}-mine has labels of ours and another name" in found["detail"]
    assert f"docker rm -f {sandbox.id}-mine" in found["remedy"]
    sandbox.wait(lambda: sandbox.log.read_text().count("another name is left alone") == 1, "the log names it once")


def test_an_engine_that_is_not_there_or_closed(sandbox: Sandbox) -> None:
    """69; the socket is named, and for a closed one the group to join."""
    sandbox.write(sandbox.project("shop"))
    sandbox.configure(docker={"host": f"unix://{sandbox.folder}/docker.sock", "network": sandbox.network})
    found = doctor(sandbox, 69)
    assert failing(found) == ["engine"]
    assert found["engine"]["detail"] == f"{sandbox.folder}/docker.sock is not there"
    assert found["engine"]["remedy"] == "start Docker, or set docker.host"

    stale = socket.socket(socket.AF_UNIX)
    stale.bind(f"{sandbox.folder}/docker.sock")
    stale.close()
    assert doctor(sandbox, 69)["engine"]["remedy"] == "is Docker running?"

    tool = shutil.which("setpriv")
    if os.geteuid() != 0 or tool is None:
        pytest.skip("another user can only be taken on as root, with setpriv")
    (sandbox.folder / "docker.sock").unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{sandbox.folder}/docker.sock")
        listener.listen(5)
        os.chown(sandbox.folder / "docker.sock", 0, 1)
        (sandbox.folder / "docker.sock").chmod(0o660)
        sandbox.folder.chmod(0o755)
        done = subprocess.run(
            [tool, "--reuid", "65534", "--regid", "65534", "--clear-groups", *PROGRAM, "doctor"],
            cwd=sandbox.folder,
            env=sandbox.environment,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 69, done.stderr
    assert f"FAIL engine: no permission to open {sandbox.folder}/docker.sock\n" in done.stdout
    assert "     → sudo usermod -aG daemon $USER, then log in again\n" in done.stdout
    assert f"FAIL state: {sandbox.folder} is not writable\n" in done.stdout


def test_a_proxy_that_is_not_there_or_something_else(sandbox: Sandbox) -> None:
    """69 when nobody answers, 1 when it is no Caddy; an address nobody listens at is told once routes are there."""
    sandbox.push("1.0")
    sandbox.write(sandbox.project("shop", "1.0"))
    applied(sandbox)
    proxy = dict(sandbox.settings["proxy"])
    sandbox.configure(proxy={**proxy, "address": "127.0.0.1:1"})
    found = doctor(sandbox, 69)
    assert (failing(found), found["proxy address"]["remedy"]) == (
        ["proxy address"],
        "set proxy.address to where the proxy listens",
    )
    sandbox.configure(proxy={**proxy, "admin": "http://127.0.0.1:1"})
    found = doctor(sandbox, 69)
    assert failing(found) == ["proxy"]
    assert found["proxy"]["detail"] == "no Caddy at http://127.0.0.1:1: connection refused"
    assert found["proxy"]["remedy"] == "start the proxy, or set proxy.admin"
    sandbox.configure(proxy={**proxy, "admin": f"http://{sandbox.registry.address}"})
    assert failing(doctor(sandbox, 1)) == ["proxy"]


def test_settings_documents_and_folders_that_are_wrong(sandbox: Sandbox) -> None:
    """1, with the place of every mistake; a state folder open to others, and a disk that is nearly full."""
    sandbox.write("kind: Pod\n")
    state = sandbox.folder / ".holdfast"
    state.mkdir(mode=0o755)
    found = doctor(sandbox, 1)
    assert failing(found) == ["state", "documents"]
    assert found["state"]["remedy"] == f"chmod 700 {state}"
    assert found["documents"]["detail"] == "./desired: 2 errors"
    assert found["documents"]["remedy"] == "'holdfast validate' shows them"

    (sandbox.desired / "desired.yaml").unlink()
    assert "holds no documents" in doctor(sandbox, 1)["documents"]["detail"]

    (sandbox.folder / "holdfast.yaml").write_text("id: Home 1\ndomian: example.com\n")
    done = sandbox.holdfast("doctor")
    assert done.returncode != 0
    assert "FAIL settings: holdfast.yaml:1: " in done.stdout
    assert "FAIL settings: holdfast.yaml:2: " in done.stdout

    sandbox.configure()
    sandbox.write(sandbox.project("shop"))
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    state.chmod(0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=0700", "tmpfs", state], check=True)
    try:
        found = doctor(sandbox, 1)
        assert failing(found) == ["disk"]
        assert found["disk"]["detail"] == f"0.0 GiB free below {state}"
        assert found["disk"]["remedy"] == "free at least 1 GiB"
    finally:
        subprocess.run(["umount", state], check=True)


def test_with_reach_by_name_the_proxy_must_be_in_the_network(sandbox: Sandbox) -> None:
    """A network without any other container has no proxy that could know names."""
    sandbox.write(sandbox.project("shop"))
    api = sandbox.engine.client.api
    sandbox.configure(proxy={**sandbox.settings["proxy"], "reach": "name"})
    assert doctor(sandbox, 0)["reach"]["level"] == "note"
    api.create_network(sandbox.network)
    found = doctor(sandbox, 1)
    assert failing(found) == ["reach"]
    assert found["reach"]["remedy"].startswith(f"docker network connect {sandbox.network} PROXY")
    sandbox.push("1.0")
    api.pull(sandbox.image, tag="1.0")
    stranger = api.create_container(
        f"{sandbox.image}:1.0", host_config=api.create_host_config(network_mode=sandbox.network)
    )
    try:
        api.start(stranger["Id"])
        assert failing(doctor(sandbox, 0)) == []
    finally:
        api.remove_container(stranger["Id"], force=True)


def test_a_second_controller_with_our_id_is_found(sandbox: Sandbox) -> None:
    """What another state folder makes under our id is told from what ours made; a lost folder is only a note."""
    for tag in ("1.0", "1.1"):
        sandbox.push(tag)
    sandbox.write(sandbox.project("shop", "1.0"))
    applied(sandbox)
    assert failing(doctor(sandbox, 0)) == []

    other = sandbox.folder / "other"
    (other / "desired").mkdir(parents=True)
    (other / "holdfast.yaml").write_text((sandbox.folder / "holdfast.yaml").read_text())
    documents = [sandbox.project("shop", "1.0"), sandbox.project("web", "1.1")]
    (other / "desired" / "all.yaml").write_text(yaml.safe_dump_all(documents))
    config = ("--config", str(other / "holdfast.yaml"))
    new = doctor(sandbox, 0, *config)
    assert new["owner"]["level"] == "note"
    assert "made before this state folder began" in new["owner"]["detail"]
    sandbox.holdfast("apply", *config)

    found = doctor(sandbox, 1)
    assert failing(found) == ["owner"]
    assert f"another controller with id {sandbox.id} works on this Engine: web-dev-1-1-" in found["owner"]["detail"]
    assert found["owner"]["remedy"].startswith("stop one of the two")

    shutil.rmtree(sandbox.folder / ".holdfast")
    assert doctor(sandbox, 0)["owner"]["level"] == "note"


@contextmanager
def skewed(engine: Path, path: Path, ahead: timedelta) -> Iterator[None]:
    """A socket through which the Engine is as it is, but for its clock."""

    def shifted(found: "re.Match[bytes]") -> bytes:
        seen = datetime.fromisoformat(found[2].decode())
        return found[1] + (seen + ahead).isoformat().encode()[: len(found[2])]

    def forward(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 20):
                target.sendall(re.sub(rb'("SystemTime":")(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)', shifted, data))
            target.shutdown(socket.SHUT_WR)

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(str(engine))
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=forward, args=pair, daemon=True).start()

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(16)
        threading.Thread(target=serve, daemon=True).start()
        yield
        listener.shutdown(socket.SHUT_RDWR)


def test_a_clock_that_differs_is_told_with_its_direction(sandbox: Sandbox) -> None:
    """More than half a minute between the Engine's clock and ours is a finding."""
    sandbox.write(sandbox.project("shop"))
    if not sandbox.engine.url.startswith("unix://"):
        pytest.skip("the Engine is not behind a socket")
    engine, path = Path(sandbox.engine.url.removeprefix("unix://")), sandbox.folder / "skewed.sock"
    sandbox.configure(docker={"host": f"unix://{path}", "network": sandbox.network})
    for ahead, words in ((timedelta(minutes=2), "ahead of"), (timedelta(minutes=-2), "behind")):
        with skewed(engine, path, ahead):
            found = doctor(sandbox, 1)
        path.unlink()
        assert failing(found) == ["clock"]
        assert re.fullmatch(rf"the Engine's is 1[12]\d s {words} ours", found["clock"]["detail"])
    with skewed(engine, path, timedelta(0)):
        assert failing(doctor(sandbox, 0)) == []
