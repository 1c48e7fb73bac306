"""Reads a golden case: what is declared, seen and remembered, in few words, and what the pass then does.

A container is written `a: {tag: 1.0, made: now, state: running, passed: true}`: its letter is its id, `made: now` gives
it what is declared, `made: before` something else. A fact names its operation by the action's first word and its
subject, such as `Gate a: succeeded`, and is put under the key that the plan itself uses.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from controller.core.model import digests, keys
from controller.core.model.actions import Action
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
    containers = tuple(_container(letter, words, stage) for letter, words in case.get("containers", {}).items())
    for item in containers:
        if memory.of(item.tag).digest == "" and item.template != "1-before":
            memory = memory.with_instance(item.tag, memory.of(item.tag).model_copy(update={"digest": DIGEST}))
    memory = _settled(memory, case)
    routes = {name: _route(name, letter, containers, stage) for name, letter in case.get("routes", {}).items()}
    for name, options in case.get("seen", {}).items():
        routes[name] = digests.with_marker(replace(routes[name], options=Options(**options)))
    secrets = SecretsSeen("key", "", tuple(case.get("missing", ())))
    table = RouteTable(routes, case.get("foreign", {}))
    found = Observed(containers, table, {}, secrets if case.get("missing") else SecretsSeen(), memory)
    return replace(found, facts=_facts(case, stage, found))


def run(case: Mapping[str, Any]) -> Plan:
    """The plan of a case."""
    stage = desired(case)
    return plan(stage, observed(case, stage), rules(case), NOW)


def rules(case: Mapping[str, Any]) -> Rules:
    """What of the settings counts."""
    return Rules(**case.get("rules", {}))


def words(action: Action) -> str:
    """An action in a few words: its kind and its subject."""
    kind = type(action).__name__
    for name in ("container", "route", "hostname", "spec", "tag"):
        item = getattr(action, name, None)
        if isinstance(item, Container):
            passed = getattr(action, "passed", None)
            return f"{kind} {item.id[0]}" + ("" if passed is None else f" {'passed' if passed else 'leaves'}")
        if isinstance(item, Route):
            return f"{kind} {item.hostname} → {item.container[0]}"
        if item is not None:
            return f"{kind} {getattr(item, 'name', item)}"
    return kind


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


def _settled(memory: StageMemory, case: Mapping[str, Any]) -> StageMemory:
    for letter in case.get("settled", ()):
        tag = case["containers"][letter]["tag"]
        memory = memory.with_instance(tag, memory.of(tag).model_copy(update={"settled": letter * 64}))
    return memory


def _route(name: str, letter: str, containers: tuple[Container, ...], stage: DesiredStage) -> Route:
    item = next(item for item in containers if item.id[0] == letter)
    kind = "default" if name == "stage.test" else "instance"
    return digests.with_marker(
        Route(name, KEY, item.tag, kind, item.id, f"10.0.0.{ord(letter)}", stage.port or 8080)  # type: ignore[arg-type]
    )


def _facts(case: Mapping[str, Any], stage: DesiredStage, found: Observed) -> dict[Key, Fact]:
    """Facts under the keys that the plan would use."""
    facts = {}
    for subject, short in case.get("facts", {}).items():
        kind, _, name = subject.partition(" ")
        key = _key(kind, name, stage, found)
        if key is None:
            continue  # the case took away what the fact is of
        told: dict[str, Any] = {"status": short} if isinstance(short, str) else dict(short)
        bad = told.pop("bad", None)
        failure = Failure(bad, f"{bad} it is", told.pop("revision", True)) if bad else None
        status: Any = "failed" if bad else told.pop("status")
        ended = None if status == "running" else NOW - told.pop("ago", 0.0)
        failures = told.pop("failures", 1 if bad else 0)
        facts[key] = Fact(key, status, NOW - 50, ended, failures=failures, failure=failure, **told)
    return facts


def _key(kind: str, name: str, stage: DesiredStage, found: Observed) -> Key | None:
    container, route = found.container(name * 64), found.routes.routes.get(name)
    match kind:
        case "Pull":
            return keys.pull("registry.test/shop", name, found.memory.of(name).digest)
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
            of_start = {"Start": keys.start, "Stop": keys.stop, "Halt": keys.halt}[kind]
            return of_start(container) if container else None
