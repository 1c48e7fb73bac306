"""deploy/compose.yaml: what it tells Holdfast are settings that load and agree with the rest of it."""

from pathlib import Path

import yaml

from controller.core.model.desired import SecretRef
from controller.settings.load import parse

ROOT = Path(__file__).parents[2]


def test_the_compose_file_sets_up_both_sides_alike() -> None:
    """The network, the names and the secret that Holdfast is told of are those that compose makes."""
    composed = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())
    services = composed["services"]
    told = {name: str(value) for name, value in services["holdfast"]["environment"].items()}
    told["HOLDFAST_PROXY__IDENTITY"] = "bot@example.com"
    loaded = parse("id: home-1\ndomain: example.com\n", Path("/etc/holdfast/holdfast.yaml"), told)
    assert loaded.docker.network == composed["networks"]["holdfast"]["name"]
    assert loaded.proxy.url == "http://npm:81"
    assert [loaded.proxy.address, loaded.proxy.tls_address] == ["npm:80", "npm:443"]
    assert loaded.proxy.reach == "name"
    assert loaded.proxy.secret is not None
    assert loaded.proxy.secret.ref == SecretRef("file", services["holdfast"]["secrets"][0])
    assert Path("/run/secrets") in loaded.policy.secret_roots
    assert all(service["networks"] == ["holdfast"] for service in services.values())
    assert f"holdfast-state:{loaded.state.path}" in services["holdfast"]["volumes"]
