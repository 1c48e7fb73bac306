"""Every mistake in holdfast.yaml, with its place and remedy."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from controller.core.model.errors import Diagnostic, InvalidInput
from controller.settings import init_text, load_settings
from controller.settings.load import parse
from tests.core.settings_text import FILE, HEAD, mistakes

NPM = "proxy: {kind: npm, url: 'http://x', secret: {file: x}, "
TLS = 'proxy: {listen: ":443", tls: {mode: '
HOOK = "notifications:\n- "
BAD: list[tuple[str, str, int, str]] = [
    # text after id and domain (or the whole text when it has its own), path, line, a word of message or help
    ("domain: example.com\n", "id", 1, "home-1"),
    ("id: home-1\n", "domain", 1, "example.com"),
    ("id: Home\ndomain: example.com\n", "id", 1, "a-z"),
    ("id: -a\ndomain: example.com\n", "id", 1, "dashes"),
    (f"id: {'a' * 41}\ndomain: example.com\n", "id", 1, "40"),
    ("id: no\ndomain: example.com\n", "id", 1, 'id: "no"'),
    ("id: 12\ndomain: example.com\n", "id", 1, 'id: "12"'),
    ("id: 2024-01-01\ndomain: example.com\n", "id", 1, "date"),
    ("id:\ndomain: example.com\n", "id", 1, "no value"),
    ('id: "a\\tb"\ndomain: example.com\n', "id", 1, "invisible"),
    ("id: home-1\ndomain: Example.com\n", "domain", 2, "write example.com"),
    ("id: home-1\ndomain: https://example.com\n", "domain", 2, "scheme"),
    ("id: home-1\ndomain: 192.168.1.1\n", "domain", 2, "leads to this address"),
    ("id: home-1\ndomain: exa mple.com\n", "domain", 2, "example.com"),
    ("id: home-1\ndomain: [example.com]\n", "domain", 2, "text"),
    ("domian: x\n", "domian", 3, "'domain'"),
    ("hostnames: {default: stage}\n", "hostnames.default", 3, "{stage}"),
    ("hostnames: {default: '{stage}-{project}-{tag}'}\n", "hostnames.default", 3, "unknown placeholder {tag}"),
    ("hostnames: {instance: '{stage}-{project}'}\n", "hostnames.instance", 3, "lacks {tag}"),
    ("hostnames: {instance: '{stage}-{project}-{tag!r}'}\n", "hostnames.instance", 3, "brace"),
    ("hostnames: {default: '{stage}-{project}-{user}'}\n", "hostnames.default", 3, "unknown placeholder {user}"),
    ("hostnames: {default: '{stage}_{project}'}\n", "hostnames.default", 3, "dashes"),
    ("hostnames: {default: '{stage}-{project}}'}\n", "hostnames.default", 3, "brace"),
    ("state: ./x\n", "state", 3, "path, history"),
    ("state: {path: ~/x}\n", "state.path", 3, "whole path"),
    ("state: {path: ''}\n", "state.path", 3, "./folder"),
    ("state: {history: {maxAge: 90}}\n", "state.history.maxAge", 3, "90s"),
    ("state: {history: {maxAge: 1.5}}\n", "state.history.maxAge", 3, "unit"),
    ("state: {history: {maxAge: 90 days}}\n", "state.history.maxAge", 3, "90d"),
    ("state: {history: {maxage: 90d}}\n", "state.history.maxage", 3, "'maxAge'"),
    ("state: {history: {max_age: 90d}}\n", "state.history.max_age", 3, "'maxAge'"),
    ("state: {history: {maxCount: 0}}\n", "state.history.maxCount", 3, "at least 1"),
    ("docker: {host: /var/run/docker.sock}\n", "docker.host", 3, "unix:///PATH"),
    ("docker: {host: 'ssh://me@there'}\n", "docker.host", 3, "tcp://HOST:PORT"),
    ("docker: {network: host}\n", "docker.network", 3, "Docker's own"),
    ("docker: {network: 'a b'}\n", "docker.network", 3, "letters"),
    ("proxy: {kind: npm, identity: a@example.com, secret: {file: x}}\n", "proxy.url", 3, "http://127.0.0.1:81"),
    ("proxy: {kind: npm, url: 'http://x', secret: {file: x}}\n", "proxy.identity", 3, "a user of"),
    ("proxy: {kind: npm, url: 'http://x', identity: a@example.com}\n", "proxy.secret", 3, "npm-password"),
    ("proxy: {kind: npm, url: 'http://x/api'}\n", "proxy.url", 3, "http://HOST:PORT"),
    (NPM + "identity: bot}\n", "proxy.identity", 3, "e-mail"),
    (NPM + "identity: a@example.com, listen: ':81'}\n", "proxy.listen", 3, "remove listen"),
    (NPM + "identity: a@example.com, certificate: ' '}\n", "proxy.certificate", 3, "the name"),
    ("proxy: {kind: npm, secret: hunter2}\n", "proxy.secret", 3, "{file: NAME}"),
    ("proxy: {forceTLS: true}\n", "proxy.forceTLS", 3, "remove forceTLS"),
    ("proxy: {kind: nginx}\n", "proxy.kind", 3, "caddy"),
    ("proxy: {admin: 127.0.0.1:2019}\n", "proxy.admin", 3, "http://HOST:PORT"),
    ("proxy: {admin: 'unix://caddy.sock'}\n", "proxy.admin", 3, "absolute"),
    ("proxy: {admin: 'http://127.0.0.1:2019/config/'}\n", "proxy.admin", 3, "must not have a path"),
    ("proxy: {admin: 'http://127.0.0.1:99999'}\n", "proxy.admin", 3, "http://HOST:PORT"),
    ("proxy: {listen: 80}\n", "proxy.listen", 3, '":80"'),
    ("proxy: {listen: ':99999'}\n", "proxy.listen", 3, "65535"),
    ("proxy: {listen: ':0'}\n", "proxy.listen", 3, "65535"),
    ("proxy: {address: ':80'}\n", "proxy.address", 3, "HOST:PORT"),
    ("proxy: {address: example.com}\n", "proxy.address", 3, "HOST:PORT"),
    ("proxy: {address: 22:22}\n", "proxy.address", 3, '"22:22"'),
    ("proxy: {reach: tunnel}\n", "proxy.reach", 3, "published"),
    ("proxy:\n  tls: {mode: off}\n", "proxy.tls.mode", 4, 'mode: "off"'),
    ("proxy:\n  tls: {mode: on}\n", "proxy.tls.mode", 4, '"off", internal, acme'),
    ("proxy:\n  tls: {mode: acmee}\n", "proxy.tls.mode", 4, "'acme'"),
    (TLS + "acme}}\n", "proxy.tls.email", 3, "add email"),
    (TLS + "acme, email: me}}\n", "proxy.tls.email", 3, "e-mail"),
    (TLS + "internal, email: a@example.com}}\n", "proxy.tls.email", 3, "remove"),
    ("proxy: {tls: {mode: internal}}\n", "proxy.listen", 3, ":443"),
    ("sources: []\n", "sources", 3, "at least 1"),
    ("sources:\n- files: ./desired\n", "sources[0].files", 4, "path"),
    ("sources:\n- files: {path: a}\n- files: {path: ./a}\n", "sources", 3, "once"),
    ("sources:\n- {}\n", "sources[0].files", 4, "path: ./desired"),
    ("sources:\n- git: {url: x}\n", "sources[0].git", 4, "cannot be used yet"),
    ("sources:\n- kubernetes: {}\n", "sources[0].kubernetes", 4, "cannot be used yet"),
    ("sources:\n- files: {path: a}\n  name: x\n", "sources[0].name", 5, "files"),
    ("sources: {files: {path: a}}\n", "sources", 3, "list"),
    (HOOK + "url: ftp://example.com\n", "notifications[0].url", 4, "https://HOST/PATH"),
    (HOOK + "url: 'https://me:hunter2@example.com'\n", "notifications[0].url", 4, "HOLDFAST_SECRET_"),
    (HOOK + "url: {env: HOOK}\n", "notifications[0].url.env", 4, "HOLDFAST_SECRET_"),
    (HOOK + "url: {fiel: hook}\n", "notifications[0].url.fiel", 4, "'file'"),
    (HOOK + "url: {}\n", "notifications[0].url", 4, "exactly one"),
    (HOOK + "url: {file: a, env: HOLDFAST_SECRET_A}\n", "notifications[0].url", 4, "exactly one"),
    (HOOK + "secret: {file: a}\n", "notifications[0].url", 4, "https://"),
    (HOOK + "url: https://a\n  secret: hunter2\n", "notifications[0].secret", 5, "{file: NAME}"),
    (HOOK + "url: https://a\n  secret: {file: ../a}\n", "notifications[0].secret.file", 5, "secretRoots"),
    (HOOK + "url: https://a\n  events: [succes]\n", "notifications[0].events[0]", 5, "'success'"),
    (HOOK + "url: https://a\n  events: []\n", "notifications[0].events", 5, "at least 1"),
    ("policy: {registries: 'ghcr.io'}\n", "policy.registries", 3, "list"),
    ("policy: {registries: ['https://ghcr.io']}\n", "policy.registries[0]", 3, "write ghcr.io"),
    ("policy: {bindRoots: [/]}\n", "policy.bindRoots", 3, "everything"),
    ("policy: {secretRoots: [/srv, /]}\n", "policy.secretRoots", 3, "everything"),
    ("policy: {capabilities: [ALL]}\n", "policy.capabilities[0]", 3, "privileged"),
    ("policy: {capabilities: [cap_net_raw]}\n", "policy.capabilities[0]", 3, "write NET_RAW"),
    ("limits: {starts: 0}\n", "limits.starts", 3, "auto"),
    ("limits: {starts: true}\n", "limits.starts", 3, "auto"),
    ("limits: {pulls: 0}\n", "limits.pulls", 3, "at least 1"),
    ("limits: {pulls: '2'}\n", "limits.pulls", 3, "without quotes"),
    ("limits: {pulls: 1.5}\n", "limits.pulls", 3, "whole number"),
    ("limits: {pulls: true}\n", "limits.pulls", 3, "whole number"),
    ("limits: {surge: 0}\n", "limits.surge", 3, "at least 1"),
    ("limits: {resync: 500ms}\n", "limits.resync", 3, "1s"),
    ("limits: {resync: 30}\n", "limits.resync", 3, "30s"),
    ("limits: {resync: 9999d}\n", "limits.resync", 3, "3650d"),
    ("limits: {digestInterval: 0s}\n", "limits.digestInterval", 3, "1s"),
    ("limits: {trackInterval: 5}\n", "limits.trackInterval", 3, "5s"),
    ("limits: {guardPercent: 101}\n", "limits.guardPercent", 3, "at most 100"),
    ("limits: {guardPercent: -1}\n", "limits.guardPercent", 3, "at least 0"),
    ("limits: {guard-percent: 5}\n", "limits.guard-percent", 3, "'guardPercent'"),
    ("limits: {imageHistory: -1}\n", "limits.imageHistory", 3, "at least 0"),
    ("limits:\n", "limits", 3, "remove the line"),
    ("api: true\n", "api", 3, "listen"),
    ("api: {listen: ':8420'}\n", "api.listen", 3, "HOST:PORT"),
    ("api: {port: 1}\n", "api.port", 3, "listen"),
    ("state: {}\nstate: {}\n", "", 4, "twice"),
    ("limits: &a {pulls: 1}\n", "", 3, "anchor"),
    ("limits: !!map {pulls: 1}\n", "", 3, "tag"),
    ("no: x\n", "", 3, "quotes"),
    ("limits: {pulls: 1\n", "", 3, "bracket"),
    ("---\nid: b\n", "", 4, "second document"),
    ("- id: a\n- domain: b\n", "", 1, "mapping"),
    ("id: home-1\ndomain: example.com\n\x07\n", "", 3, "control"),
]


@pytest.mark.parametrize(("text", "path", "line", "word"), BAD)
def test_a_mistake_has_its_place_and_a_remedy(text: str, path: str, line: int, word: str) -> None:
    """Exactly one mistake is reported, at its key, with what to write instead."""
    whole = text if text.startswith(("id:", "domain:", "- ")) else HEAD + text
    (diagnostic,) = mistakes(whole)
    assert (diagnostic.path, diagnostic.line) == (path, line)
    assert word in diagnostic.message + " " + diagnostic.help
    assert diagnostic.source == str(FILE)
    assert diagnostic.column > 0
    assert "hunter2" not in repr(diagnostic)


def test_all_mistakes_are_reported_in_one_run() -> None:
    """File and variables are checked together, in the order of the file."""
    diagnostics = mistakes("id: A\nlimits: {pulls: 0, surge: 0}\n", HOLDFAST_X="1", HOLDFAST_API__LISTEN="x")
    assert [(diagnostic.path, diagnostic.line) for diagnostic in diagnostics] == [
        ("domain", 1), ("id", 1), ("limits.pulls", 2), ("limits.surge", 2), ("", 0), ("HOLDFAST_API__LISTEN", 0),
    ]  # fmt: skip


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place inside plain data."""
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path] * bool(path) + [place for key, value in inner for place in places(value, (*path, key))]


FULL: dict[str, Any] = {
    **yaml.safe_load(init_text("home-1", "example.com")),
    "notifications": [{"url": "https://a", "secret": {"file": "x"}, "events": ["failure"]}, {"url": {"file": "b"}}],
}
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates()
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2)
)


@given(st.sampled_from(places(FULL)), ANYTHING)
def test_no_value_in_any_place_breaks_the_reader(place: tuple[Any, ...], value: Any) -> None:
    """Whatever stands at any key gives settings or a list of mistakes that each have a message, never a crash."""
    data: Any = yaml.safe_load(yaml.safe_dump(FULL))
    inner = data
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    diagnostics: list[Diagnostic] = []
    try:
        assert parse(yaml.safe_dump(data), FILE, {}).id
    except InvalidInput as error:
        diagnostics = error.diagnostics
    assert all(diagnostic.message and diagnostic.line for diagnostic in diagnostics)


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_file_that_cannot_be_read_is_said(tmp_path: Path, name: str) -> None:
    """A missing file leads to `holdfast init`; a folder is an error too."""
    with pytest.raises(InvalidInput) as caught:
        load_settings(tmp_path / name, {})
    (diagnostic,) = caught.value.diagnostics
    assert str(tmp_path) in diagnostic.message
    assert name == "." or "holdfast init" in diagnostic.help


@pytest.mark.parametrize("text", ["", "# nothing\n"])
def test_an_empty_file_lacks_id_and_domain(text: str) -> None:
    """Neither has a default."""
    assert [diagnostic.path for diagnostic in mistakes(text)] == ["id", "domain"]
