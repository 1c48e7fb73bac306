"""What a command works on: the settings, a running controller, the content of the state folder."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from controller.cli.output import OPTIONS

if TYPE_CHECKING:
    from controller.cli.control import Client
    from controller.interfaces import Reads
    from controller.settings import Settings

SOCKET = "holdfast.sock"


def settings() -> "Settings":
    """The settings of this run. Raises `InvalidInput`."""
    from controller.settings import load_settings

    return load_settings(OPTIONS.config, os.environ)


def socket_path(settings: "Settings") -> Path:
    """Where a running controller listens."""
    return Path(settings.state.path) / SOCKET


def client(settings: "Settings") -> "Client | None":
    """The running controller, if there is one."""
    from controller.cli.control import Client

    return Client.find(socket_path(settings))


def stored(settings: "Settings") -> "Reads":
    """The content of the state folder."""
    from controller.clients.state.reader import StateReader

    return StateReader(Path(settings.state.path))


def log_bugs_only() -> None:
    """Configure the log to bugs: commands say in their own words what happens."""
    from controller.telemetry import configure

    configure(json=False, level="error", transitions=False)
