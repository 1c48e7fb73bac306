"""Status, history, log lines and explanations as text: golden outputs for one stage with a failed update."""

import pytest

from controller.cli import explain, keys, tables
from controller.cli.app_logs import choose
from controller.core.model.memory import InstanceMemory, Quarantine, Rollout, StageMemory
from controller.core.model.observed import Container
from controller.core.model.status import Condition, HistoryRow, InstanceStatus, LogLine, StageStatus

NOW = 1_700_000_600.0
GOOD = InstanceStatus(
    tag="1.4.2",
    phase="Running",
    sync="Synced",
    health="Healthy",
    container="shop-dev-1-4-2-aaaaaaaa-1",
    revision="aaaaaaaa",
    urls=("http://stage-dev-shop-1-4-2.example.com",),
    default=True,
    born=NOW - 3 * 86400,
)
BAD = InstanceStatus(
    tag="1.5.0",
    phase="RolledBack",
    sync="OutOfSync",
    health="Missing",
    reason="HealthCheckFailed",
    message="3 attempts: status 503",
    revision="bbbbbbbb",
)
STATUS = StageStatus(
    key="shop/dev",
    reason="1.5.0 was rolled back, 1.4.2 serves",
    conditions=(
        Condition(type="Ready", status="False", reason="RolledBack", message="1.5.0 did not pass", since=NOW - 300),
        Condition(type="Stalled", status="True", reason="RolledBack", message="1.5.0 did not pass"),
    ),
    instances=(GOOD, BAD),
    urls=("http://stage-dev-shop.example.com",),
)
OUTPUT = ("listening on 8080", "cannot reach the database")
MEMORY = StageMemory(
    instances={
        "1.5.0": InstanceMemory(
            quarantine=Quarantine(
                revision="bbbbbbbb",
                reason="HealthCheckFailed",
                message="3 attempts: status 503",
                at=NOW - 300,
                logs=OUTPUT,
            )
        )
    }
)
LINES = (
    LogLine(
        id=1, time=NOW - 330, level="info", key="shop/dev", tag="1.5.0", rollout="r", step="gate", message="checking"
    ),
    LogLine(
        id=2,
        time=NOW - 300,
        level="error",
        key="shop/dev",
        tag="1.5.0",
        rollout="r",
        step="end",
        message="3 attempts: status 503",
        data={"logs": list(OUTPUT), "tries": 1},
    ),
)
ROWS = (
    HistoryRow(
        id="r",
        key="shop/dev",
        tag="1.5.0",
        kind="deploy",
        revision="bbbbbbbb",
        status="RolledBack",
        started_at=NOW - 345,
        ended_at=NOW - 300,
        reason="HealthCheckFailed",
        message="3 attempts: status 503",
    ),
    HistoryRow(
        id="q",
        key="shop/dev",
        tag="1.3.0",
        kind="remove",
        revision="cccccccc",
        status="Succeeded",
        started_at=NOW - 7200,
        ended_at=NOW - 7190,
        message="1.3.0 is not declared any more",
    ),
)


def test_the_table_of_get_begins_with_what_needs_a_person() -> None:
    """A stalled stage is named above the table, and columns are as wide as their widest cell."""
    assert tables.stages({"shop/dev": STATUS}, NOW) == (
        "! shop/dev: RolledBack: 1.5.0 did not pass\n"
        "PROJECT/STAGE  TAG    PHASE       SYNC       HEALTH   DEFAULT  AGE  URL\n"
        "shop/dev       1.4.2  Running     Synced     Healthy  *        3d   http://stage-dev-shop-1-4-2.example.com\n"
        "shop/dev       1.5.0  RolledBack  OutOfSync  Missing  -        -    -\n"
    )


def test_describe_says_everything_of_a_status() -> None:
    """Conditions, addresses and the fields of each instance that are known."""
    assert tables.describe(STATUS, NOW) == (
        "shop/dev: 1.5.0 was rolled back, 1.4.2 serves\n"
        "  Ready=False RolledBack: 1.5.0 did not pass\n"
        "  Stalled=True RolledBack: 1.5.0 did not pass\n"
        "  http://stage-dev-shop.example.com\n"
        "  1.4.2  Running  Synced  Healthy  default\n"
        "    revision: aaaaaaaa\n"
        "    container: shop-dev-1-4-2-aaaaaaaa-1\n"
        "    urls: http://stage-dev-shop-1-4-2.example.com\n"
        "    age: 3d\n"
        "  1.5.0  RolledBack  OutOfSync  Missing\n"
        "    reason: HealthCheckFailed: 3 attempts: status 503\n"
        "    revision: bbbbbbbb\n"
    )


def test_explain_says_why_a_tag_does_not_run_and_what_helps() -> None:
    """The reason, the failed container's last output once, the command that tries again, and the log."""
    assert explain.render(STATUS, MEMORY, ROWS, LINES, NOW, tag="1.5.0") == (
        "shop/dev: 1.5.0 was rolled back, 1.4.2 serves\n"
        "  Ready=False  RolledBack: 1.5.0 did not pass  (for 5m)\n"
        "  Stalled=True  RolledBack: 1.5.0 did not pass\n"
        "\n"
        "  1.5.0  RolledBack  OutOfSync  Missing\n"
        "    revision bbbbbbbb failed 5m ago: HealthCheckFailed: 3 attempts: status 503\n"
        "    it is not tried again by itself; 'holdfast retry shop/dev/1.5.0' does, and so does a change of its spec\n"
        "    last output of it:\n"
        "      | listening on 8080\n"
        "      | cannot reach the database\n"
        "\n"
        "  log:\n"
        "    2023-11-14T22:17:50Z info    shop/dev/1.5.0 gate: checking\n"
        "    2023-11-14T22:18:20Z error   shop/dev/1.5.0 end: 3 attempts: status 503 tries=1\n"
    )


def test_explain_says_why_a_tag_waits() -> None:
    """Without a quarantine the status gives the reason."""
    assert "    why: HealthCheckFailed: 3 attempts: status 503\n" in explain.render(STATUS, StageMemory(), (), (), NOW)


def test_explain_shows_when_a_failed_try_is_repeated() -> None:
    """An open rollout that failed says how often and when it is tried again."""
    rollout = Rollout(
        id="r", kind="deploy", revision="bbbbbbbb", started_at=NOW - 90, step="retry", tries=3, retry_at=NOW + 4
    )
    memory = StageMemory(instances={"1.5.0": InstanceMemory(rollout=rollout)})
    text = explain.render(STATUS, memory, (), (), NOW)
    assert "    deploy going on for 1m, at step retry\n    failed 3 times, next try in 4s\n" in text


def test_explain_tells_of_a_tag_that_is_gone() -> None:
    """A tag without status is explained from its last rollout."""
    text = explain.render(STATUS, StageMemory(suspended=True), ROWS, LINES, NOW, tag="1.3.0")
    assert text.endswith(
        "  suspended by hand; 'holdfast resume shop/dev' ends it\n"
        "\n"
        "  1.3.0  not declared, and nothing of it is there\n"
        "    last rollout: remove, Succeeded 1h ago: 1.3.0 is not declared any more\n"
    )


def test_a_log_line_carries_the_output_of_the_container_below_it() -> None:
    """Output is one line each, not a list in brackets."""
    assert tables.line(LINES[1]) == (
        "2023-11-14T22:18:20Z error   shop/dev/1.5.0 end: 3 attempts: status 503 tries=1\n"
        "  | listening on 8080\n"
        "  | cannot reach the database"
    )


def test_history_is_a_table() -> None:
    """How long ago, how long, how it ended and why."""
    assert tables.history(ROWS, NOW) == (
        "AGE  PROJECT/STAGE  TAG    KIND    STATUS      TOOK  REASON\n"
        "5m   shop/dev       1.5.0  deploy  RolledBack  45s   3 attempts: status 503\n"
        "2h   shop/dev       1.3.0  remove  Succeeded   10s   1.3.0 is not declared any more\n"
    )


@pytest.mark.parametrize(
    ("found", "key", "sentence"),
    [
        ({"shop/dev": STATUS}, "shop/dve", "did you mean shop/dev"),
        ({"shop/dev": STATUS}, "shop/dev/1.4.3", r"did you mean shop/dev/1\.4\.2"),
        ({}, "shop", "nothing has been reconciled yet"),
    ],
)
def test_an_unknown_key_is_answered_with_what_helps(found: dict[str, StageStatus], key: str, sentence: str) -> None:
    """The nearest known key, or the command that makes the first pass."""
    with pytest.raises(KeyError, match=sentence):
        keys.select(found, key)


def container(tag: str, attempt: int, **more: object) -> Container:
    """A container of shop/dev."""
    made = Container("", "", "shop/dev", tag, "r", "t", "", "sha256:0", attempt, born=float(tag))
    return made.__class__(**{**made.__dict__, "id": f"{tag}-{attempt}", **more})


def test_the_output_shown_is_that_of_what_serves_else_of_what_failed_last() -> None:
    """What passed and runs comes first; without it the newest attempt; a one-off container never."""
    serving = container("1", 1, passed=True, state="running")
    failed = container("2", 3, state="exited")
    one_off = container("2", 4, role="preDeploy")
    everything = [failed, container("2", 2, state="exited"), serving, one_off]
    assert choose(everything, "") == serving
    assert choose(everything, "2") == failed
    assert choose(everything, "3") is None
