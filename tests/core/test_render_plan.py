"""A plan as text and as data: golden outputs."""

import json

from controller.cli.plan import render
from controller.core.forecast.types import Change, Forecast, StageForecast
from controller.core.planning.spec_fields import FieldChange

PLAN = Forecast(
    (
        StageForecast(
            "shop/dev",
            (
                Change("+", "instance", "1.5.0", "declared, not running"),
                Change("-", "instance", "1.4.2", "it is beyond maxInstances, and every newer one has passed"),
                Change(
                    "~",
                    "route",
                    "stage-dev-shop.example.com",
                    "it moves from 1.4.2 to 1.5.0",
                    (FieldChange("tag", "1.4.2", "1.5.0"),),
                ),
            ),
            0.0,
            "BlueGreen: the old one serves until the new one answers",
            ("instance feature", "instance 1.4.3", "route a.example.com", "route b.example.com"),
            ("1.4.2 stays away: beyond maxInstances; it runs again when there is room",),
            "aaaa",
        ),
        StageForecast(
            "shop/prod",
            (
                Change(
                    "-/+",
                    "instance",
                    "1.4.2",
                    "the declared revision differs from the running one",
                    (
                        FieldChange("args", None, '["' + 100 * "x" + '"]'),
                        FieldChange("digest", "sha256:" + 64 * "a", "(known after pull)"),
                        FieldChange("env.DB_PASSWORD", "***", "***"),
                        FieldChange("env.LOG_LEVEL", "info", None),
                    ),
                ),
            ),
            112.0,
            "estimate; Recreate, volume shop-prod-data is writable: the old one stops before the new one starts",
            strategy="Recreate",
            strategy_why="volume shop-prod-data is writable",
        ),
        StageForecast("shop/test", unchanged=("instance 1.4.2", "route t.example.com")),
        StageForecast("shop/gone"),
    ),
    "cafe",
)
TEXT = """\
shop/dev
  +   instance 1.5.0  (declared, not running)
  -   instance 1.4.2  (it is beyond maxInstances, and every newer one has passed)
  ~   route    stage-dev-shop.example.com  (it moves from 1.4.2 to 1.5.0)
        tag: 1.4.2 → 1.5.0
  !   1.4.2 stays away: beyond maxInstances; it runs again when there is room
  strategy: BlueGreen (default)
  downtime: 0 s (BlueGreen: the old one serves until the new one answers)
  left alone: instance feature, instance 1.4.3, 2 routes

shop/prod
  -/+ instance 1.4.2  (the declared revision differs from the running one)
        args: (none) → ["xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
        digest: sha256:aaaaaaaaaaaa → (known after pull)
        env.DB_PASSWORD: *** (hidden)
        env.LOG_LEVEL: info → (none)
  strategy: Recreate (volume shop-prod-data is writable)
  downtime: up to 1 min 52 s (estimate; Recreate, volume shop-prod-data is writable: the old one stops before the new one starts)

shop/test
  left alone: instance 1.4.2, 1 route

shop/gone
  nothing declared, nothing there

Plan: 1 to add, 2 to change, 1 to remove.
"""  # noqa: E501


def test_a_plan_reads_as_text() -> None:
    """Symbols, reasons, fields, notices, downtime and what is left alone; the sum is the last line."""
    assert render(PLAN) == TEXT


def test_a_plan_without_changes_says_so() -> None:
    """Neither a row of zeros nor silence."""
    assert render(Forecast()) == "Plan: nothing to do.\n"
    assert render(Forecast((PLAN.stages[2],))).endswith("\n\nPlan: nothing to do.\n")


def test_a_plan_as_data_has_everything_and_a_format_version() -> None:
    """It survives JSON, and names the stages' fingerprints that a saved plan is bound to."""
    found = json.loads(json.dumps(PLAN.to_json()))
    assert (found["formatVersion"], found["digest"]) == (1, "cafe")
    assert found["summary"] == {"add": 1, "change": 2, "remove": 1}
    first = found["stages"][0]
    assert (first["key"], first["fingerprint"], first["downtime"]) == ("shop/dev", "aaaa", 0.0)
    assert first["changes"][2]["fields"] == [{"path": "tag", "old": "1.4.2", "new": "1.5.0"}]
    assert first["unchanged"][0] == "instance feature"
