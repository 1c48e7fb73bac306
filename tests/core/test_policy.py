"""The policy on the final create body: default deny, as a table."""

from typing import Any

import pytest

from controller.core.model.policy import PolicyRules, below, split_reference, violations

ROOTS = PolicyRules(bind_roots=("/srv/data",), capabilities=("NET_ADMIN",))


def bind(source: str, **more: Any) -> dict[str, Any]:
    """A HostConfig with one bind mount."""
    return {"Mounts": [{"Type": "bind", "Source": source, "Target": "/x", **more}]}


REFUSED: list[dict[str, Any]] = [
    {"Privileged": True},
    {"privileged": True},
    {"PRIVILEGED": True},
    {"CapAdd": ["SYS_ADMIN"]},
    {"CapAdd": ["CAP_SYS_PTRACE"]},
    {"CapAdd": ["ALL"]},
    {"CapAdd": ["NET_ADMIN", "SYS_ADMIN"]},
    {"NetworkMode": "host"},
    {"NetworkMode": "HOST"},
    {"NetworkMode": "none"},
    {"NetworkMode": "container:abc"},
    {"PidMode": "host"},
    {"PidMode": "container:abc"},
    {"IpcMode": "host"},
    {"IpcMode": "shareable"},
    {"IpcMode": "container:abc"},
    {"UsernsMode": "host"},
    {"UTSMode": "host"},
    {"CgroupnsMode": "host"},
    {"Cgroup": "container:abc"},
    {"CgroupParent": "/docker"},
    {"Devices": [{"PathOnHost": "/dev/sda"}]},
    {"DeviceRequests": [{"Driver": "nvidia"}]},
    {"DeviceCgroupRules": ["a *:* rwm"]},
    {"SecurityOpt": ["seccomp=unconfined"]},
    {"SecurityOpt": ["apparmor:unconfined"]},
    {"SecurityOpt": ["label:disable"]},
    {"SecurityOpt": ["systempaths=unconfined"]},
    {"SecurityOpt": ["no-new-privileges:false"]},
    {"Sysctls": {"kernel.shm_rmid_forced": "1"}},
    {"Runtime": "kata"},
    {"VolumesFrom": ["other"]},
    {"OomScoreAdj": -1000},
    {"OomKillDisable": True},
    {"Ulimits": [{"Name": "nofile", "Soft": 1, "Hard": 1}]},
    {"GroupAdd": ["docker"]},
    {"Links": ["db:db"]},
    {"ExtraHosts": ["a:1.2.3.4"]},
    {"PublishAllPorts": True},
    {"PortBindings": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "80"}]}},
    {"PortBindings": {"80/tcp": [{"HostPort": "80"}]}},
    {"PortBindings": {"80/tcp": []}},
    {"MaskedPaths": []},
    {"ReadonlyPaths": []},
    {"StorageOpt": {"size": "1"}},
    {"SomethingNew": "x"},
    {"Binds": ["/:/host"]},
    {"Binds": ["/etc:/x:ro"]},
    {"Binds": ["/srv/data/a:/x:rshared"]},
    {"Binds": ["/srv/data/../../etc:/x"]},
    {"Tmpfs": {"/x": "exec"}},
    bind("/"),
    bind("/var"),
    bind("/var/run"),
    bind("/var/run/docker.sock"),
    bind("/run/docker.sock"),
    bind("/srv/data/docker.sock"),
    bind("/var/lib/docker/volumes"),
    bind("/proc/1"),
    bind("/sys"),
    bind("/dev/shm"),
    bind("/srv/database"),
    bind("/srv"),
    bind("/srv/data/../x"),
    bind("relative"),
    bind("/srv/data/a", BindOptions={"Propagation": "rshared"}),
    {"Mounts": [{"Type": "volume", "Source": "v", "VolumeOptions": {"DriverConfig": {"Options": {"o": "bind"}}}}]},
    {"Mounts": [{"Type": "volume", "Source": "/etc"}]},
    {"Mounts": [{"Type": "npipe", "Source": "x"}]},
]

ALLOWED: list[dict[str, Any]] = [
    {},
    {"Privileged": False, "Devices": [], "Sysctls": {}, "OomScoreAdj": 0},
    {"NetworkMode": "holdfast"},
    {"CapAdd": ["NET_ADMIN"]},
    {"CapAdd": ["CAP_NET_ADMIN"]},
    {"CapDrop": ["NET_RAW"], "SecurityOpt": ["no-new-privileges"]},
    {"Memory": 1, "MemorySwap": 1, "NanoCpus": 1, "PidsLimit": 4096},
    {"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}},
    {"Mounts": [{"Type": "volume", "Source": "shop-dev-data", "Target": "/x"}]},
    {"Binds": ["named:/x"]},
    bind("/srv/data"),
    bind("/srv//data/./a/b"),
]


@pytest.mark.parametrize("host", REFUSED, ids=lambda host: repr(host)[:60])
def test_what_reaches_the_host_is_refused(host: dict[str, Any]) -> None:
    """Each of these opens the host to the container."""
    assert violations({"Image": "a", "HostConfig": host}, ROOTS)


@pytest.mark.parametrize("host", ALLOWED, ids=lambda host: repr(host)[:60])
def test_what_holdfast_makes_is_allowed(host: dict[str, Any]) -> None:
    """Plain containers pass."""
    assert violations({"Image": "a", "HostConfig": host}, ROOTS) == ()


@pytest.mark.parametrize(
    ("image", "allowed", "ok"),
    [
        ("nginx", ("docker.io",), True),
        ("nginx@sha256:0", ("docker.io/library",), True),
        ("team/app", ("docker.io/library",), False),
        ("ghcr.io/team/app@sha256:0", ("ghcr.io",), True),
        ("ghcr.io/team/app", ("ghcr.io/team",), True),
        ("ghcr.io/teams/app", ("ghcr.io/team",), False),
        ("ghcr.io.evil.example/app", ("ghcr.io",), False),
        ("localhost:5000/app:1", ("localhost:5000",), True),
        ("localhost:5001/app", ("localhost:5000",), False),
        ("index.docker.io/team/app", ("docker.io",), True),
        ("anything.example/x", (), True),
    ],
)
def test_registries_are_compared_by_whole_segments(image: str, allowed: tuple[str, ...], ok: bool) -> None:
    """A name that only begins like an allowed registry is not it."""
    assert (violations({"Image": image}, PolicyRules(registries=allowed)) == ()) is ok


def test_other_networks_in_the_body_are_looked_at_too() -> None:
    """The host network cannot come in through the endpoints."""
    assert violations({"Image": "a", "NetworkingConfig": {"EndpointsConfig": {"host": {}}}}, ROOTS)


def test_paths_and_references_are_taken_apart() -> None:
    """Segments, not text, decide; Docker's defaults are filled in."""
    assert below("/a/b", "/a")
    assert not below("/ab", "/a")
    assert not below("/a/../b", "/a")
    assert split_reference("nginx:1.2") == ("docker.io", "library/nginx")
    assert split_reference("h:5000/a/b:1@sha256:0") == ("h:5000", "a/b")


@pytest.mark.parametrize(
    ("image", "host", "path"),
    [
        ("team/app", "docker.io", "team/app"),
        ("nginx", "docker.io", "library/nginx"),
        ("docker.io/nginx", "docker.io", "library/nginx"),
        ("index.docker.io/team/app", "docker.io", "team/app"),
        ("registry-1.docker.io/nginx", "docker.io", "library/nginx"),
        ("localhost/app", "localhost", "app"),
        ("Registry/app", "registry", "app"),
        ("ghcr.io/team/app:1.0", "ghcr.io", "team/app"),
        ("host:5000/app", "host:5000", "app"),
    ],
)
def test_the_registry_of_an_image(image: str, host: str, path: str) -> None:
    """The first part is a host when Docker takes it for one; else it is Docker Hub's."""
    assert split_reference(image) == (host, path)
