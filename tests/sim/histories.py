"""Random histories: a user who edits at will, third parties who break things, and calls that fail, all from one seed.

At the end the faults stop and something is declared that can run; from whatever state that must be reached (L1, L8).
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from controller.core.documents.spec import Document
from tests.sim.apps import App
from tests.sim.recorded_faults import RecordingFaults
from tests.sim.scripts import FAILURES, Script
from tests.sim.sources import project, request
from tests.sim.user_acts import Act, perform, which
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
WAITS = (0.0, 0.05, 0.3, 1.0, 3.0, 10.0, 40.0)


@dataclass(frozen=True)
class Options:
    """What a seed is played with: shares of calls that fail and that the controller dies at, and the kind of proxy."""

    rate: float = 0.03
    crash: float = 0.01
    npm: bool = False

    def __str__(self) -> str:
        return f"--rate {self.rate:g} --crash {self.crash:g}" + (" --npm" if self.npm else "")


CALM = Options(0.0, 0.0)
HEAVY = Options(0.1, 0.02)
NPM = Options(npm=True)
MIX = (Options(), NPM, CALM, Options(), HEAVY, Options(), NPM, CALM, Options(), Options(0.1, 0.02, npm=True))
"""What seeds are played with, in turn."""


class Violation(AssertionError):
    """A history in which something did not hold; `script` is all of it."""

    def __init__(self, seed: int, options: Options, script: Script, error: BaseException) -> None:
        again = f"python -m tests.sim.replay {seed} {options}"
        super().__init__(f"{error}\nseed {seed}; to play it again: {again}")
        self.script = script
        self.error = error


class Drawn:
    """Draws what happens next; `level` grows with each spec."""

    def __init__(self, sim: Simulation, source: random.Random) -> None:
        self.sim = sim
        self.random = source
        self.level = 0

    def act(self) -> Act:
        """Anything that can happen now."""
        return self.random.choice(self._acts)(self)

    # What the user declares

    def documents(self, last: bool = False) -> Sequence[Document]:
        """Any documents; `last`: only what can run."""
        pick = self.random
        names = pick.sample(("shop", "blog"), pick.choice((1, 1, 2)))
        domains = list(DOMAINS)
        pick.shuffle(domains)
        documents: list[Document] = []
        for name in names:
            stages = {
                stage: self._stage(domains, last) for stage in pick.sample(("dev", "prod"), pick.choice((1, 1, 2)))
            }
            documents.append(project(name, stages=stages, **self._project(last)))
            if pick.random() < 0.3:
                documents.append(request(f"{name}-r", pick.choice(GOOD), name, next(iter(stages))))
        return documents

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

    def edit(self) -> Act:
        """Declare something else."""
        return Act("write", {"documents": self.documents()})

    def half_written(self) -> Act:
        """A file that is no document for a while."""
        path = self.random.choice(list(self.sim.folder.files) or ["project-shop.yaml"])
        return Act("half written", {"path": path, "seconds": self.random.choice((0.1, 5.0))})

    def unmounted(self) -> Act:
        """The folder is away for a while."""
        return Act("unmounted", {"seconds": self.random.choice((1.0, 40.0))})

    def hurt(self) -> Act:
        """Somebody hurts a container of ours."""
        containers = self.sim.containers()
        if not containers:
            return Act("nothing")
        what = self.random.choice(("kill", "drop", "pause", "disconnect"))
        return Act("hurt", {"what": what, **which(self.sim, self.random.choice(containers))})

    def fall_over(self) -> Act:
        """An application ends by itself."""
        running = [box for box in self.sim.containers() if box.state == "running"]
        if not running:
            return Act("nothing")
        target = which(self.sim, self.random.choice(running))
        return Act("fall over", {"oom": self.random.random() < 0.5, **target})

    def edit_route(self) -> Act:
        """Somebody edits or deletes a route of ours."""
        if not self.sim.proxy.routes:
            return Act("nothing")
        hostname = self.random.choice(sorted(self.sim.proxy.routes))
        return Act("edit route", {"hostname": hostname, "address": self.random.choice((None, "10.9.0.2"))})

    def proxy_trouble(self) -> Act:
        """The proxy restarts, is away for a while, or refuses everything."""
        what = self.random.choice(("restart", "down", "refuses", "stumbles"))
        if what in ("restart", "stumbles"):
            return Act("proxy", {"what": what})
        return Act("proxy", {"what": what, "seconds": self.random.choice((1.0, 20.0))})

    def engine_trouble(self) -> Act:
        """The Engine restarts, in order or not."""
        seconds = self.random.choice((1.0, 15.0))
        return Act("engine", {"seconds": seconds, "graceful": self.random.random() < 0.5})

    def registry_trouble(self) -> Act:
        """The registry is away for a while, or a tag is pushed again."""
        if self.random.random() < 0.5:
            return Act("push", {"tag": self.random.choice(GOOD)})
        return Act("registry away", {"seconds": self.random.choice((3.0, 30.0))})

    def prune_images(self) -> Act:
        """`docker image prune -a`."""
        return Act("prune images")

    def restart(self) -> Act:
        """The controller ends in order, perhaps its state folder is lost."""
        return Act("restart", {"lose_store": True} if self.random.random() < 0.3 else {})

    def crash(self) -> Act:
        """kill -9 of the controller."""
        return Act("crash")

    _acts: "tuple[Callable[[Drawn], Act], ...]" = (
        edit, edit, edit, edit, edit, edit, half_written, unmounted, hurt, hurt, fall_over, edit_route, proxy_trouble,
        engine_trouble, registry_trouble, prune_images, restart, crash,
    )  # fmt: skip


class History(Drawn):
    """One seed's user and vandals; what they did is written down."""

    def __init__(self, sim: Simulation, seed: int) -> None:
        super().__init__(sim, random.Random(seed))
        self.apps: dict[str, App] = {}
        self.acts: list[Act] = []

    async def play(self) -> None:
        """Do this and that, then declare what can run and wait for it."""
        pick = self.random
        for tag in (*GOOD, PASSING):
            self.apps[tag] = App(ready=pick.choice((0.1, 0.5, 3.0)), stops=pick.choice((0.1, 2.0, 30.0)))
        self.apps |= BAD
        for tag, app in self.apps.items():
            self.sim.push(tag, app)
        await self.do(self.edit())
        for _ in range(STEPS):
            act = self.act()
            await self.do(Act(act.name, act.arguments, pick.choice(WAITS)))
        await self.end()

    async def end(self) -> None:
        """The faults are over."""
        self.level = 99
        await self.do(Act("end", {"documents": self.documents(last=True)}))

    async def do(self, act: Act) -> None:
        """Do it and write it down."""
        self.acts.append(act)
        await perform(self.sim, act)


def options(seed: int) -> Options:
    """What this seed is played with in the mix."""
    return MIX[seed % len(MIX)]


def history(seed: int, rate: float = 0.03, crash: float = 0.01, npm: bool = False) -> Simulation:
    """Play one history and judge it. Raises `Violation`."""
    return play_recorded(seed, Options(rate, crash, npm))[1]


def play_recorded(seed: int, chosen: Options) -> tuple[Script, Simulation]:
    """Play one history and write it down. Raises `Violation`, which has the script too."""
    faults = RecordingFaults(seed, chosen.rate, chosen.crash)
    played: list[History] = []

    async def story(sim: Simulation) -> None:
        played.append(History(sim, seed))
        await played[0].play()

    def script() -> Script:
        return Script(
            tuple(played[0].acts), played[0].apps, chosen.npm, tuple(faults.met), tuple(faults.events.items())
        )

    try:
        sim = simulate(story, faults, chosen.npm)
    except FAILURES as error:
        raise Violation(seed, chosen, script(), error) from error
    return script(), sim
