"""Finds what a command works on: the settings, the state folder, a running controller, the stored status."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from controller.cli.output import OPTIONS

if TYPE_CHECKING:
    from controller.cli.control import Client
    from controller.clients.state.store import SqliteStore
    from controller.settings import Settings

SOCKET = "holdfast.sock"
BY_HAND = "holdfast suspend"
"""Message of the condition `Suspended` of a stage that was suspended by hand."""


def settings() -> "Settings":
    """The settings of this run. Raises `InvalidInput`."""
    from controller.settings import load_settings

    return load_settings(OPTIONS.config, os.environ)


def socket_path(found: "Settings") -> Path:
    """Where a running controller listens."""
    return Path(found.state.path) / SOCKET


def client(found: "Settings") -> "Client | None":
    """The running controller, if there is one."""
    from controller.cli.control import Client

    return Client.find(socket_path(found))


def quiet() -> None:
    """Let the log say bugs only: commands say themselves what happens."""
    from controller.telemetry import configure

    configure(json=False, level="error", transitions=False)


def store(found: "Settings") -> "SqliteStore":
    """The state folder, for reading only."""
    from controller.clients.state.store import SqliteStore

    return SqliteStore.reader(Path(found.state.path))
