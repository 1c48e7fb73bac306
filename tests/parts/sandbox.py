"""Everything one end-to-end test needs: a folder with settings and documents, a proxy, an id; and the way to look."""

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import yaml

from tests.parts.caddy import Caddy
from tests.parts.engine import Engine
from tests.parts.process import clean_environment
from tests.parts.registry import Registry

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = [sys.executable, "-c", "import sys; from controller.cli.main import main; sys.exit(main())"]


@dataclass(frozen=True)
class Reply:
    """An answer through the proxy; `status` 0 with the error as `body` when there was none."""

    status: int
    body: str
    headers: Mapping[str, str]


class Sandbox:
    """`folder` is the working folder: holdfast.yaml, desired/, secrets/ and the state live there."""

    def __init__(self, folder: Path, name: str, engine: Engine, registry: Registry, caddy: Caddy) -> None:
        self.folder = folder
        self.id = name
        self.domain = f"{name}.test"
        self.network = name
        self.engine = engine
        self.registry = registry
        self.caddy = caddy
        self.desired = folder / "desired"
        self.desired.mkdir(parents=True)
        (folder / "secrets").mkdir()
        self.settings: dict[str, Any] = {
            "id": self.id,
            "domain": self.domain,
            "docker": {"host": engine.url, "network": self.network},
            "proxy": {"kind": "caddy", "admin": caddy.admin, "listen": caddy.listen, "address": caddy.address},
            "sources": [{"files": {"path": "./desired"}}],
            "limits": {"resync": "5s"},
            "api": None,
        }
        self.environment = clean_environment(PYTHONPATH=str(ROOT), NO_COLOR="1")
        self.running: subprocess.Popen[bytes] | None = None
        self.log = folder / "controller.log"
        self.configure()

    @property
    def image(self) -> str:
        """Repository of this sandbox's test app, for `spec.image`."""
        return f"{self.registry.address}/{self.id}/app"

    def push(self, tag: str, **behaviour: str) -> str:
        """Push the test app to `image` under a tag; see `images`. Returns the digest."""
        return self.registry.push(f"{self.id}/app", tag, **behaviour)

    def configure(self, **changes: Any) -> None:
        """Write holdfast.yaml anew with these top-level keys replaced."""
        self.settings.update(changes)
        (self.folder / "holdfast.yaml").write_text(yaml.safe_dump(self.settings, sort_keys=False))

    def write(self, *documents: Mapping[str, Any] | str, name: str = "desired.yaml") -> Path:
        """Replace desired/NAME by these documents, whole at once. Text is written as it is."""
        text = "---\n".join(d if isinstance(d, str) else yaml.safe_dump(dict(d), sort_keys=False) for d in documents)
        path = self.desired / name
        fresh = path.with_name(f".{name}.new")
        fresh.write_text(text)
        fresh.replace(path)
        return path

    def project(self, name: str, *tags: str, stage: str = "dev", **spec: Any) -> dict[str, Any]:
        """A Project of the test app with one stage and quick checks; `spec` overrides and adds fields."""
        stage_fields = spec.pop("stage_fields", {})
        stages = [{"name": stage, "instances": [{"tag": tag} for tag in tags], **stage_fields}]
        quick = {"path": "/healthz", "retries": 3, "interval": "200ms", "timeout": "5s"}
        base = {"image": self.image, "port": 8080, "healthCheck": quick, "drain": "500ms", "stopGracePeriod": "2s"}
        return {
            "apiVersion": "holdfast.dev/v1alpha1",
            "kind": "Project",
            "metadata": {"name": name},
            "spec": {**base, "stages": stages, **spec},
        }

    def host(self, project: str, tag: str = "", stage: str = "dev") -> str:
        """Hostname of an instance route, or of the default route without a tag (plain names and tags only)."""
        label = f"stage-{stage}-{project}" + (f"-{tag.lower().replace('.', '-')}" if tag else "")
        return f"{label}.{self.domain}"

    def holdfast(self, *arguments: str, timeout: float = 120, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run the program in the folder and wait for its end."""
        return subprocess.run(
            [*PROGRAM, *arguments],
            cwd=self.folder,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start `holdfast run` in the background; its output goes to `log`."""
        with self.log.open("ab") as log:
            self.running = subprocess.Popen(
                [*PROGRAM, "run", *arguments],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self.running

    def kill(self, number: int = signal.SIGKILL, timeout: float = 30) -> int:
        """Send the controller a signal and wait for its end; returns its exit code."""
        if self.running is None:
            return 0
        if self.running.poll() is None:
            os.kill(self.running.pid, number)
        return self.running.wait(timeout)

    def stop(self) -> int:
        """SIGTERM: the orderly end."""
        return self.kill(signal.SIGTERM)

    def get(self, hostname: str, path: str = "/", timeout: float = 15) -> Reply:
        """One request through the proxy, as a client would; redirects are not followed."""
        address, _, port = self.caddy.address.rpartition(":")
        connection = http.client.HTTPConnection(address, int(port), timeout=timeout)
        with contextlib.closing(connection):
            try:
                connection.request("GET", path, headers={"Host": hostname})
                answer = connection.getresponse()
                return Reply(answer.status, answer.read().decode(errors="replace"), dict(answer.getheaders()))
            except (OSError, http.client.HTTPException) as error:
                return Reply(0, repr(error), {})

    def containers(self, **labels: str) -> list[dict[str, Any]]:
        """`docker inspect` of this controller's containers, optionally only those with `holdfast.dev/KEY=value`."""
        expected = {f"holdfast.dev/{key}": value for key, value in labels.items()}
        documents = self.engine.inspect(self.id)
        return [c for c in documents if expected.items() <= (c["Config"]["Labels"] or {}).items()]

    def wait(self, fact: Callable[[], object], what: str, seconds: float = 60) -> None:
        """Look until the fact is true. Fails with `what` and the controller's last lines."""
        deadline = time.monotonic() + seconds
        while not fact():
            if time.monotonic() > deadline:
                tail = self.log.read_text(errors="replace").splitlines()[-25:] if self.log.exists() else []
                raise AssertionError("\n".join([f"not within {seconds:g} s: {what}", *tail]))
            time.sleep(0.05)

    def leftovers(self) -> list[str]:
        """Names of containers of this controller that do not run."""
        return [c["Name"].lstrip("/") for c in self.containers() if c["State"]["Status"] != "running"]

    def close(self) -> None:
        """End the controller and remove everything that carries this sandbox's id."""
        if self.running is not None and self.running.poll() is None:
            self.running.kill()
            self.running.wait()
        api = self.engine.client.api
        volumes = set()
        for container in self.engine.inspect(self.id):
            volumes |= {m["Name"] for m in container["Mounts"] if m["Type"] == "volume"}
            with contextlib.suppress(docker.errors.APIError):
                api.remove_container(container["Id"], force=True, v=True)
        for volume in volumes:
            with contextlib.suppress(docker.errors.APIError):
                api.remove_volume(volume, force=True)
        for network in api.networks(names=[self.network]):
            if network["Name"] == self.network:
                with contextlib.suppress(docker.errors.APIError):
                    api.remove_network(network["Id"])
        for image in api.images(name=self.image):
            for reference in (*(image["RepoTags"] or ()), *(image["RepoDigests"] or ())):
                if reference.startswith(self.image):  # another test may have the same image under its own name
                    with contextlib.suppress(docker.errors.APIError):
                        api.remove_image(reference, force=True)
