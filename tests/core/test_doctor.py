"""What doctor makes of what it found: networks, clocks and addresses that this machine cannot show in a test."""

from pathlib import Path

import pytest

from controller.cli.doctor import machine, world
from controller.interfaces import EngineInfo, NetworkInfo

INFO = EngineInfo("20.10", "1.41", "vm", "/var/lib/docker", "2", "json-file", 0.0)


@pytest.mark.parametrize(
    ("driver", "attachable", "told"),
    [
        ("bridge", True, ""),
        ("overlay", True, ""),
        ("overlay", False, "is of a swarm and not attachable"),
        ("macvlan", True, "has driver macvlan: containers in it cannot be reached from this machine"),
        ("ipvlan", True, "has driver ipvlan: containers in it cannot be reached from this machine"),
        ("host", True, "has driver host: containers in it cannot be reached from this machine"),
        ("null", True, "has driver null: containers in it cannot be reached from this machine"),
    ],
)
def test_a_network_with_an_unusable_driver_is_told_with_the_remedy(driver: str, attachable: bool, told: str) -> None:
    """Only what containers can be put into and be reached in is well."""
    found = world.network("hf", NetworkInfo(driver, (), attachable, 0))
    assert (found.ok, told in found.detail, "set docker.network" in found.remedy) == (not told, True, bool(told))


def test_a_clock_is_told_from_half_a_minute_on() -> None:
    """With its direction."""
    assert world.clock(29.0).ok
    assert world.clock(-31.0).detail == "the Engine's is 31 s behind ours"
    assert world.clock(61.0).detail == "the Engine's is 61 s ahead of ours"


def test_containers_that_cannot_be_reached_are_told_before_one_runs() -> None:
    """A rootless or distant Engine is known; a gateway of this machine is fine, another one is a note."""
    apart = EngineInfo("20.10", "1.41", "vm", "", "2", "json-file", 0.0, apart="the Engine is rootless")
    assert not world.containers("hf", apart, None, ()).ok
    near = NetworkInfo("bridge", ("127.0.0.1",), True, 0)
    far = NetworkInfo("bridge", ("192.0.2.1",), True, 0)
    assert world.containers("hf", INFO, near, ()).level == "ok"
    assert world.containers("hf", INFO, far, ()).level == "note"
    assert world.containers("hf", apart, None, ("127.0.0.1",)).level == "ok"


def test_a_disk_is_nearly_full_below_one_gib() -> None:
    """The threshold itself is enough."""
    assert machine.space("disk", machine.MIN_FREE_BYTES, "/").ok
    assert machine.space("disk", machine.MIN_FREE_BYTES - 1, "/").level == "FAIL"


@pytest.mark.parametrize(
    ("setting", "remedy"), [("1\n", ""), ("0\n", "sysctl -w net.ipv4.tcp_migrate_req=1"), (None, "")]
)
def test_connections_that_caddy_resets_at_a_change_are_told(tmp_path: Path, setting: str | None, remedy: str) -> None:
    """Where the kernel could hand them over and does not, how to let it; a kernel that cannot is no mistake."""
    path = tmp_path / "tcp_migrate_req"
    if setting is not None:
        path.write_text(setting)
    found = machine.handed_over(path)
    assert (found.ok, found.remedy) == (True, remedy)
