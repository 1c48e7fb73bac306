"""What a person sees before and after a change: plan, explain and the output of an app, as the program prints them."""

import json

from tests.parts.sandbox import Sandbox


def symbols(box: Sandbox) -> list[str]:
    """Symbol, kind and name of each change that `plan` foresees."""
    done = box.holdfast("plan", "-o", "json")
    assert done.returncode == 0, done.stderr
    changes = [change for stage in json.loads(done.stdout)["stages"] for change in stage["changes"]]
    return [f"{change['symbol']} {change['kind']} {change['name']}" for change in changes]


def test_a_plan_foresees_what_apply_then_does(sandbox: Sandbox) -> None:
    """Added before the apply, nothing after it, and a changed variable by name; the exit code tells changes."""
    sandbox.push("1.0")
    sandbox.write(sandbox.project("shop", "1.0", env=[{"name": "LEVEL", "value": "info"}]))
    default, own = sandbox.host("shop"), sandbox.host("shop", "1.0")
    assert symbols(sandbox) == ["+ instance 1.0", f"+ route {default}", f"+ route {own}"]
    assert sandbox.containers() == []
    assert sandbox.holdfast("plan", "--detailed-exitcode").returncode == 2
    assert sandbox.holdfast("apply").returncode == 0
    rest = sandbox.holdfast("plan", "--detailed-exitcode")
    assert (rest.returncode, rest.stdout) == (
        0,
        "shop/dev\n  left alone: instance 1.0, 2 routes\n\nPlan: nothing to do.\n",
    )
    sandbox.write(sandbox.project("shop", "1.0", env=[{"name": "LEVEL", "value": "debug"}]))
    text = sandbox.holdfast("plan").stdout
    assert "  ~   instance 1.0" in text
    assert "        env.LEVEL: info → debug\n" in text
    assert "  downtime: 0 s (BlueGreen" in text


def test_explain_tells_why_a_tag_was_rolled_back(sandbox: Sandbox) -> None:
    """The reason, the container's last output, what helps; the good one still prints."""
    sandbox.push("1.0")
    sandbox.push("2.0", BROKEN="health")
    sandbox.write(sandbox.project("shop", "1.0"))
    assert sandbox.holdfast("apply").returncode == 0
    sandbox.write(sandbox.project("shop", "1.0", "2.0"))
    assert sandbox.holdfast("apply").returncode == 1
    text = sandbox.holdfast("explain", "shop/dev/2.0").stdout
    assert "holdfast retry shop/dev/2.0" in text
    assert "503" in text
    assert "2.0 was rolled back" in sandbox.holdfast("plan").stdout
    app = sandbox.holdfast("logs", "shop/dev/1.0", "--app", "--limit", "5")
    assert app.returncode == 0
    assert 1 <= len(app.stdout.splitlines()) <= 5
