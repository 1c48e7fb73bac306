"""Commands beside and without a running controller, as a person or a script uses them."""

import json
import signal
import socket
import urllib.request
from functools import partial
from typing import Any

from tests.parts.sandbox import Sandbox


def ready(box: Sandbox) -> bool:
    """Everything declared runs and has settled, by the stored status."""
    found: dict[str, Any] = json.loads(box.holdfast("get", "-o", "json").stdout or "{}")
    kinds = [{item["type"]: item["status"] for item in stage["conditions"]} for stage in found.values()]
    return bool(kinds) and all(item.get("Ready") == "True" for item in kinds)


def applied(box: Sandbox, *arguments: str) -> None:
    """`holdfast apply` ended with 0."""
    done = box.holdfast("apply", *arguments)
    assert done.returncode == 0, done.stderr


def tags(box: Sandbox) -> list[str]:
    """Stage and tag of everything that runs."""
    labels = [item["Config"]["Labels"] for item in box.containers() if item["State"]["Status"] == "running"]
    return sorted(f"{item['holdfast.dev/stage']} {item['holdfast.dev/tag']}" for item in labels)


def test_a_saved_plan_is_done_only_while_it_holds(sandbox: Sandbox) -> None:
    """It is applied in the world it was made in; after an edit it is refused by name and nothing changes."""
    sandbox.push("1.0")
    sandbox.push("1.1")
    sandbox.write(sandbox.project("shop", "1.0"))
    assert sandbox.holdfast("plan", "--out", "plan.json").returncode == 0
    sandbox.write(sandbox.project("shop", "1.1"))
    refused = sandbox.holdfast("apply", "plan.json")
    assert (refused.returncode, sandbox.containers()) == (1, [])
    assert "shop/dev: what is declared or what runs has changed" in refused.stderr
    assert sandbox.holdfast("plan", "--out", "plan.json").returncode == 0
    applied(sandbox, "plan.json")
    assert tags(sandbox) == ["shop/dev 1.1"]
    assert sandbox.holdfast("apply", "plan.json").returncode == 1


def test_documents_given_by_hand_prune_nothing_else(sandbox: Sandbox) -> None:
    """`apply -f` of a file, or of standard input, leaves alone what it does not name."""
    sandbox.push("1.0")
    sandbox.push("1.1")
    sandbox.write(sandbox.project("shop", "1.0"))
    applied(sandbox)
    extra = sandbox.folder / "extra.yaml"
    extra.write_text(json.dumps(sandbox.project("web", "1.0")))
    applied(sandbox, "-f", str(extra))
    assert tags(sandbox) == ["shop/dev 1.0", "web/dev 1.0"]
    extra.write_text(json.dumps(sandbox.project("web", "1.1")))
    applied(sandbox, "-f", str(extra))
    assert tags(sandbox) == ["shop/dev 1.0", "web/dev 1.1"]


def test_beside_a_running_controller(sandbox: Sandbox) -> None:
    """A second one is refused, plan and apply work beside it, and health and status are served for reading."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    sandbox.configure(api={"listen": f"127.0.0.1:{port}"})
    sandbox.push("1.0")
    sandbox.push("1.1")
    sandbox.write(sandbox.project("shop", "1.0"))
    sandbox.start()
    sandbox.wait(lambda: ready(sandbox), "1.0 runs")
    second = sandbox.holdfast("run")
    assert second.returncode == 75
    assert str(sandbox.running.pid if sandbox.running else 0) in second.stderr

    planned = sandbox.holdfast("plan", "--out", "plan.json", "--detailed-exitcode")
    assert (planned.returncode, planned.stdout) == (
        0,
        "shop/dev\n  left alone: instance 1.0, 2 routes\n\nPlan: nothing to do.\n",
    )
    applied(sandbox, "plan.json")
    sandbox.write(sandbox.project("shop", "1.0", "1.1"))
    applied(sandbox)
    assert tags(sandbox) == ["shop/dev 1.0", "shop/dev 1.1"]
    assert sandbox.holdfast("apply", "plan.json").returncode == 1

    for path, expected in (("/healthz", "ok"), ("/readyz", "ok"), ("/api/v1/status", "shop/dev")):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as reply:
            assert expected in reply.read().decode()


def test_an_end_in_the_middle_of_a_stop_is_in_time_and_the_next_start_goes_on(sandbox: Sandbox) -> None:
    """The controller ends while a container takes long to stop, and the next one finishes it."""
    sandbox.push("1.0", IGNORE_TERM="1")
    sandbox.push("1.1")
    slow = {"stopGracePeriod": "15s"}
    sandbox.write(sandbox.project("shop", "1.0", **slow))
    sandbox.start()
    sandbox.wait(lambda: ready(sandbox), "1.0 runs")
    sandbox.write(sandbox.project("shop", "1.1", **slow))
    sandbox.wait(lambda: "Stop shop-dev-1-0" in sandbox.log.read_text(), "the old one is being stopped", 60)
    assert sandbox.kill(signal.SIGTERM) == 0
    assert "shop/dev 1.0" in tags(sandbox), "it waited for the container"
    sandbox.start()
    sandbox.wait(lambda: tags(sandbox) == ["shop/dev 1.1"] and not sandbox.leftovers(), "the old one is gone", 60)


def test_a_mass_change_waits_for_its_confirmation(sandbox: Sandbox) -> None:
    """Three of four projects deleted: held back with the command that allows it; then it goes through."""
    sandbox.push("1.0")
    names = ("a", "b", "c", "d")
    sandbox.write(*(sandbox.project(name, "1.0") for name in names))
    applied(sandbox)
    sandbox.write(sandbox.project("a", "1.0"))
    held = sandbox.holdfast("apply")
    assert held.returncode == 1
    assert tags(sandbox) == [f"{name}/dev 1.0" for name in names]
    command = held.stderr.split("holdfast confirm ")[1].split()[0]
    assert "holdfast confirm " + command in sandbox.holdfast("plan").stderr
    assert sandbox.holdfast("confirm", command).returncode == 0
    applied(sandbox)
    assert tags(sandbox) == ["a/dev 1.0"]


def test_what_does_not_answer_is_said_at_once(sandbox: Sandbox) -> None:
    """Without an Engine apply and plan end with 69, without documents with 65, and change nothing."""
    sandbox.write(sandbox.project("shop", "1.0"))
    sandbox.configure(docker={"host": "unix:///nonexistent/docker.sock", "network": sandbox.network})
    assert sandbox.holdfast("apply").returncode == 69
    assert sandbox.holdfast("plan").returncode == 69
    (sandbox.desired / "desired.yaml").unlink()
    done = sandbox.holdfast("apply")
    assert (done.returncode, "./desired" in done.stderr) == (65, True)


def test_old_images_go_and_others_stay(sandbox: Sandbox) -> None:
    """With room for one unused image the older ones that were pulled here go when their containers do."""
    sandbox.configure(limits={"resync": "1s", "imageHistory": 1})
    digests = {tag: sandbox.push(tag) for tag in ("1.0", "1.1", "1.2", "1.3")}
    sandbox.start()

    def here() -> set[str]:
        images = sandbox.engine.client.api.images(name=sandbox.image)
        known = {reference.partition("@")[2] for image in images for reference in image["RepoDigests"] or ()}
        return {tag for tag, digest in digests.items() if digest in known}

    def runs_alone(tag: str) -> bool:
        return tags(sandbox) == [f"shop/dev {tag}"] and not sandbox.leftovers()

    for tag in digests:
        sandbox.write(sandbox.project("shop", tag))
        sandbox.wait(partial(runs_alone, tag), f"{tag} runs", 60)
    sandbox.wait(lambda: here() == {"1.2", "1.3"}, "only the newest unused image stays", 30)
