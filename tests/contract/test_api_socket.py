"""The unix socket of a running controller, with an in-memory controller behind it."""

import asyncio
import socket
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx
import pytest

from controller.api.server import serve
from controller.cli.control import Client
from controller.cli.main import execute
from controller.core.model.errors import Conflict, Diagnostic
from controller.core.model.status import LogLine, StageStatus
from controller.interfaces import Hold


class Memory:
    """A controller over plain data."""

    def __init__(self) -> None:
        self.suspended: set[str] = set()
        self.held = [Hold("d1", ("shop/dev/1.0 goes",), "1 of 1 would be removed")]

    async def reload(self) -> tuple[Diagnostic, ...]:
        return (Diagnostic("E0001", "wrong", "a.yaml", 3),)

    async def reconcile(self, keys: Sequence[str]) -> tuple[str, ...]:
        return tuple(key for key in self.stages() if not keys or key in keys)

    async def retry(self, key: str) -> tuple[str, ...]:
        return (f"{key}/1.0",)

    async def suspend(self, stage: str, on: bool) -> None:
        (self.suspended.add if on else self.suspended.discard)(stage)

    async def confirm(self, digest: str) -> bool:
        before = len(self.held)
        self.held = [hold for hold in self.held if hold.digest != digest]
        return len(self.held) < before

    def holds(self) -> tuple[Hold, ...]:
        return tuple(self.held)

    def notices(self) -> tuple[str, ...]:
        return ("a request for nothing",)

    def diagnostics(self) -> tuple[Diagnostic, ...]:
        return (Diagnostic("E0001", "wrong", "a.yaml", 3),)

    def statuses(self) -> Mapping[str, StageStatus]:
        return {"shop/dev": StageStatus(key="shop/dev", reason="all well")}

    def stages(self) -> tuple[str, ...]:
        return ("shop/dev",)

    def lines(self, prefix: str | None, rollout: str | None, limit: int, after: int) -> Sequence[LogLine]:
        assert (prefix, rollout) == (None, None)
        fields = {"level": "info", "key": "shop/dev", "tag": "", "rollout": "", "step": "pull", "message": "m"}
        return [LogLine(id=number, time=1.0, **fields) for number in range(after + 1, 4)]


async def test_the_command_line_reaches_a_controller_and_nobody_else_does(tmp_path: Path) -> None:
    """Every call works through a socket of mode 0600, which is gone after the stop."""
    path, control, stop = tmp_path / "holdfast.sock", Memory(), asyncio.Event()
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(path))
    stale.close()
    assert Client.find(path) is None
    serving = asyncio.create_task(serve(control, control, path, stop))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    try:
        await asyncio.to_thread(_talk, path, control)
    finally:
        stop.set()
        await serving
    assert not path.exists()


async def test_get_shows_what_only_the_controller_knows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Above the table: what it holds back, could not read and refused, each with what helps."""
    config = tmp_path / "holdfast.yaml"
    config.write_text("id: home-1\ndomain: example.com\n")
    (tmp_path / ".holdfast").mkdir(mode=0o700)
    control, stop = Memory(), asyncio.Event()
    serving = asyncio.create_task(serve(control, control, tmp_path / ".holdfast" / "holdfast.sock", stop))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    try:
        assert await asyncio.to_thread(execute, ["get", "--config", str(config)]) == 0
    finally:
        stop.set()
        await serving
    assert capsys.readouterr().err.splitlines()[:3] == [
        "! held back: 1 of 1 would be removed; 'holdfast confirm d1' allows it",
        "! a.yaml:3:0: wrong; the last good documents stay",
        "! refused: a request for nothing",
    ]


def _talk(path: Path, control: Memory) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    client = Client.find(path)
    assert client is not None
    status = client.status()
    assert status.statuses == control.statuses()
    assert status.stages == ["shop/dev"]
    assert status.holds == control.held
    assert status.notices == ["a request for nothing"]
    assert status.diagnostics == [*control.diagnostics()]
    assert client.reload() == status.diagnostics
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://holdfast") as http:
        assert [line["id"] for line in http.get("/api/v1/lines?after=1").json()["lines"]] == [2, 3]
    assert client.post("reconcile", keys=[]) == {"keys": ["shop/dev"]}
    assert client.post("retry", key="shop/dev") == {"keys": ["shop/dev/1.0"]}
    client.post("suspend", key="shop/dev")
    assert control.suspended == {"shop/dev"}
    client.post("confirm", digest="d1")
    assert client.status().holds == []
    with pytest.raises(Conflict, match="nothing is held back"):
        client.post("confirm", digest="d1")
    with pytest.raises(Conflict, match="no stage"):
        client.post("resume", key="shop/prod")
