"""Reads a golden case: what is declared, seen and remembered, in few words, and what the pass then does.

A container is written `a: {tag: 1.0, made: now, state: running, passed: true}`: its letter is its id, `made: now` gives
it what is declared, `made: before` something else. A fact names its operation by the action's first word and its
subject, such as `Gate a: succeeded`, and is put under the key that the plan itself uses. In the memory of a tag
`revision: declared` and `gate: declared` stand for the hashes of what is declared. `then` lists the actions; all else
that the pass tells is on the page beside the file.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from controller.core.model import digests, keys
from controller.core.model.actions import (
    Action,
    Connect,
    Gate,
    MarkPassed,
    Remove,
    Restart,
    SetRoute,
    Start,
    Stop,
    Unpause,
    Verify,
    Watch,
    subject,
)
from controller.core.model.decision import Plan, Rules
from controller.core.model.desired import (
    Check,
    DesiredInstance,
    DesiredStage,
    Notice,
    Options,
    Origin,
    PreDeployStep,
    Template,
)
from controller.core.model.errors import Failure
from controller.core.model.memory import StageMemory
from controller.core.model.observed import Container, Fact, Key, Observed, Route, RouteTable, SecretsSeen
from controller.core.planning.plan import plan
from controller.core.planning.plan_builder import PlanBuilder
from controller.core.planning.tag_state import read_slot

NOW = 1_000_000.0
KEY = "shop/dev"
DIGEST = "sha256:" + "d" * 64
FOLDER = Path(__file__).parent / "plans"


def cases() -> list[Mapping[str, Any]]:
    """All cases of all files, in order."""
    return [case for path in sorted(FOLDER.glob("*.yaml")) for case in cases_of(path)]


def cases_of(path: Path) -> list[Mapping[str, Any]]:
    """The cases of one file."""
    found: list[Mapping[str, Any]] = yaml.safe_load(path.read_text())
    return found


def desired(case: Mapping[str, Any]) -> DesiredStage:
    """The declared stage of a case."""
    found = {"port": 8080, **case.get("stage", {})}
    tags = found.pop("tags", [])
    ttls = found.pop("ttl", {})
    port = found.pop("port")
    origin = Origin("files:./desired", "shop.yaml")
    instances = tuple(
        DesiredInstance(tag, ttls.get(tag), origin, hostname=f"{tag}.test" if port else None) for tag in tags
    )
    if "preDeploy" in found:
        found["pre_deploy"] = PreDeployStep(tuple(found.pop("preDeploy")))
    check = Check(**{"type": "http" if port else "none", "port": port, **found.pop("check", {})})
    found["notices"] = tuple(Notice(*words) for words in found.pop("notices", ()))
    found["options"] = Options(**found.pop("options", {}))
    found["claimed_elsewhere"] = frozenset(found.pop("claimed_elsewhere", ()))
    hostnames = ("stage.test",) if port and found.get("declared", True) else ()
    template = Template("registry.test/shop", env=())
    return DesiredStage(
        KEY, "shop", "dev", template=template, port=port, check=check, instances=instances,
        default_hostnames=tuple(found.pop("hostnames", hostnames)), origin=origin, **found,
    )  # fmt: skip


def observed(case: Mapping[str, Any], stage: DesiredStage) -> Observed:
    """What is seen and remembered."""
    memory = StageMemory.model_validate(case.get("memory", {}))
    containers = tuple(_container(letter, short, stage) for letter, short in case.get("containers", {}).items())
    for container in containers:
        if memory.of(container.tag).digest == "" and container.template != "1-before":
            memory = _with(memory, container.tag, digest=DIGEST)
    for letter in case.get("settled", ()):
        memory = _with(memory, case["containers"][letter]["tag"], settled=letter * 64)
    routes = {name: _route(name, letter, containers, stage) for name, letter in case.get("routes", {}).items()}
    for name, options in case.get("seen", {}).items():
        routes[name] = digests.with_marker(replace(routes[name], options=Options(**options)))
    missing = tuple(case.get("missing", ()))
    secrets = SecretsSeen("key", "", missing) if missing else SecretsSeen()
    seen = Observed(containers, RouteTable(routes, case.get("foreign", {})), {}, secrets, memory)
    seen = replace(seen, memory=_with_hashes(seen, stage, rules(case)))
    return replace(seen, facts=_facts(case, stage, seen))


def _with(memory: StageMemory, tag: str, **changes: object) -> StageMemory:
    return memory.with_instance(tag, memory.of(tag).model_copy(update=changes))


def _with_hashes(seen: Observed, stage: DesiredStage, of_settings: Rules) -> StageMemory:
    """The memory with the hashes of what is declared where a case says `declared`."""
    builder = PlanBuilder(stage, seen, of_settings, NOW, seen.memory)
    memory = seen.memory
    for tag, one in memory.instances.items():
        revision, gate = read_slot(builder, tag).revision, digests.gate_hash(stage)
        if one.rollout is not None and one.rollout.revision == "declared":
            memory = _with(memory, tag, rollout=one.rollout.model_copy(update={"revision": revision}))
        if one.quarantine is not None and one.quarantine.revision == "declared":
            hashes = {"revision": revision, "gate": gate}
            memory = _with(memory, tag, quarantine=one.quarantine.model_copy(update=hashes))
    return memory


def run(case: Mapping[str, Any]) -> Plan:
    """The plan of a case."""
    stage = desired(case)
    return plan(stage, observed(case, stage), rules(case), NOW)


def rules(case: Mapping[str, Any]) -> Rules:
    """What of the settings counts."""
    return Rules(**case.get("rules", {}))


def words(action: Action) -> str:
    """An action in a few words: its kind and its subject, a container by its letter."""
    kind = type(action).__name__
    match action:
        case MarkPassed():
            return f"{kind} {action.container.id[0]} {'passed' if action.passed else 'leaves'}"
        case SetRoute() | Verify():
            return f"{kind} {action.route.hostname} → {action.route.container[0]}"
        case Gate() | Watch() | Start() | Stop() | Restart() | Remove() | Unpause() | Connect():
            return f"{kind} {action.container.id[0]}"
        case _:
            return f"{kind} {subject(action)}"


def _container(letter: str, found: Mapping[str, Any], stage: DesiredStage) -> Container:
    made = found.get("made", "now")
    template = digests.template_hash(stage.template) if made == "now" else f"1-{made}"
    digest = DIGEST if made == "now" else "sha256:" + "0" * 64
    tag = found["tag"]
    state = found.get("state", "running")
    return Container(
        id=letter * 64, name=f"name-{letter}", stage=KEY, tag=tag, attempt=found.get("attempt", 1),
        revision=digests.revision(KEY, tag, template, digest, ""), template=template, secrets="", digest=digest,
        born=found.get("born", NOW - 1000), role=found.get("role", "app"), state=state,
        started_at=None if state == "created" else found.get("started", NOW - 100),
        exit_code=found.get("exit"), passed=found.get("passed", False), health=found.get("health"),
        connected=found.get("connected", True), address=f"10.0.0.{ord(letter)}" if state == "running" else None,
        restart_count=found.get("restarts", 0), image=found.get("image", ""),
        published=found.get("published"),
    )  # fmt: skip


def _route(name: str, letter: str, containers: tuple[Container, ...], stage: DesiredStage) -> Route:
    item = next(item for item in containers if item.id[0] == letter)
    kind = "default" if name == "stage.test" else "instance"
    return digests.with_marker(
        Route(name, KEY, item.tag, kind, item.id, f"10.0.0.{ord(letter)}", stage.port or 8080)  # type: ignore[arg-type]
    )


def _facts(case: Mapping[str, Any], stage: DesiredStage, seen: Observed) -> dict[Key, Fact]:
    """Facts under the keys that the plan would use; none of what a case took away."""
    facts = {}
    for name, short in case.get("facts", {}).items():
        kind, _, of = name.partition(" ")
        key = _key(kind, of, stage, seen)
        if key is not None:
            facts[key] = _fact(key, {"status": short} if isinstance(short, str) else dict(short))
    return facts


def _fact(key: Key, short: dict[str, Any]) -> Fact:
    bad = short.pop("bad", None)
    failure = Failure(bad, f"{bad} it is", short.pop("revision", True)) if bad else None
    status: Any = "failed" if bad else short.pop("status")
    ended = None if status == "running" else NOW - short.pop("ago", 0.0)
    failures = short.pop("failures", 1 if bad else 0)
    return Fact(key, status, NOW - 50, ended, failures=failures, failure=failure, **short)


def _key(kind: str, name: str, stage: DesiredStage, seen: Observed) -> Key | None:
    container, route = seen.container(name * 64), seen.routes.routes.get(name)
    match kind:
        case "Pull":
            return keys.pull("registry.test/shop", name, seen.memory.of(name).digest)
        case "CheckDigest":
            return keys.digest("registry.test/shop", name)
        case "Write":
            return Key("route", name, "another")
        case "Verify":
            return keys.verify(route) if route else None
        case "Gate" | "Watch":
            of_check = keys.gate if kind == "Gate" else keys.watch
            return of_check(container, stage.check) if container else None
        case _:
            of_start = {"Start": keys.start, "Stop": keys.stop, "Halt": keys.stop_and_keep}[kind]
            return of_start(container) if container else None
