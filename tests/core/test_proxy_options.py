"""Options of routes that a proxy cannot carry out leave a stage as it is, with words that say why."""

from typing import Any

import pytest

from controller.core.catalog import build
from controller.core.catalog.route_options import ProxyKind
from controller.core.catalog.types import CatalogRules, Incumbents, Sourced
from controller.core.documents.spec import Project
from controller.core.model.desired import DesiredStage


def stage(route: dict[str, Any], kind: ProxyKind, tls: bool, port: int | None = 80) -> DesiredStage:
    """The stage of a project with these options, under these settings."""
    document = Project.model_validate(
        {
            "metadata": {"name": "shop"},
            "spec": {
                "image": "example.com/shop",
                **({"port": port} if port else {}),
                "route": route,
                "stages": [{"name": "dev", "instances": [{"tag": "1.0"}]}],
            },
        }
    )
    rules = CatalogRules("home-1", "example.com", proxy=kind, tls=tls)
    return build.catalog([Sourced.of_file(document, "", "a.yaml")], rules, Incumbents()).stages["shop/dev"]


@pytest.mark.parametrize(
    ("route", "tls", "word"),
    [
        ({"certificate": "wild"}, True, "route.certificate"),
        ({"accessList": "office"}, False, "route.accessList"),
        ({"forceTLS": True}, False, "route.forceTLS"),
        ({"forceTLS": False}, True, "route.forceTLS"),
    ],
)
def test_what_caddy_cannot_do_leaves_the_stage_as_it_is(route: dict[str, Any], tls: bool, word: str) -> None:
    """Nothing is begun for it; the notice names the option. Without a port there is no route to protect."""
    found = stage(route, "caddy", tls)
    assert found.suspend
    assert [(notice.reason, word in notice.message) for notice in found.notices] == [("UnsupportedOption", True)]
    assert not stage(route, "caddy", tls, port=None).suspend


@pytest.mark.parametrize(
    ("route", "kind", "tls"),
    [
        ({}, "caddy", False),
        ({"websockets": False, "forceTLS": False}, "caddy", False),
        ({"forceTLS": True}, "caddy", True),
        ({"certificate": "wild", "accessList": "office", "forceTLS": True}, "npm", False),
    ],
)
def test_what_the_proxy_can_do_is_done(route: dict[str, Any], kind: ProxyKind, tls: bool) -> None:
    """The stage is as any other."""
    found = stage(route, kind, tls)
    assert (found.suspend, found.notices) == (False, ())
