"""`DockerRuntime`: one Docker Engine, 20.10 to 29, as the `Runtime` of `controller.interfaces`."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping

from controller.clients.docker import images, inventory, logs, pull
from controller.clients.docker.attach import Attacher
from controller.clients.docker.cache import DetailsCache
from controller.clients.docker.create import Creator
from controller.clients.docker.engine import Engine
from controller.clients.docker.events import events
from controller.clients.docker.handle import Handle
from controller.clients.docker.images import Image
from controller.clients.docker.lister import Lister
from controller.clients.docker.network import Network
from controller.clients.docker.threads import Threads
from controller.clients.docker.writer import Writer
from controller.core.model.actions import ContainerSpec
from controller.core.model.desired import SecretRef, StageKey
from controller.core.model.errors import RevisionBad, WorldBad
from controller.core.model.observed import Container
from controller.core.model.policy import PolicyRules, violations
from controller.interfaces import Clock, Diagnosable, EngineInfo, NetworkInfo, OwnedContainer, RuntimeEvent


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
        pull_timeout: float = pull.PULL_TIMEOUT_S,
    ) -> None:
        """`host` None: DOCKER_HOST and its TLS variables; `config` None: Docker's own place of credentials.

        `pull_timeout`: seconds that a whole pull may take.
        """
        self._id = controller_id
        self._config = config
        self._policy = policy
        self._clock = clock
        self._pull_timeout = pull_timeout
        self._engine = Engine(host)
        self._network = Network(self._engine, network, controller_id)
        self._cache = DetailsCache()
        self._handle = Handle(self._engine, controller_id, self._cache.drop)
        self._lister = Lister(self._handle, self._network, self._cache, clock)
        self._creator = Creator(self._handle, self._network, policy)
        self._attacher = Attacher(self._handle, self._network)
        self._writer = Writer(self._handle, self._attacher)
        self._threads = Threads()

    async def close(self) -> None:
        """Drop connections and threads; calls in flight end by themselves."""
        self._threads.close()
        await asyncio.to_thread(self._engine.close)

    # Looks

    async def list(self, stage: StageKey | None = None) -> tuple[Container, ...]:
        """Our containers in one filtered look; inspects only those whose details are no longer known.

        In a list of everything one that cannot be inspected is there as `unseen`; in that of its stage it raises.
        """
        return await self._threads.quick.run(self._lister.list, stage)

    async def inspect(self, container_id: str) -> Container | None:
        """One container now; None when it is gone or not ours."""
        return await self._threads.quick.run(self._lister.inspect, container_id)

    async def logs(self, container: Container, tail: int) -> tuple[str, ...]:
        """Last lines of its output, control characters replaced, at most 2,000 characters each."""
        return await self._threads.quick.run(logs.last_lines, self._handle, container, tail)

    def events(self) -> AsyncIterator[RuntimeEvent]:
        """Hints, for ever; yields `stage=None` after every (re)connection."""
        return events(self._engine, self._id, self._clock, touched=self._cache.drop, live=self._cache.live)

    # Diagnosis

    async def engine_info(self) -> EngineInfo:
        """Version, clock, disk and drivers of the Engine. Raises `Unreachable`."""
        return await self._threads.quick.run(inventory.engine_info, self._engine, self._clock.now)

    async def network_info(self, name: str = "") -> NetworkInfo | None:
        """The network of this name, else the one of the settings; None when there is none. Raises `Unreachable`."""
        return await self._threads.quick.run(inventory.network_info, self._engine, name or self._network.name, self._id)

    async def owned_containers(self) -> tuple[OwnedContainer, ...]:
        """Every container that carries our id, whoever made it. Raises `Unreachable`."""
        return await self._threads.quick.run(inventory.owned_containers, self._engine, self._id)

    def lookalikes(self) -> tuple[tuple[str, str], ...]:
        """(id, name) of containers that the last list left out: our labels, but not the name that these give."""
        return self._lister.lookalikes()

    def follow_logs(self, container: Container, tail: int) -> Iterator[str]:
        """Its last lines and those that come, until it ends; blocks. Raises `Unreachable`."""
        return logs.follow_lines(self._handle, container, tail)

    # Images

    async def pull(self, image: str, tag: str, digest: str, progress: Callable[[str], None]) -> str:
        """Make the image available and return its digest; gives up at `pull_timeout`, or after 90 s of silence.

        A registry that the policy does not allow is never asked.
        """
        self._check_policy(image)
        loop = asyncio.get_running_loop()
        work = pull.Pull(self._engine, self._config, image, tag, digest)

        def report(sentence: str) -> None:
            loop.call_soon_threadsafe(progress, sentence)

        try:
            async with asyncio.timeout(self._pull_timeout):
                return await self._threads.pulls.run(work.run, report)
        except TimeoutError as error:
            message = f"cannot get {image}: the pull took longer than {self._pull_timeout:g} seconds"
            raise WorldBad(message, reason="PullTimeout") from error
        finally:
            await asyncio.to_thread(work.cancel)

    async def resolve(self, image: str, tag: str) -> str:
        """Digest that the registry serves under the tag now."""
        self._check_policy(image)
        return await self._threads.resolves.run(pull.resolve, self._engine, self._config, image, tag)

    async def images(self, repository: str) -> tuple[Image, ...]:
        """Images of this repository that are here with a digest, newest first."""
        return await self._threads.quick.run(images.list_images, self._engine, repository)

    async def remove_image(self, repo_digest: str) -> bool:
        """Remove `repository@sha256:…` and its tags of that repository, never by force; False while it is in use."""
        return await self._threads.slow.run(images.remove_image, self._engine, repo_digest)

    def _check_policy(self, image: str) -> None:
        if refused := violations({"Image": image}, self._policy):
            raise RevisionBad(f"policy refuses {image}: {'; '.join(refused)}", reason="PolicyDenied")

    # Writes

    async def create(self, spec: ContainerSpec, values: Mapping[SecretRef, str]) -> str:
        """Create a container and return its 64-hex id."""
        return await self._threads.quick.run(self._creator.create, spec, values)

    async def start(self, container: Container) -> None:
        """Start it; already running is success."""
        await self._threads.slow.run(self._writer.start, container)

    async def stop(self, container: Container, grace: float) -> None:
        """Stop it, SIGKILL after `grace` seconds; already stopped or gone is success."""
        await self._threads.slow.run(self._writer.stop, container, grace)

    async def restart(self, container: Container, grace: float) -> None:
        """Stop and start it again."""
        await self._threads.slow.run(self._writer.restart, container, grace)

    async def remove(self, container: Container) -> None:
        """Remove a stopped container and its anonymous volumes; gone is success."""
        await self._threads.slow.run(self._writer.remove, container)

    async def unpause(self, container: Container) -> None:
        """Undo a pause; not paused is success."""
        await self._threads.quick.run(self._writer.unpause, container)

    async def connect(self, container: Container) -> None:
        """Attach it to the network of the settings; attached is success."""
        await self._threads.quick.run(self._attacher.connect, container)

    async def mark(self, container: Container, passed: bool) -> None:
        """Restart policy: unless-stopped when passed, else no."""
        await self._threads.quick.run(self._writer.mark, container, passed)
