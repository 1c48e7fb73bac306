"""The real Caddy with an admin endpoint on a free port and nothing configured."""

import json
import shutil
from pathlib import Path

from tests.parts.process import CLEAN_PATH, Process, answers, clean_environment, free_port


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
        config = folder / "caddy.json"
        config.write_text(json.dumps({"admin": {"listen": admin}}))
        home = str(folder)
        super().__init__(
            [program, "run", "--config", str(config)],
            folder / "caddy.log",
            lambda: answers(self.admin + "/config/"),
            clean_environment(HOME=home, XDG_DATA_HOME=home, XDG_CONFIG_HOME=home),
        )
