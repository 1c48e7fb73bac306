"""What is measured: the same work by Holdfast and by the least that does it, in turns, on the same parts."""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.bench.floor import Floor, answers, patch
from tests.parts.process import clean_environment
from tests.parts.sandbox import Sandbox

IMPORTS = "import docker, httpx, pydantic, yaml, time; time.sleep(3)"
"""The libraries alone, without a line of ours."""
REST = 20.0
"""Seconds at rest that are measured."""


@dataclass
class Cost:
    """Medians of what one kind of work took."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @contextmanager
    def one(self) -> Iterator[None]:
        """Measure one run: seconds, and CPU seconds of this process and of those that it waited for."""
        began, spent = time.perf_counter(), _cpu()
        yield
        self.wall.append(time.perf_counter() - began)
        self.cpu.append(_cpu() - spent)


@dataclass(frozen=True)
class Row:
    """A line of the table; `floor` is what the least costs in the same unit."""

    what: str
    unit: str
    ours: float
    floor: float

    def __str__(self) -> str:
        ratio = f"{self.ours / self.floor:6.2f}" if self.floor else ""
        return f"{self.what:<58} {self.ours:10.3f} {self.floor:10.3f} {self.unit:<4} {ratio}"


def converge(box: Sandbox, floor: Floor, count: int, repeats: int) -> Iterator[Row]:
    """From nothing to `count` healthy, routed containers; then a second time with nothing to do."""
    tags = [f"1.{number}" for number in range(count)]
    projects = [box.project(f"p{number}", tag) for number, tag in enumerate(tags)]
    hosts = [box.host(f"p{number}") for number in range(count)]
    up, least, again = Cost(), Cost(), Cost()
    for _ in range(repeats):
        for tag in tags:
            box.engine.client.api.pull(box.image, tag)
        with least.one():
            _route(box, floor.up(tags))
        floor.down()
        box.write(*projects)
        with up.one():
            done = box.holdfast("apply", timeout=600)
        assert done.returncode == 0, done.stderr
        assert all(box.get(host).status == 200 for host in hosts)
        with again.one():
            done = box.holdfast("apply", timeout=600)
        assert done.returncode == 0, done.stderr
        for project in projects:
            project["spec"]["stages"][0]["instances"] = []
        box.write(*projects)
        assert box.holdfast("apply", timeout=600).returncode == 0
        projects = [box.project(f"p{number}", tag) for number, tag in enumerate(tags)]
    start, look = Cost(), Cost()
    for _ in range(repeats):
        with start.one():
            box.holdfast("version")
        with look.one():
            floor.list()
    yield Row(f"{count} containers from nothing, routed and verified", "s", *_medians(up.wall, least.wall))
    yield Row("  CPU of the client", "s", *_medians(up.cpu, least.cpu))
    yield Row("apply with nothing to do, to the start of the program", "s", *_medians(again.wall, start.wall))


def follow(box: Sandbox, floor: Floor, repeats: int) -> Iterator[Row]:
    """Beside a running controller: an edit until the new tag answers; a container killed until it answers again."""
    host = box.host("p0")
    address, _, port = box.caddy.address.rpartition(":")
    edit, least = Cost(), Cost()
    for number in range(repeats):
        tag = f"1.{number + 1}"
        box.engine.client.api.pull(box.image, tag)
        with least.one():
            _route(box, floor.up([tag]))
        floor.down()
        box.write(box.project("p0", tag))
        with edit.one():
            _until(partial(_serves, f"{address}:{port}", host, tag))
        time.sleep(3)
    yield Row("an edited file until the new tag answers", "s", *_medians(edit.wall, least.wall))


def killed(box: Sandbox, floor: Floor, repeats: int) -> Iterator[Row]:
    """A container that somebody removed, until its hostname answers again."""
    host = box.host("p0")
    address, _, port = box.caddy.address.rpartition(":")
    back, least = Cost(), Cost()
    for _ in range(repeats):
        box.engine.client.api.pull(box.image, "1.1")
        with least.one():
            _route(box, floor.up(["1.1"]))
        floor.down()
        [victim] = box.containers()
        box.engine.client.api.remove_container(victim["Id"], force=True)
        with back.one():
            _until(lambda: answers(address, int(port), host))
        time.sleep(3)
    yield Row("a removed container until its hostname answers again", "s", *_medians(back.wall, least.wall))


def rest(box: Sandbox, floor: Floor, count: int) -> Iterator[Row]:
    """A controller that has nothing to do: memory, and CPU beside one look at the Engine per resync."""
    assert box.running is not None
    pid = box.running.pid
    before = _ticks(pid)
    time.sleep(REST)
    spent = (_ticks(pid) - before) * 60 / REST
    looks, looked = int(60 / 5), Cost()
    with looked.one():
        for _ in range(looks):
            floor.list()
    bare = subprocess.Popen([sys.executable, "-c", IMPORTS], env=clean_environment())
    time.sleep(2)
    libraries = _memory(bare.pid)
    bare.wait()
    yield Row(f"CPU in a minute at rest with {count} containers, resync 5 s", "s", spent, looked.cpu[0])
    yield Row("memory at rest, to the libraries alone", "MiB", _memory(pid), libraries)


def _route(box: Sandbox, addresses: list[str]) -> None:
    """The floor's routes, in a server of its own, until each answers."""
    routes = [
        {
            "match": [{"host": [f"floor{number}.test"]}],
            "handle": [{"handler": "reverse_proxy", "upstreams": [{"dial": f"{address}:8080"}]}],
        }
        for number, address in enumerate(addresses)
    ]
    server = {"listen": [f"127.0.0.1:{_PORT}"], "automatic_https": {"disable": True}, "routes": routes}
    patch(box.caddy.admin, "/config/apps/http/servers/floor", server)
    for number in range(len(addresses)):
        _until(partial(answers, "127.0.0.1", _PORT, f"floor{number}.test"))


_PORT = 18999


def _serves(address: str, host: str, tag: str) -> bool:
    where, _, port = address.rpartition(":")
    return answers(where, int(port), host, "/").startswith(f"{tag} ")


def _until(fact: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not fact():
        assert time.monotonic() < end, "not within 60 seconds"
        time.sleep(0.005)


def _medians(ours: list[float], floor: list[float]) -> tuple[float, float]:
    return statistics.median(ours), statistics.median(floor)


def _cpu() -> float:
    own, others = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime


def _ticks(pid: int) -> float:
    """CPU seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(pid: int) -> float:
    """Resident MiB that are not shared with others (Pss)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def to_json(rows: list[Row]) -> str:
    """For comparing runs."""
    return json.dumps([vars(row) for row in rows], indent=2)
