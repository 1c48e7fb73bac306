"""The Engine of the world: containers with Docker's states, rules and refusals (F11 to F36), without Docker.

Addresses are given out lowest first, so that a new container often gets the address of one that just ended.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from controller.clients.docker.create_body import labels as labels_of
from controller.core.model import names
from controller.core.model.actions import ContainerSpec
from controller.core.model.errors import Conflict, RevisionBad, WorldBad
from controller.core.model.observed import ContainerState
from tests.sim.apps import App, Registry
from tests.sim.call_border import Border

START_S = 0.3
REPLY_S = 0.004
"""From what happened to the reply that tells of it: events come before."""
RESTART_PAUSE_S = 0.1
"""Docker waits so long before it restarts a container, doubled each time."""
STEADY_RUN_S = 10.0
"""A container that ran so long is restarted without a longer pause."""
MEMORY_MIN_BYTES = 6 * 1024 * 1024
"""Bytes; Docker refuses a lower limit."""


@dataclass
class Box:
    """One container as the Engine knows it."""

    id: str
    name: str
    image: str
    """repository@sha256:…"""
    labels: dict[str, str]
    spec: ContainerSpec | None
    """None: somebody else's."""
    app: App
    state: ContainerState = "created"
    started_at: float | None = None
    """Unix seconds by the wall clock of that moment, as Docker writes it down."""
    since: float = 0.0
    """Virtual second of the last start: what runs ages by this, wherever the wall clock jumps."""
    exit_code: int | None = None
    error: str = ""
    oom_killed: bool = False
    restart_count: int = 0
    policy: str = "no"
    by_hand: bool = False
    """Stopped or killed through the API: the Engine does not start it again by itself."""
    connected: bool = True
    address: str | None = None
    term: bool = False
    """SIGTERM was sent: it takes no new requests."""
    runs: int = 0
    """Number of starts; timers of earlier runs are void."""
    oks: int = 0
    """Successful probes in a row in this run, as the application answered them."""
    best: int = 0
    """Most of them in a row in this run."""
    past: list[tuple[float, int, float]] = field(default_factory=list)
    """Earlier runs, also broken off by a pause: second of the end, most successful probes in a row, its seconds."""
    asked: int = 0
    changed: float = 0.0
    """Virtual second in which its state or address last changed."""
    marked_before: bool = False
    """It once had the mark."""
    said: list[str] = field(default_factory=list)
    """Its output, line by line."""
    pause: float = RESTART_PAUSE_S
    """How long the Engine waits before it starts it again by itself."""

    @property
    def owned(self) -> bool:
        """Made through `Runtime.create`."""
        return self.spec is not None

    @property
    def controller(self) -> str:
        """Id of the controller that made it, of its labels."""
        return self.labels.get(names.CONTROLLER, "")

    @property
    def stage(self) -> str:
        """`project/stage` of its labels."""
        return self.labels.get(names.STAGE, "")

    @property
    def tag(self) -> str:
        """Tag of its labels."""
        return self.labels.get(names.TAG, "")

    @property
    def job(self) -> bool:
        """A preDeploy container."""
        return self.labels.get(names.ROLE) == "preDeploy"

    @property
    def passed(self) -> bool:
        """It has the mark of a passed gate."""
        return self.policy == "unless-stopped"


@dataclass
class Engine:
    """All containers and images of one host."""

    border: Border
    registry: Registry = field(default_factory=Registry)
    boxes: dict[str, Box] = field(default_factory=dict)
    images: set[str] = field(default_factory=set)
    """Digests that are here."""
    volumes: set[str] = field(default_factory=set)
    """Names of volumes; the Engine makes one with the first container that names it, and never removes it."""
    down_until: float = 0.0
    """Virtual seconds until which it does not answer."""
    heard: list[tuple[str, Callable[[str | None, str, str], None]]] = field(default_factory=list)
    """Listeners of events: stage, container id, action. A stage of None: the connection began anew."""
    stopping: "dict[tuple[str, int], asyncio.Future[None]]" = field(default_factory=dict)
    made: int = 0
    gone: dict[str, float] = field(default_factory=dict)
    """When a container was removed, by id, virtual seconds."""

    # Looking

    def by_name(self, name: str) -> Box | None:
        """The container of this name."""
        for box in self.boxes.values():
            if box.name == name:
                return box
        return None

    def at(self, address: str | None) -> Box | None:
        """The running container that has this address now."""
        if address is None:
            return None
        for box in self.boxes.values():
            if box.address == address and box.connected:
                return box
        return None

    def age(self, box: Box) -> float:
        """Seconds since its last start; 0 when it does not run."""
        return self.border.clock.monotonic() - box.since if box.state == "running" else 0.0

    def ready(self, box: Box) -> bool:
        """Its port answers, with whatever status."""
        return (
            box.state == "running" and box.connected and not box.term and self.age(box) >= box.app.ready and not box.job
        )

    def serves(self, box: Box) -> bool:
        """A client that asks it now is served."""
        return self.ready(box) and box.app.status < 400 and not box.app.broken(self.age(box))

    def answer(self, box: Box) -> int:
        """Status of one request to a container that is ready."""
        box.asked += 1
        if box.app.every and box.asked % box.app.every == 0:
            return 500
        return 503 if box.app.broken(self.age(box)) else box.app.status

    # Calls

    def create(self, spec: ContainerSpec, controller_id: str) -> str:
        """Create a container; the holder's id when the name is taken by the same."""
        wanted = labels_of(spec, controller_id)
        holder = self.by_name(spec.name)
        if holder is not None:
            if any(holder.labels.get(key) != value for key, value in wanted.items()):
                raise Conflict(f"the name {spec.name} is held by container {holder.id[:12]}", reason="NameTaken")
            return holder.id
        digest = spec.image.partition("@")[2]
        if spec.memory is not None and spec.memory < MEMORY_MIN_BYTES:
            raise RevisionBad(f"cannot create {spec.name}: Minimum memory limit allowed is 6MB", reason="InvalidConfig")
        if digest not in self.images:
            raise WorldBad(f"image {spec.image} is no longer here", reason="ImageGone")
        self.volumes |= {mount.source for mount in spec.mounts if not mount.bind}
        box = self.add(spec.name, spec.image, wanted, spec, self.registry.apps[digest])
        self.tell(box, "create")
        return box.id

    def add(self, name: str, image: str, labels: dict[str, str], spec: ContainerSpec | None, app: App) -> Box:
        """Put a container into the world, whoever made it."""
        self.made += 1
        box = Box(hashlib.sha256(f"box {self.made}".encode()).hexdigest(), name, image, labels, spec, app)
        self.boxes[box.id] = box
        return box

    def start(self, box: Box) -> "asyncio.Future[None]":
        """Start it; the future ends when it runs."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if box.id not in self.boxes:
            raise WorldBad(f"cannot start {box.name}: it is gone", reason="ContainerGone")
        if box.state == "paused":
            raise WorldBad(f"cannot start {box.name}: it is paused", reason="Paused")
        if box.app.missing:
            box.error, box.exit_code = "executable file not found in $PATH", 127
            raise RevisionBad(f"cannot start {box.name}: {box.error}", reason="StartFailed")

        def up() -> None:
            if box.id in self.boxes and box.state not in ("running", "paused"):
                self.run(box)
            self.border.later(REPLY_S, lambda: None if done.done() else done.set_result(None))

        box.by_hand, box.restart_count, box.pause = False, 0, RESTART_PAUSE_S
        self.border.later(START_S, up)
        return done

    def run(self, box: Box) -> None:
        """It begins to run: a new address, a new start time."""
        box.runs += 1
        box.state, box.exit_code, box.error, box.term = "running", None, "", False
        box.started_at, box.since = self.border.clock.now(), self.border.clock.monotonic()
        box.oks = box.best = box.asked = 0
        box.address = self._free_address() if box.connected else None
        run = box.runs
        ends = box.app.job if box.job else box.app.exits
        if ends is not None:
            code = box.app.job_code if box.job else box.app.code
            self.border.later(ends, lambda: self.exit(box, code, run, oom=box.app.oom))
        box.said.append("up")
        self.tell(box, "start")

    def stop(self, box: Box, grace: float) -> "asyncio.Future[None]":
        """SIGTERM now, the end when the application or the grace period says so; what does not run is left alone."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if box.id not in self.boxes or box.state not in ("running", "paused", "restarting"):
            done.set_result(None)
            return done
        box.by_hand = True
        if box.state == "restarting":
            box.state, box.runs = "exited", box.runs + 1
            self.tell(box, "stop")
            done.set_result(None)
            return done
        box.term = True
        run, heeds = box.runs, box.app.stops <= grace
        self.tell(box, "kill")
        self.unpause(box)

        def down() -> None:
            if box.runs == run and box.state in ("running", "paused"):
                if not heeds:
                    self.tell(box, "kill")
                self.exit(box, 0 if heeds else 137, run)
                self.tell(box, "stop")
            if not done.done():
                done.set_result(None)

        self.border.later(min(box.app.stops, grace), down)
        return done

    async def restart(self, box: Box, grace: float) -> None:
        """Stop and start it again."""
        await self.stop(box, grace)
        await self.start(box)
        self.tell(box, "restart")

    def exit(self, box: Box, code: int, run: int, oom: bool = False) -> None:
        """Its process ended; the Engine starts it again when the restart policy says so."""
        if box.id not in self.boxes or box.runs != run or box.state not in ("running", "paused"):
            return
        ran = self.age(box)
        box.past.append((self.border.clock.monotonic(), box.best, ran))
        box.state, box.exit_code, box.address, box.oom_killed = "exited", code, None, oom
        if oom:
            self.tell(box, "oom")
        self.tell(box, "die")
        if box.passed and not box.by_hand:
            box.state = "restarting"
            box.restart_count += 1
            pause = box.pause = RESTART_PAUSE_S if ran > STEADY_RUN_S else box.pause
            box.pause = min(60.0, 2 * pause)
            self.border.later(pause, lambda: self._again(box, run))

    def remove(self, box: Box) -> None:
        """Remove what does not run; gone is success."""
        if box.id not in self.boxes:
            return
        if box.state in ("running", "paused", "restarting"):
            raise WorldBad(f"cannot remove {box.name}: container is running", reason="StillRunning")
        del self.boxes[box.id]
        self.gone[box.id] = self.border.clock.monotonic()
        self.tell(box, "destroy")

    def unpause(self, box: Box) -> None:
        """Undo a pause."""
        if box.state == "paused":
            box.state = "running"
            self.tell(box, "unpause")

    def connect(self, box: Box) -> None:
        """Attach it to the network; a running one gets an address."""
        if box.id in self.boxes and not box.connected:
            box.connected = True
            box.address = self._free_address() if box.state in ("running", "paused") else None
            box.changed = self.border.clock.now()

    def mark(self, box: Box, passed: bool) -> None:
        """Change the restart policy."""
        box.policy = "unless-stopped" if passed else "no"
        box.marked_before = box.marked_before or passed
        self.tell(box, "update")

    # Others

    def kill(self, box: Box) -> None:
        """`docker kill` by a third party: it stays down whatever the restart policy."""
        if box.state in ("running", "paused"):
            box.by_hand = True
            self.tell(box, "kill")
            self.unpause(box)
            self.exit(box, 137, box.runs)

    def pause(self, box: Box) -> None:
        """`docker pause` by a third party."""
        if box.state == "running":
            box.past.append((self.border.clock.monotonic(), box.best, self.age(box)))
            box.state = "paused"
            self.tell(box, "pause")

    def disconnect(self, box: Box) -> None:
        """`docker network disconnect` by a third party."""
        box.connected, box.address = False, None
        box.changed = self.border.clock.now()

    def rename(self, box: Box, name: str) -> None:
        """`docker rename` by a third party."""
        box.name = name
        self.tell(box, "rename")

    def drop(self, box: Box) -> None:
        """`docker rm -f` by a third party."""
        self.kill(box)
        box.state = "exited"
        self.remove(box)

    def prune(self, digest: str) -> bool:
        """`docker rmi` by a third party; False where a container, a stopped one too, has the image."""
        if any(box.image.endswith(digest) for box in self.boxes.values()):
            return False
        self.images.discard(digest)
        return True

    def reboot(self, seconds: float, graceful: bool = True) -> None:
        """The Engine goes away and comes back. In order, it ends everything first, and then starts what has the mark;
        after kill -9 it ends what it finds running, and starts nothing (F12). Addresses are given out anew."""
        self.border.note("engine", "reboot", "graceful" if graceful else "killed")
        self.down_until = self.border.clock.monotonic() + seconds
        if graceful:
            self._end_all()
        self.border.later(seconds, lambda: self._back(graceful))

    def _end_all(self) -> None:
        for box in self.boxes.values():
            if box.state in ("running", "paused", "restarting"):
                box.past.append((self.border.clock.monotonic(), box.best, self.age(box)))
                grace = box.spec.stop_grace if box.spec is not None else STEADY_RUN_S
                box.exit_code = 0 if box.app.stops <= grace else 137
                box.state, box.address = "exited", None
                box.runs += 1
                box.changed = self.border.clock.monotonic()

    def _back(self, graceful: bool) -> None:
        if not graceful:
            self._end_all()
        for box in reversed(tuple(self.boxes.values())):
            if graceful and box.passed and not box.by_hand and box.state == "exited":
                self.run(box)
        for _, heard in tuple(self.heard):
            heard(None, "", "")

    def _again(self, box: Box, run: int) -> None:
        away = self.border.clock.monotonic() < self.down_until
        if box.id in self.boxes and box.runs == run and box.state == "restarting" and not away:
            self.run(box)

    def tell(self, box: Box, action: str) -> None:
        """It changed: send an event to whoever listens, if it is about a container of ours."""
        box.changed = self.border.clock.monotonic()
        if box.owned and self.border.clock.monotonic() >= self.down_until:
            for controller, heard in tuple(self.heard):
                if controller == box.controller:
                    heard(box.stage, box.id, action)

    def _free_address(self) -> str:
        taken = {box.address for box in self.boxes.values()}
        return next(text for text in _addresses() if text not in taken)


def _addresses() -> Iterable[str]:
    return (f"10.9.{high}.{low}" for high in range(256) for low in range(2, 255))
