"""What a person reads in each golden case: the pass's status, log and memory, and what `plan` says would come.

`python -m tests.core.snapshots` writes these pages anew, beside the cases; the difference to before is for review.
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from controller.core.forecast.forecast import forecast
from controller.core.forecast.simulate import simulate
from controller.core.model.actions import Action
from controller.core.model.memory import StageMemory
from controller.core.model.observed import Key, Observed
from controller.core.planning.plan import plan
from tests.core import plan_cases

_TOLD = ("container", "route", "hostname", "spec", "check", "tag", "image", "reason", "key", "passed", "grace")


def pages() -> dict[Path, str]:
    """For each file of cases, the page beside it as it should be."""
    files = sorted(plan_cases.FOLDER.glob("*.yaml"))
    return {path.with_suffix(".txt"): page(plan_cases.cases_of(path)) for path in files}


def page(cases: list[Mapping[str, Any]]) -> str:
    """All cases of one file."""
    return "\n".join(map(section, cases))


def section(case: Mapping[str, Any]) -> str:
    """One case: its name, then what is told."""
    return "\n".join(line.rstrip() for line in (case["case"], *told(case))) + "\n"


def told(case: Mapping[str, Any]) -> Iterator[str]:
    """One case, line by line."""
    stage = plan_cases.desired(case)
    seen = plan_cases.observed(case, stage)
    rules = plan_cases.rules(case)
    found = plan(stage, seen, rules, plan_cases.NOW)
    yield f"  {found.status.reason}"
    for action in found.actions:
        yield f"  does {plan_cases.words(action)}: {action.reason}{detail(action)}"
    for item in found.status.instances:
        more = ["default"] * item.default + ["undeclared"] * (not item.declared) + list(item.urls)
        yield f"  {item.tag} {item.phase} {item.sync} {item.health} {' '.join(more)}"
        if item.reason or item.message:
            yield f"    {item.reason}: {item.message}"
    for condition in found.status.conditions:
        yield f"  {condition.type}={condition.status} {condition.reason}: {condition.message}"
    for line in found.transitions:
        yield f"  log {line.level} {line.kind} {line.rollout_kind} {line.tag} {line.step} {line.reason}: {line.message}"
    for owner, words in remembered(seen.memory, found.memory).items():
        yield f"  remembers {owner}: {'; '.join(words)}"
    kept = sorted(_place(key, seen) for key in found.keep)
    yield f"  goes by {', '.join(kept) or 'nothing'}"
    if found.wake is not None:
        yield f"  comes back after {found.wake - plan_cases.NOW:g} s"
    (way,) = simulate([(stage, seen)], rules, plan_cases.NOW)
    yield f"  on the way {', '.join(map(plan_cases.words, way.actions)) or 'nothing'}"
    yield f"  in the end {way.plan.status.reason}"
    (ahead,) = forecast([(stage, seen)], rules, plan_cases.NOW, "catalog").stages
    for change in ahead.changes:
        yield f"  plan {change.symbol} {change.kind} {change.name}: {change.reason}"
        for field in change.fields:
            yield f"    {field.path}: {field.old} → {field.new}"
    yield f"  plan leaves alone {', '.join(ahead.unchanged) or 'nothing'}"
    yield f"  plan foresees {ahead.downtime:g} s without an answer; {ahead.downtime_why}"
    for notice in ahead.notices:
        yield f"  plan says {notice}"


def detail(action: Action) -> str:
    """What an action is told beside its subject and its reason, such as a deadline or a digest."""
    data = {item.name: getattr(action, item.name) for item in fields(action) if item.name not in _TOLD}
    words = [f"{name} {_short(getattr(value, 'id', value))}" for name, value in data.items() if value is not None]
    return f" ({', '.join(words)})" if words else ""


def remembered(before: StageMemory, after: StageMemory) -> dict[str, list[str]]:
    """What the pass changes of what is remembered, by tag; the flat spec and the ids of rollouts are left out."""
    old, new = flat(before.model_dump()), flat(after.model_dump())
    found: dict[str, list[str]] = {}
    for owner, name in sorted(old.keys() | new.keys()):
        have, want = old.get((owner, name)), new.get((owner, name))
        if have != want and not name.startswith("spec ") and name != "rollout id":
            found.setdefault(owner, []).append(
                f"{name} {want or 'no more'}" + (f" for {have}" if have and want else "")
            )
    return found


def flat(data: Mapping[str, Any], owner: str = "the stage", prefix: str = "") -> dict[tuple[str, str], str]:
    """Fields that hold something, by tag and name; a container by its letter, a time by the seconds from now."""
    found: dict[tuple[str, str], str] = {}
    for name, value in data.items():
        if prefix == "" and name == "instances":
            for tag, memory in value.items():
                found |= flat(memory, tag)
        elif isinstance(value, Mapping):
            found |= flat(value, owner, f"{prefix}{_short(name)} ")
        elif value not in ("", 0, 0.0, None, False, ()):
            found[owner, f"{prefix}{_short(name)}"] = _short(value)
    return found


def _place(key: Key, seen: Observed) -> str:
    """The name of an operation without its digests, such as gate a."""
    rest = str(key)
    letters = [item.id[0] for item in seen.containers if item.id in rest]
    names = [name for name in (*seen.routes.routes, *seen.memory.instances) if f"{name}:" in rest]
    return " ".join([key.kind, *(letters or names)[:1]])


def _short(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(_short, value))
    if isinstance(value, float):
        return f"{value - plan_cases.NOW:+g} s"
    text = str(value)
    return text[0] if len(text) == 64 and len(set(text)) == 1 else text[:32]


def main() -> int:
    """Write what differs."""
    for path, text in pages().items():
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            print(path.name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
