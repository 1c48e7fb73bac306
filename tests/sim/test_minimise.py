"""What a person gets when a history fails: the seed, how to play it again, and the least that shows the mistake."""

from dataclasses import replace

import pytest

from controller.core.model.decision import Plan, Rules
from controller.core.model.desired import DesiredStage
from controller.core.model.observed import Observed
from controller.core.planning import plan as plans
from tests.sim import soak
from tests.sim.apps import App
from tests.sim.histories import CALM, Violation, play_recorded
from tests.sim.minimise import fails_as, minimise
from tests.sim.recorded_faults import StruckFault
from tests.sim.replay import failure_report
from tests.sim.scripts import Script, failure
from tests.sim.sources import project, request
from tests.sim.user_acts import Act

SEED = 1
TRUE = plans.plan


def no_drain(desired: DesiredStage, observed: Observed, rules: Rules, now: float) -> Plan:
    """A planted bug: the old one gets no time."""
    return TRUE(replace(desired, drain=0.0), observed, rules, now)


def violation(seed: int = SEED) -> Violation:
    """What this seed shows of the bug."""
    with pytest.raises(Violation) as found:
        play_recorded(seed, CALM)
    return found.value


def test_a_failing_history_is_cut_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it takes to see the mistake stays, whatever else happened goes; without the mistake the rest holds."""
    long = Script(
        acts=(
            Act("write", {"documents": (project("shop", "1.0"), request("asked", "2.0"))}, 40.0),
            Act("prune images", wait=1.0),
            Act("hurt", {"what": "pause", "stage": "shop/dev", "tag": "2.0", "nth": 0}, 10.0),
            Act("proxy", {"what": "restart"}, 3.0),
            Act("end", {"documents": (project("shop", "2.0", bake="15s"),)}),
        ),
        apps={"1.0": App(stops=2.0), "2.0": App(), "3.0": App()},
        faults=(StruckFault("docker.list", 3, "fail"), StruckFault("docker.start", 1, "lost")),
    )
    long.play()
    monkeypatch.setattr(plans, "plan", no_drain)
    assert fails_as(long, "S5")
    least = minimise(long, "S5")
    assert fails_as(least, "S5")
    assert [act.name for act in least.acts] == ["write", "end"], least.text()
    assert "bake" not in least.text()
    assert not least.faults
    monkeypatch.undo()
    least.play()


def test_a_failure_says_how_to_play_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The seed and its options are in the command; the script is what would be kept."""
    monkeypatch.setattr(plans, "plan", no_drain)
    text = failure_report(violation(), 0.0)
    assert f"python -m tests.sim.replay {SEED} --rate 0 --crash 0" in text
    assert "do: end" in text


def test_a_soak_names_the_seeds_that_fail(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0 and a rate when all holds; else 1, and each failing seed with the command that shows why."""
    assert soak.main(["4", "0"]) == 0
    assert "4 of 4" in capsys.readouterr().out
    monkeypatch.setattr(plans, "plan", no_drain)
    assert soak.main(["4", "0"]) == 1
    assert "python -m tests.sim.replay" in capsys.readouterr().out


def test_a_failure_of_another_kind_is_another_failure() -> None:
    """Names, numbers and times make no kind; the property that was broken does."""
    one, other = AssertionError("S5 at   3.0 controller: x"), AssertionError("S3 at   3.0 controller: x")
    assert failure(one) == "S5" != failure(other)
    first, second = (AssertionError(f"{name} is exited, passed False") for name in ("shop-dev-1-0-x-1", "blog-prod-2"))
    assert failure(first) == failure(second) == "AssertionError: is exited passed False"
