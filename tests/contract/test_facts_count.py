"""The facts are as many on the fakes as on what they stand for, and no fewer than the page says."""

from collections import Counter

from tests.contract.facts_count import counted


def test_each_fact_is_had_on_both_sides() -> None:
    """The Engine and the state folder simulated and real, the proxies in four forms."""
    for name, sides in counted().items():
        assert set(sides) in ({"simulated", "real"}, {"simulated caddy", "real caddy", "simulated npm", "npm fake"})
        assert len(set(sides.values())) == 1, f"{name}: {dict(sides)}"


def test_there_are_enough_facts() -> None:
    """About the Engine and its prober, about each proxy, about the state folder."""
    found = counted()
    sides = sum((count for name, count in found.items() if name not in ("proxy", "store")), Counter[str]())
    assert sides["simulated"] == sides["real"] >= 280
    assert found["proxy"]["real caddy"] >= 45
    assert found["store"]["real"] >= 30
