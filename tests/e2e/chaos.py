"""A controller between doors, killed at its calls: what its world looks like, and what its clients meet meanwhile."""

import contextlib
import http.client
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from controller.clients.state.reader import StateReader
from tests.parts.faults import Counted, Decide, Door, Fault
from tests.parts.sandbox import Sandbox

RESYNC_S = 2
"""Seconds between two looks of the controller at everything."""
CONVERGED_WITHIN_S = 40.0
"""Seconds to the declared state after the last kill."""
QUIET_S = 0.3
"""Seconds without a changing call that count as rest between two edits."""
REFUSED_MAX_S = 1.0
"""Seconds in which a client's connection may be refused or cut: the proxy exchanges its listeners at each change."""

Picture = Mapping[str, Any]


class Chaos:
    """A sandbox whose controller reaches Docker and the proxy only through doors."""

    def __init__(self, box: Sandbox, decide: Decide | None = None) -> None:
        self.box = box
        self.counted = Counted()
        self.killed = threading.Event()
        chosen = decide or self.counted
        self.docker = Door("docker", box.engine.url, box.folder, chosen)
        self.proxy = Door("proxy", box.caddy.admin, box.folder, chosen)
        box.configure(
            docker={"host": self.docker.url, "network": box.network},
            proxy={**box.settings["proxy"], "admin": self.proxy.url},
            limits={"resync": f"{RESYNC_S}s", "guardPercent": 100},
        )

    def close(self) -> None:
        """Close the doors."""
        self.docker.close()
        self.proxy.close()

    def decide(self, decide: Decide) -> None:
        """From now on both doors go by this."""
        self.docker.decide = self.proxy.decide = decide

    def arm(self, moment: "Moment | None") -> None:
        """Kill the controller at that moment, counted from now."""
        self.killed.clear()
        self.counted.arm(moment.call if moment else 0, moment.fault if moment else Fault("pass"))

    @property
    def changes(self) -> int:
        """Changing calls so far."""
        return sum(call.changing for door in (self.docker, self.proxy) for call in tuple(door.calls))

    def reported(self) -> Picture:
        """What the controller reports: phases by stage, and rollouts that are not over."""
        reader = StateReader(self.box.folder / ".holdfast")
        return {
            "status": {
                key: (status.settled, status.ready, sorted((item.tag, item.phase) for item in status.instances))
                for key, status in sorted(reader.statuses().items())
            },
            "open": sorted(
                f"{row.kind} {row.key}/{row.tag}" for row in reader.history(None, 50) if row.status == "Running"
            ),
        }

    def picture(self) -> Picture:
        """Everything that is there, whatever its state, without what differs by chance."""
        rows, by_address = [], {}
        for inspected in self.box.containers():
            labels, state = inspected["Config"]["Labels"], inspected["State"]["Status"]
            tag = f"{labels['holdfast.dev/stage']}/{labels['holdfast.dev/tag']}"
            nets = inspected["NetworkSettings"]["Networks"]
            if state == "running":
                by_address.update({net["IPAddress"]: tag for net in nets.values()})
            rows.append((
                *(tag, labels["holdfast.dev/role"], labels["holdfast.dev/revision"], labels["holdfast.dev/digest"]),
                *(state, inspected["HostConfig"]["RestartPolicy"]["Name"], tuple(sorted(nets))),
            ))  # fmt: skip
        networks = self.box.engine.client.api.networks()
        return {
            "containers": sorted(rows),
            "routes": {name: by_address.get(dial, dial) for name, dial in sorted(self._routes())},
            "networks": [net["Name"] for net in networks if net["Name"] == self.box.network],
            **self.reported(),
        }

    def _routes(self) -> Iterator[tuple[str, str]]:
        """Hostname and the address that its requests go to, by the proxy's own configuration."""
        for server in self._config().get("apps", {}).get("http", {}).get("servers", {}).values():
            for route in server.get("routes", ()):
                dials = [up["dial"] for part in route["handle"] for up in part.get("upstreams", ())]
                for match in route.get("match", ()):
                    yield from ((name, dial.partition(":")[0]) for name in match["host"] for dial in dials)

    def _config(self) -> Mapping[str, Any]:
        """The proxy's configuration; who asks while it exchanges its listeners is cut off."""
        for pause in (0.05, 0.1, 0.2, 0.4, 0.8):
            with contextlib.suppress(OSError, http.client.HTTPException):
                wire = http.client.HTTPConnection(self.box.caddy.admin.removeprefix("http://"), timeout=10)
                with contextlib.closing(wire):
                    wire.request("GET", "/config/")
                    return json.loads(wire.getresponse().read()) or {}
            time.sleep(pause)
        raise AssertionError("the proxy does not tell its configuration")

    def ended(self, expected: Picture) -> bool:
        """True when everything is as expected."""
        return all(expected[key] == value for key, value in self.reported().items()) and self.picture() == expected

    def rest(self, seconds: float = CONVERGED_WITHIN_S, expected: Picture | None = None, why: str = "") -> Picture:
        """Wait until nothing goes on any more and everything is as expected; returns what it looks like then."""
        deadline = time.monotonic() + seconds
        calls, since = self.changes, time.monotonic()
        while True:
            if calls != self.changes:
                calls, since = self.changes, time.monotonic()
            if time.monotonic() - since > QUIET_S and (self._settled() if expected is None else self.ended(expected)):
                return self.picture()
            if time.monotonic() > deadline:
                self._fail(self.picture(), expected, why)
            time.sleep(0.05)

    def _settled(self) -> bool:
        now = self.reported()
        return bool(now["status"]) and not now["open"] and all(stage[0] for stage in now["status"].values())

    def _fail(self, now: Picture, expected: Picture | None, why: str) -> None:
        wanted = expected or {}
        wrong = [f"{key}: {now[key]}\n   not {wanted.get(key)}" for key in now if now[key] != wanted.get(key)]
        log = self.box.log.read_text(errors="replace").splitlines()[-60:]
        raise AssertionError("\n".join([f"not as without a fault: {why}", *wrong, *log]))

    def kill(self) -> None:
        """SIGKILL the controller, in the middle of whatever it does."""
        if self.box.running is not None:
            os.kill(self.box.running.pid, signal.SIGKILL)
        self.killed.set()


class Clients:
    """Ask hostnames all the time; `bad` says which answers no client should have got."""

    def __init__(self, box: Sandbox, allowed: Mapping[str, Sequence[str]]) -> None:
        self._box = box
        self._allowed = allowed
        self._stop = threading.Event()
        self.asked = 0
        self.bad: list[str] = []

    @contextmanager
    def asking(self) -> Iterator["Clients"]:
        """Ask while the block runs."""
        threads = [threading.Thread(target=self._ask, args=item) for item in self._allowed.items()]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def _ask(self, hostname: str, tags: Sequence[str]) -> None:
        refused = 0.0
        while not self._stop.wait(0.05):
            begun = time.monotonic()
            reply = self._box.get(hostname)
            self.asked += 1
            if reply.status == 0:
                refused = refused or begun
                if time.monotonic() - refused > REFUSED_MAX_S:
                    self.bad.append(f"{hostname}: {reply.body}")
                continue
            refused = 0.0
            if reply.status != 200 or reply.body.split(" ")[0] not in tags:
                self.bad.append(f"{time.time():.3f} {hostname}: {reply.status} {reply.body[:80]!r}")


@dataclass(frozen=True)
class Moment:
    """When to die: at which changing call, and whether before it, when it is done, or when its answer is here."""

    name: str
    call: int
    fault: Fault


def moments(calls: int, kill: Callable[[], None]) -> list[Moment]:
    """Every one of so many calls with every way to die at it."""
    ways = {"before": Fault("drop", act=kill), "answer lost": Fault("lose", act=kill), "after": Fault("pass", act=kill)}
    return [Moment(f"{name} {call}", call, fault) for call in range(1, calls + 1) for name, fault in ways.items()]


def spread(items: Sequence[Any], count: int) -> list[Any]:
    """So many of them, from all over; all of them again and again when there are fewer."""
    if count >= len(items):
        return [items[index % len(items)] for index in range(count)]
    return [items[index * len(items) // count] for index in range(count)]
