"""A Docker Engine: a private dockerd in the current network namespace, or one that is there already."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import docker
from docker.errors import DockerException

from tests.parts.process import CLEAN_PATH, PartFailed, Process, clean_environment, wait_until


def find_dockerd() -> str | None:
    """Path of the daemon, None when it is not installed."""
    return shutil.which("dockerd", path=CLEAN_PATH)


class Engine:
    """`url` is its DOCKER_HOST, `client` a docker-py client, `own` says whether it may be stopped and killed."""

    def __init__(self, url: str, folder: Path | None = None) -> None:
        self.url = url
        self.folder = folder
        self.own = folder is not None
        self._client: docker.DockerClient | None = None
        self._containerd_process: Process | None = None

    @property
    def client(self) -> docker.DockerClient:
        """A client of its own per process."""
        if self._client is None:
            self._client = docker.DockerClient(base_url=self.url, version="auto", timeout=60)
        return self._client

    @property
    def pid(self) -> int:
        """Process id of a private daemon; 0 when it does not run."""
        with contextlib.suppress(OSError, ValueError):
            pid = int((self._own_folder() / "docker.pid").read_text())
            os.kill(pid, 0)
            return 0 if (Path("/proc") / str(pid) / "stat").read_text().split(") ")[1][0] == "Z" else pid
        return 0

    def ping(self) -> bool:
        """True when it answers."""
        try:
            client = docker.DockerClient(base_url=self.url, version="auto", timeout=10)
            with contextlib.closing(client):
                return bool(client.ping())
        except (DockerException, OSError):
            return False

    @classmethod
    def reachable(cls) -> "Engine | None":
        """The Engine that the environment names, or the one at the usual socket; None when none answers."""
        engine = cls(os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock")
        return engine if engine.ping() else None

    @classmethod
    def private(cls, folder: Path) -> "Engine":
        """The daemon with its state below `folder`, started where it does not run yet.

        The folder must be short (a socket's path has at most 107 characters). Two daemons in one network namespace
        share docker0 and its firewall rules, so this belongs into a namespace of its own: see `namespace`.
        """
        folder.mkdir(parents=True, exist_ok=True)
        engine = cls(f"unix://{folder}/docker.sock", folder)
        if not engine.pid:
            engine.start()
        return engine

    def start(self) -> None:
        """Start the private daemon and wait until it answers. Raises `PartFailed`."""
        folder = self._own_folder()
        program = find_dockerd()
        if program is None:
            raise PartFailed("dockerd is not installed")
        (folder / "docker.pid").unlink(missing_ok=True)
        self._forget_dead_containerd(folder / "exec" / "containerd" / "containerd.pid")
        pools = json.dumps([{"base": "10.213.0.0/16", "size": 24}])
        (folder / "daemon.json").write_text('{"default-address-pools": ' + pools + "}")
        with (folder / "dockerd.log").open("ab") as log:
            child = subprocess.Popen(
                [
                    *(program, "--config-file", str(folder / "daemon.json"), "--shutdown-timeout", "5"),
                    *("--data-root", str(folder / "data"), "--exec-root", str(folder / "exec")),
                    *("--pidfile", str(folder / "docker.pid"), "-H", self.url),
                    *self._containerd(),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=clean_environment(),
                start_new_session=True,
            )
        try:
            wait_until(lambda: child.poll() is not None or self.ping(), 60, "dockerd answers")
        except TimeoutError:
            child.kill()
        if child.poll() is not None:
            tail = (folder / "dockerd.log").read_text(errors="replace").splitlines()[-15:]
            raise PartFailed("\n".join(["dockerd did not start:", *tail]))

    def _forget_dead_containerd(self, pidfile: Path) -> None:
        """A killed dockerd takes its containerd along; dockerd would wait in vain for one that is dying or a zombie."""
        with contextlib.suppress(OSError, ValueError, TimeoutError):
            running = Path("/proc") / str(int(pidfile.read_text())) / "cmdline"
            wait_until(lambda: not (running.exists() and running.read_bytes()), 10, "containerd is dead")
            pidfile.unlink()

    def _containerd(self) -> list[str]:
        """Options for a containerd of its own where the machine runs one, which dockerd would use and fill."""
        if not Path("/run/containerd/containerd.sock").exists():
            return []
        folder = self._own_folder()
        socket = folder / "c.sock"
        if not (self._containerd_process and self._containerd_process.pid):
            self._containerd_process = Process(
                [
                    *("containerd", "--address", str(socket)),
                    *("--root", str(folder / "c-root"), "--state", str(folder / "c-state")),
                ],
                folder / "containerd.log",
                socket.exists,
            )
            self._containerd_process.start()
        return ["--containerd", str(socket)]

    def signal(self, number: int) -> None:
        """Send the private daemon a signal, such as SIGSTOP to freeze it."""
        self._own_folder()
        if self.pid:
            os.kill(self.pid, number)

    def stop(self) -> None:
        """Stop the private daemon in an orderly way; its containers end with it."""
        self.signal(signal.SIGTERM)
        wait_until(lambda: not self.pid, 60, "dockerd stops")

    def kill(self) -> None:
        """SIGKILL the private daemon; its containers go on running."""
        self.signal(signal.SIGKILL)
        wait_until(lambda: not self.pid, 10, "dockerd is dead")

    def restart(self) -> None:
        """Stop and start the private daemon."""
        self.stop()
        self.start()

    def inspect(self, controller: str) -> list[dict[str, Any]]:
        """What `docker inspect` says of every container with this controller id."""
        label = f"holdfast.dev/controller={controller}"
        documents = []
        for row in self.client.api.containers(all=True, filters={"label": [label]}):
            with contextlib.suppress(docker.errors.NotFound):
                documents.append(self.client.api.inspect_container(row["Id"]))
        return documents

    def _own_folder(self) -> Path:
        if self.folder is None:
            raise PartFailed("this Engine is not ours to stop; run the tests with `make test` as root")
        return self.folder
