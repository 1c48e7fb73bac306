"""The verbs that read, over a stage with everything: one that runs, one that failed; each form, before and after."""

import json
import re

import yaml

from tests.e2e.terminal import CTRL_C, Terminal
from tests.e2e.test_lifecycle import applied
from tests.parts.sandbox import Sandbox


def test_every_reading_verb_in_every_form(sandbox: Sandbox) -> None:
    """Text for people; json and yaml say the same data; -o stands before or after the verb; wide has more columns."""
    sandbox.push("1.0")
    sandbox.push("2.0", BROKEN="health")
    sandbox.write(sandbox.project("shop", "1.0", "2.0"))
    applied(sandbox, 1)

    def out(*arguments: str) -> str:
        done = sandbox.holdfast(*arguments)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    needs, head, first, second = out("get").splitlines()
    assert needs.startswith("! shop/dev: HealthCheckFailed: 2.0: 3 attempts: status 503")
    assert head.split() == ["PROJECT/STAGE", "TAG", "PHASE", "SYNC", "HEALTH", "DEFAULT", "AGE", "URL"]
    assert first.split()[:6] == ["shop/dev", "1.0", "Running", "Synced", "Healthy", "*"]
    assert second.split()[:5] == ["shop/dev", "2.0", "RolledBack", "OutOfSync", "Missing"]
    wide = out("get", "-o", "wide").splitlines()[1].split()
    assert wide[-4:] == ["REVISION", "DIGEST", "CONTAINER", "REASON"]

    for verb in ("get", "describe", "explain"):
        data = json.loads(out(verb, "shop", "-o", "json"))
        assert list(data) == ["shop/dev"]
        assert yaml.safe_load(out("-o", "yaml", verb, "shop")) == data
    one = json.loads(out("get", "shop/dev/1.0", "-o", "json"))["shop/dev"]["instances"]
    assert [item["tag"] for item in one] == ["1.0"]
    rows = json.loads(out("history", "-o", "json"))
    assert [(row["tag"], row["kind"], row["status"]) for row in rows] == [
        ("2.0", "deploy", "RolledBack"),
        ("1.0", "deploy", "Succeeded"),
    ]
    assert yaml.safe_load(out("history", "--limit", "1", "-o", "yaml")) == rows[:1]

    assert "1.0  Running  Synced  Healthy  default" in out("describe", "shop/dev")
    assert "container: shop-dev-1-0-" in out("describe", "shop/dev")
    why = out("explain", "shop/dev/2.0")
    assert "it is not tried again by itself; 'holdfast retry shop/dev/2.0' does" in why
    assert "1.0  Running" not in why

    lines = [line for line in out("events").splitlines() if not line.startswith("  | ")]
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (info|warning|error) +shop/dev/\S+ ", line) for line in lines)
    data = [json.loads(line) for line in out("events", "-o", "json").splitlines()]
    assert len(data) == len(lines)
    assert list(yaml.safe_load_all(out("events", "-o", "yaml"))) == data
    assert [line["message"] for line in data] == [
        json.loads(line)["message"] for line in out("logs", "shop", "-o", "json").splitlines()
    ]
    assert {json.loads(line)["tag"] for line in out("logs", "shop/dev/2.0", "-o", "json").splitlines()} == {"2.0"}
    assert len(out("events", "--limit", "2", "-o", "json").splitlines()) == 2
    printed = out("logs", "shop/dev/1.0", "--app", "--limit", "1")
    assert json.loads(out("logs", "shop/dev/1.0", "--app", "--limit", "1", "-o", "json"))["line"] + "\n" == printed
    unknown = sandbox.holdfast("logs", "shop/dev/3.0", "--app")
    assert (unknown.returncode, "there are 1.0" in unknown.stderr) == (1, True)


def test_following_goes_on_until_ctrl_c(sandbox: Sandbox) -> None:
    """`logs -f` shows the lines of a rollout that begins later, `--app -f` those of the app; Ctrl-C ends both."""
    sandbox.push("1.0")
    sandbox.push("2.0")
    sandbox.write(sandbox.project("shop", "1.0"))
    applied(sandbox)
    followed = Terminal(sandbox, "logs", "shop", "-f")
    followed.wait(lambda text: "1.0 runs as declared" in text)
    app = Terminal(sandbox, "logs", "shop/dev/1.0", "--app", "-f")
    app.wait(lambda text: "1.0 listens on" in text)

    sandbox.write(sandbox.project("shop", "1.0", "2.0"))
    applied(sandbox)

    followed.wait(lambda text: "2.0 runs as declared" in text)
    for terminal in (followed, app):
        terminal.press(CTRL_C)
        code, text = terminal.end(10)
        assert code == 130
        assert "Traceback" not in text
        assert "bug" not in text
