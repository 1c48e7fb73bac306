"""The real Caddy with an admin endpoint on a free port and nothing configured."""

import contextlib
import json
import os
import shutil
import socket
import urllib.request
from pathlib import Path

from tests.parts.process import CLEAN_PATH, Process, answers, clean_environment, free_port, wait_until


def find_caddy() -> str | None:
    """Path of the program, None when it is not installed."""
    return shutil.which("caddy", path=CLEAN_PATH)


class Caddy(Process):
    """`admin` is the address of its API, `listen` what our routes may listen on, `address` where clients connect."""

    def __init__(self, folder: Path, program: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        admin = f"127.0.0.1:{free_port()}"
        self.port = free_port()
        self.admin = f"http://{admin}"
        self.listen = f":{self.port}"
        self.address = f"127.0.0.1:{self.port}"
        self.config = folder / "caddy.json"
        self.config.write_text(json.dumps({"admin": {"listen": admin}}))
        home = str(folder)
        super().__init__(
            [program, "run", "--config", str(self.config)],
            folder / "caddy.log",
            lambda: answers(self.admin + "/config/"),
            clean_environment(HOME=home, XDG_DATA_HOME=home, XDG_CONFIG_HOME=home),
        )

    def reset(self) -> None:
        """Bring it back to how it was started, with an empty log, for the next test."""
        try:
            for _ in range(3):  # Caddy cuts connections while it replaces its admin listener
                with contextlib.suppress(ConnectionError):
                    self._load()
                    break
            wait_until(self._is_fresh, 1, "Caddy's configuration is as at its start, and nothing of a test listens")
        except OSError:
            self.kill()
            self.start()
        os.truncate(self.log, 0)

    def _load(self) -> None:
        data, headers = self.config.read_bytes(), {"Content-Type": "application/json"}
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            urllib.request.Request(f"{self.admin}/load", data, headers), timeout=5
        ).close()

    def _is_fresh(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return False
        return True
