"""Ratios of Holdfast to the least that does the same, in one run on the same parts. `-n` containers, `-r` repeats.

Run by `make bench`, in a namespace of its own. A ratio is comparable between machines, a second is not.
"""

import argparse
import os
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.bench.floor import Floor, patch
from tests.bench.measures import Row, converge, follow, killed, rest, to_json
from tests.parts.caddy import Caddy, find_caddy
from tests.parts.engine import Engine
from tests.parts.namespace import FOLDER
from tests.parts.registry import Registry, find_registry
from tests.parts.sandbox import Sandbox


def main() -> None:
    """Measure, and print a line as soon as it is known."""
    options = argparse.ArgumentParser(prog="make bench")
    options.add_argument("-n", type=int, default=12, help="containers")
    options.add_argument("-r", type=int, default=3, help="repeats, of which the median counts")
    options.add_argument("--json", action="store_true", help="print data at the end")
    chosen = options.parse_args()
    with ExitStack() as stack:
        box, floor = _parts(stack, chosen.n)
        rows: list[Row] = []
        print(f"{'':<58} {'Holdfast':>10} {'floor':>10}      {'ratio':>6}")
        for measure in (
            lambda: converge(box, floor, chosen.n, chosen.r),
            lambda: _running(box, floor, chosen.n, chosen.r),
        ):
            for row in measure():
                rows.append(row)
                print(row, flush=True)
        if chosen.json:
            print(to_json(rows))


def _running(box: Sandbox, floor: Floor, count: int, repeats: int) -> "list[Row]":
    box.write(box.project("p0", "1.0"))
    box.start()
    box.wait(lambda: box.get(box.host("p0")).status == 200, "p0 answers", 60)
    found = [*follow(box, floor, repeats), *killed(box, floor, repeats)]
    box.write(*(box.project(f"p{number}", f"1.{number}") for number in range(count)))
    hosts = [box.host(f"p{number}") for number in range(count)]
    box.wait(lambda: all(box.get(host).status == 200 for host in hosts), "all answer", 120)
    box.wait(lambda: len(box.containers()) == count, "the old one is gone", 60)
    return [*found, *rest(box, floor, count)]


def _parts(stack: ExitStack, count: int) -> tuple[Sandbox, Floor]:
    folder = os.environ.get(FOLDER)
    engine = Engine.private(Path(folder) / "engine") if folder else Engine.reachable()
    programs = find_registry(), find_caddy()
    if engine is None or not engine.url.startswith("unix://") or None in programs:
        raise SystemExit("bench: needs a Docker Engine on this machine, docker-registry and caddy")
    base = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hf-bench-")))
    registry, caddy = Registry(base / "registry", str(programs[0])), Caddy(base / "caddy", str(programs[1]))
    for part in (registry, caddy):
        part.start()
        stack.callback(part.stop)
    patch(caddy.admin, "/config/apps", {"http": {"servers": {}}})
    box = Sandbox(base / "box", f"bench{os.getpid()}", engine, registry, caddy)
    box.configure(limits={"resync": "5s", "guardPercent": 100})
    stack.callback(box.close)
    for number in range(max(count, 12)):
        box.push(f"1.{number}")
    box.write()
    floor = Floor(engine.url.removeprefix("unix://"), box.network, box.image, box.id)
    engine.client.api.create_network(box.network, driver="bridge", labels={"bench": box.id})
    stack.callback(floor.down)
    return box, floor


if __name__ == "__main__":
    main()
