"""The prober against real sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from controller.clients.probe import HttpProber
from controller.core.model.desired import Check
from controller.core.model.observed import Container
from tests.contract.upstream import Upstream
from tests.parts.process import free_port

CONTAINER = Container(
    "a" * 64, "shop-dev-1-0-r-1", "shop/dev", "1.0", "r", "t", "", "sha256:0", 1, 0.0, state="running"
)


@pytest.fixture
async def prober() -> AsyncIterator[HttpProber]:
    """The prober under test."""
    made = HttpProber()
    yield made
    await made.close()


def at(address: str | None = "127.0.0.1", published: int | None = None) -> Container:
    """A running container at an address."""
    return replace(CONTAINER, address=address, published=published)


@pytest.mark.parametrize(
    ("status", "ok"),
    [("200 OK", True), ("201 Created", True), ("302 Found", True), ("404 Not Found", False), ("503 Busy", False)],
)
async def test_the_status_decides(prober: HttpProber, status: str, ok: bool) -> None:
    """200 to 399 is healthy unless the document says otherwise, and the sentence names the status."""
    async with Upstream("app", status) as app:
        result = await prober.probe(Check(port=app.port, path="/healthz"), at())
    assert (result.ok, result.detail, result.refused) == (ok, f"status {status[:3]}", False)
    assert app.heads[0].startswith("GET /healthz HTTP/1.1\r\n")
    assert f"\r\nHost: 127.0.0.1:{app.port}\r\n" in app.heads[0]


async def test_declared_statuses_decide(prober: HttpProber) -> None:
    """A range of the document replaces the default."""
    async with Upstream("app", "401 Unauthorized") as app:
        check = Check(port=app.port, statuses=((200, 200), (401, 403)))
        assert (await prober.probe(check, at())).ok
        assert not (await prober.probe(replace(check, statuses=((200, 200),)), at())).ok


async def test_a_redirect_is_judged_and_never_followed(prober: HttpProber) -> None:
    """What a redirect points at is not asked."""
    async with Upstream("other") as other:
        headers = f"Location: http://127.0.0.1:{other.port}/\r\n"
        async with Upstream("app", "302 Found", headers) as app:
            assert not (await prober.probe(Check(port=app.port, statuses=((200, 299),)), at())).ok
    assert other.heads == []


async def test_each_question_has_its_own_connection(prober: HttpProber) -> None:
    """A container that was replaced at its address is not asked over the old connection."""
    async with Upstream("app") as app:
        check = Check(port=app.port)
        assert (await prober.probe(check, at())).ok
    assert (await prober.probe(check, at())).refused


@pytest.mark.parametrize("kind", ["http", "tcp"])
async def test_nothing_listens_yet(prober: HttpProber, kind: str) -> None:
    """A refused connection is told apart, so that the gate asks again soon."""
    check = Check(type=kind, port=free_port())  # type: ignore[arg-type]
    result = await prober.probe(check, at())
    assert (result.ok, result.refused, result.detail) == (False, True, "connection refused")


async def test_a_port_that_accepts_connections_is_enough_for_tcp(prober: HttpProber) -> None:
    """Nothing is sent to it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        result = await prober.probe(Check(type="tcp", port=listener.getsockname()[1]), at())
    assert result.ok


async def drip(app: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send a header byte by byte, for ever."""
    writer.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not app.release.is_set():
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def endless(app: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send a body without end."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not app.release.is_set():
        writer.write(b"x" * 65536)
        await writer.drain()


async def hang_up(app: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close without a word, as Docker's forwarder does while nothing listens behind it."""
    await reader.readuntil(b"\r\n\r\n")


async def babble(app: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer something that is not HTTP."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"\x00\xff* not HTTP\r\n\r\n")


async def test_the_timeout_bounds_the_whole_question(prober: HttpProber) -> None:
    """A server that sends a byte now and then, for ever, keeps nobody longer than the timeout."""
    async with Upstream("app", behaviour=drip) as app:
        result = await prober.probe(Check(port=app.port, timeout=0.3), at())
    assert (result.ok, result.refused, result.detail) == (False, False, "no answer within 0.3 s")


async def test_the_body_is_not_waited_for(prober: HttpProber) -> None:
    """A status is an answer, however long the rest takes."""
    async with Upstream("app", behaviour=endless) as app:
        assert (await prober.probe(Check(port=app.port, timeout=5), at())).ok


async def test_nonsense_is_an_answer_that_fails(prober: HttpProber) -> None:
    """What is not HTTP is unhealthy, and raises nothing."""
    async with Upstream("app", behaviour=babble) as app:
        result = await prober.probe(Check(port=app.port), at())
    assert (result.ok, result.refused) == (False, False)
    assert result.detail


async def test_a_published_port_is_asked_where_there_is_no_address(prober: HttpProber) -> None:
    """With `reach: published` the port of the host stands for the container's; a hung up connection is not yet."""
    async with Upstream("app") as app:
        assert (await prober.probe(Check(port=8080), at(None, app.port))).ok
    async with Upstream("app", behaviour=hang_up) as app:
        assert (await prober.probe(Check(port=8080), at(None, app.port))).refused
        assert not (await prober.probe(Check(port=app.port), at())).refused


async def test_without_any_address_nothing_is_asked(prober: HttpProber) -> None:
    """A container that does not run has no address (F12)."""
    result = await prober.probe(Check(port=80), replace(CONTAINER, state="exited"))
    assert (result.ok, result.detail) == (False, "is exited and has no address")


@pytest.mark.parametrize(
    ("health", "ok", "refused"),
    [("healthy", True, False), ("unhealthy", False, False), ("starting", False, True), (None, False, False)],
)
async def test_docker_health_is_taken_from_what_was_seen(
    prober: HttpProber, health: str | None, ok: bool, refused: bool
) -> None:
    """Starting is not yet a verdict; an image without HEALTHCHECK never gets well (F28)."""
    result = await prober.probe(Check(type="docker"), replace(CONTAINER, health=health))  # type: ignore[arg-type]
    assert (result.ok, result.refused) == (ok, refused)


@pytest.mark.parametrize(("state", "ok"), [("running", True), ("restarting", False), ("exited", False)])
async def test_type_none_asks_only_that_it_runs(prober: HttpProber, state: str, ok: bool) -> None:
    """A worker without a port is well while it runs."""
    assert (await prober.probe(Check(), replace(CONTAINER, state=state))).ok is False  # type: ignore[arg-type]
    assert (await prober.probe(Check(type="none"), replace(CONTAINER, state=state))).ok is ok  # type: ignore[arg-type]


async def test_a_machine_wide_proxy_is_not_asked(prober: HttpProber, monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP_PROXY of the environment has no say in how a container is reached."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    fresh = HttpProber()
    async with Upstream("app") as app:
        assert (await fresh.probe(Check(port=app.port), at())).ok
    await fresh.close()


async def test_many_containers_are_probed_side_by_side(prober: HttpProber) -> None:
    """One slow container does not make the others wait."""
    async with Upstream("app") as app, Upstream("slow", behaviour=drip) as slow:
        quick = [prober.probe(Check(port=app.port), at()) for _ in range(50)]
        stuck = [prober.probe(Check(port=slow.port, timeout=60), at()) for _ in range(150)]
        waiting = [asyncio.ensure_future(task) for task in stuck]
        await asyncio.sleep(0)
        assert all(result.ok for result in await asyncio.gather(*quick))
        assert not any(task.done() for task in waiting)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
