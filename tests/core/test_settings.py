"""holdfast.yaml: its defaults, what comes of it, where its paths lead, what the example shows."""

from pathlib import Path
from typing import Any

import pytest

from controller.core.model.desired import SecretRef
from controller.core.model.errors import InvalidInput
from controller.settings import Settings, init_text, load_settings
from controller.settings.load import parse
from tests.core.settings_text import FILE, ROOT, settings


def test_the_smallest_file_has_the_documented_defaults() -> None:
    """id and domain are enough; the rest is what the example says."""
    assert settings().model_dump() == parse(init_text("home-1", "example.com"), FILE, {}).model_dump()
    loaded = settings()
    assert loaded.state.history.max_age == 90 * 86400
    assert loaded.limits.resync == 30.0
    assert (loaded.limits.digest_interval, loaded.limits.track_interval) == (3600.0, 300.0)
    assert loaded.limits.starts == "auto"
    assert loaded.proxy.tls.mode == "off"
    assert loaded.api is not None
    assert (loaded.api.host, loaded.api.port) == ("127.0.0.1", 8420)


def test_relative_paths_are_those_of_the_file() -> None:
    """State folder, sources, secret roots and Docker's folder do not depend on where the program was started."""
    loaded = settings("docker: {config: ../docker}\npolicy: {bindRoots: [data, /srv]}\n")
    assert loaded.state.path == Path("/etc/holdfast/.holdfast")
    assert loaded.sources[0].files.path == Path("/etc/holdfast/desired")
    assert loaded.sources[0].name == "files:./desired"
    assert loaded.policy.secret_roots == [Path("/etc/holdfast/secrets"), Path("/run/secrets")]
    assert loaded.policy.bind_roots == [Path("/etc/holdfast/data"), Path("/srv")]
    assert loaded.docker.config == Path("/etc/docker")


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("", "http://{hostname}"),
        ('proxy: {listen: ":8080"}', "http://{hostname}:8080"),
        ('proxy: {listen: "[::1]:443"}', "http://{hostname}:443"),
        ('proxy: {listen: ":443", tls: {mode: internal}}', "https://{hostname}"),
        ('proxy: {listen: ":8443", tls: {mode: acme, email: a@example.com}}', "https://{hostname}:8443"),
    ],
)
def test_urls_leave_out_the_usual_port(text: str, url: str) -> None:
    """A person sees the scheme and port that the proxy serves."""
    assert settings(text).rules().url == url


def test_rules_take_what_plans_and_catalog_need() -> None:
    """Patterns, names of sources in order, reach, surge and intervals arrive where decisions are made."""
    loaded = settings(
        "hostnames: {default: '{project}.{stage}', instance: '{tag}.{project}.{stage}'}\n"
        "sources: [{files: {path: ./a}}, {files: {path: b.yaml}}]\n"
        "proxy: {reach: name}\nlimits: {surge: 2, digestInterval: 2h, trackInterval: 90s}\n"
    )
    rules = loaded.catalog_rules()
    assert (rules.controller_id, rules.domain) == ("home-1", "example.com")
    assert (rules.default_pattern, rules.instance_pattern) == ("{project}.{stage}", "{tag}.{project}.{stage}")
    assert rules.sources == ("files:./a", "files:b.yaml")
    assert (loaded.rules().reach, loaded.rules().surge) == ("name", 2)
    assert (loaded.rules().digest_interval, loaded.rules().track_interval) == (7200.0, 90.0)


def test_what_belongs_to_the_controller_is_never_bound() -> None:
    """Settings, state, secrets, credentials and the sockets of Engine and proxy are protected paths."""
    policy = settings(
        "docker: {host: 'unix:///srv/docker.sock', config: /srv/docker}\nproxy: {admin: 'unix:///srv/caddy.sock'}\n"
        "policy: {bindRoots: [/srv], registries: ['ghcr.io/example'], capabilities: [NET_RAW]}\n"
    ).policy_rules()
    assert policy.bind_roots == ("/srv",)
    assert (policy.registries, policy.capabilities) == (("ghcr.io/example",), ("NET_RAW",))
    assert set(policy.protected) == {
        "/etc/holdfast/holdfast.yaml", "/etc/holdfast/.holdfast", "/etc/holdfast/secrets", "/run/secrets",
        "/srv/docker", "/srv/docker.sock", "/srv/caddy.sock",
    }  # fmt: skip


def test_notifications_may_hold_references() -> None:
    """URL and key of a webhook are text or references to secrets."""
    notifications = settings(
        "notifications:\n"
        "  - {url: 'https://example.com/hook', secret: {file: hook}}\n"
        "  - {url: {env: HOLDFAST_SECRET_HOOK}, events: [failure]}\n"
    ).notifications
    assert (notifications[0].url, notifications[0].secret) == ("https://example.com/hook", SecretRef("file", "hook"))
    assert notifications[0].events == ["success", "failure", "rollback"]
    assert (notifications[1].url, notifications[1].secret) == (SecretRef("env", "HOLDFAST_SECRET_HOOK"), None)
    assert notifications[1].events == ["failure"]


def test_loading_a_file_resolves_from_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path relative to the working folder is the same file."""
    (tmp_path / "holdfast.yaml").write_text(init_text("home-1", "localhost"))
    monkeypatch.chdir(tmp_path)
    assert load_settings(Path("holdfast.yaml"), {}).state.path == tmp_path / ".holdfast"


def test_init_refuses_what_would_not_load() -> None:
    """An id or a domain that cannot be used is an error before anything is written; odd words are quoted."""
    assert parse(init_text("no", "localhost"), FILE, {}).id == "no"
    for id, domain in [("A b", "localhost"), ("a\ndomain: x", "localhost"), ("a", "http://x"), ("a # b", "x")]:
        with pytest.raises(InvalidInput):
            init_text(id, domain)


def keys(schema: dict[str, Any], definitions: dict[str, Any]) -> set[str]:
    """Every key of a JSON Schema, at any depth."""
    names: set[str] = set()
    for inner in [*schema.get("anyOf", []), *schema.get("oneOf", []), *filter(None, [schema.get("items")])]:
        names |= keys(inner, definitions)
    if "$ref" in schema:
        names |= keys(definitions[schema["$ref"].rsplit("/", 1)[1]], definitions)
    for name, inner in schema.get("properties", {}).items():
        names |= {name} | keys(inner, definitions)
    return names


def test_the_example_shows_every_key() -> None:
    """Each key of the settings stands in the example, at work or in a comment."""
    schema = Settings.model_json_schema()
    text = (ROOT / "deploy/holdfast.example.yaml").read_text()
    assert text == init_text("home-1", "example.com")
    missing = {key for key in keys(schema, schema["$defs"]) if f"{key}:" not in text}
    assert missing == set()
