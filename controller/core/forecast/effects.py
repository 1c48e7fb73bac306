"""What is observed after an action that succeeded, as a pure step from one `Observed` to the next.

What only the world can tell is filled in with a value that no real one has: the digest of a tag that was not pulled, an
address, a port of the host.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import assert_never

from controller.core.model import actions, identity, names
from controller.core.model.actions import Action, ContainerSpec
from controller.core.model.observed import Container, Fact, Key, Observed, Route, RouteTable

UNKNOWN_DIGEST = "sha256:" + 40 * "0"
"""A digest that is known only after the pull begins like this; 40 zeros do not happen by chance."""
UNKNOWN_PORT = 1
"""Stands for the port of the host that Docker will choose."""


def apply(observed: Observed, action: Action, now: float) -> Observed:  # noqa: PLR0911, PLR0912  one branch per action
    """What is observed when the action has succeeded at `now` (Unix seconds)."""
    match action:
        case actions.Pull():
            digest = action.digest or unknown_digest(action.image, action.tag)
            return _fact(observed, action.key, now, {"digest": digest, "image": action.image})
        case actions.CheckDigest():
            return _fact(observed, action.key, now, {"digest": _served(observed, action), "image": action.image})
        case actions.Create():
            return _forget(_put(observed, _made(action.spec)), action.key)
        case actions.RunPreDeploy():
            ended = replace(_made(action.spec), state="exited", exit_code=0, started_at=now)
            return _fact(_put(observed, ended), action.key, now)
        case actions.Start() | actions.Restart():
            return _fact(_put(observed, _started(_newest(observed, action.container), now)), action.key, now)
        case actions.Gate() | actions.Verify():
            return _fact(observed, action.key, now)
        case actions.Watch():
            watching = Fact(action.key, "running", now, data={"ok": "true", "failed": "0"})
            return replace(observed, facts={**observed.facts, action.key: watching})
        case actions.MarkPassed():
            marked = replace(_newest(observed, action.container), passed=action.passed)
            return _forget(_put(observed, marked), action.key)
        case actions.Unpause():
            running = replace(_newest(observed, action.container), state="running")
            return _forget(_put(observed, _addressed(running)), action.key)
        case actions.Connect():
            connected = replace(_newest(observed, action.container), connected=True)
            return _forget(_put(observed, _addressed(connected)), action.key)
        case actions.SetRoute():
            table = {**observed.routes.routes, action.route.hostname: action.route}
            return _fact(_routes(observed, table), action.key, now)
        case actions.DeleteRoute():
            table = {name: route for name, route in observed.routes.routes.items() if name != action.hostname}
            return _fact(_routes(observed, table), action.key, now)
        case actions.Stop():
            before = _newest(observed, action.container)
            stopped = replace(before, state="exited", exit_code=0, address=None, published=None, health=None)
            return _fact(_put(observed, stopped), action.key, now)
        case actions.Remove():
            rest = tuple(container for container in observed.containers if container.id != action.container.id)
            return _forget(replace(observed, containers=rest), action.key)
        case _:
            assert_never(action)


def unknown_digest(image: str, tag: str) -> str:
    """Stand-in for the digest of a tag that was never pulled; the same for the same tag."""
    return UNKNOWN_DIGEST + names.short_hash(f"{image}:{tag}", 24)


def _served(observed: Observed, action: actions.CheckDigest) -> str:
    """The digest that the tag is assumed to have now: nothing has moved that is not known to have."""
    memory = observed.memory.of(action.tag)
    digests = (one.digest for one in observed.containers if one.tag == action.tag and one.digest)
    return memory.moved or memory.digest or next(digests, "") or unknown_digest(action.image, action.tag)


def _made(spec: ContainerSpec) -> Container:
    made = identity.read(dict(spec.labels))
    if made is None:
        raise ValueError(f"the labels of {spec.name} tell no identity")
    return Container(names.short_hash(spec.name, 64), spec.name, image=spec.image.partition("@")[0], **vars(made))


def _started(container: Container, now: float) -> Container:
    return _addressed(
        replace(
            container,
            state="running",
            started_at=now,
            exit_code=None,
            oom_killed=False,
            error="",
            published=UNKNOWN_PORT,
            health=None if container.health is None else "healthy",
        )
    )


def _addressed(container: Container) -> Container:
    there = container.running and container.connected
    return replace(container, address=(container.address or f"address-of-{container.id[:12]}") if there else None)


def _newest(observed: Observed, container: Container) -> Container:
    """The container as it is by now: an earlier action of the same plan may have changed it."""
    return observed.container(container.id) or container


def _put(observed: Observed, container: Container) -> Observed:
    if observed.container(container.id) is not None:
        changed = tuple(container if other.id == container.id else other for other in observed.containers)
        return replace(observed, containers=changed)
    return replace(observed, containers=(*observed.containers, container))


def _routes(observed: Observed, table: Mapping[str, Route]) -> Observed:
    return replace(observed, routes=RouteTable(table, observed.routes.foreign))


def _fact(observed: Observed, key: Key, now: float, data: Mapping[str, str] | None = None) -> Observed:
    ended = Fact(key, "succeeded", now, now, data=data or {})
    return replace(observed, facts={**observed.facts, key: ended})


def _forget(observed: Observed, key: Key) -> Observed:
    """A quick call that succeeded leaves no fact: the world shows it."""
    return replace(observed, facts={name: fact for name, fact in observed.facts.items() if name != key})
