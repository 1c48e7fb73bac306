"""Records a site that the present commit makes: `python -m tests.e2e.recorded [NAME]`, as root, on real parts.

NAME is the folder beside this file, the commit when none is given. It is written anew.
"""

import contextlib
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
from docker.types import IPAMConfig, IPAMPool

from tests.e2e.recorded import FOLDER, story
from tests.e2e.recorded.place import COMMANDS, LISTEN, STATE, SUBNET, told
from tests.parts import namespace
from tests.parts.caddy import Caddy, find_caddy
from tests.parts.engine import Engine
from tests.parts.faults import Call, Door
from tests.parts.registry import Registry, find_registry
from tests.parts.sandbox import ROOT, Sandbox

KEY = b"not a secret: a recorded key 32b"
"""The key of the secrets' digests, in place of one by chance, so that it can be read here."""
REST = 5.0
"""Seconds without a changing call after which a site is at rest: several resyncs."""
INFO = (
    *("ServerVersion", "Driver", "DockerRootDir", "OperatingSystem", "OSType", "Architecture", "NCPU", "MemTotal"),
    *("CgroupDriver", "CgroupVersion", "LoggingDriver", "SecurityOptions", "SystemTime", "Name"),
)
"""What is kept of an Engine's words about itself; the rest tells of the machine only."""
VERSION = ("Version", "ApiVersion", "MinAPIVersion", "Os", "Arch")
LEFT_OUT = ("GraphDriver", "Storage", "LogPath", "ResolvConfPath", "HostnamePath", "HostsPath")
"""Keys of an inspect that name places of the machine only."""
IMAGE = ("Id", "RepoTags", "RepoDigests", "Created", "Size", "Architecture", "Os", "Config", "Labels")
"""What is kept of an image, listed and inspected."""
WIDE = 110
"""Characters of JSON up to which a list or an object stands in one line."""
README = """# A site that {name} made

Recorded by `.venv/bin/python -m tests.e2e.recorded` after `make setup parts`, as root, on a Docker Engine {engine}, a
registry and Caddy. `tests/e2e/test_recorded_site.py` puts it back and lets the present commit take it up. Nothing here
is edited by hand: labels, names and keys are what that commit made, and a later one has to live with them.

| | |
|---|---|
| holdfast.yaml, desired/, secrets/ | what the controller read; the secret is made up |
| state/ | its state folder after it had stopped: the database as SQL, the other files as they were |
| engine.json | what the Engine said: of itself, networks, volumes, containers listed and inspected, images, digests |
| caddy.json | Caddy's configuration, with a server of somebody else |
| said/ | what commands said when the site was at rest, and with which code they ended |

The stages: `shop/dev` two tags side by side, one pushed again since; `shop/prod` a default tag with domains, and an
instance with a time to live that a DeployRequest asks for; `api/dev` a secret, a preDeploy, a followed tag, and a tag
that failed its check and is quarantined; `store/dev` a volume; `worker/dev` no port; `legacy/dev` suspended by hand and
`legacy/prod` by its document, each with a tag declared that does not run.

The network was there before, with addresses that are nobody's (RFC 5737), so that the test may answer on them. The
test's clock goes on from the Engine's SystemTime, because the time to live ends some day.
"""


def main(arguments: list[str]) -> int:
    """Entry point: goes into a namespace of its own and records there."""
    if namespace.FOLDER not in os.environ:
        path = os.pathsep.join([str(ROOT / ".parts" / "usr" / "bin"), str(ROOT / ".parts" / "bin"), os.environ["PATH"]])
        again = [sys.executable, "-m", "tests.e2e.recorded", *arguments]
        command = [sys.executable, "-m", "tests.parts.namespace", *again]
        return subprocess.run(command, env={**os.environ, "PATH": path}, check=False).returncode
    git = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    name = arguments[0] if arguments else subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    engine = Engine.private(Path(os.environ[namespace.FOLDER]) / "engine")
    with tempfile.TemporaryDirectory(prefix="hf-site-") as folder, _box(Path(folder), engine) as box:
        Recorder(box, name).record()
    print(f"recorded {FOLDER / name}")
    return 0


@contextlib.contextmanager
def _box(folder: Path, engine: Engine) -> Iterator[Sandbox]:
    """The surroundings of the site, at the places that are part of the recording."""
    registry = Registry(folder / "registry", find_registry() or "docker-registry", story.PULLED_FROM)
    caddy = Caddy(folder / "caddy", find_caddy() or "caddy")
    caddy.listen = caddy.address = LISTEN
    file = caddy.folder / "caddy.json"
    answer = {"handler": "static_response", "body": "a page of somebody else"}
    page = {"listen": [LISTEN.replace("8086", "8087")], "routes": [{"handle": [answer]}]}
    file.write_text(json.dumps({**json.loads(file.read_text()), "apps": {"http": {"servers": {"blog": page}}}}))
    pool = IPAMConfig(pool_configs=[IPAMPool(subnet=SUBNET)])
    engine.client.api.create_network(story.ID, driver="bridge", ipam=pool)
    for part in (registry, caddy):
        part.start()
    box = Sandbox(folder, story.ID, engine, registry, caddy)
    try:
        yield box
    finally:
        box.close()
        caddy.stop(5)
        registry.stop()


class Recorder:
    """Makes the site in a sandbox and writes it into the folder of its name."""

    def __init__(self, box: Sandbox, name: str) -> None:
        self.box, self.name = box, name
        self.target = FOLDER / name
        self._last = time.monotonic()
        self.docker = Door("docker", box.engine.url, box.folder, self._seen)
        self.proxy = Door("proxy", box.caddy.admin, box.folder, self._seen)
        box.environment |= {"HOLDFAST_DOCKER__HOST": self.docker.url, "HOLDFAST_PROXY__ADMIN": self.proxy.url}

    def record(self) -> None:
        """Make the site, let it come to rest, and write down all of it."""
        box = self.box
        box.settings = dict(story.SETTINGS)
        box.configure()
        (box.folder / STATE).mkdir(mode=0o700)
        (box.folder / STATE / "secret.key").write_bytes(KEY)
        (box.folder / STATE / "secret.key").chmod(0o600)
        (box.folder / "secrets" / "api-key").write_text(story.SECRET)
        story.play(box, self._applied)
        box.wait(lambda: time.monotonic() - self._last > REST, "the site is at rest")
        assert box.stop() == 0
        shutil.rmtree(self.target, ignore_errors=True)
        begun = self._last
        said = {file: told(words, box.holdfast(*words)) for file, words in COMMANDS.items()}
        assert self._last == begun, "the site was not at rest"
        self._files()
        for file, text in said.items():
            self._write(f"said/{file}", text)
        self._write("engine.json", self._engine())
        config = httpx.get(f"{box.caddy.admin}/config/", trust_env=False).json()
        self._write("caddy.json", _json({key: value for key, value in config.items() if key != "admin"}))
        self._write("README.md", README.format(name=self.name, engine=box.engine.client.version()["Version"]))

    def _seen(self, call: Call) -> None:
        if call.changing:
            self._last = time.monotonic()

    def _applied(self, code: int) -> None:
        done = self.box.holdfast("apply", "--timeout", "60s")
        assert done.returncode == code, f"{done.stdout}\n{done.stderr}"

    def _write(self, name: str, text: str) -> None:
        """Write a file of the recording, without anything that tells of this machine."""
        engine = str(self.box.engine.folder)
        text = text.replace(f"{engine}/data", "/var/lib/docker").replace(engine, "/run/docker")
        for word in (str(self.box.folder), socket.gethostname(), str(ROOT)):
            assert word not in text, f"{name} tells of this machine: {word}"
        path = self.target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def _files(self) -> None:
        """What the controller read and what it left behind."""
        folder = self.box.folder
        for path in [folder / "holdfast.yaml", *(folder / "desired").iterdir(), *(folder / "secrets").iterdir()]:
            self._write(str(path.relative_to(folder)), path.read_text())
        for path in sorted((folder / STATE).iterdir()):
            if path.is_file() and not path.name.startswith("holdfast."):
                self._write(f"state/{path.name}", path.read_text())
        with contextlib.closing(sqlite3.connect(folder / STATE / "holdfast.db")) as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            self._write("state/holdfast.sql", "\n".join([*db.iterdump(), f"PRAGMA user_version = {version};", ""]))

    def _engine(self) -> str:
        """What the Engine says to whoever looks."""
        label = json.dumps({"label": [f"holdfast.dev/controller={story.ID}"]})
        rows = self._ask("/containers/json", all="1", filters=label)
        images = [
            {**self._ask(f"/images/{row['Id']}/json"), **row}
            for row in self._ask("/images/json")
            if any(story.ID in text for text in row["RepoDigests"] or ())
        ]
        networks = self._ask("/networks", filters=json.dumps({"name": [story.ID]}))
        tags = {text for image in images for text in image["RepoTags"] or ()}
        tags |= {f"{self._image(row)}:{row['Labels']['holdfast.dev/tag']}" for row in rows}
        return _json(
            {
                "version": _kept(self._ask("/version"), VERSION),
                "info": {**_kept(self._ask("/info"), INFO), "Name": "recorded"},
                "networks": [self._ask(f"/networks/{item['Id']}") for item in networks],
                "volumes": self._ask("/volumes")["Volumes"],
                "containers": rows,
                "inspected": [_without(self._ask(f"/containers/{row['Id']}/json")) for row in rows],
                "images": [_kept(image, IMAGE) for image in images],
                "distribution": {tag: self._ask(f"/distribution/{tag}/json") for tag in sorted(tags)},
            }
        )

    @staticmethod
    def _image(row: Mapping[str, Any]) -> str:
        return str(row["Image"]).partition("@")[0]

    def _ask(self, path: str, **query: str) -> Any:
        api = self.box.engine.client.api
        reply = api.get(f"{api.base_url}/v{api.api_version}{path}?{urlencode(query)}")
        reply.raise_for_status()
        return reply.json()


def _kept(found: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    return {key: found[key] for key in keys if key in found}


def _without(found: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in found.items() if key not in LEFT_OUT}


def _json(found: Any) -> str:
    return _lines(found, "") + "\n"


def _lines(found: Any, indent: str) -> str:
    """JSON whose small parts stand in one line each."""
    short = json.dumps(found, ensure_ascii=False)
    if len(short) <= WIDE or not isinstance(found, dict | list):
        return short
    inner = indent + " "
    if isinstance(found, list):
        parts = [_lines(item, inner) for item in found]
    else:
        parts = [f"{json.dumps(key)}: {_lines(value, inner)}" for key, value in found.items()]
    opening, closing = "[]" if isinstance(found, list) else "{}"
    return f"{opening}\n{inner}" + f",\n{inner}".join(parts) + f"\n{indent}{closing}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
