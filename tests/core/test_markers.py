"""A marker stands for the whole route."""

import dataclasses
from typing import Any

import pytest

from controller.core.model.desired import Options
from controller.core.model.digests import marker, with_marker
from controller.core.model.observed import Route

ROUTE = Route("shop.test", "shop/dev", "1.0", "default", "a" * 64, "10.0.0.2", 8080)
CHANGES: dict[str, Any] = {
    "hostname": "other.test",
    "stage": "shop/prod",
    "tag": "1.1",
    "kind": "instance",
    "container": "b" * 64,
    "host": "10.0.0.3",
    "port": 8081,
    "options": Options(websockets=False),
}


@pytest.mark.parametrize("field", sorted({field.name for field in dataclasses.fields(Route)} - {"marker"}))
def test_every_field_counts(field: str) -> None:
    """A route that differs in any one field has another marker."""
    changed = dataclasses.replace(ROUTE, **{field: CHANGES[field]})
    assert marker(changed) != marker(ROUTE)


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Options)])
def test_every_option_counts(name: str) -> None:
    """A route that differs in any one option has another marker."""
    value: object = False if name in {"websockets", "force_tls"} else "x"
    changed = dataclasses.replace(ROUTE, options=Options(**{name: value}))  # type: ignore[arg-type]
    assert marker(changed) != marker(ROUTE)


def test_the_marker_itself_does_not_count() -> None:
    """Marking twice is marking once, and a wrong marker is put right."""
    marked = with_marker(ROUTE)
    assert len(marked.marker) == 16
    assert with_marker(marked) == marked
    assert with_marker(dataclasses.replace(marked, marker="edited")) == marked


def test_a_marker_never_changes_between_versions() -> None:
    """A route written by an earlier version is still recognised."""
    assert marker(ROUTE) == "d67d912a0a83849c"
