"""A runtime on a real Engine, an image from a small registry, and a maker of containers that leaves nothing."""

import asyncio
import contextlib
import itertools
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from controller.clients.clock import SystemClock
from controller.clients.docker.runtime import DockerRuntime
from controller.core.model import names
from controller.core.model.actions import ContainerSpec
from controller.core.model.observed import Container
from controller.core.model.policy import PolicyRules
from tests.contract.facts import Side
from tests.contract.facts_real import Host, RealSide
from tests.contract.facts_simulated import SimulatedSide
from tests.contract.registry_faults import FaultyRegistry, layer
from tests.parts.caddy import Caddy, find_caddy
from tests.parts.engine import Engine
from tests.parts.images import find_busybox

_serial = itertools.count(1)


@pytest.fixture(scope="session")
def facts_host(engine: Engine, tar: bytes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """What all facts about the real Engine share in this process."""
    host = Host(engine, tmp_path_factory.mktemp("facts"))
    yield host
    asyncio.run(host.close())


@pytest.fixture(params=["simulated", "real"])
def side(request: pytest.FixtureRequest) -> Side:
    """Where a fact about the Engine is played."""
    return SimulatedSide() if request.param == "simulated" else RealSide(request.getfixturevalue("facts_host"))


@pytest.fixture(scope="session")
def shared_caddy() -> Iterator[Caddy]:
    """A Caddy of this process."""
    program = find_caddy()
    if program is None:
        pytest.skip("caddy is not installed (Debian: apt-get install caddy)")
    with tempfile.TemporaryDirectory(prefix="hf-caddy-") as folder:
        part = Caddy(Path(folder), program)
        part.start()
        yield part
        part.stop(5)


@pytest.fixture
def caddy(shared_caddy: Caddy) -> Caddy:
    """A Caddy without any configuration, as it was started."""
    shared_caddy.reset()
    return shared_caddy


@pytest.fixture
def faulty() -> Iterator[FaultyRegistry]:
    """A registry with switchable faults, all off."""
    registry = FaultyRegistry()
    yield registry
    registry.close()


@pytest.fixture(scope="session")
def tar() -> bytes:
    """The layer of the test image."""
    program = find_busybox()
    if program is None:
        pytest.skip("no static busybox for test images (Debian: apt-get install busybox-static)")
    return layer(program)


class Bench:
    """One controller id on one Engine, with what it made."""

    def __init__(self, url: str, folder: Path, rules: PolicyRules) -> None:
        self.id = f"c{os.getpid()}-{next(_serial)}"
        self.url = url
        self.network = f"hfnet-{self.id}"
        self.config = folder / "config.json"
        self.config.write_text("{}")
        self.client = docker.APIClient(base_url=url, version="auto", timeout=60)
        self.runtime = self.again(rules)
        self.image = ""
        self.digest = ""

    def again(self, rules: PolicyRules | None = None, pull_timeout: float = 60.0) -> DockerRuntime:
        """Another runtime with the same id, as after a restart of the controller."""
        return DockerRuntime(
            self.id, self.network, self.url, str(self.config), rules or PolicyRules(), SystemClock(), pull_timeout
        )

    def spec(self, tag: str = "1.0", attempt: int = 1, **fields: Any) -> ContainerSpec:
        """A spec with agreeing name and labels that sleeps for ever and ends at SIGTERM."""
        stage, revision = "shop/dev", "v1abcdef01"
        labels = {
            names.STAGE: stage,
            names.TAG: tag,
            names.REVISION: revision,
            names.TEMPLATE: "t1",
            names.DIGEST: self.digest,
            names.ATTEMPT: str(attempt),
            names.BORN: "1700000000.5",
            "team": "a",
        }
        name = names.container_name(stage, tag, revision, attempt)
        command = ("/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done")
        made: dict[str, Any] = {
            "name": name,
            "image": f"{self.image}@{self.digest}",
            "labels": tuple(sorted(labels.items())),
            "command": command,
        }
        return ContainerSpec(**{**made, **fields})

    async def made(self, tag: str = "1.0", **fields: Any) -> Container:
        """Create a container and return it as observed."""
        container = await self.runtime.inspect(await self.runtime.create(self.spec(tag, **fields), {}))
        assert container is not None
        return container

    async def up(self, tag: str = "1.0", **fields: Any) -> Container:
        """Create and start a container and return it as observed."""
        container = await self.made(tag, **fields)
        await self.runtime.start(container)
        started = await self.runtime.inspect(container.id)
        assert started is not None
        return started

    def clean(self) -> None:
        """Remove everything that carries the id, and the pulled images."""
        for row in self.client.containers(all=True, filters={"label": f"{names.CONTROLLER}={self.id}"}):
            with contextlib.suppress(docker.errors.APIError):
                self.client.remove_container(row["Id"], force=True, v=True)
        for row in self.client.networks(names=[self.network]):
            with contextlib.suppress(docker.errors.APIError):
                self.client.remove_network(row["Id"])
        for image in self.client.images():
            for reference in [*(image.get("RepoTags") or ()), *(image.get("RepoDigests") or ())]:
                if self.image and reference.startswith(self.image.partition("/")[0] + "/"):
                    with contextlib.suppress(docker.errors.APIError):
                        self.client.remove_image(reference)
        self.client.close()


@pytest.fixture
async def bench(engine: Engine, faulty: FaultyRegistry, tar: bytes, tmp_path: Path) -> AsyncIterator[Bench]:
    """A runtime and a pulled image."""
    roots = tmp_path / "roots"
    roots.mkdir()
    made = Bench(engine.url, tmp_path, PolicyRules(bind_roots=(str(roots),)))
    digest = faulty.push("team/app", "1.0", tar)
    made.image = f"{faulty.address}/team/app"
    try:
        made.digest = await made.runtime.pull(made.image, "1.0", "", lambda _: None)
        assert made.digest == digest
        faulty.requests.clear()
        yield made
    finally:
        await made.runtime.close()
        made.clean()
