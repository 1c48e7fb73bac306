"""The stories of the simulated world on real parts: a controller, Docker, a registry and Caddy behind the same words.

`RealWorld` has of `tests.world.Simulation` what stories use. Times that a story only waits out are shortened in its
documents, and the stories' clock runs `SPEED` times as fast as the machine's.
"""

import asyncio
import contextlib
import re
import shutil
import sqlite3
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import httpx

from controller.clients.caddy import config as caddy_config
from controller.clients.caddy import servers
from controller.clients.state import read
from controller.clients.state.file import open_reader
from controller.core.documents.spec import DeployRequest, Document, Project
from controller.core.model.observed import Route
from controller.core.model.status import StageStatus
from tests.e2e.real_world_parts import SPEED, Border, Box, BreakablePart, Engine, FastLoop, Files, Folder
from tests.e2e.trace import Trace, word
from tests.parts.faults import Call, Door, Fault
from tests.parts.sandbox import Sandbox
from tests.sim.apps import App
from tests.sim.expected_model import DOMAIN, ExpectedStage, expected_stages

T = TypeVar("T")

QUIET_S = 1.5
"""Seconds without a change after which a look may find rest: a resync and a half."""
SECOND_LOOK_AFTER_S = 1.0
"""Seconds until a second look: what was just taken over is acted on only after the next pass has begun."""
LOOKS_MAX = 20
"""Looks that may find that something goes on after all."""
MARK_WITHIN_S = 15.0
"""Seconds in which the mark of what passed is made, which nothing waits for."""
TTL = "15s"
CONFIRM = re.compile(r"holdfast confirm ([0-9a-f]+)")


@dataclass
class RealWorld:
    """One story's world."""

    sandbox: Sandbox
    trace_: Trace = field(default_factory=Trace)

    def __post_init__(self) -> None:
        box = self.sandbox
        self.registry, self.proxy = BreakablePart(), BreakablePart(restart=self._proxy_restarts)
        self.secrets, self.folder, self.border = Files(box), Folder(box), Border()
        self._ids: dict[str, str] = {}
        self._asked: list[tuple[str, str]] = []
        self.engine = Engine(self._asked)
        self._last = time.monotonic()
        self._documents: tuple[Document, ...] = ()
        self._written: list[dict[str, Any]] = []
        self._site = servers.Site(f"holdfast-{box.id}", box.caddy.listen, "off")
        self.doors = [
            Door("docker", box.engine.url, box.folder, self._docker),
            Door("proxy", box.caddy.admin, box.folder, self._caddy),
            Door("registry", f"http://{box.registry.address}", box.folder, self._registry),
        ]
        box.configure(
            domain=DOMAIN,
            docker={"host": self.doors[0].url, "network": box.network},
            proxy={**box.settings["proxy"], "admin": self.doors[1].url},
            limits={"resync": "1s", "guardPercent": 100},
        )

    def close(self) -> None:
        """End the controller and close the doors."""
        self.sandbox.kill()
        for door in self.doors:
            door.close()

    # The user

    def push(self, tag: str, app: App | None = None) -> str:
        """Serve an application under a tag; returns its digest."""
        app = app or App()
        behaviour = {"JOB_CODE": str(app.job_code)}
        behaviour |= {"START_DELAY": str(min(app.ready, 1000))} if app.ready >= 1 else {}
        behaviour |= {"BROKEN": "health"} if app.status >= 400 else {}
        behaviour |= {"BROKEN": "exit"} if app.exits is not None else {}
        behaviour |= {"USER": "nobody-of-this-name"} if app.missing else {}
        return self.sandbox.push(tag, **behaviour)

    async def write(self, *documents: Document) -> None:
        """Replace all documents at once by these."""
        self._documents = documents
        self._written = [self._translated(document) for document in documents]
        self._last = time.monotonic()
        self.sandbox.write(*self._written)
        await asyncio.sleep(0)

    async def restart(self, lose_store: bool = False) -> None:
        """End the controller in order and start it again."""
        assert self.sandbox.stop() == 0
        if lose_store:
            shutil.rmtree(self._state)
        self._start()

    async def suspend(self, stage: str, on: bool) -> None:
        """Suspend or resume a stage by hand."""
        await self._tell("suspend" if on else "resume", stage)

    async def confirm(self) -> None:
        """Allow what the guard holds back."""
        [digest] = CONFIRM.findall(await self._tell("plan"))
        await self._tell("confirm", digest)

    @property
    def guard_percent(self) -> float:
        """From the controller's next start on."""
        return float(self.sandbox.settings["limits"]["guardPercent"])

    @guard_percent.setter
    def guard_percent(self, percent: float) -> None:
        self.sandbox.configure(limits={**self.sandbox.settings["limits"], "guardPercent": int(percent)})

    async def crash(self) -> None:
        """Kill the controller now and start it again."""
        self.sandbox.kill()
        self._start()

    def start(self) -> None:
        """Begin the story with a running controller and nothing declared."""
        self.sandbox.write()
        self._start()
        log = self.sandbox.log
        self.sandbox.wait(lambda: "controller starts" in log.read_text(errors="replace"), "the controller starts")

    # Others

    def vandal(self, what: Literal["kill", "drop", "pause", "disconnect"], box: Box) -> None:
        """Let a third party hurt a container."""
        api = self.sandbox.engine.client.api
        hurt: dict[str, Callable[[], object]] = {
            "kill": lambda: api.kill(box.id),
            "drop": lambda: api.remove_container(box.id, force=True),
            "pause": lambda: api.pause(box.id),
            "disconnect": lambda: api.disconnect_container_from_network(box.id, self.sandbox.network),
        }
        hurt[what]()
        self._last = time.monotonic()

    def edit_route(self, hostname: str, address: str | None) -> None:
        """Let a third party point a route of ours elsewhere, or delete it."""
        place = f"{self.sandbox.caddy.admin}/id/{self._site.name}:{hostname}"
        if address is None:
            httpx.delete(place, trust_env=False).raise_for_status()
        else:
            dial = {"dial": f"{address}:8080"}
            httpx.patch(f"{place}/handle/2/upstreams/0", json=dial, trust_env=False).raise_for_status()
        self._last = time.monotonic()

    # Waiting

    async def settle(self, limit: float = 90.0) -> None:
        """Wait until what was written was taken over, every stage says it is settled, and nothing more is done."""
        for _ in range(LOOKS_MAX):
            await self._until(lambda: time.monotonic() - self._last > QUIET_S and self._settled(), limit, "settled")
            last = self._last
            await asyncio.sleep(SECOND_LOOK_AFTER_S * SPEED)
            if self._last == last and self._settled():
                return
        raise AssertionError(f"never at rest for long\n{self.trace()}")

    async def wait(self, fact: Callable[[], object], limit: float = 90.0) -> None:
        """Wait until the fact is true."""
        await self._until(fact, min(limit, 90.0), "what the story waits for")

    # Looking

    def containers(self, stage: str | None = None) -> list[Box]:
        """Containers of the controller, sorted by name."""
        labels = {} if stage is None else {"stage": stage}
        return sorted(map(Box.of_inspect, self.sandbox.containers(**labels)), key=lambda box: box.name)

    def box(self, tag: str, stage: str = "shop/dev") -> Box:
        """The one container of an instance."""
        (found,) = [box for box in self.containers(stage) if box.tag == tag and not box.job]
        return found

    def routes(self) -> dict[str, str]:
        """Hostname to tag."""
        return {hostname: route.tag for hostname, route in sorted(self._routes().items())}

    def answered(self, hostname: str) -> bool:
        """A client of this hostname is served."""
        return self.sandbox.get(hostname).status == 200

    def status(self, stage: str = "shop/dev") -> StageStatus:
        """The newest status of a stage."""
        return self._statuses()[stage]

    def phases(self, stage: str = "shop/dev") -> dict[str, str]:
        """Tag to phase, as reported."""
        return {item.tag: item.phase for item in self.status(stage).instances}

    def expected_stages(self) -> dict[str, ExpectedStage]:
        """What is declared now."""
        return expected_stages(self._documents)

    def matches(self) -> None:
        """Assert that everything declared is there, answers, and nothing else of ours is there."""
        end = time.monotonic() + MARK_WITHIN_S
        while time.monotonic() < end and not all(box.passed for box in self.containers() if not box.job):
            time.sleep(0.2)
        declared = self.expected_stages().values()
        found = [box for box in self.containers() if not box.job]
        assert sorted(box.tag for box in found) == sorted(tag for expected in declared for tag in expected.wanted)
        assert [box for box in found if box.state != "running" or not box.passed] == []
        hosts = {hostname: tag for expected in declared for hostname, tag in expected.hosts().items()}
        assert self.routes() == hosts
        assert [hostname for hostname in hosts if not self.answered(hostname)] == []

    def trace(self, last: int | None = None) -> str:
        """What was asked for, one line per call."""
        return "\n".join(f"{what} {target}" for what, target in self._asked[-last if last else 0 :])

    def finished(self) -> Trace:
        """The whole trace, once the story is over."""
        for what, target in self._asked:
            if what == "pull":
                self.trace_.pull(target)
            else:
                self.trace_.asked(self._ids.get(target, target), what)
        return self.trace_

    # Parts

    async def _tell(self, *words: str) -> str:
        done = await asyncio.to_thread(self.sandbox.holdfast, *words)
        assert done.returncode == 0, done.stderr
        return done.stderr

    @property
    def _image(self) -> str:
        return f"{self.doors[2].address}/{self.sandbox.id}/app"

    @property
    def _state(self) -> Any:
        return self.sandbox.folder / ".holdfast"

    def _proxy_restarts(self) -> None:
        self.sandbox.caddy.restart()
        self._last = time.monotonic()

    def _start(self) -> None:
        self._last = time.monotonic()
        self.sandbox.start()

    async def _until(self, fact: Callable[[], object], limit: float, what: str) -> None:
        end = time.monotonic() + limit
        while not fact():
            if time.monotonic() > end:
                tail = self.sandbox.log.read_text(errors="replace").splitlines()[-15:]
                raise AssertionError("\n".join([f"not within {limit:g} s: {what}", self.trace(), *tail]))
            await asyncio.sleep(0.05 * SPEED)

    def _stored(self, question: Callable[[sqlite3.Connection], T], nothing: T) -> T:
        db = open_reader(self._state)
        if db is None:
            return nothing
        with contextlib.closing(db):
            return question(db)

    def _statuses(self) -> dict[str, StageStatus]:
        return self._stored(read.statuses, {})

    def _settled(self) -> bool:
        found = self._statuses()
        known = all(key in found for key in self.expected_stages()) and all(status.settled for status in found.values())
        return known and self._taken()

    def _taken(self) -> bool:
        """The controller goes by what was written last."""
        good = self._stored(lambda db: read.last_good(db, "files:./desired"), None) or ()
        written = [
            (Project if item["kind"] == "Project" else DeployRequest).model_validate(item) for item in self._written
        ]
        return sorted(repr(item.document) for item in good) == sorted(map(repr, written))

    def _routes(self) -> dict[str, Route]:
        config = httpx.get(f"{self.sandbox.caddy.admin}/config/", trust_env=False).json()
        return dict(caddy_config.table(config, self._site).routes)

    def _translated(self, document: Document) -> dict[str, Any]:
        written: dict[str, Any] = document.model_dump(mode="json", by_alias=True, exclude_none=True)
        spec = written["spec"]
        if "image" in spec:
            spec["image"] = self._image
            spec |= {"drain": "500ms", "stopGracePeriod": "1s"}
        if "healthCheck" in spec:
            spec["healthCheck"]["interval"] = "200ms"
        if "bake" in spec:
            spec["bake"] = "1s"
        if "preDeploy" in spec:
            spec["preDeploy"]["command"] = ["/bin/sh", "-c", "exit $JOB_CODE"]
        for stage in spec.get("stages", ()):
            stage["instances"] = [{**item, **({"ttl": TTL} if "ttl" in item else {})} for item in stage["instances"]]
        for item in spec.get("env", ()):
            if "valueFrom" in item:
                item["valueFrom"]["file"] = str(self.sandbox.folder / item["valueFrom"]["file"].removeprefix("/run/"))
        return written

    # Doors

    def _docker(self, call: Call) -> Fault | None:
        if not call.changing:
            return None
        self._last = time.monotonic()
        what, target = word(call)
        if what:
            self._asked.append((what, target))
        return Fault("pass", act=lambda: self._learn(target)) if what == "create" else None

    def _learn(self, name: str) -> None:
        found = self.sandbox.engine.client.api.containers(all=True, filters={"name": f"^/{name}$"})
        self._ids |= {row["Id"]: name for row in found}

    def _caddy(self, call: Call) -> Fault | None:
        if not call.changing:
            return None
        self._last = time.monotonic()
        if self.proxy.stumbles:
            self.proxy.stumbles -= 1
            return Fault("fail", act=self._routed)
        return Fault("pass", act=self._routed)

    def _routed(self) -> None:
        routes = self._routes()
        self.trace_.routed({hostname: self._ids.get(route.container, "?") for hostname, route in routes.items()})

    def _registry(self, call: Call) -> Fault | None:
        return Fault("error", status=503) if self.registry.down else None


async def _played(story: Callable[[Any], Awaitable[None]], world: RealWorld) -> None:
    await story(world)


def play(sandbox: Sandbox, story: Callable[[Any], Awaitable[None]]) -> Trace:
    """Play a story on real parts and return its trace."""
    world = RealWorld(sandbox)
    try:
        with asyncio.Runner(loop_factory=FastLoop) as runner:
            world.start()
            runner.run(_played(story, world))
        return world.finished()
    finally:
        world.close()
