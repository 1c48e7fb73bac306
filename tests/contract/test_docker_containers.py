"""`DockerRuntime` on a real Engine: what it makes, starts, stops and removes (F11 to F28, F36)."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from controller.core.model import names
from controller.core.model.desired import Env, Mount, SecretRef
from controller.core.model.errors import Conflict, RevisionBad, WorldBad
from controller.core.model.policy import PolicyRules, violations
from tests.contract.conftest import Bench


async def test_create_gives_docker_exactly_what_was_declared(bench: Bench) -> None:
    """Every field of the spec is found again by docker inspect."""
    secret = SecretRef("file", "db")
    spec = bench.spec(
        env=(Env("A", "1"), Env("S", secret)),
        user="1000:1000",
        memory=64 * 1024 * 1024,
        cpus=0.5,
        mounts=(Mount("shop-dev-data", "/data"),),
        stop_grace=3.2,
        args=("x",),
    )
    document = bench.client.inspect_container(await bench.runtime.create(spec, {secret: "hush"}))
    host = document["HostConfig"]
    assert document["Config"]["Env"][:2] == ["A=1", "S=hush"]
    assert document["Config"]["Entrypoint"] == list(spec.command or ())
    assert document["Config"]["Cmd"] == ["x"]
    assert document["Config"]["User"] == "1000:1000"
    assert (host["Memory"], host["MemorySwap"], host["NanoCpus"]) == (67108864, 67108864, 500_000_000)
    assert document["Mounts"][0]["Name"] == "shop-dev-data"
    assert host["RestartPolicy"]["Name"] == "no"
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}
    assert "no-new-privileges" in host["SecurityOpt"]
    assert document["Config"]["StopTimeout"] == 4
    assert list(document["NetworkSettings"]["Networks"]) == [bench.network]
    bench.client.remove_container(document["Id"])
    bench.client.remove_volume("shop-dev-data")


async def test_a_command_alone_empties_the_arguments_of_the_image(bench: Bench) -> None:
    """As in Kubernetes: command replaces the entrypoint and drops Cmd; arguments alone keep the entrypoint."""
    one = bench.client.inspect_container(await bench.runtime.create(bench.spec("a", command=("/bin/true",)), {}))
    two = bench.client.inspect_container(
        await bench.runtime.create(bench.spec("b", command=None, args=("/bin/sleep", "5")), {})
    )
    assert (one["Config"]["Entrypoint"], one["Config"]["Cmd"]) == (["/bin/true"], None) or one["Config"]["Cmd"] == []
    assert (two["Config"]["Entrypoint"], two["Config"]["Cmd"]) == (None, ["/bin/sleep", "5"])


async def test_creating_twice_gives_the_same_container(bench: Bench) -> None:
    """A 409 is answered by inspecting the holder, so a lost reply makes no second container (F11)."""
    first, second = await asyncio.gather(bench.runtime.create(bench.spec(), {}), bench.again().create(bench.spec(), {}))
    assert first == second
    assert len(first) == 64
    assert len(await bench.runtime.list()) == 1


async def test_a_foreign_container_with_our_name_is_a_conflict_and_stays(bench: Bench) -> None:
    """What is not ours is named and left alone, also when the image's labels look like ours."""
    made = bench.client.create_container(f"{bench.image}@{bench.digest}", name=bench.spec().name)
    try:
        with pytest.raises(Conflict, match=made["Id"][:12]):
            await bench.runtime.create(bench.spec(), {})
        assert bench.client.inspect_container(made["Id"])["State"]["Status"] == "created"
    finally:
        bench.client.remove_container(made["Id"])


async def test_a_missing_image_is_the_worlds_fault(bench: Bench) -> None:
    """An image that somebody pruned is pulled again (F35)."""
    gone = f"{bench.image}@sha256:{'0' * 64}"
    with pytest.raises(WorldBad) as caught:
        await bench.runtime.create(bench.spec(image=gone), {})
    assert caught.value.reason == "ImageGone"


async def test_bind_mounts_stay_below_the_allowed_roots(bench: Bench, tmp_path: Path) -> None:
    """A symlink below a root that leads out of it is refused; a folder below it is bound."""
    roots = tmp_path / "roots"
    (roots / "ok").mkdir()
    (roots / "out").symlink_to(tmp_path)
    await bench.runtime.create(bench.spec("a", mounts=(Mount(str(roots / "ok"), "/x", bind=True),)), {})
    for source in (str(roots / "out"), "/var/run/docker.sock", str(roots) + "/../x"):
        with pytest.raises(RevisionBad) as caught:
            await bench.runtime.create(bench.spec("b", mounts=(Mount(source, "/x", bind=True),)), {})
        assert caught.value.reason == "PolicyDenied"


async def test_what_was_created_passes_the_policy_as_inspected(bench: Bench) -> None:
    """The final word is the container itself: its HostConfig, read back, is allowed too."""
    document = bench.client.inspect_container((await bench.made()).id)
    host = {key: value for key, value in document["HostConfig"].items() if key != "CgroupnsMode"}
    assert violations({"Image": document["Config"]["Image"], "HostConfig": host}, PolicyRules()) == ()


async def test_labels_of_the_image_are_not_taken_for_ours(bench: Bench, faulty: object, tar: bytes) -> None:
    """An image that carries labels of ours cannot change what its container is."""
    digest = faulty.push("team/app", "evil", tar, labels={names.ROLE: "preDeploy", names.SEEN: "5", "x": "y"})  # type: ignore[attr-defined]
    await bench.runtime.pull(bench.image, "evil", digest, lambda _: None)
    container = await bench.made(image=f"{bench.image}@{digest}")
    assert (container.role, container.seen) == ("app", 0.0)


async def test_life_of_a_container(bench: Bench) -> None:
    """Start, mark, stop and remove show in the list, and each may be repeated (F18 to F20)."""
    runtime = bench.runtime
    made = await bench.made()
    assert (made.state, made.passed, made.connected, made.address) == ("created", False, True, None)
    assert (made.born, made.attempt, made.digest) == (1700000000.5, 1, bench.digest)
    await runtime.start(made)
    await runtime.start(made)
    await runtime.mark(made, True)
    await runtime.mark(made, True)
    (container,) = await runtime.list("shop/dev")
    address = bench.client.inspect_container(made.id)["NetworkSettings"]["Networks"][bench.network]["IPAddress"]
    assert (container.state, container.passed, container.address, container.health) == ("running", True, address, None)
    assert await runtime.list("shop/prod") == ()
    with pytest.raises(WorldBad) as caught:
        await runtime.remove(container)
    assert caught.value.reason == "StillRunning"
    await runtime.stop(container, 5)
    await runtime.stop(container, 5)
    (container,) = await runtime.list()
    assert (container.state, container.exit_code, container.address) == ("exited", 0, None)
    await asyncio.gather(*(runtime.remove(container) for _ in range(4)))
    await runtime.remove(container)
    await runtime.stop(container, 1)
    assert await runtime.list() == ()
    assert await runtime.inspect(made.id) is None


async def test_anonymous_volumes_go_and_named_ones_stay(bench: Bench) -> None:
    """Removing a container never removes a named volume."""
    made = await bench.made(mounts=(Mount(f"{bench.id}-keep", "/keep"),))
    await bench.runtime.remove(made)
    assert bench.client.inspect_volume(f"{bench.id}-keep")["Name"] == f"{bench.id}-keep"
    bench.client.remove_volume(f"{bench.id}-keep")


@pytest.mark.parametrize("command", ["/bin/missing", "missing", "/bin/plain", "/etc"])
async def test_a_command_that_cannot_run_is_the_revisions_fault(bench: Bench, command: str) -> None:
    """A missing or broken program quarantines the revision; the container stays created (F25)."""
    made = await bench.made(command=(command,))
    with pytest.raises(RevisionBad) as caught:
        await bench.runtime.start(made)
    assert caught.value.reason == "StartFailed"
    container = await bench.runtime.inspect(made.id)
    assert container is not None
    assert container.state == "created"


async def test_an_unknown_user_is_the_revisions_fault(bench: Bench) -> None:
    """A user that the image does not have cannot come by waiting."""
    made = await bench.made(user="nobodyhere")
    with pytest.raises(RevisionBad):
        await bench.runtime.start(made)


async def test_a_process_that_ends_at_once_is_seen_as_exited(bench: Bench) -> None:
    """The success of a start proves nothing (F26)."""
    made = await bench.up(command=("/bin/sh", "-c", "exit 3"))
    bench.client.wait(made.id)
    (container,) = await bench.runtime.list()
    assert (container.state, container.exit_code) == ("exited", 3)


async def test_nothing_is_done_to_a_container_that_is_no_longer_the_same(bench: Bench) -> None:
    """A renamed container is no longer ours: stop and remove leave it, the list leaves it out (F36)."""
    up = await bench.up()
    bench.client.rename(up.id, f"{bench.id}-renamed")
    await bench.runtime.stop(up, 1)
    await bench.runtime.mark(up, True)
    await bench.runtime.remove(up)
    document = bench.client.inspect_container(up.id)
    assert document["State"]["Status"] == "running"
    assert document["HostConfig"]["RestartPolicy"]["Name"] == "no"
    assert await bench.runtime.list() == ()
    assert bench.runtime.lookalikes() == ((up.id, f"{bench.id}-renamed"),)
    await bench.runtime.stop(replace(up, id="f" * 64), 1)


async def test_a_paused_and_disconnected_container_is_repaired(bench: Bench) -> None:
    """Pause and disconnect are seen and undone; undoing twice is success (F20, F21)."""
    up = await bench.up()
    bench.client.pause(up.id)
    bench.client.disconnect_container_from_network(up.id, bench.network)
    (container,) = await bench.runtime.list()
    assert (container.state, container.connected) == ("paused", False)
    await bench.runtime.unpause(up)
    await bench.runtime.unpause(up)
    await bench.runtime.connect(up)
    await bench.runtime.connect(up)
    (container,) = await bench.runtime.list()
    assert (container.state, container.connected) == ("running", True)
    assert container.address


async def test_a_container_starts_again_after_its_network_was_made_anew(bench: Bench) -> None:
    """A stale endpoint is dropped and made again, once (F21)."""
    up = await bench.up()
    await bench.runtime.stop(up, 1)
    (network,) = bench.client.networks(names=[bench.network])
    bench.client.disconnect_container_from_network(up.id, bench.network, force=True)
    bench.client.remove_network(network["Id"])
    await bench.runtime.connect(up)
    await bench.runtime.start(up)
    (container,) = await bench.runtime.list()
    assert (container.state, container.connected) == ("running", True)
    assert len(bench.client.networks(names=[bench.network])) == 1


async def test_a_published_port_is_on_the_loopback_only(bench: Bench) -> None:
    """Where the proxy reaches published ports, the host's other addresses stay closed."""
    up = await bench.up(publish=8080)
    bindings = bench.client.inspect_container(up.id)["NetworkSettings"]["Ports"]["8080/tcp"]
    assert [binding["HostIp"] for binding in bindings] == ["127.0.0.1"]
    (container,) = await bench.runtime.list()
    assert container.published == int(bindings[0]["HostPort"]) == up.published


async def test_a_crash_loop_is_seen_as_restarting(bench: Bench) -> None:
    """`State.Running` is true there, the status and the count tell (F27)."""
    made = await bench.made(command=("/bin/false",))
    await bench.runtime.mark(made, True)
    await bench.runtime.start(made)
    async with asyncio.timeout(10):
        while True:
            (container,) = await bench.runtime.list()
            if container.state == "restarting" and container.restart_count >= 2:
                break
            await asyncio.sleep(0.05)
    assert not container.running
    assert container.address is None


async def test_logs_are_the_last_clean_lines(bench: Bench) -> None:
    """Escape sequences go, long lines are cut, stdout and stderr are both there."""
    script = r"printf 'one\n\033[31mred\033[0m\007\n'; printf 'oops' >&2; printf '%3000d\n' 7"
    made = await bench.up(command=("/bin/sh", "-c", script))
    bench.client.wait(made.id)
    lines = await bench.runtime.logs(made, 10)
    assert {"one", "red\ufffd", "oops"} <= set(lines)
    assert max(map(len, lines)) == 2000
    assert len(await bench.runtime.logs(made, 1)) == 1
    await bench.runtime.remove(made)
    assert await bench.runtime.logs(made, 10) == ()


async def test_restart_gives_a_new_start(bench: Bench) -> None:
    """A restart shows as another StartedAt."""
    up = await bench.up()
    await bench.runtime.restart(up, 1)
    (container,) = await bench.runtime.list()
    assert container.running
    assert (container.started_at or 0) > (up.started_at or 0)
