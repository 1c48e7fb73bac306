"""What `doctor` says of Nginx Proxy Manager: its user's permissions, and whether it reaches what it is to serve."""

from pathlib import Path

import pytest

from controller.cli.doctor import npm as doctor_npm
from controller.cli.doctor.machine import Finding
from controller.settings import Settings
from controller.settings.load import parse
from tests.contract.npm.site import Npm, route, site
from tests.contract.upstream import Upstream


def settings(npm: Npm, more: str = "") -> Settings:
    """Settings that name it."""
    text = (
        f"kind: npm, url: '{npm.url}', identity: bot@example.com, secret: {{file: x}}, tlsAddress: '{npm.tls_address}'"
    )
    return parse(f"id: a\ndomain: x.test\nproxy: {{{text}, address: '{npm.address}'{more}}}\n", Path("h.yaml"), {})


@pytest.mark.parametrize(
    ("more", "permissions", "words"),
    [
        ("", {"certificates": "hidden", "access_lists": "hidden", "visibility": "user"}, "ok its own hosts only"),
        ("", {"certificates": "view", "visibility": "all"}, "ok every host"),
        ("", {"streams": "manage"}, "note streams"),
        ("", {"proxy_hosts": "view"}, "FAIL set it to manage"),
        (", certificate: wild", {"certificates": "hidden"}, "FAIL certificates to view"),
        (", certificate: 5", {"certificates": "hidden"}, "ok manage proxy hosts"),
        (", certificate: letsencrypt", {"certificates": "view"}, "FAIL certificates to manage"),
        (", accessList: staff", {"access_lists": "hidden"}, "FAIL access_lists to view"),
    ],
)
async def test_doctor_names_what_the_user_lacks_and_what_it_has_too_much(
    npm: Npm, more: str, permissions: dict[str, str], words: str
) -> None:
    """Least privilege: what is missing fails, what is not needed is a note."""
    usual = dict.fromkeys(("redirection_hosts", "dead_hosts", "streams"), "hidden")
    async with site(npm, await npm.bot(**{**usual, **permissions})) as home:
        finding = doctor_npm.permissions(settings(npm, more), await home.proxy.session.me())
    assert _text(finding).startswith(words.split(maxsplit=1)[0])
    assert words.partition(" ")[2] in _text(finding)


async def test_doctor_notes_an_administrator(npm: Npm) -> None:
    """It works, and is more than needed."""
    async with site(npm, (npm.identity, npm.secret)) as home:
        finding = doctor_npm.permissions(settings(npm), await home.proxy.session.me())
    assert _text(finding).startswith("note")
    assert "administrator" in _text(finding)


async def test_doctor_tries_a_route(npm: Npm) -> None:
    """How NPM reaches the containers is tried on what is there: good, in vain, and through the wrong door."""
    async with site(npm) as home:
        said = [_text(finding) async for finding in doctor_npm.npm(settings(npm), home.proxy)]
        assert "not tried yet" in said[-1]
        async with Upstream("app") as app:
            wanted = route(npm.name(), app.port)
            await home.set(wanted)
            assert await home.proven(wanted)
            good = [_text(finding) async for finding in doctor_npm.npm(settings(npm), home.proxy)]
            assert good[-1].startswith("ok ")
            assert f"{npm.name()} answers through" in good[-1]
            assert any("TLS address" in text and text.startswith("ok ") for text in good)
            npm.address = f"127.0.0.1:{app.port}"
            async with site(npm) as lost:
                away = [_text(finding) async for finding in doctor_npm.npm(settings(npm), lost.proxy)]
            assert "proxy.address" in away[-1]
        bad = [_text(finding) async for finding in doctor_npm.npm(settings(npm), home.proxy)]
        assert bad[-1].startswith("FAIL")
        assert "cannot reach 127.0.0.1" in bad[-1]
        assert "docker.network" in bad[-1]


def _text(finding: Finding) -> str:
    return f"{finding.level} {finding.check}: {finding.detail} {finding.remedy}"
