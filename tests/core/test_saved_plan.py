"""Saved plans: what is one, and for which stages it still holds."""

from pathlib import Path

import pytest

from controller.cli import saved_plan
from controller.cli.main import execute
from controller.cli.output import Stop
from controller.core.forecast.types import Change, Forecast, StageForecast

ADD = (Change("+", "instance", "1.0", "it is declared"),)
PLAN = Forecast((StageForecast("shop/dev", ADD, fingerprint="f1"), StageForecast("web/dev", fingerprint="f2")), "d1")


def test_a_plan_is_read_back_as_it_was_saved(tmp_path: Path) -> None:
    """It holds for the world it was made in."""
    path = tmp_path / "plan.json"
    saved_plan.write(PLAN, path)
    assert saved_plan.read(path) == {"shop/dev": "f1", "web/dev": "f2"}
    saved_plan.require(saved_plan.read(path), PLAN)


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (PLAN.stages, []),
        ((PLAN.stages[0], StageForecast("web/dev", fingerprint="f3")), ["web/dev: what is declared or what runs has"]),
        (PLAN.stages[:1], ["web/dev: it is neither declared nor running any more"]),
        ((*PLAN.stages, StageForecast("new/dev", ADD, fingerprint="f4")), ["new/dev: the plan knows nothing of it"]),
        ((*PLAN.stages, StageForecast("new/dev", fingerprint="f4")), []),
    ],
    ids=["same", "moved", "gone", "new", "new and quiet"],
)
def test_each_stage_that_moved_is_named(now: tuple[StageForecast, ...], told: list[str]) -> None:
    """One sentence per stage for which the plan does not hold; a new stage counts when something would be done."""
    found = saved_plan.differences({"shop/dev": "f1", "web/dev": "f2"}, Forecast(now))
    assert [sentence[: len(expected)] for sentence, expected in zip(found, told, strict=True)] == told


def test_a_plan_that_is_out_of_date_ends_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    """With 1, before anything is done, naming the stage."""
    with pytest.raises(Stop, match="the plan is out of date") as stopped:
        saved_plan.require({"shop/dev": "f0"}, PLAN)
    assert stopped.value.code == 1
    assert "shop/dev: what is declared" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    ["", "kind: Project\n", "[]", "{}", '{"formatVersion": 9, "stages": []}', '{"formatVersion": 1, "stages": 5}'],
)
def test_anything_else_is_a_usage_error(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Documents are given by -f; another file in their place ends with 64 and says so."""
    path = tmp_path / "desired.yaml"
    path.write_text(text)
    assert execute(["apply", str(path)]) == 64
    assert "plan" in capsys.readouterr().err


def test_a_missing_plan_is_a_usage_error(tmp_path: Path) -> None:
    """A file that is not there."""
    assert execute(["apply", str(tmp_path / "no.json")]) == 64
