"""Variables of the environment: they beat the file, and a wrong one is named."""

from pathlib import Path

import pytest

from controller.settings.environment import variables
from controller.settings.load import parse
from tests.core.settings_text import FILE, HEAD, mistakes, settings


def test_a_variable_beats_the_file() -> None:
    """Blocks, keys, numbers, lists and null; a key beats its block; what is beside it in the file stays."""
    loaded = settings(
        "proxy: {listen: ':8080', reach: name}\nlimits: {pulls: 1}\ndocker: {host: 'unix:///x'}\n",
        HOLDFAST_ID="other",
        HOLDFAST_PROXY__ADMIN="http://127.0.0.1:9999",
        HOLDFAST_LIMITS='{"pulls": 7, "surge": 3}',
        HOLDFAST_LIMITS__PULLS="9",
        HOLDFAST_LIMITS__STARTS="4",
        HOLDFAST_LIMITS__GUARD_PERCENT="50",
        HOLDFAST_STATE__HISTORY__MAXAGE="1d",
        HOLDFAST_SOURCES='[{"files": {"path": "./x"}}]',
        HOLDFAST_DOCKER__HOST="null",
        HOLDFAST_API="null",
        HOLDFAST_SECRET_HOOK="x",
        HOLDFAST_TEST_ANYTHING="x",
        HOLDFAST_CONFIG="x",
        HOLDFAST_DEBUG="1",
        HOLDFAST_PORT_8420_TCP="set by Kubernetes for a Service",
        HOLD="x",
    )
    assert loaded.id == "other"
    assert (loaded.proxy.admin, loaded.proxy.listen, loaded.proxy.reach) == ("http://127.0.0.1:9999", ":8080", "name")
    assert (loaded.limits.pulls, loaded.limits.surge, loaded.limits.starts) == (9, 3, 4)
    assert (loaded.limits.guard_percent, loaded.state.history.max_age) == (50, 86400.0)
    assert [source.name for source in loaded.sources] == ["files:./x"]
    assert loaded.sources[0].files.path == Path("/etc/holdfast/x")
    assert loaded.docker.host is None
    assert loaded.api is None


def test_a_variable_switches() -> None:
    """true and false in a variable are what they are in the file; any other word is refused."""
    npm = "proxy: {kind: npm, url: 'http://npm', identity: a@example.com, secret: {file: x}, certificate: mine}\n"
    proxy = settings(npm, HOLDFAST_PROXY__FORCETLS="true", HOLDFAST_PROXY__WEBSOCKETS="false").proxy
    assert (proxy.force_tls, proxy.websockets) == (True, False)
    (diagnostic,) = mistakes(HEAD + npm, HOLDFAST_PROXY__FORCETLS="yes")
    assert (diagnostic.path, "true or false" in diagnostic.help) == ("HOLDFAST_PROXY__FORCETLS", True)


def test_a_variable_reaches_a_block_that_the_file_switched_off() -> None:
    """`api: null` in the file gives way to a key of it in a variable."""
    api = settings("api: null\n", HOLDFAST_API__LISTEN="0.0.0.0:80").api
    assert api is not None
    assert (api.host, api.port) == ("0.0.0.0", 80)


@pytest.mark.parametrize(
    ("name", "value", "help"),
    [
        ("HOLDFAST_PROXY_ADMIN", "http://x", "HOLDFAST_PROXY__ADMIN"),
        ("HOLDFAST_DOMIAN", "x", "HOLDFAST_DOMAIN"),
        ("HOLDFAST_PROXY__URL", "x", "http://HOST:PORT"),
        ("HOLDFAST_PROXY__URLS", "x", "HOLDFAST_PROXY"),
        ("HOLDFAST_SOURCES", "[", 'write sources as JSON, such as [{"key": "value"}]'),
        ("HOLDFAST_POLICY__REGISTRIES", "[ghcr.io]", 'write policy.registries as JSON, such as ["text"]'),
        ("HOLDFAST_SOURCES", "[" * 100_000, "sources"),
        ("HOLDFAST_LIMITS", "NaN", "limits"),
        ("HOLDFAST_LIMITS__PULLS", "many", "digits"),
        ("HOLDFAST_LIMITS__PULLS", "0", "at least 1"),
        ("HOLDFAST_PROXY__TLS__MODE", "of", "'off'"),
        ("HOLDFAST_DOMAIN", "", "example.com"),
        ("HOLDFAST_STATE", '{"pth": "x"}', "'path'"),
    ],
)
def test_a_wrong_variable_is_named(name: str, value: str, help: str) -> None:
    """An unknown variable, or a value that cannot be used, is an error that names the variable and a remedy."""
    (diagnostic,) = mistakes(HEAD, **{name: value})
    assert diagnostic.source == "environment"
    assert name in (diagnostic.path, *diagnostic.message.split(), diagnostic.path + " " + diagnostic.message)
    assert help in diagnostic.message + " " + diagnostic.help


def test_each_key_has_one_variable() -> None:
    """Two underscores stand for a step down; no two keys share a variable."""
    names = [variable.name for variable in variables()]
    assert len(set(names)) == len(names)
    assert {"HOLDFAST_ID", "HOLDFAST_LIMITS__IMAGE_HISTORY", "HOLDFAST_PROXY__TLS__EMAIL"} <= set(names)


def test_a_variable_mends_the_file() -> None:
    """A value that a variable replaces is not looked at."""
    assert parse("id: NO\ndomain: example.com\n", FILE, {"HOLDFAST_ID": "good"}).id == "good"
