"""`apply` as a person or a script runs it: what it shows, how it ends, and how it goes on after an interrupt."""

import json
import re
import signal
import subprocess

from tests.e2e.terminal import COLOR, CTRL_C, CURSOR, Terminal
from tests.e2e.test_lifecycle import applied, running, serves
from tests.parts.sandbox import PROGRAM, Sandbox

TRANSITION = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ shop/dev/\S+ \S.*")


def begun(box: Sandbox, *arguments: str) -> "subprocess.Popen[str]":
    """`apply` in the background."""
    return subprocess.Popen(
        [*PROGRAM, "apply", *arguments],
        cwd=box.folder,
        env=box.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_without_a_terminal_there_is_one_line_per_transition(sandbox: Sandbox) -> None:
    """stderr has a stamped line for each, never the same twice in a row, no colour and no log; stdout has the URLs."""
    sandbox.push("1.0")
    sandbox.push("2.0")
    sandbox.write(sandbox.project("shop", "1.0"))
    applied(sandbox)
    sandbox.write(sandbox.project("shop", "2.0"))

    done = sandbox.holdfast("apply", NO_COLOR="", TERM="xterm-256color")

    lines = done.stderr.splitlines()
    assert [line for line in lines if not TRANSITION.fullmatch(line)] == []
    assert len(lines) == len({line[21:] for line in lines})
    words = dict.fromkeys(line.split(" ")[2] for line in lines if line.split(" ")[1] == "shop/dev/2.0")
    assert [*words] == ["Pulling", "Creating", "Starting", "Gating", "Routing", "Verifying", "Running"]
    assert lines[-1].endswith("shop/dev/1.0 gone")
    assert done.stdout.splitlines() == [
        "shop/dev",
        f"  http://{sandbox.host('shop')}{sandbox.caddy.listen}",
        f"  http://{sandbox.host('shop', '2.0')}{sandbox.caddy.listen}",
    ]
    data = sandbox.holdfast("apply", "-o", "json")
    assert json.loads(data.stdout)["stages"]["shop/dev"]["instances"][0]["tag"] == "2.0"


def test_a_terminal_shows_live_lines_and_colour_only_where_wanted(sandbox: Sandbox) -> None:
    """Lines are written over with colour; NO_COLOR and --no-color take only the colour, TERM=dumb both."""
    sandbox.push("1.0")
    sandbox.write(sandbox.project("shop", "1.0"))
    code, text = Terminal(sandbox, "apply").end()
    assert code == 0
    assert COLOR.search(text)
    assert CURSOR.search(COLOR.sub("", text))
    plain = CURSOR.sub("", COLOR.sub("", text)).replace("\r", "\n")
    assert "✓ shop/dev/1.0  Running" in plain
    assert not TRANSITION.search(plain)
    assert text.rstrip().endswith(f"http://{sandbox.host('shop', '1.0')}{sandbox.caddy.listen}")

    for arguments, environment in (([], {"NO_COLOR": "1"}), (["--no-color"], {})):
        code, text = Terminal(sandbox, "apply", *arguments, **environment).end()
        assert code == 0
        assert COLOR.search(text) is None
        assert CURSOR.search(text)
    code, text = Terminal(sandbox, "apply", TERM="dumb").end()
    assert (code, "\x1b" in text) == (0, False)
    assert TRANSITION.search(text)

    sandbox.write(sandbox.project("shop"))
    assert "\x1b[31m-" in Terminal(sandbox, "plan").end()[1]
    assert "\x1b" not in Terminal(sandbox, "plan", "--no-color").end()[1]


def test_ctrl_c_ends_apply_and_the_next_one_goes_on(sandbox: Sandbox) -> None:
    """130 with a sentence on how it goes on; what ran keeps running; nothing is left in the end."""
    sandbox.push("1.0")
    sandbox.push("2.0", START_DELAY="3")
    sandbox.write(sandbox.project("shop", "1.0"))
    applied(sandbox)
    sandbox.write(sandbox.project("shop", "2.0"))
    console = Terminal(sandbox, "apply")
    console.wait(lambda text: "Gating" in text)

    console.press(CTRL_C)

    code, text = console.end(15)
    assert code == 130
    assert "interrupted: what runs keeps running, and 'holdfast apply' goes on from here" in text
    assert "Traceback" not in text
    assert serves(sandbox, "1.0", sandbox.host("shop"))
    applied(sandbox)
    assert list(running(sandbox)) == ["2.0"]
    assert sandbox.leftovers() == []


def test_what_takes_too_long_or_is_locked_ends_with_75(sandbox: Sandbox) -> None:
    """While an apply runs another one, a controller and a nudge are locked out; a timeout says what is not done."""
    sandbox.push("1.0", START_DELAY="2")
    sandbox.write(sandbox.project("shop", "1.0"))
    first = begun(sandbox)
    sandbox.wait(lambda: len(sandbox.containers()) == 1, "the rollout has begun")
    first.send_signal(signal.SIGSTOP)
    for verb in (["apply"], ["run"], ["suspend", "shop/dev"]):
        locked = sandbox.holdfast(*verb)
        assert locked.returncode == 75
        assert f"is held by process {first.pid}" in locked.stderr
    assert sandbox.holdfast("plan").returncode == 0
    assert "shop/dev       1.0" in sandbox.holdfast("get").stdout
    first.send_signal(signal.SIGCONT)
    assert first.wait(60) == 0

    sandbox.push("2.0", START_DELAY="3")
    sandbox.write(sandbox.project("shop", "2.0"))
    done = sandbox.holdfast("apply", "--timeout", "1s")
    assert done.returncode == 75
    assert "error: timed out" in done.stderr
    assert "shop/dev: 1.0 is held over" in done.stderr
    assert re.search(r"2\.0: (Pulling|Creating|Starting|Gating)", done.stderr)
    assert serves(sandbox, "1.0", sandbox.host("shop"))


def test_beside_a_controller_apply_asks_follows_and_says_how_it_ended(sandbox: Sandbox) -> None:
    """It ends with the URLs; a broken tag ends with 1 and a sentence per instance; Ctrl-C leaves the controller at it;
    retry and reconcile work; documents with errors are shown, and get shows them too."""
    for tag, behaviour in (("1.0", {}), ("2.0", {"BROKEN": "health"}), ("3.0", {"START_DELAY": "8"})):
        sandbox.push(tag, **behaviour)
    sandbox.write(sandbox.project("shop", "1.0"))
    sandbox.start()
    sandbox.wait(lambda: serves(sandbox, "1.0", sandbox.host("shop")), "the controller is there")
    done = applied(sandbox)
    assert f"http://{sandbox.host('shop')}" in done.stdout
    assert sandbox.holdfast("reconcile", "shop/dev/1.0").stdout == "shop/dev\n"

    sandbox.write(sandbox.project("shop", "2.0"))
    done = applied(sandbox, 1)
    assert "shop/dev: 2.0 was rolled back: 3 attempts: status 503" in done.stderr
    assert "shop/dev: 1.0 is held over" in done.stderr
    assert sandbox.holdfast("retry", "shop/dev/1.0").returncode == 1
    assert sandbox.holdfast("retry", "shop").stdout == "shop/dev/2.0 will be tried again\n"
    applied(sandbox, 1)
    rows = json.loads(sandbox.holdfast("history", "shop/dev/2.0", "-o", "json").stdout)
    assert [row["status"] for row in rows] == ["RolledBack", "RolledBack"]

    sandbox.write("kind: Project\n", name="broken.yaml")
    done = applied(sandbox, 65)
    assert "desired/broken.yaml:1:1" in done.stderr
    shown = sandbox.holdfast("get").stdout
    assert "! desired/broken.yaml:1:1: " in shown
    assert "the last good documents stay" in shown
    (sandbox.desired / "broken.yaml").unlink()

    sandbox.write(sandbox.project("shop", "3.0"))
    follower = Terminal(sandbox, "apply")
    follower.wait(lambda text: "shop/dev/3.0  Gating" in text)
    follower.press(CTRL_C)
    code, text = follower.end()
    assert code == 130
    assert "interrupted: the running controller goes on; 'holdfast get' shows how far it is" in text
    sandbox.wait(lambda: serves(sandbox, "3.0", sandbox.host("shop")), "the controller went on")
    assert sandbox.stop() == 0


def test_retry_and_suspend_without_a_controller(sandbox: Sandbox) -> None:
    """They act on the state folder; get says so at once, and the next apply does it."""
    sandbox.push("1.0")
    sandbox.push("2.0", BROKEN="exit")
    sandbox.write(sandbox.project("shop", "1.0"))
    applied(sandbox)
    assert sandbox.holdfast("suspend", "shop/prod").returncode == 1
    assert sandbox.holdfast("suspend", "shop/dev").returncode == 0
    assert "! shop/dev: suspended; 'holdfast resume shop/dev' ends it" in sandbox.holdfast("get").stdout
    sandbox.write(sandbox.project("shop", "2.0"))
    assert "suspended, nothing will happen" in sandbox.holdfast("plan").stdout
    assert "shop/dev: left alone: holdfast suspend" in applied(sandbox, 1).stderr
    assert list(running(sandbox)) == ["1.0"]

    assert json.loads(sandbox.holdfast("resume", "shop/dev", "-o", "json").stdout)["suspended"] is False
    assert "! shop/dev: resumed, not reconciled yet" in sandbox.holdfast("get").stdout
    assert "2.0 was rolled back" in applied(sandbox, 1).stderr
    assert "!" in sandbox.holdfast("get").stdout

    sandbox.push("2.0")
    assert sandbox.holdfast("retry", "shop").stdout == "shop/dev/2.0 will be tried again\n"
    applied(sandbox)
    assert list(running(sandbox)) == ["2.0"]
    assert sandbox.holdfast("retry", "shop/dev/1.0").returncode == 1


def test_suspend_and_resume_beside_a_controller(sandbox: Sandbox) -> None:
    """The stage is left alone at once, and looked after again at once."""
    sandbox.push("1.0")
    sandbox.push("2.0")
    sandbox.write(sandbox.project("shop", "1.0"))
    sandbox.start()
    sandbox.wait(lambda: serves(sandbox, "1.0", sandbox.host("shop")), "the controller is there")
    unknown = sandbox.holdfast("suspend", "shop/prod")
    assert (unknown.returncode, "there is no stage shop/prod" in unknown.stderr) == (1, True)
    assert sandbox.holdfast("suspend", "shop/dev").returncode == 0
    sandbox.write(sandbox.project("shop", "2.0"))
    assert "left alone" in applied(sandbox, 1).stderr
    assert list(running(sandbox)) == ["1.0"]
    assert "! shop/dev: suspended" in sandbox.holdfast("get").stdout

    assert sandbox.holdfast("resume", "shop/dev").returncode == 0
    sandbox.wait(lambda: list(running(sandbox)) == ["2.0"], "it is looked after again")


def test_beside_a_controller_a_proxy_that_is_away_is_told_at_once(sandbox: Sandbox) -> None:
    """What was seen before is not taken for the truth: apply and plan end with 69, and go on when it is back."""
    sandbox.push("1.0")
    sandbox.write(sandbox.project("shop", "1.0"))
    sandbox.start()
    sandbox.wait(lambda: serves(sandbox, "1.0", sandbox.host("shop")), "the controller is there")
    sandbox.caddy.stop()
    for verb in ("apply", "plan"):
        done = sandbox.holdfast(verb)
        assert done.returncode == 69
        assert f"no Caddy at {sandbox.caddy.admin}" in done.stderr
    assert sandbox.holdfast("get").returncode == 0
    sandbox.caddy.start()
    applied(sandbox)
    assert serves(sandbox, "1.0", sandbox.host("shop"))


def test_a_reader_that_leaves_early_does_not_hide_a_failure(sandbox: Sandbox) -> None:
    """`apply | head -0` still ends with 1 when a tag was rolled back."""
    sandbox.push("1.0", BROKEN="exit")
    sandbox.write(sandbox.project("shop", "1.0", progressDeadline="1s"))
    child = begun(sandbox)
    assert child.stdout is not None
    child.stdout.close()
    assert child.wait(60) == 1
