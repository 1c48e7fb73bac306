"""A real Engine as a place for facts: one controller's id and one registry for all of them, a stage for each."""

import asyncio
import contextlib
import gzip
import itertools
import os
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker

from controller.clients.clock import SystemClock
from controller.clients.docker.runtime import DockerRuntime
from controller.clients.docker.view import timestamp
from controller.clients.probe import HttpProber
from controller.core.model import names
from controller.core.model.actions import ContainerSpec
from controller.core.model.observed import Container
from controller.core.model.policy import PolicyRules
from controller.interfaces import RuntimeEvent
from tests.contract.facts import until
from tests.contract.facts_place import WORKS, Place, Seen
from tests.contract.registry_faults import FaultyRegistry
from tests.parts.engine import Engine
from tests.parts.images import Image
from tests.sim.apps import App

_serial = itertools.count(1)
LOOPS = 3
"""Crash loops that facts need; made side by side, for each takes seconds."""

ANSWER = (
    "while read -r line && [ ${#line} -gt 1 ]; do :; done; "
    r"printf 'HTTP/1.1 %s X\r\nLocation: /elsewhere\r\nContent-Length: 0\r\nConnection: close\r\n\r\n' "
)
FOR_EVER = 60.0
"""Seconds to an end after SIGTERM from which on the application just does not hear it."""


def entrypoint(app: App) -> list[str]:
    """A program that behaves like the application of the simulated world."""
    if app.missing:
        return ["/bin/missing"]
    stop = (
        f"trap '[ -z $server ] || kill $server; sleep {app.stops:g}; exit 0' TERM"
        if app.stops < FOR_EVER
        else "trap '' TERM"
    )
    serve = f'nc -lllllllll -p 8080 -e /bin/sh -c "$ANSWER {app.status}" & server=$!'
    if app.oom:
        return ["/bin/sh", "-c", "echo up; exec tail -c 200m /dev/zero"]
    end = "while :; do sleep 60 & wait $!; done"
    if app.exits is not None:
        end = (f"sleep {app.exits:g} & wait $!; " if app.exits else "") + f"exit {app.code}"
    steps = ["echo up", stop, f"sleep {app.ready:g} & wait $!" if app.ready else ":", serve, end]
    if app.exits == 0:
        steps = ["echo up", end]
    return ["/bin/sh", "-c", "\n".join(steps)]


class Host:
    """What all facts share; `close` leaves nothing behind."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.id = f"facts-{os.getpid()}-{next(_serial)}"
        self.network = f"hf-{self.id}"
        self.engine = engine
        self.registry = FaultyRegistry()
        self.image = f"{self.registry.address}/{self.id}/app"
        self.config = folder / "config.json"
        self.config.write_text("{}")
        self.client: Any = docker.APIClient(base_url=engine.url, version="auto", timeout=60)
        self.tar = gzip.decompress(Image.test_app("facts").layer)
        self.images: dict[App, str] = {}
        self.kept: set[str] = set()
        """Volumes that facts named."""
        self.others: list[str] = []
        """Ids of containers that somebody else made."""
        self.kept_in: dict[str, Container] = {}
        """Containers that the next fact may use, by state."""
        self.loops: list[Container] = []
        self._sentinel = ""
        self.runtime = self.connect(PolicyRules())

    async def sentinel(self) -> str:
        """Id of a container that no fact is about."""
        if not self._sentinel:
            self._sentinel = (await Real(self).made()).id
        return self._sentinel

    def connect(self, rules: PolicyRules) -> DockerRuntime:
        """A runtime of this controller."""
        return DockerRuntime(self.id, self.network, self.engine.url, str(self.config), rules, SystemClock(), 30.0)

    def push(self, tag: str, app: App) -> str:
        """Serve the application under a tag."""
        config: dict[str, Any] = {"Entrypoint": entrypoint(app), "Cmd": [], "Env": ["PATH=/bin", f"ANSWER={ANSWER}"]}
        if app.health:
            test = "/bin/true" if app.health == "healthy" else "/bin/false"
            config["Healthcheck"] = {"Test": ["CMD", test], "Interval": 300_000_000, "Retries": 1}
        labels = {"serial": str(next(_serial))}
        return self.registry.push(f"{self.id}/app", tag, self.tar, labels, **config)

    async def close(self) -> None:
        """Remove everything that carries the id."""
        await self.runtime.close()
        filters = {"label": f"{names.CONTROLLER}={self.id}"}
        left = [row["Id"] for row in self.client.containers(all=True, filters=filters)] + self.others

        def remove(container_id: str) -> None:
            with contextlib.suppress(docker.errors.APIError):
                self.client.remove_container(container_id, force=True, v=True)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(remove, left))
        for name in self.kept:
            with contextlib.suppress(docker.errors.APIError):
                self.client.remove_volume(name)
        for network in self.client.networks(names=[self.network]):
            with contextlib.suppress(docker.errors.APIError):
                self.client.remove_network(network["Id"])
        for image in self.client.images(name=self.image):
            for reference in [*(image.get("RepoTags") or ()), *(image.get("RepoDigests") or ())]:
                if reference.startswith(self.image):
                    with contextlib.suppress(docker.errors.APIError):
                        self.client.remove_image(reference)
        self.client.close()
        self.registry.close()


class Real(Place):
    """The stage of one fact."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.runtime = host.runtime
        self.prober = self._prober = HttpProber()
        self.stage = f"facts/s{os.getpid()}-{next(_serial)}"
        self.image = host.image
        self.opened: list[DockerRuntime] = []

    def serve(self, tag: str, app: App) -> str:
        """Push it."""
        return self.host.push(tag, app)

    def registry(self, status: int) -> None:
        """Answer so."""
        self.host.registry.manifest_status = status

    async def here(self, app: App) -> str:
        """Pull it once for all facts."""
        digest = self.host.images.get(app)
        if digest is None or not self.has(digest):
            tag = f"here-{next(_serial)}"
            digest = await self.runtime.pull(self.image, tag, self.serve(tag, app), lambda _: None)
            self.host.images[app] = digest
        return digest

    async def spec(self, app: App = WORKS, **fields: object) -> ContainerSpec:
        """As told, with the limit that a lack of memory needs, and with volumes noted for their removal."""
        if app.oom:
            fields["memory"] = 16 * 1024 * 1024
        if fields.get("role") == "preDeploy":
            app = replace(app, exits=app.job, code=app.job_code)
        spec = await super().spec(app, **fields)
        self.host.kept |= {mount.source for mount in spec.mounts if not mount.bind}
        return spec

    def another(self, rules: PolicyRules | None = None) -> DockerRuntime:
        """Another one."""
        self.opened.append(self.host.connect(rules or PolicyRules()))
        return self.opened[-1]

    async def flush(self, heard: list[RuntimeEvent]) -> None:
        """Make one more event, on a container that no fact is about, and wait for it."""
        sentinel = await self.host.sentinel()
        before = sum(event.container == sentinel for event in heard)
        await asyncio.to_thread(self.host.client.update_container, sentinel, restart_policy={"Name": "no"})

        async def there() -> bool:
            return sum(event.container == sentinel for event in heard) > before

        await until(there)

    async def in_state(self, state: str) -> Container:
        """One that an earlier fact left as it was, or a new one."""
        kept = self.host.kept_in.pop(state, None)
        if kept is None and state == "restarting":
            loops = [Place.in_state(Real(self.host), state) for _ in range(LOOPS)]
            self.host.loops += await asyncio.gather(*loops)
        if state == "restarting" and self.host.loops:
            kept = kept or self.host.loops.pop()
            return await self.becomes(kept, "restarting", 90)
        return kept or await super().in_state(state)

    def keep(self, state: str, container: Container, before: Seen | None) -> None:
        """Keep it for the next fact."""
        if self.look(container.id) == before:
            self.host.kept_in[state] = container

    def kill(self, container: Container) -> None:
        """Kill it."""
        self.host.client.kill(container.id)

    async def stop(self, container: Container) -> None:
        """Stop it."""
        await asyncio.to_thread(self.host.client.stop, container.id, 10)

    def pause(self, container: Container) -> None:
        """Pause it."""
        self.host.client.pause(container.id)

    def drop(self, container: Container) -> None:
        """Remove it."""
        self.host.client.remove_container(container.id, force=True)

    def disconnect(self, container: Container) -> None:
        """Disconnect it."""
        self.host.client.disconnect_container_from_network(container.id, self.host.network)

    def rename(self, container: Container, name: str) -> None:
        """Rename it."""
        self.host.client.rename(container.id, name)

    async def foreign(self, name: str, labels: dict[str, str]) -> str:
        """Create one."""
        digest = await self.here(WORKS)
        made = self.host.client.create_container(f"{self.image}@{digest}", name=name, labels=labels)
        self.host.others.append(made["Id"])
        return str(made["Id"])

    def prune(self, digest: str) -> bool:
        """Remove its tags and its digest."""
        try:
            image = self.host.client.inspect_image(f"{self.image}@{digest}")
            for reference in [*(image.get("RepoTags") or ()), *(image.get("RepoDigests") or ())]:
                if reference.startswith(self.image):
                    self.host.client.remove_image(reference)
        except docker.errors.APIError as error:
            if error.status_code == 409:
                return False
            raise
        return True

    async def engine_ends(self, graceful: bool) -> None:
        """Stop or kill the daemon."""
        await asyncio.to_thread(self.host.engine.stop if graceful else self.host.engine.kill)

    async def engine_begins(self) -> None:
        """Start the daemon."""
        await asyncio.to_thread(self.host.engine.start)

    def look(self, container_id: str) -> Seen | None:
        """Inspect it."""
        try:
            document: Mapping[str, Any] = self.host.client.inspect_container(container_id)
        except docker.errors.NotFound:
            return None
        labels = document["Config"]["Labels"] or {}
        return Seen(
            document["Name"].lstrip("/"),
            document["State"]["Status"],
            timestamp(document["State"]["StartedAt"]),
            document["State"]["ExitCode"],
            document["HostConfig"]["RestartPolicy"]["Name"] or "no",
            self.host.network in document["NetworkSettings"]["Networks"],
            document["RestartCount"],
            tuple(sorted((key, value) for key, value in labels.items() if key.startswith(names.PREFIX))),
        )

    def has(self, digest: str) -> bool:
        """Inspect the image."""
        try:
            self.host.client.inspect_image(f"{self.image}@{digest}")
        except docker.errors.ImageNotFound:
            return False
        return True

    def volumes(self) -> set[str]:
        """List them."""
        return {row["Name"] for row in self.host.client.volumes()["Volumes"] or ()}

    async def close(self) -> None:
        """Free what this fact opened, and have the registry work again."""
        self.host.registry.heal()
        await self._prober.close()
        for runtime in self.opened:
            await runtime.close()


class RealSide:
    """Plays each fact on the shared Engine."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def play(self, body: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
        """Run one fact."""

        async def main() -> None:
            place = Real(self.host)
            try:
                async with asyncio.timeout(120):
                    await body(place)
            finally:
                await place.close()

        asyncio.run(main())
