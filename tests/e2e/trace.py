"""What a story did to Docker and to the proxy, in the simulator's words, whichever world it was played in.

Revisions, ids and addresses differ from world to world: a container is named after its instance and counted.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from tests.parts.faults import Call

_NUMBERS = re.compile(r"-[0-9a-f]{8}-\d+(?=(-pre)?$)")
ONE = re.compile(r"^/containers/([0-9a-zA-Z_.-]+)/(start|stop|restart|unpause|update)$")
APART = re.compile(r"^/networks/(create|[^/]+/disconnect)$")
"""Done once for the network, or to mend it: the simulator has one network, which is always there."""


@dataclass
class Trace:
    """`containers`: what was asked of each, in order. `routes`: where each hostname led, in order."""

    pulls: Counter[str] = field(default_factory=Counter)
    containers: dict[str, list[str]] = field(default_factory=dict)
    routes: dict[str, list[str]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    """A container's name to its counted instance."""

    def pull(self, tag: str) -> None:
        """An image was asked for."""
        self.pulls[tag] += 1

    def asked(self, name: str, what: str) -> None:
        """A container was to be created, started, marked …; `name` as Docker knows it."""
        self.containers.setdefault(self.named(name), []).append(what)

    def routed(self, routes: Mapping[str, str]) -> None:
        """All routes after a write of the controller: hostname to the container's name."""
        for hostname in sorted({*self.routes, *routes}):
            known = self.routes.setdefault(hostname, [])
            now = self.named(routes[hostname]) if hostname in routes else "∅"
            if now != (known[-1] if known else "∅"):
                known.append(now)

    def named(self, name: str) -> str:
        """Instance, and which container of it this is."""
        if name not in self.names:
            base = _NUMBERS.sub("", name)
            count = sum(item.rpartition(" ")[0] == base for item in self.names.values())
            self.names[name] = f"{base} {count + 1}"
        return self.names[name]

    def shown(self) -> list[str]:
        """All of it as sorted lines, to be compared with those of another world."""
        return sorted(
            [
                *(f"pull {tag}: {count}" for tag, count in self.pulls.items()),
                *(f"{name}: {' '.join(asked)}" for name, asked in self.containers.items()),
                *(f"{hostname}: {' → '.join(led)}" for hostname, led in self.routes.items() if led),
            ]
        )


def word(call: Call) -> tuple[str, str]:
    """What a call of the Engine asks for, in the simulator's word, and of whom: a name, an id or a tag.

    Two empty words for what has no counterpart. Raises `AssertionError` for a call that nobody thought of.
    """
    where = urlsplit(call.path)
    query = {name: values[0] for name, values in parse_qs(where.query).items()}
    if call.method == "DELETE" and where.path.startswith("/containers/"):
        return "remove", where.path.removeprefix("/containers/")
    assert call.method == "POST", f"{call.method} {call.path} is a change that the simulator does not know"
    if where.path == "/containers/create":
        return "create", query["name"]
    if where.path == "/images/create":
        return "pull", query.get("tag", "")
    if found := ONE.match(where.path):
        policy = json.loads(call.body)["RestartPolicy"]["Name"] if found[2] == "update" else ""
        return {"": found[2], "no": "unmark", "unless-stopped": "mark"}[policy], found[1]
    if where.path.endswith("/connect"):
        return "connect", json.loads(call.body)["Container"]
    assert APART.match(where.path), f"{call.method} {call.path} is a change that the simulator does not know"
    return "", ""


def differences(simulated: Trace, real: Trace) -> Sequence[str]:
    """Lines that only one of them has.

    Where several begin at once it is chance which of them serves in between, and how many changes one write holds; so a
    hostname may have led to more in one world, in the same order and to the same end.
    """
    for hostname in {*simulated.routes} & {*real.routes}:
        one, other = sorted((simulated.routes[hostname], real.routes[hostname]), key=len)
        if one[-1:] == other[-1:] and _within(one, other):
            simulated.routes[hostname] = list(real.routes[hostname])
    here, there = Counter(simulated.shown()), Counter(real.shown())
    return [f"only simulated: {line}" for line in here - there] + [f"only real: {line}" for line in there - here]


def _within(some: Sequence[str], more: Sequence[str]) -> bool:
    rest = iter(more)
    return all(item in rest for item in some)
