"""The real parts that the other tests stand on behave as those tests assume."""

import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from docker.models.containers import Container

from tests.parts.engine import Engine
from tests.parts.process import wait_until
from tests.parts.registry import Registry
from tests.parts.sandbox import Sandbox


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def ask(address: str, path: str) -> tuple[int, str]:
    """One request straight to a container; status 0 while nothing answers."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Stay())
    try:
        with opener.open(f"http://{address}:8080{path}", timeout=10) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


@contextmanager
def running(engine: Engine, registry: Registry, tag: str, **behaviour: str) -> Iterator[Container]:
    """A container of the test app, removed afterwards together with its image."""
    registry.push("parts/app", tag, **behaviour)
    name = f"{registry.address}/parts/app:{tag}"
    engine.client.api.pull(name)
    container = engine.client.containers.run(name, detach=True)
    try:
        container.reload()
        yield container
    finally:
        container.remove(force=True, v=True)
        engine.client.api.remove_image(name, force=True)


def address(container: Container) -> str:
    """Its address on the default network."""
    networks = container.attrs["NetworkSettings"]["Networks"]
    found: str = next(iter(networks.values()))["IPAddress"]
    return found


def test_the_app_names_its_tag_and_ends_on_sigterm(engine: Engine, registry: Registry) -> None:
    """The answer carries tag and hostname, and a stop needs no SIGKILL."""
    with running(engine, registry, "1.0.0") as container:
        ip = address(container)
        wait_until(lambda: ask(ip, "/healthz") == (200, "ok\n"), 20, "healthz answers 200")
        assert ask(ip, "/") == (200, f"1.0.0 {str(container.id)[:12]}\n")
        assert ask(ip, "/status?418")[0] == 418
        container.stop(timeout=30)
        assert container.wait()["StatusCode"] == 0


@pytest.mark.parametrize(
    ("behaviour", "path", "expected"),
    [({"BROKEN": "health"}, "/healthz", 503), ({"REDIRECT": "1"}, "/", 302), ({"MESSAGE": "hello"}, "/", 200)],
)
def test_behaviour_is_baked_into_the_image(
    engine: Engine, registry: Registry, behaviour: dict[str, str], path: str, expected: int
) -> None:
    """Environment of the image decides what is answered."""
    with running(engine, registry, "b", **behaviour) as container:
        ip = address(container)
        wait_until(lambda: ask(ip, path)[0] != 0, 20, "it answers")
        assert ask(ip, path)[0] == expected


def test_the_app_can_exit_at_start_and_ignore_sigterm(engine: Engine, registry: Registry) -> None:
    """BROKEN=exit ends with 7; IGNORE_TERM needs SIGKILL."""
    with running(engine, registry, "exits", BROKEN="exit") as container:
        assert container.wait(timeout=10)["StatusCode"] == 7
    with running(engine, registry, "stays", IGNORE_TERM="1") as container:
        wait_until(lambda: ask(address(container), "/")[0] == 200, 20, "it answers")
        container.stop(timeout=1)
        container.reload()
        assert container.attrs["State"]["ExitCode"] == 137


def test_a_running_request_ends_before_the_app_does(engine: Engine, registry: Registry) -> None:
    """SIGTERM lets a slow answer finish."""
    with running(engine, registry, "slow") as container:
        ip = address(container)
        wait_until(lambda: ask(ip, "/")[0] == 200, 20, "it answers")
        request = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
        engine.client.api.exec_start(
            engine.client.api.exec_create(container.id, ["sh", "-c", "sleep 0.4; kill 1"])["Id"], detach=True
        )
        with request(f"http://{ip}:8080/slow?1", timeout=5) as reply:
            assert reply.read().startswith(b"slow ")
        assert container.wait(timeout=20)["StatusCode"] == 0


def test_pushing_a_tag_again_moves_its_digest(registry: Registry) -> None:
    """Two pushes of one tag are two digests."""
    first = registry.push("parts/moved", "1.0.0")
    assert registry.push("parts/moved", "1.0.0") != first


def test_a_sandbox_is_empty_and_its_proxy_unconfigured(sandbox: Sandbox) -> None:
    """A test begins with no containers and a Caddy on which nothing listens."""
    assert sandbox.containers() == []
    assert sandbox.get("nobody.test").status == 0
    sandbox.caddy.restart()
    assert sandbox.caddy.pid > 0


@pytest.mark.alone
def test_a_killed_daemon_comes_back(sandbox: Sandbox) -> None:
    """After SIGKILL the private daemon starts again with its containers known."""
    engine = sandbox.engine
    if not engine.own:
        pytest.skip("this Engine is not ours to kill")
    sandbox.push("1.0.0")
    engine.client.api.pull(f"{sandbox.image}:1.0.0")
    labels = {"holdfast.dev/controller": sandbox.id}
    engine.client.containers.run(f"{sandbox.image}:1.0.0", detach=True, labels=labels)
    engine.kill()
    assert not engine.ping()
    engine.start()
    assert [c["State"]["Status"] for c in sandbox.containers()] == ["exited"]
    assert sandbox.leftovers() != []
