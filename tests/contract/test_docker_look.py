"""What a look at the Engine costs, what events tell, and what an Engine that hangs or dies looks like (F11 to F17)."""

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from controller.clients.clock import SystemClock
from controller.clients.docker.runtime import DockerRuntime
from controller.core.model.errors import OutcomeUnknown, Unreachable
from controller.core.model.policy import PolicyRules
from controller.interfaces import RuntimeEvent
from tests.contract.conftest import Bench


class Tap:
    """Passes a unix socket on to the Engine, notes each request line, and can lose replies or refuse to serve."""

    def __init__(self, path: Path, target: str) -> None:
        self.path, self._target = path, target.removeprefix("unix://")
        self.requests: list[str] = []
        self.lose: Callable[[str], bool] = lambda line: False
        self._open: list[socket.socket] = []
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(self._target)
            self._open += [near, far]
            lost = threading.Event()
            threading.Thread(target=self._pass, args=(near, far, lost, True), daemon=True).start()
            threading.Thread(target=self._pass, args=(far, near, lost, False), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, lost: threading.Event, forth: bool) -> None:
        try:
            while data := source.recv(65536):
                if forth:
                    line = data.split(b"\r\n", 1)[0].decode(errors="replace")
                    if line.endswith("HTTP/1.1"):
                        self.requests.append(line)
                        if self.lose(line):
                            lost.set()
                elif lost.is_set():
                    target.shutdown(socket.SHUT_RDWR)
                    return
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def hang_up(self) -> None:
        """End all connections, as an Engine does that stops."""
        for end in self._open:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        self._open.clear()

    def close(self) -> None:
        """Stop."""
        self._server.close()
        self.hang_up()


@pytest.fixture
def tap(bench: Bench, tmp_path: Path) -> Iterator[Tap]:
    """A tap in front of the Engine, and the bench's runtime behind it."""
    if not bench.url.startswith("unix://"):
        pytest.skip("the Engine is not on a unix socket")
    relay = Tap(tmp_path / "tap.sock", bench.url)
    yield relay
    relay.close()


def behind(bench: Bench, tap: Tap) -> DockerRuntime:
    """A runtime of the same controller that goes through the tap."""
    return DockerRuntime(bench.id, bench.network, f"unix://{tap.path}", str(bench.config), PolicyRules(), SystemClock())


async def test_a_look_without_news_is_one_list_call(bench: Bench, tap: Tap) -> None:
    """Details are inspected once; the next looks cost one call, until something changes."""
    up, made = await bench.up("a"), await bench.made("b")
    runtime = behind(bench, tap)
    first = await runtime.list()
    tap.requests.clear()
    assert await runtime.list() == first
    assert len(tap.requests) == 1
    assert "/containers/json?" in tap.requests[0]
    bench.client.start(made.id)
    bench.client.restart(up.id, timeout=1)
    containers = {container.id: container for container in await runtime.list()}
    assert containers[made.id].state == "running"
    assert (containers[made.id].started_at or 0) > 0
    await runtime.close()


async def test_one_container_that_cannot_be_inspected_holds_up_its_own_stage_only(bench: Bench, tap: Tap) -> None:
    """The list of everything has it, by what the list tells; the list of its stage fails, that of another does not."""
    ill, well = await bench.up("a"), await bench.up("b")
    runtime = behind(bench, tap)
    tap.lose = lambda line: f"/containers/{ill.id}/json" in line
    containers = {container.id: container for container in await runtime.list()}
    assert (containers[well.id].unseen, containers[well.id].started_at) == (False, well.started_at)
    assert (containers[ill.id].unseen, containers[ill.id].tag, containers[ill.id].running) == (True, "a", True)
    with pytest.raises(Unreachable):
        await runtime.list(ill.stage)
    assert await runtime.list("shop/other") == ()
    tap.lose = lambda line: False
    assert [container.unseen for container in await runtime.list()] == [False, False]
    tap.lose = lambda line: line.endswith("/json HTTP/1.1")
    await bench.up("c")
    fresh = behind(bench, tap)
    with pytest.raises(Unreachable):
        await fresh.list()
    await runtime.close()
    await fresh.close()


async def test_events_are_hints_and_a_changed_policy_is_seen_through_them(bench: Bench, tap: Tap) -> None:
    """The stream begins with `look at everything`, names the stage, and begins again after it ended cleanly (F12)."""
    runtime = behind(bench, tap)
    stream = runtime.events()
    async with asyncio.timeout(20):
        assert (await anext(stream)).stage is None
        up = await bench.up()
        events: list[RuntimeEvent] = []
        while not any(event.action == "start" for event in events):
            events.append(await anext(stream))
        assert {(event.stage, event.container) for event in events} == {("shop/dev", up.id)}
        (before,) = await runtime.list()
        await bench.runtime.mark(up, True)
        while (await anext(stream)).action != "update":
            pass
        (after,) = await runtime.list()
        assert (before.passed, after.passed) == (False, True)
        tap.hang_up()
        assert (await anext(stream)).stage is None
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0.05)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await stream.aclose()  # type: ignore[attr-defined]
    await runtime.close()


@pytest.mark.parametrize("kind", ["missing", "dead", "forbidden"])
async def test_an_engine_that_does_not_answer_is_unreachable(tmp_path: Path, kind: str) -> None:
    """No socket, nobody behind it, or something that is no Engine: nothing is known (F14)."""
    path = tmp_path / "x.sock"
    if kind == "dead":
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.close()
    elif kind == "forbidden":
        path.mkdir()
    runtime = DockerRuntime("c", "n", f"unix://{path}", None, PolicyRules(), SystemClock())
    with pytest.raises(Unreachable):
        await runtime.list()
    await runtime.close()


async def test_a_lost_reply_is_resolved_by_looking(bench: Bench, tap: Tap) -> None:
    """Create, start, stop and remove had their effect although no answer came: success, nothing twice (F15)."""
    runtime = behind(bench, tap)
    await runtime.list()
    tap.lose = lambda line: line.startswith(("POST", "DELETE")) and "/networks/" not in line
    container = await runtime.inspect(await runtime.create(bench.spec(), {}))
    assert container is not None
    await runtime.start(container)
    await runtime.mark(container, True)
    (started,) = await runtime.list()
    assert (started.state, started.passed) == ("running", True)
    await runtime.stop(started, 1)
    await runtime.remove(started)
    assert await runtime.list() == ()
    await runtime.close()


async def test_a_lost_reply_without_a_second_look_is_unknown(bench: Bench, tap: Tap) -> None:
    """When the Engine is gone after the call the outcome is unknown, and said so; the next try finds its container."""
    runtime = behind(bench, tap)
    await runtime.create(bench.spec("warm"), {})
    tap.lose = lambda line: "create" in line or "/json" in line
    with pytest.raises(OutcomeUnknown):
        await runtime.create(bench.spec(), {})
    tap.lose = lambda line: False
    assert len(await runtime.create(bench.spec(), {})) == 64
    assert len(await runtime.list()) == 2
    await runtime.close()


async def test_a_churning_engine_gives_whole_lists(bench: Bench) -> None:
    """A container that vanishes between list and inspect is left out, no look fails (F17)."""
    stop = False

    def churn() -> None:
        while not stop:
            made = bench.client.create_container(
                f"{bench.image}@{bench.digest}", name=bench.spec("x").name, labels=dict(labels)
            )
            bench.client.remove_container(made["Id"])

    stay = await bench.made("stay")
    document = bench.client.inspect_container((await bench.made("x")).id)
    labels = document["Config"]["Labels"]
    bench.client.remove_container(document["Id"])
    worker = asyncio.ensure_future(asyncio.to_thread(churn))
    try:
        for _ in range(60):
            containers = await bench.again().list()
            assert stay.id in {container.id for container in containers}
    finally:
        stop = True
        await worker


async def test_the_engine_tells_doctor_about_itself(bench: Bench) -> None:
    """Version, clock and disk are read from the Engine."""
    info = await bench.runtime.engine_info()
    assert info.version
    assert info.logging_driver
    assert abs(info.clock_skew) < 60
    assert info.disk_free is None or info.disk_free > 0


async def test_the_network_is_made_once_and_a_foreign_one_is_used(bench: Bench) -> None:
    """Two controllers' first creates at once make one network; a foreign one is used as it is (F22)."""
    await asyncio.gather(*(bench.again().create(bench.spec(str(n)), {}) for n in range(3)))
    (network,) = bench.client.networks(names=[bench.network])
    foreign = bench.client.create_network(f"{bench.network}-foreign")
    other = DockerRuntime(bench.id, f"{bench.network}-foreign", bench.url, None, PolicyRules(), SystemClock())
    made = await other.inspect(await other.create(bench.spec("f"), {}))
    assert made is not None
    assert made.connected
    await bench.runtime.remove(made)
    bench.client.remove_network(foreign["Id"])
    assert network["Labels"]["holdfast.dev/network"] == bench.id
    assert json.dumps(network)
    await other.close()
