"""Nobody notices: load through the proxy over replacements, roll-backs and kills of the controller."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from controller.cli.doctor.machine import MIGRATE
from tests.e2e.test_lifecycle import serves
from tests.parts.sandbox import ROOT, Sandbox

pytestmark = pytest.mark.load

REPLACEMENTS, ROLLBACKS, KILLS = 20, 5, 10
CONTROL = 5
"""So many writes in the control run for each of the other: few are reset by any one of them."""


@dataclass
class Seen:
    """What the clients of one run saw."""

    requests: int = 0
    bad: int = 0
    errors: tuple[str, ...] = ()


@contextlib.contextmanager
def load(box: Sandbox, hostname: str) -> Iterator[Seen]:
    """Load while the block runs; the result is filled in at its end."""
    report = box.folder / "load.json"
    client = subprocess.Popen(
        [sys.executable, "-m", "tests.e2e.load", box.caddy.address, hostname, str(report)], cwd=ROOT
    )
    seen = Seen()
    try:
        yield seen
    finally:
        client.send_signal(signal.SIGTERM)
        client.wait(60)
    told = json.loads(report.read_text())
    seen.requests = sum(told["statuses"].values())
    seen.bad = sum(count for status, count in told["statuses"].items() if int(status) >= 400)
    seen.errors = tuple(told["errors"])


def writes(log: Path) -> int:
    """Changes of the proxy's configuration so far, by its own log."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return sum('"received request"' in x and any(f'"method":"{m}"' in x for m in CHANGING) for x in lines)


CHANGING = ("POST", "PUT", "PATCH", "DELETE")


def allowed(control: Seen) -> int:
    """Connections that may be reset: none where the kernel hands them over when Caddy opens its listener anew, else
    what the proxy's own changes do."""
    handed_over = MIGRATE.exists() and MIGRATE.read_text().strip() != "0"
    return 0 if handed_over else 3 + len(control.errors)


def control_run(box: Sandbox, count: int, hostname: str, seconds: float) -> Seen:
    """The same load over so many configuration writes, none of which touches a route."""
    url = f"{box.caddy.admin}/config/apps/http/servers/unrelated"
    server = {"listen": ["127.0.0.1:0"], "routes": []}
    with load(box, hostname) as seen, httpx.Client(trust_env=False) as client:
        for index in range(count):
            path = url if index == 0 else f"{url}/routes"
            body: object = server if index == 0 else [{"match": [{"host": [f"x{index}.test"]}]}]
            client.request("PUT" if index == 0 else "PATCH", path, json=body).raise_for_status()
            time.sleep(seconds / count)
    return seen


def phase(box: Sandbox, tag: str) -> str:
    """The phase of a tag, as `get` tells it."""
    found = json.loads(box.holdfast("get", "-o", "json").stdout or "{}")
    items = found.get("shop/dev", {}).get("instances", ())
    return next((item["phase"] for item in items if item["tag"] == tag), "")


@pytest.mark.timeout(900)
def test_no_request_fails_over_replacements_rollbacks_and_kills(sandbox: Sandbox) -> None:
    """Safety: no 5xx, no connection error beyond those that the proxy's own reloads make, nothing left over."""
    for number in range(REPLACEMENTS + 1):
        sandbox.push(f"1.{number}")
    sandbox.push("broken", BROKEN="health")
    shared: dict[str, Any] = {
        "drain": "7s",
        "healthCheck": {"path": "/healthz", "retries": 1, "interval": "100ms", "timeout": "5s"},
    }
    sandbox.write(sandbox.project("shop", "1.0", **shared))
    sandbox.start()
    host = sandbox.host("shop")
    sandbox.wait(lambda: serves(sandbox, "1.0", host), "1.0 answers")
    before = writes(sandbox.caddy.log)
    begun = time.monotonic()

    with load(sandbox, host) as seen:
        for number in range(1, REPLACEMENTS + 1):
            _replace(sandbox, number, shared, host)
        sandbox.wait(lambda: len(sandbox.containers()) == 1, "the last old container is gone", 60)
        time.sleep(2)

    made = writes(sandbox.caddy.log) - before
    control = control_run(sandbox, CONTROL * made, host, time.monotonic() - begun)
    print(f"{seen.requests} requests, {made} writes; control: {control.requests} requests")
    assert seen.requests > 1000
    assert seen.bad == 0
    assert control.bad == 0
    assert len(seen.errors) <= allowed(control), (seen.errors, control.errors)
    assert not sandbox.leftovers()
    assert serves(sandbox, f"1.{REPLACEMENTS}", host)


def _replace(box: Sandbox, number: int, shared: dict[str, Any], host: str) -> None:
    """One replacement of the only tag: some with a changed variable, a broken tag before, a kill in the middle."""
    if number % (REPLACEMENTS // ROLLBACKS) == 0:
        box.write(box.project("shop", "broken", **shared))
        box.wait(lambda: phase(box, "broken") == "RolledBack", "the broken tag is taken back")
        assert box.get(host).status == 200
    env = [{"name": "MESSAGE", "value": f"spec {number}"}] if number % 2 else []
    box.write(box.project("shop", f"1.{number}", env=env, **shared))
    if number % (REPLACEMENTS // KILLS) == 0:
        time.sleep(0.15 * (number % 7))
        box.kill(signal.SIGKILL)
        box.start()
    box.wait(lambda: serves(box, f"1.{number}", host), f"1.{number} answers")


@pytest.mark.timeout(300)
def test_the_only_tag_is_replaced_without_a_gap_by_a_slow_rude_app(sandbox: Sandbox) -> None:
    """Safety: an app that takes 8 s to start, answers 302 on / and ignores SIGTERM replaces the only tag; then a
    broken one does not."""
    slow = {"START_DELAY": "8", "REDIRECT": "1", "IGNORE_TERM": "1"}
    sandbox.push("1.0", **slow)
    sandbox.push("2.0", **slow)
    sandbox.push("3.0", BROKEN="health", **slow)
    check = {"path": "/", "retries": 3, "interval": "1s", "timeout": "10s"}
    shared: dict[str, Any] = {"healthCheck": check, "drain": "6s", "stopGracePeriod": "1s"}
    sandbox.write(sandbox.project("shop", "1.0", **shared))
    assert sandbox.holdfast("apply").returncode == 0
    host = sandbox.host("shop")

    with load(sandbox, host) as seen:
        sandbox.write(sandbox.project("shop", "2.0", **shared))
        good = sandbox.holdfast("apply")
        sandbox.write(sandbox.project("shop", "3.0", **{**shared, "healthCheck": {**check, "path": "/healthz"}}))
        bad = sandbox.holdfast("apply")

    assert good.returncode == 0, good.stderr
    assert bad.returncode == 1, bad.stderr
    assert seen.bad == 0
    assert len(seen.errors) <= allowed(Seen()), seen.errors
    assert sandbox.get(host).status == 302
    assert sandbox.get(host).body.startswith("2.0 ")
    assert len(sandbox.containers()) == 1
