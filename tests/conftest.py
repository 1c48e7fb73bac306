"""Fixtures with real parts; a part that is missing skips its tests with the reason, and fails them with CI=true."""

import itertools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from filelock import FileLock

from tests.parts.caddy import Caddy, find_caddy
from tests.parts.engine import Engine
from tests.parts.images import find_busybox
from tests.parts.namespace import FOLDER
from tests.parts.registry import Registry, find_registry
from tests.parts.sandbox import Sandbox

_serial = itertools.count(1)

if hypothesis.settings.get_current_profile_name() == "default":
    # A busy machine is no fault of what is tested.
    hypothesis.settings.register_profile("without deadline", deadline=None)
    hypothesis.settings.load_profile("without deadline")


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The Engine of this run: a private one inside `make test`'s namespace, else the one that is reachable."""
    if folder := os.environ.get(FOLDER):
        with FileLock(Path(folder) / "engine.lock"):
            return Engine.private(Path(folder) / "engine")
    found = Engine.reachable()
    if found is None:
        pytest.skip("no Docker Engine answers: run `make test` as root, or start Docker")
    return found


@pytest.fixture(scope="session")
def registry() -> Iterator[Registry]:
    """A docker-registry of this test process."""
    program = find_registry()
    if program is None:
        pytest.skip("docker-registry is not installed (Debian: apt-get install docker-registry)")
    if find_busybox() is None:
        pytest.skip("no static busybox for test images (Debian: apt-get install busybox-static)")
    with tempfile.TemporaryDirectory(prefix="hf-registry-") as folder:
        part = Registry(Path(folder), program)
        part.start()
        yield part
        part.stop()


@pytest.fixture
def caddy() -> Iterator[Caddy]:
    """A Caddy of this test, without any configuration, on free ports."""
    program = find_caddy()
    if program is None:
        pytest.skip("caddy is not installed (Debian: apt-get install caddy)")
    with tempfile.TemporaryDirectory(prefix="hf-caddy-") as folder:
        part = Caddy(Path(folder), program)
        part.start()
        yield part
        part.stop(5)


@pytest.fixture
def sandbox(engine: Engine, registry: Registry, caddy: Caddy) -> Iterator[Sandbox]:
    """A controller's whole surroundings, with an id of its own; nothing of it is left afterwards."""
    with tempfile.TemporaryDirectory(prefix="hf-box-") as folder:
        name = f"t{os.getpid()}-{next(_serial)}"
        box = Sandbox(Path(folder), name, engine, registry, caddy)
        yield box
        box.close()


def in_ci() -> bool:
    """True when the environment says CI=true."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: "pytest.CallInfo[None]") -> "Iterator[pytest.TestReport]":
    """With CI=true a skip is a failure: nothing may look tested that was not."""
    report: pytest.TestReport = yield  # type: ignore[misc, assignment]
    if report.skipped and in_ci() and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: skipped although CI=true: {reason}"
    return report  # type: ignore[return-value]
