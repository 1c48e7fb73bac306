"""The names that Holdfast gives never change: Docker's name conflict is the lock, and people bookmark hostnames."""

import pytest

from controller.core.model import names


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("1.4.2", "1-4-2"),
        ("Feature/Login", "feature-login"),
        ("--a..b__c--", "a-b-c"),
        ("a" * 63, "a" * 63),
        ("a" * 64, "a" * 56 + "-ffe054"),
        ("a" * 55 + "-" + "b" * 20, "a" * 55 + "-9e0e23"),
        ("ä", "x-33e6d7"),
        ("", "x-e3b0c4"),
    ],
    ids=["dots", "case", "runs", "63", "64", "cut at a dash", "nothing usable", "empty"],
)
def test_a_label_is_safe_and_always_the_same(text: str, label: str) -> None:
    """RFC 1035: at most 63 characters; what is cut off is told apart by 6 hex of the whole."""
    assert names.dns_label(text) == label


@pytest.mark.parametrize(
    ("pattern", "domain", "tag", "name"),
    [
        ("stage-{stage}-{project}", "Example.com", "", "stage-dev-my-shop.example.com"),
        ("stage-{stage}-{project}-{tag}", "example.com", "1.4.2", "stage-dev-my-shop-1-4-2.example.com"),
        ("{tag}.{project}", "example.com", "1.4.2", "1-4-2.my-shop.example.com"),
        ("{project}.test", "", "", "my-shop.test"),
    ],
    ids=["default", "instance", "two labels", "no domain"],
)
def test_a_hostname_fills_its_pattern(pattern: str, domain: str, tag: str, name: str) -> None:
    """Each label is made safe by itself."""
    assert names.hostname(pattern, domain, "My_Shop", "dev", tag) == name


def test_long_hostnames_that_begin_alike_are_told_apart() -> None:
    """A label of a hostname has at most 63 characters, and the digest is of the whole."""
    one, other = (
        names.hostname("stage-{stage}-{project}-{tag}", "example.com", "shop", "dev", "x" * 50 + end) for end in "ab"
    )
    assert one != other
    assert {len(name.partition(".")[0]) for name in (one, other)} == {63}


def test_a_container_name_keeps_revision_and_attempt_whole() -> None:
    """At most 63 characters, whatever the tag; a one-off container says that it is one."""
    assert names.container_name("shop/dev", "1.0", "abcdef01", 3) == "shop-dev-1-0-abcdef01-3"
    assert names.container_name("shop/dev", "1.0", "abcdef01", 3, "preDeploy") == "shop-dev-1-0-abcdef01-3-pre"
    fits = names.container_name("shop/dev", "x" * 43, "abcdef01", 1)
    assert fits == f"shop-dev-{'x' * 43}-abcdef01-1"
    assert len(fits) == 63
    cut = names.container_name("shop/dev", "x" * 44, "abcdef01", 1)
    assert len(cut) == 63
    assert cut.endswith("-abcdef01-1")
