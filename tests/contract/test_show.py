"""The reading commands over a real state folder: what they find, and what they say when there is nothing."""

import asyncio
import json
import time
from pathlib import Path

import pytest

from controller.cli.main import execute
from controller.clients.state.reader import ReadOnlyStore, StateReader
from controller.clients.state.store import SqliteStore
from controller.core.model.memory import InstanceMemory, Quarantine, StageMemory
from controller.core.model.status import Condition, InstanceStatus, StageStatus, Transition

SETTINGS = "id: home-1\ndomain: example.com\n"
OUTPUT = ("cannot reach the database",)
QUARANTINE = Quarantine(revision="bbbb", reason="HealthCheckFailed", message="status 503", at=1.0, logs=OUTPUT)
STATUS = StageStatus(
    key="shop/dev",
    reason="1.5.0 was rolled back",
    conditions=(Condition(type="Ready", status="False", reason="RolledBack"),),
    instances=(InstanceStatus(tag="1.5.0", phase="RolledBack", reason="HealthCheckFailed"),),
)


def step(tag: str, kind: str, message: str) -> Transition:
    """One logged step of a rollout."""
    return Transition.model_validate(
        {"rollout": f"r-{tag}", "tag": tag, "kind": kind, "step": kind, "message": message, "rollout_kind": "deploy"}
    )


@pytest.fixture
async def config(tmp_path: Path) -> str:
    """Settings beside a state folder with one stage: 1.5.0 was rolled back, 1.3.0 is gone."""
    path = tmp_path / "holdfast.yaml"
    path.write_text(SETTINGS)
    store = SqliteStore.open(tmp_path / ".holdfast", 86400.0, 100)
    memory = StageMemory(instances={"1.5.0": InstanceMemory(quarantine=QUARANTINE)})
    steps = [step("1.3.0", "started", "begun"), step("1.3.0", "succeeded", "done")]
    steps += [step("1.5.0", "started", "begun"), step("1.5.0", "rolledBack", "status 503")]
    await store.record("shop/dev", memory, steps, time.time())
    await store.report(STATUS)
    store.close()
    return str(path)


async def test_a_reader_remembers_what_the_writer_recorded(config: str, tmp_path: Path) -> None:
    """Forecast and explain read intent and quarantine beside a controller that runs."""
    reader, store = StateReader(tmp_path / ".holdfast"), ReadOnlyStore(tmp_path / ".holdfast")
    assert reader.memory("shop/dev").of("1.5.0").quarantine == QUARANTINE
    assert reader.memory("shop/other") == StageMemory()
    assert await store.memory("shop/dev") == reader.memory("shop/dev")
    assert await store.stages() == reader.stages() == ("shop/dev",)
    assert await store.last_good("files:./desired") is None


def test_explain_puts_status_memory_and_log_together(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Why it failed, what it printed, what helps, and what was logged."""
    assert execute(["explain", "shop/dev/1.5.0", "--config", config]) == 0
    text = capsys.readouterr().out
    for part in ("1.5.0 was rolled back", "| cannot reach the database", "holdfast retry shop/dev/1.5.0", "status 503"):
        assert part in text
    assert "1.3.0" not in text
    assert execute(["explain", "shop", "-o", "json", "--config", config]) == 0
    found = json.loads(capsys.readouterr().out)["shop/dev"]
    assert found["memory"]["instances"]["1.5.0"]["quarantine"]["logs"] == list(OUTPUT)
    assert [line["message"] for line in found["lines"]] == ["begun", "done", "begun", "status 503"]


def test_a_tag_that_is_gone_can_still_be_asked_for(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Its history and log outlive it."""
    assert execute(["explain", "shop/dev/1.3.0", "--config", config]) == 0
    assert "1.3.0  not declared, and nothing of it is there\n    last rollout: deploy" in capsys.readouterr().out
    assert execute(["logs", "shop/dev/1.3.0", "--limit", "1", "--config", config]) == 0
    assert capsys.readouterr().out.count("\n") == 1
    assert execute(["history", "shop/dev/1.3.0", "--limit", "1", "--config", config]) == 0
    assert "1.3.0" in capsys.readouterr().out


async def test_a_stage_that_is_gone_can_still_be_asked_for(
    config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A forgotten stage has no status any more, but its rollouts tell what became of it."""
    store = SqliteStore.open(tmp_path / ".holdfast", 86400.0, 100)
    await store.forget("shop/dev")
    store.close()
    found = await asyncio.to_thread(execute, ["explain", "shop/dev", "--config", config])
    text = capsys.readouterr().out
    assert (found, "shop/dev: not declared, and nothing of it is there" in text, "status 503" in text) == (
        0,
        True,
        True,
    )


@pytest.mark.parametrize("verb", ["get", "describe", "explain", "history", "logs", "events"])
def test_an_unknown_key_fails_with_a_suggestion(verb: str, config: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every reading command answers a key that is nearly right with the right one."""
    assert execute([verb, "shop/dve", "--config", config]) == 1
    assert "did you mean shop/dev?" in capsys.readouterr().err


def test_before_the_first_pass_there_is_a_next_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty state folder is no error of `get`, and other commands say what fills it."""
    config = tmp_path / "holdfast.yaml"
    config.write_text(SETTINGS)
    assert execute(["get", "--config", str(config)]) == 0
    assert execute(["explain", "shop", "--config", str(config)]) == 1
    assert capsys.readouterr().err.count("'holdfast apply'") == 2


def test_the_output_of_an_app_needs_a_stage(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A whole project has no one container."""
    assert execute(["logs", "shop", "--app", "--config", config]) == 64
    assert "shop/prod" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("conditions", "line"),
    [
        (
            (
                Condition(
                    type="Suspended", status="True", reason="Suspended", message="the document says suspend: true"
                ),
            ),
            "! shop/dev: suspended: the document says suspend: true\n",
        ),
        ((), ""),
    ],
    ids=["suspended", "not"],
)
async def test_get_says_that_a_document_suspends_a_stage(
    tmp_path: Path, conditions: tuple[Condition, ...], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Above the table, as for a stage that was suspended by hand."""
    path = tmp_path / "holdfast.yaml"
    path.write_text(SETTINGS)
    store = SqliteStore.open(tmp_path / ".holdfast", 86400.0, 100)
    ready = Condition(type="Ready", status="True", reason="Suspended")
    await store.report(StageStatus(key="shop/dev", conditions=(ready, *conditions)))
    store.close()
    assert execute(["get", "--config", str(path)]) == 0
    assert capsys.readouterr().out.partition("PROJECT/STAGE")[0] == line
