"""`DockerRuntime`: one Docker Engine, 20.10 to 29, as the `Runtime` of `controller.interfaces`.

The blocking calls run in bounded thread pools: looks and short writes in one, starts and stops, which last, in another,
so that a slow stop never delays a look; pulls in one and questions for digests in another, so that a registry that
hangs delays no pull from elsewhere. Single steps live in the `docker_*` modules beside this one.
"""

import asyncio
import functools
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from controller.clients.docker import inventory
from controller.clients.docker import logs as docker_logs
from controller.clients.docker.cache import DetailsCache
from controller.clients.docker.engine import READ_TIMEOUT, TRANSPORT_ERRORS, Engine
from controller.clients.docker.errors import EngineError
from controller.clients.docker.events import events
from controller.clients.docker.images import Image, list_images, remove_image
from controller.clients.docker.network import Network
from controller.clients.docker.pull import TOTAL, Pull, resolve
from controller.clients.docker.view import Details, container, details, still_true
from controller.clients.docker.writer import Writer
from controller.core.model import identity, names
from controller.core.model.actions import ContainerSpec
from controller.core.model.desired import SecretRef, StageKey
from controller.core.model.errors import RevisionBad, Unreachable, WorldBad
from controller.core.model.observed import Container
from controller.core.model.policy import PolicyRules, violations
from controller.interfaces import Clock, Diagnosable, EngineInfo, NetworkInfo, OwnedContainer, RuntimeEvent
from controller.telemetry import log

QUICK_THREADS = 8
SLOW_THREADS = 32
PULL_THREADS = 8
ASK_THREADS = 8
UNSEEN = 2
"""Containers that Docker may list and not tell of, in a list of everything; with more the Engine itself is ill."""
FOLLOW_TIMEOUT = 86_400.0
"""Seconds that a followed container may print nothing."""

T = TypeVar("T")


class DockerRuntime(Diagnosable):
    """One Docker Engine, connected when first needed. `close` it at the end."""

    def __init__(  # noqa: PLR0917 - the order is that of the settings
        self,
        controller_id: str,
        network: str,
        host: str | None,
        config: str | None,
        policy: PolicyRules,
        clock: Clock,
        pull_deadline: float = TOTAL,
    ) -> None:
        """`host` None: DOCKER_HOST and its TLS variables; `config` None: Docker's own place of credentials.

        `pull_deadline`: seconds that a whole pull may take.
        """
        self._id = controller_id
        self._config = config
        self._policy = policy
        self._clock = clock
        self._pull_deadline = pull_deadline
        self._engine = Engine(host)
        self._network = Network(self._engine, network, controller_id)
        self._cache = DetailsCache()
        self._writer = Writer(self._engine, self._network, controller_id, policy, self._cache.drop)
        self._impostors: dict[str, str] = {}
        self._told: dict[str, str] = {}
        self._quick = ThreadPoolExecutor(QUICK_THREADS, "docker-quick")
        self._slow = ThreadPoolExecutor(SLOW_THREADS, "docker-slow")
        self._pulls = ThreadPoolExecutor(PULL_THREADS, "docker-pull")
        self._asks = ThreadPoolExecutor(ASK_THREADS, "docker-ask")

    async def close(self) -> None:
        """Drop connections and threads; calls in flight end by themselves."""
        for pool in (self._quick, self._slow, self._pulls, self._asks):
            pool.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self._engine.close)

    # Looks

    async def list(self, stage: StageKey | None = None) -> tuple[Container, ...]:
        """Our containers in one filtered look; inspects only those whose details are not known any more.

        In a list of everything one that cannot be inspected is there as `unseen`; in that of its stage it raises.
        """
        return await self._run(self._quick, self._list, stage)

    async def inspect(self, container_id: str) -> Container | None:
        """One container now; None when it is gone or not ours."""
        return await self._run(self._quick, self._inspect, container_id)

    def impostors(self) -> tuple[tuple[str, str], ...]:
        """(id, name) of containers that carry our labels but not the name that these give; they are left alone."""
        return tuple(sorted(self._impostors.items()))

    async def logs(self, container: Container, tail: int) -> tuple[str, ...]:
        """Last lines of its output, control characters replaced, at most 2,000 characters each."""
        return await self._run(self._quick, self._logs, container, tail)

    def follow_logs(self, container: Container, tail: int) -> Iterator[str]:
        """Its last lines and those that come, until it ends; blocks, for the command line. Raises `Unreachable`."""
        found = self._writer.look(container.id)
        if found is None:
            return
        params = {"stdout": "1", "stderr": "1", "follow": "1", "tail": str(max(0, tail))}
        path = f"/containers/{container.id}/logs"
        response = self._engine.request("GET", path, params=params, stream=True, timeout=FOLLOW_TIMEOUT)
        try:
            chunks = response.raw.stream(65536, decode_content=True)
            yield from docker_logs.follow(chunks, bool((found.get("Config") or {}).get("Tty")))
        except TRANSPORT_ERRORS as error:
            raise Unreachable(f"the logs of {container.name} broke off: {type(error).__name__}") from error
        finally:
            response.close()

    def events(self) -> AsyncIterator[RuntimeEvent]:
        """Hints, for ever; yields `stage=None` after every (re)connection."""
        return events(self._engine, self._id, self._clock, seen=self._cache.drop, live=self._cache.live)

    async def engine_info(self) -> EngineInfo:
        """What `doctor` wants to know of the Engine. Raises `Unreachable`."""
        return await self._run(self._quick, inventory.engine_info, self._engine, self._clock.now)

    async def network_info(self, name: str = "") -> NetworkInfo | None:
        """The network of the settings, or another one, as it is now; None when there is none. Raises `Unreachable`."""
        wanted = name or self._network.name
        return await self._run(self._quick, inventory.network_info, self._engine, wanted, self._id)

    async def owned_containers(self) -> tuple[OwnedContainer, ...]:
        """Every container that carries our id, whoever made it. Raises `Unreachable`."""
        return await self._run(self._quick, inventory.owned_containers, self._engine, self._id)

    # Images

    async def pull(self, image: str, tag: str, digest: str, progress: Callable[[str], None]) -> str:
        """Make the image available and return its digest; gives up at `pull_deadline`, or after 90 s of silence.

        A registry that the policy does not allow is never asked.
        """
        self._allow(image)
        loop = asyncio.get_running_loop()
        pull = Pull(self._engine, self._config, image, tag, digest)

        def say(text: str) -> None:
            loop.call_soon_threadsafe(progress, text)

        try:
            async with asyncio.timeout(self._pull_deadline):
                return await self._run(self._pulls, pull.run, say)
        except TimeoutError as error:
            message = f"the pull of {image} took longer than {self._pull_deadline:g} seconds"
            raise WorldBad(message, reason="PullTimeout") from error
        finally:
            await asyncio.to_thread(pull.cancel)

    async def resolve(self, image: str, tag: str) -> str:
        """Digest that the registry serves under the tag now."""
        self._allow(image)
        return await self._run(self._asks, resolve, self._engine, self._config, image, tag)

    async def images(self, repository: str) -> tuple[Image, ...]:
        """Images of this repository that are here with a digest, newest first."""
        return await self._run(self._quick, list_images, self._engine, repository)

    async def remove_image(self, repo_digest: str) -> bool:
        """Remove `repository@sha256:…` and its tags of that repository, never by force; False while it is in use."""
        return await self._run(self._slow, remove_image, self._engine, repo_digest)

    def _allow(self, image: str) -> None:
        if found := violations({"Image": image}, self._policy):
            raise RevisionBad(f"policy refuses {image}: {'; '.join(found)}", reason="PolicyDenied")

    # Writes

    async def create(self, spec: ContainerSpec, values: Mapping[SecretRef, str]) -> str:
        """Create a container and return its 64-hex id."""
        return await self._run(self._quick, self._writer.create, spec, values)

    async def start(self, container: Container) -> None:
        """Start it; already running is success."""
        await self._run(self._slow, self._writer.start, container)

    async def stop(self, container: Container, grace: float) -> None:
        """Stop it, SIGKILL after `grace` seconds; already stopped or gone is success."""
        await self._run(self._slow, self._writer.stop, container, grace)

    async def restart(self, container: Container, grace: float) -> None:
        """Stop and start it again."""
        await self._run(self._slow, self._writer.restart, container, grace)

    async def remove(self, container: Container) -> None:
        """Remove a stopped container and its anonymous volumes; gone is success."""
        await self._run(self._slow, self._writer.remove, container)

    async def unpause(self, container: Container) -> None:
        """Undo a pause; not paused is success."""
        await self._run(self._quick, self._writer.unpause, container)

    async def connect(self, container: Container) -> None:
        """Attach it to the network of the settings; attached is success."""
        await self._run(self._quick, self._writer.connect, container)

    async def mark(self, container: Container, passed: bool) -> None:
        """Restart policy: unless-stopped when passed, else no."""
        await self._run(self._quick, self._writer.mark, container, passed)

    # In threads

    async def _run(self, pool: ThreadPoolExecutor, work: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool, functools.partial(work, *args))

    def _list(self, stage: StageKey | None) -> tuple[Container, ...]:
        labels = [f"{names.CONTROLLER}={self._id}"]
        if stage is not None:
            labels.append(f"{names.STAGE}={stage}")
        params = {"all": "1", "filters": json.dumps({"label": labels})}
        try:
            response = self._engine.request("GET", "/containers/json", params=params, timeout=READ_TIMEOUT)
            items = response.json()
        except EngineError as error:
            raise Unreachable(f"Docker cannot list containers: {error.message}") from error
        except ValueError as error:
            raise Unreachable("Docker's list of containers is not JSON") from error
        except TRANSPORT_ERRORS as error:
            raise Unreachable(f"Docker's list of containers broke off: {type(error).__name__}") from error
        now = _date(response.headers.get("Date")) or self._clock.now()
        if stage is None:
            self._cache.prune({str(item["Id"]) for item in items})
            self._told, self._impostors = self._impostors, {}
        found = self._views(items, now, UNSEEN if stage is None else 0)
        return tuple(sorted(found, key=lambda item: item.name))

    def _views(self, items: Sequence[Mapping[str, Any]], now: float, unseen: int) -> Iterator[Container]:
        """Those that are ours. `unseen`: so many that Docker does not tell of hold up no others."""
        for item in items:
            try:
                found = self._view(item, now)
            except Unreachable as error:
                if unseen == 0:
                    raise
                unseen -= 1
                log.warning("container not seen, its stage waits", container=str(item["Id"])[:12], error=error.message)
                found = self._listed(item)
            if found is not None:
                yield found

    def _listed(self, item: Mapping[str, Any]) -> Container | None:
        """What the list alone tells of a container."""
        labels, name = item.get("Labels") or {}, _name(item)
        if not self._ours(str(item["Id"]), name, labels):
            return None
        known = Details(
            shape=(),
            started_at=None,
            finished_at=None,
            exit_code=0,
            oom_killed=False,
            error="",
            restart_count=0,
            passed=True,
        )
        there = container(item, labels, name, known, network=self._network.name, network_id=self._network.id)
        return replace(there, unseen=True)

    def _view(self, item: Mapping[str, Any], now: float) -> Container | None:
        known_id, labels, name = str(item["Id"]), item.get("Labels") or {}, _name(item)
        if not self._ours(known_id, name, labels):
            return None
        known = self._cache.get(known_id, self._clock.monotonic())
        if known is not None and still_true(known, item, now):
            return container(item, labels, name, known, network=self._network.name, network_id=self._network.id)
        return self._inspect(known_id)

    def _inspect(self, container_id: str) -> Container | None:
        ticket = self._cache.ticket(container_id)
        found = self._writer.look(container_id)
        if found is None:
            return None
        labels, name = (found.get("Config") or {}).get("Labels") or {}, str(found.get("Name", "")).lstrip("/")
        if not self._ours(str(found["Id"]), name, labels):
            return None
        known = details(found)
        self._cache.keep(str(found["Id"]), known, ticket, self._clock.monotonic())
        return container(found, labels, name, known, network=self._network.name, network_id=self._network.id)

    def _ours(self, container_id: str, name: str, labels: Mapping[str, str]) -> bool:
        if labels.get(names.CONTROLLER) != self._id:
            return False
        if identity.agrees(name, labels):
            return True
        if self._told.get(container_id) != name:
            self._told[container_id] = name
            stage = labels.get(names.STAGE, "")
            log.warning("container with our labels and another name is left alone", container=name, stage=stage)
        self._impostors[container_id] = name
        return False

    def _logs(self, container: Container, tail: int) -> tuple[str, ...]:
        found = self._writer.look(container.id)
        if found is None:
            return ()
        params = {"stdout": "1", "stderr": "1", "tail": str(max(0, tail))}
        try:
            response = self._engine.request("GET", f"/containers/{container.id}/logs", params=params, stream=True)
        except EngineError:
            return ()  # gone, or a log driver that cannot be read
        try:
            raw = docker_logs.read_tail(response)
        except TRANSPORT_ERRORS as error:
            raise Unreachable(f"the logs of {container.name} broke off: {type(error).__name__}") from error
        finally:
            response.close()
        return docker_logs.lines(raw, bool((found.get("Config") or {}).get("Tty")), tail)


def _name(item: Mapping[str, Any]) -> str:
    return next((text[1:] for text in item.get("Names") or () if text.count("/") == 1), "")


def _date(text: str | None) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except ValueError:
        return None
