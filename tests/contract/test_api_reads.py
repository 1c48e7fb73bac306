"""What is served on the TCP address: health and status, only for reading, only for names that are ours."""

import asyncio
import http.client
import socket
from collections.abc import Mapping

import pytest

from controller.api.server import listen, serve_reads
from controller.core.model.errors import Conflict, Diagnostic
from controller.core.model.status import StageStatus
from controller.interfaces import Hold


class Memory:
    """A controller over plain data; nothing here can be changed through TCP."""

    def holds(self) -> tuple[Hold, ...]:
        return (Hold("d1", ("shop/dev/1.0 goes",), "1 of 1 would be removed"),)

    def notices(self) -> tuple[str, ...]:
        return ("blog-r asks for blog, which nothing declares",)

    def diagnostics(self) -> tuple[Diagnostic, ...]:
        return (Diagnostic("E0104", "unknown field 'imgae'", "a.yaml", 3, excerpt="password: hunter2"),)

    def statuses(self) -> Mapping[str, StageStatus]:
        return {"shop/dev": StageStatus(key="shop/dev", reason="all well")}

    def stages(self) -> tuple[str, ...]:
        return ("shop/dev",)

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"the read-only address must not reach {name}")


def answers(*requests: tuple[str, str, str], ready: bool = True) -> list[tuple[int, str]]:
    """Serve on a free port and make these requests: method, path and Host header; {port} is filled in."""

    def ask(port: int) -> list[tuple[int, str]]:
        found = []
        for method, path, host in requests:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request(method, path, headers={"Host": host.format(port=port)})
            reply = connection.getresponse()
            found.append((reply.status, reply.read().decode()))
            connection.close()
        return found

    async def main() -> list[tuple[int, str]]:
        stop = asyncio.Event()
        listener = listen("127.0.0.1", 0)
        port = listener.getsockname()[1]
        serving = asyncio.create_task(serve_reads(Memory(), lambda: ready, listener, "127.0.0.1", stop))  # type: ignore[arg-type]
        try:
            return await asyncio.to_thread(ask, port)
        finally:
            stop.set()
            await serving

    return asyncio.run(main())


def test_health_readiness_and_status() -> None:
    """/healthz is always ok, /readyz when everything was looked at, the status is the controller's."""
    health, readiness, status = answers(
        ("GET", "/healthz", "127.0.0.1:{port}"),
        ("GET", "/readyz", "localhost:{port}"),
        ("GET", "/api/v1/status", "[::1]:{port}"),
    )
    assert (health, readiness) == ((200, "ok\n"), (200, "ok\n"))
    assert status[0] == 200
    assert '"reason":"all well"' in status[1]
    assert "blog-r asks for blog" in status[1]
    assert "unknown field" in status[1]
    assert "hunter2" not in status[1]
    assert answers(("GET", "/readyz", "localhost"), ready=False) == [(503, "not ready\n")]


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "[::2]", "[", "@"]
)
def test_a_page_of_somebody_else_cannot_read_it(host: str) -> None:
    """A Host that is not this address is refused: a name that points here proves nothing (DNS rebinding)."""
    paths = ("/healthz", "/readyz", "/api/v1/status")
    assert [status for status, _ in answers(*(("GET", path, host) for path in paths))] == [400, 400, 400]


def test_nothing_can_be_changed() -> None:
    """Every changing call of the socket, and the log lines, are unknown here."""
    verbs = ("reload", "reconcile", "retry", "confirm", "suspend", "resume")
    requests = [("POST", f"/api/v1/{verb}", "127.0.0.1") for verb in verbs]
    found = answers(*requests, ("GET", "/api/v1/lines", "127.0.0.1"), ("POST", "/api/v1/status", "127.0.0.1"))
    assert [status for status, _ in found] == [404] * 7 + [405]


def test_an_address_that_is_taken_says_what_to_do() -> None:
    """The error names the setting and the way out."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Conflict, match=rf"api\.listen: 127\.0\.0\.1:{port} cannot be listened on: .*api: null"):
            listen("127.0.0.1", port)
