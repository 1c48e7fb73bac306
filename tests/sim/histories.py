"""Random histories: a user who edits at will, third parties who break things, and calls that fail, all from one seed.

At the end the faults stop and something is declared that can run; from whatever state that must be reached (L1, L8).
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from controller.core.spec import Document
from tests.sim.apps import App
from tests.sim.faults import Seeded
from tests.sim.sources import project, request
from tests.world import Simulation, simulate

GOOD = ("1.0", "1.1", "2.0", "2.1")
BAD = {
    "b503": App(status=503),
    "bexit": App(exits=0.3, code=3),
    "bcmd": App(missing=True),
    "bslow": App(ready=60.0),
    "bjob": App(job_code=2),
    "bodd": App(every=2),
}
PASSING = "pr-1"
"""A tag that is only ever declared with a time to live."""
ABSENT = "nope"
"""A tag that the registry does not know."""
DOMAINS = ("a.test", "b.test", "c.test")
STEPS = 10
PATIENCE = 7200.0
"""Seconds in which the end must be reached: more than the backoff's cap and any deadline together."""


class History:
    """One seed's user and vandals."""

    def __init__(self, sim: Simulation, seed: int) -> None:
        self.sim = sim
        self.random = random.Random(seed)
        self.level = 0

    async def play(self) -> None:
        """Do this and that, then declare what can run and wait for it."""
        for tag in (*GOOD, PASSING):
            self.sim.push(
                tag, App(ready=self.random.choice((0.1, 0.5, 3.0)), stops=self.random.choice((0.1, 2.0, 30.0)))
            )
        for tag, app in BAD.items():
            self.sim.push(tag, app)
        await self.sim.write(*self.documents())
        for _ in range(STEPS):
            await self.random.choice(self._deeds)(self)
            await asyncio.sleep(self.random.choice((0.0, 0.05, 0.3, 1.0, 3.0, 10.0, 40.0)))
        await self.end()

    async def end(self) -> None:
        """The faults are over."""
        sim = self.sim
        if isinstance(sim.border.faults, Seeded):
            sim.border.faults.stop()
        sim.registry.down = sim.proxy.down = sim.proxy.refuses = False
        sim.folder.reachable = True
        self.level = 99
        await sim.write(*self.documents(last=True))
        await sim.settle(PATIENCE)
        sim.matches()
        sim.history_closed()
        await sim.rest(100.0)

    # What the user declares

    def documents(self, last: bool = False) -> Sequence[Document]:
        """Any documents; `last`: only what can run."""
        pick = self.random
        names = pick.sample(("shop", "blog"), pick.choice((1, 1, 2)))
        domains = list(DOMAINS)
        pick.shuffle(domains)
        found: list[Document] = []
        for name in names:
            stages = {
                stage: self._stage(domains, last) for stage in pick.sample(("dev", "prod"), pick.choice((1, 1, 2)))
            }
            found.append(project(name, stages=stages, **self._project(last)))
            if pick.random() < 0.3:
                found.append(request(f"{name}-r", pick.choice(GOOD), name, next(iter(stages))))
        return found

    def _stage(self, domains: list[str], last: bool) -> dict[str, Any]:
        pick = self.random
        tags: list[Any] = pick.sample(GOOD, pick.randint(1, 3))
        fields: dict[str, Any] = {}
        if not last:
            tags += pick.sample([*BAD, ABSENT], pick.choice((0, 0, 1, 2)))
            tags += [{"tag": PASSING, "ttl": "45s"}] if pick.random() < 0.2 else []
            pick.shuffle(tags)
            if pick.random() < 0.1:
                tags = []
            if pick.random() < 0.05:
                fields["suspend"] = True
        plain = [tag for tag in tags if isinstance(tag, str)]
        if pick.random() < 0.3 and plain:
            fields["defaultTag"] = pick.choice(plain)
        if pick.random() < 0.4:
            fields["maxInstances"] = pick.randint(1, 3)
        if pick.random() < 0.5:
            fields["domains"] = [domains.pop() for _ in range(min(len(domains), pick.randint(1, 2)))]
        return {"tags": tags, **fields}

    def _project(self, last: bool) -> dict[str, Any]:
        pick = self.random
        self.level += pick.random() < 0.3 and not last
        fields: dict[str, Any] = {"env": [{"name": "LEVEL", "value": str(self.level)}]}
        fields["drain"] = pick.choice(("0s", "3s", "10s"))
        chances: list[tuple[float, str, Any]] = [
            (0.2, "bake", "15s"),
            (0.2, "preDeploy", {"command": ["./migrate"], "timeout": "20s"}),
            (0.15, "tagRoutes", False),
            (0.1, "trackDigest", True),
        ]
        fields |= {name: value for chance, name, value in chances if pick.random() < chance}
        kind = pick.random()
        if kind < 0.2:
            fields["volumes"] = [{"name": "data", "mountPath": "/data"}]
        elif kind < 0.3:
            fields |= {"port": None, "healthCheck": None}
        return fields

    # What happens

    async def edit(self) -> None:
        """Declare something else."""
        await self.sim.write(*self.documents())

    async def half_written(self) -> None:
        """A file that is no document for a while."""
        path = self.random.choice(list(self.sim.folder.files) or ["project-shop.yaml"])
        good = self.sim.folder.files.get(path)
        self.sim.folder.put(path, None)
        self.sim.folder.touched()
        await asyncio.sleep(self.random.choice((0.1, 5.0)))
        if good is not None:
            self.sim.folder.put(path, good)
            self.sim.folder.touched()

    async def unmounted(self) -> None:
        """The folder is away for a while."""
        self.sim.folder.reachable = False
        self.sim.folder.touched()
        await asyncio.sleep(self.random.choice((1.0, 40.0)))
        self.sim.folder.reachable = True
        self.sim.folder.touched()

    async def hurt(self) -> None:
        """Somebody hurts a container of ours."""
        found = self.sim.containers()
        if found:
            self.sim.vandal(self.random.choice(("kill", "drop", "pause", "disconnect")), self.random.choice(found))

    async def fall_over(self) -> None:
        """An application ends by itself."""
        running = [box for box in self.sim.containers() if box.state == "running"]
        if running:
            box = self.random.choice(running)
            self.sim.border.note("app", "exit", box.name)
            self.sim.engine.exit(box, 1, box.runs, oom=self.random.random() < 0.5)

    async def edit_route(self) -> None:
        """Somebody edits or deletes a route of ours."""
        if self.sim.proxy.routes:
            name = self.random.choice(sorted(self.sim.proxy.routes))
            self.sim.edit_route(name, self.random.choice((None, "10.9.0.2")))

    async def proxy_trouble(self) -> None:
        """The proxy restarts, is away for a while, or refuses everything."""
        proxy = self.sim.proxy
        kind = self.random.choice(("restart", "down", "refuses", "stumbles"))
        self.sim.border.note("proxy", kind, "")
        if kind == "restart":
            proxy.restart()
        elif kind == "stumbles":
            proxy.stumbles = 2
        else:
            setattr(proxy, kind, True)
            await asyncio.sleep(self.random.choice((1.0, 20.0)))
            setattr(proxy, kind, False)

    async def engine_trouble(self) -> None:
        """The Engine restarts, in order or not."""
        self.sim.engine.reboot(self.random.choice((1.0, 15.0)), self.random.random() < 0.5)

    async def registry_trouble(self) -> None:
        """The registry is away for a while, or a tag is pushed again."""
        if self.random.random() < 0.5:
            self.sim.push(self.random.choice(GOOD))
        else:
            self.sim.registry.down = True
            await asyncio.sleep(self.random.choice((3.0, 30.0)))
            self.sim.registry.down = False

    async def prune_images(self) -> None:
        """`docker image prune -a`: what no container uses is gone (F35)."""
        used = {box.image.partition("@")[2] for box in self.sim.engine.boxes.values()}
        self.sim.border.note("vandal", "prune images", "")
        self.sim.engine.images &= used

    async def restart(self) -> None:
        """The controller ends in order, perhaps its state folder is lost."""
        await self.sim.restart(lose_store=self.random.random() < 0.3)

    async def crash(self) -> None:
        """kill -9 of the controller."""
        await self.sim.crash()

    _deeds: "tuple[Callable[[History], Awaitable[None]], ...]" = (
        edit, edit, edit, edit, edit, edit, half_written, unmounted, hurt, hurt, fall_over, edit_route, proxy_trouble,
        engine_trouble, registry_trouble, prune_images, restart, crash,
    )  # fmt: skip


def history(seed: int, rate: float = 0.03, crash: float = 0.01, npm: bool = False) -> Simulation:
    """Play one history and judge it."""

    async def played(sim: Simulation) -> None:
        await History(sim, seed).play()

    return simulate(played, Seeded(seed, rate, crash), npm)
