"""`Runtime` of the simulated world: what one life of the controller sees of the Engine, and asks it to do."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

from controller.clients.docker.create_body import body
from controller.clients.docker.images import Image
from controller.core.model import identity
from controller.core.model.actions import ContainerSpec
from controller.core.model.desired import SecretRef, StageKey
from controller.core.model.errors import RevisionBad, Unreachable, WorldBad
from controller.core.model.observed import Container
from controller.core.model.policy import PolicyRules, violations
from controller.interfaces import Runtime, RuntimeEvent
from tests.sim.call_border import Border, Life
from tests.sim.engine import Box, Engine

QUICK_S = 0.004
"""Seconds of a short call."""
DEFAULT_POLICY = PolicyRules()


class SimRuntime(Runtime):
    """One connection to the Engine; dead with its life."""

    def __init__(
        self, border: Border, life: Life, engine: Engine, controller_id: str, rules: PolicyRules = DEFAULT_POLICY
    ) -> None:
        self._border = border
        self._life = life
        self._engine = engine
        self._id = controller_id
        self._rules = rules

    async def list(self, stage: StageKey | None = None) -> tuple[Container, ...]:
        """Our containers, of one stage or of all."""
        return await self._border.look(self._life, "docker.list", stage or "all", lambda: self._list(stage), QUICK_S)

    async def inspect(self, container_id: str) -> Container | None:
        """One container now; None when it is gone or not ours."""

        def act() -> Container | None:
            self._up()
            box = self._engine.boxes.get(container_id)
            return self._view(box) if box is not None and self._ours(box) else None

        return await self._border.look(self._life, "docker.inspect", container_id[:12], act, QUICK_S)

    async def resolve(self, image: str, tag: str) -> str:
        """Digest that the registry serves under the tag now."""
        self._allow(image)

        def act() -> str:
            self._up()
            return self._engine.registry.digest(image, tag)

        return await self._border.look(self._life, "registry.resolve", f"{image}:{tag}", act, 0.1)

    async def logs(self, container: Container, tail: int) -> tuple[str, ...]:
        """The end of what it said."""

        def act() -> tuple[str, ...]:
            self._up()
            box = self._engine.boxes.get(container.id)
            return tuple(box.said[-tail:]) if box is not None and tail > 0 else ()

        return await self._border.look(self._life, "docker.logs", container.name, act, QUICK_S)

    async def events(self) -> AsyncIterator[RuntimeEvent]:
        """Hints, some of them lost or doubled; a stage of None after every connection."""
        queue: asyncio.Queue[RuntimeEvent] = asyncio.Queue()

        def heard(stage: str | None, container: str, action: str) -> None:
            for _ in range(1 if stage is None else self._border.faults.copies()):
                queue.put_nowait(RuntimeEvent(stage, container, action))

        listener = (self._id, heard)
        self._engine.heard.append(listener)
        try:
            heard(None, "", "")
            while True:
                event = await queue.get()
                await asyncio.sleep(0.001)
                yield event
        finally:
            self._engine.heard.remove(listener)

    async def pull(self, image: str, tag: str, digest: str, progress: Callable[[str], None]) -> str:
        """Make the image available; asks nobody when the digest is here."""
        self._allow(image)

        def local_digest() -> str:
            self._up()
            return digest

        if digest and digest in self._engine.images:
            return await self._border.look(self._life, "docker.image", f"{image}@{digest[7:19]}", local_digest, QUICK_S)

        def act() -> "asyncio.Future[str]":
            self._up()
            registry, engine = self._engine.registry, self._engine
            registry.asked(image, tag)
            pulled = digest or registry.digest(image, tag)
            if pulled not in registry.apps:
                raise RevisionBad(f"cannot get {image}@{pulled}: manifest unknown", reason="ManifestMissing")
            done: asyncio.Future[str] = asyncio.get_running_loop().create_future()

            def here() -> None:
                engine.images.add(pulled)
                if not done.done():
                    done.set_result(pulled)

            progress("pulling")
            self._border.later(0.0 if pulled in engine.images else registry.pull_seconds, here)
            return done

        return await self._border.long(self._life, "docker.pull", f"{image}:{tag}", act, QUICK_S)

    async def images(self, repository: str) -> tuple[Image, ...]:
        """Images of this repository that are here."""

        def act() -> tuple[Image, ...]:
            self._up()
            homes = self._engine.registry.homes
            here = sorted(digest for digest in self._engine.images if homes.get(digest) == repository)
            return tuple(Image(digest, digest, 0.0) for digest in here)

        return await self._border.look(self._life, "docker.images", repository, act, QUICK_S)

    async def remove_image(self, repo_digest: str) -> bool:
        """Remove an image that no container has."""

        def act() -> bool:
            self._up()
            return self._engine.prune(repo_digest.partition("@")[2])

        return await self._border.effect(self._life, "docker.remove_image", repo_digest, act, QUICK_S)

    async def create(self, spec: ContainerSpec, values: Mapping[SecretRef, str]) -> str:
        """Create a container; a name that is taken by the same gives its holder."""
        config = body(spec, values, controller_id=self._id, network="holdfast", rotate_logs=True)
        if refusals := violations(config, self._rules):
            raise RevisionBad(f"policy refuses {spec.name}: {'; '.join(refusals)}", reason="PolicyDenied")

        def act() -> str:
            self._up()
            return self._engine.create(spec, self._id)

        return await self._border.effect(self._life, "docker.create", spec.name, act, QUICK_S)

    async def start(self, container: Container) -> None:
        """Start it; already running is success."""

        def act(box: Box | None) -> "asyncio.Future[None]":
            if box is None:
                raise WorldBad(f"cannot start {container.name}: it is gone", reason="ContainerGone")
            return _done() if box.state in ("running", "restarting") else self._engine.start(box)

        await self._long("docker.start", container, act)

    async def stop(self, container: Container, grace: float) -> None:
        """SIGTERM, and SIGKILL after `grace` seconds."""
        await self._long(
            "docker.stop", container, lambda box: _done() if box is None else self._engine.stop(box, grace)
        )

    async def restart(self, container: Container, grace: float) -> None:
        """Stop and start it again."""

        def act(box: Box | None) -> "asyncio.Future[None]":
            if box is None:
                return _done()
            return asyncio.ensure_future(self._engine.restart(box, grace))

        await self._long("docker.restart", container, act)

    async def remove(self, container: Container) -> None:
        """Remove what does not run; gone is success."""
        await self._short("docker.remove", container, self._engine.remove)

    async def unpause(self, container: Container) -> None:
        """Undo a pause."""
        await self._short("docker.unpause", container, self._engine.unpause)

    async def connect(self, container: Container) -> None:
        """Attach it to the network."""
        await self._short("docker.connect", container, self._engine.connect)

    async def mark(self, container: Container, passed: bool) -> None:
        """Restart policy: unless-stopped when passed, else no."""
        op = "docker.mark" if passed else "docker.unmark"
        await self._short(op, container, lambda box: self._engine.mark(box, passed))

    # Parts

    async def _short(self, op: str, container: Container, act: Callable[[Box], None]) -> None:
        def checked() -> None:
            box = self._same(container)
            if box is not None:
                act(box)

        await self._border.effect(self._life, op, container.name, checked, QUICK_S)

    async def _long(self, op: str, container: Container, act: "Callable[[Box | None], asyncio.Future[None]]") -> None:
        await self._border.long(self._life, op, container.name, lambda: act(self._same(container)), QUICK_S)

    def _allow(self, image: str) -> None:
        if refusals := violations({"Image": image}, self._rules):
            raise RevisionBad(f"policy refuses {image}: {'; '.join(refusals)}", reason="PolicyDenied")

    def _up(self) -> None:
        if self._border.clock.monotonic() < self._engine.down_until:
            raise Unreachable("no Docker Engine: connection refused")

    def _ours(self, box: Box) -> bool:
        return identity.is_ours(box.name, box.labels, self._id)

    def _same(self, target: Container) -> Box | None:
        self._up()
        box = self._engine.boxes.get(target.id)
        if box is None or not self._ours(box) or box.name != target.name:
            return None
        return box if identity.is_same(target, box.labels) else None

    def _list(self, stage: StageKey | None) -> tuple[Container, ...]:
        self._up()
        boxes = (box for box in self._engine.boxes.values() if self._ours(box) and stage in (None, box.stage))
        return tuple(sorted(map(self._view, boxes), key=lambda item: item.name))

    def _view(self, box: Box) -> Container:
        running = box.state == "running"
        ended = box.state in ("exited", "dead")
        health = ("healthy" if box.app.health == "healthy" else "unhealthy") if self._engine.ready(box) else "starting"
        return Container(
            id=box.id,
            name=box.name,
            **vars(identity.read(box.labels)),
            image=box.image.partition("@")[0],
            state=box.state,
            started_at=box.started_at,
            exit_code=box.exit_code if ended else None,
            oom_killed=box.oom_killed,
            error=box.error,
            restart_count=box.restart_count,
            passed=box.passed,
            health=health if running and box.app.health is not None else None,  # type: ignore[arg-type]
            connected=box.connected,
            address=box.address if running else None,
        )


def _done() -> "asyncio.Future[None]":
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.set_result(None)
    return future
