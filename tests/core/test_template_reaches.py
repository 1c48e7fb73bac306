"""Every field of the template reaches the container and the texts for people."""

import dataclasses
from typing import Any

import pytest

from controller.clients.docker import create_body
from controller.core.model.actions import ContainerSpec
from controller.core.model.desired import DesiredStage, Env, Mount, Template
from controller.core.planning import containers, spec_fields
from controller.core.planning.plan_builder import PlanBuilder
from controller.core.planning.tag_state import read_slot
from tests.core import plan_cases

CHANGES: dict[str, object] = {
    "image": "registry.test/other",
    "command": ("serve",),
    "args": ("--verbose",),
    "user": "1000",
    "labels": (("team", "web"),),
    "env": (Env("LOG_LEVEL", "debug"),),
    "memory": 64 * 1024**2,
    "cpus": 0.5,
    "mounts": (Mount("data", "/data"),),
}
"""A value of each field that the template of the cases does not have."""


def spec_of(stage: DesiredStage, other: DesiredStage) -> ContainerSpec:
    """The spec of the stage's tag, with name, digests and labels of `other`: they change with every field."""
    case: dict[str, Any] = {"stage": {"tags": ["1"]}}
    seen = plan_cases.observed(case, other)
    rules = plan_cases.rules(case)
    slot = read_slot(PlanBuilder(other, seen, rules, plan_cases.NOW, seen.memory), "1")
    return containers.spec(PlanBuilder(stage, seen, rules, plan_cases.NOW, seen.memory), slot, 1)


def body_of(spec: ContainerSpec) -> dict[str, Any]:
    """The body that creates the container."""
    return create_body.body(spec, {}, controller_id="home-1", network="holdfast", rotate_logs=False)


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Template)])
def test_a_field_of_the_template_has_an_effect(name: str) -> None:
    """Two templates that differ in one field give different specs, create bodies and flat texts."""
    old = plan_cases.desired({"stage": {"tags": ["1"]}})
    change: dict[str, Any] = {name: CHANGES[name]}
    new = dataclasses.replace(old, template=dataclasses.replace(old.template, **change))
    specs = spec_of(old, old), spec_of(new, old)
    assert specs[0] != specs[1]
    assert body_of(specs[0]) != body_of(specs[1])
    assert spec_fields.flatten(old, "1") != spec_fields.flatten(new, "1")
