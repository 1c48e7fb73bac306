"""The controller is killed at its calls to Docker and to the proxy, and ends where it would have without."""

import os
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.chaos import CONVERGED_WITHIN_S, RESYNC_S, Chaos, Clients, Moment, Picture, moments, spread
from tests.parts.sandbox import Sandbox

pytestmark = pytest.mark.alone

CI = 20
KILLS = int(os.environ.get("CHAOS", str(CI)))
"""Kills per story; `make chaos` sets 200."""
CREATE = "docker POST /containers/create"

Documents = Sequence[Mapping[str, Any]]


@pytest.fixture
def chaos(sandbox: Sandbox) -> Iterator[Chaos]:
    """A sandbox with doors and three tags, of which one never gets healthy."""
    for tag in ("1.0", "2.0"):
        sandbox.push(tag)
    sandbox.push("broken", BROKEN="health")
    found = Chaos(sandbox)
    yield found
    found.close()


@dataclass(frozen=True)
class Story:
    """Edits that lead in a circle, from the last one; `calm` is declared in all of them and nothing may touch it."""

    edits: tuple[Documents, Documents]
    serving: Mapping[str, Sequence[str]]
    """Tags that may answer, by projects of which one must answer all the time."""


def story(box: Sandbox, name: str) -> Story:
    """One of the three stories."""
    check = {"path": "/healthz", "retries": 1, "interval": "100ms", "timeout": "5s"}

    def declared(**projects: Sequence[str]) -> Documents:
        named = {"calm": ("1.0",), **projects}
        return [box.project(name, *tags, drain="0s", healthCheck=check) for name, tags in named.items()]

    calm = {"calm": ("1.0",)}
    if name == "two projects are deployed":
        return Story((declared(shop=["1.0"], blog=["2.0"]), declared(shop=[], blog=[])), calm)
    if name == "a tag is replaced":
        return Story((declared(shop=["2.0"]), declared(shop=["1.0"])), {**calm, "shop": ("1.0", "2.0")})
    edits = (declared(shop=["broken"], blog=[]), declared(shop=["1.0"], blog=["2.0"]))
    return Story(edits, {**calm, "shop": ("1.0",)})


@pytest.mark.timeout(KILLS * 20 + 240)
@pytest.mark.parametrize(
    "name", ["two projects are deployed", "a tag is replaced", "a tag is broken and another project goes"]
)
def test_a_killed_controller_ends_where_it_would_have(chaos: Chaos, name: str) -> None:
    """Liveness and safety: whichever call to Docker or the proxy it dies at, the next life ends in the very state of a
    run without a kill, with nothing left over; clients of what is healthy never notice, nor does a bystander."""
    box, chosen = chaos.box, story(chaos.box, name)
    box.write(*chosen.edits[-1])
    box.start()
    box.wait(lambda: len(chaos.reported()["status"]) == len(chosen.edits[-1]), "every stage is looked at")
    chaos.rest()
    bystander = identity(box)
    with Clients(box, {box.host(project): tags for project, tags in chosen.serving.items()}).asking() as clients:
        killed = harmed(chaos, [unharmed(chaos, documents) for documents in chosen.edits])
        quiet = chaos.changes
        time.sleep(2.5 * RESYNC_S)

    assert len(killed) >= KILLS, killed
    assert chaos.changes == quiet, "it changes something although everything is as declared"
    assert identity(box) == bystander
    assert clients.asked > 100
    assert clients.bad == []


@dataclass(frozen=True)
class Course:
    """What an edit leads to when nobody kills the controller."""

    documents: Documents
    end: Picture
    calls: tuple[str, ...]


def unharmed(chaos: Chaos, documents: Documents) -> Course:
    """Make an edit, without a kill."""
    before = chaos.reported()
    chaos.arm(None)
    chaos.box.write(*documents)
    chaos.box.wait(lambda: chaos.reported() != before, "the edit is taken up")
    end = chaos.rest(why="without a kill")
    return Course(documents, end, tuple(chaos.counted.kinds))


def harmed(chaos: Chaos, courses: Sequence[Course]) -> list[str]:
    """Make the edits round and round, with a kill after each, until there were enough; says where they struck."""
    each = -(-KILLS // len(courses))
    plans = [spread(moments(len(course.calls), chaos.kill), each) for course in courses]
    chance = random.Random(KILLS)
    killed: list[str] = []
    while len(killed) < KILLS:
        for course, plan in zip(courses, plans, strict=True):
            killed += struck(chaos, course, plan.pop(0) if plan else chance.choice(moments(4, chaos.kill)), chance)
    return killed


def struck(chaos: Chaos, course: Course, moment: Moment | None, chance: random.Random) -> list[str]:
    """Make one edit, die at that moment if it comes, and live again until all is as without a kill."""
    box, made = chaos.box, 0
    killed: list[str] = []
    chaos.arm(moment)
    box.write(*course.documents)
    while moment is not None:
        why = f"killed at {[*killed, moment.name]}"
        box.wait(lambda: chaos.killed.wait(0.1) or chaos.ended(course.end), why, CONVERGED_WITHIN_S)
        if not chaos.killed.is_set():
            break  # changes of the proxy went together this time: there were fewer calls
        box.kill()
        killed.append(f"{moment.name} {chaos.counted.kinds[moment.call - 1]}")
        made += chaos.counted.kinds.count(CREATE)
        moment = again(chaos, chance) if len(killed) == 1 else None
        chaos.arm(moment)
        box.start()
    chaos.rest(expected=course.end, why=f"killed {killed}")
    made += chaos.counted.kinds.count(CREATE)
    assert made <= course.calls.count(CREATE) + len(killed), (killed, made)
    return killed


def again(chaos: Chaos, chance: random.Random) -> Moment | None:
    """A second kill in the life after the first, for every other one of a long run."""
    if KILLS <= CI or chance.random() < 0.5:
        return None
    return chance.choice(moments(8, chaos.kill))


def identity(box: Sandbox) -> list[tuple[str, str]]:
    """Id and start of the bystander's container."""
    return [(found["Id"], found["State"]["StartedAt"]) for found in box.containers(stage="calm/dev")]
