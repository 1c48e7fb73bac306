"""Rules between fields in CEL, by model, for the CustomResourceDefinitions: what `rules` says about documents.

Kept to the common part of CEL, and to what the API server can bound: lists and texts with a maximum. Rules that compare
each hostname of a project with each other, or look at label keys, are left to the controller, which answers with a
condition.
"""

from collections.abc import Mapping

from controller.core.documents import strategy
from controller.core.documents.spec_parts import ExactlyOne

Rule = tuple[str, str]
"""The condition in CEL, and what a person reads when it does not hold."""

_PROBES_PORT = "has({0}.healthCheck) && has({0}.healthCheck.type) && {0}.healthCheck.type in ['http', 'tcp']"
_NAMES_PORT = "has({0}.healthCheck) && has({0}.healthCheck.port)"


def _exactly_one(model: type[ExactlyOne]) -> tuple[Rule, ...]:
    first, second = model.one_of_keys()
    return ((f"has(self.{first}) != has(self.{second})", f"write exactly one of {first} and {second}"),)


RULES: Mapping[str, tuple[Rule, ...]] = {
    **{model.__name__: _exactly_one(model) for model in ExactlyOne.__subclasses__()},
    "HealthCheck": (
        (
            "!has(self.type) || self.type == 'http' || (!has(self.path) && !has(self.statuses))",
            "path and statuses belong to type http",
        ),
        (
            "!has(self.type) || self.type in ['http', 'tcp'] || !has(self.port)",
            "port belongs to types http and tcp",
        ),
    ),
    "Stage": (
        (
            "!has(self.defaultTag) || !has(self.instances) || "
            "self.instances.all(i, i.tag != self.defaultTag || !has(i.ttl))",
            "the tag behind the default route may not expire: remove its ttl, or name another defaultTag",
        ),
    ),
    "ProjectSpec": (
        (
            "has(self.port) || !has(self.stages) || self.stages.all(s, !has(s.domains) || size(s.domains) == 0)",
            "a project without a port has no hostnames: add port, or remove the domains",
        ),
        (
            f"has(self.port) || !({_PROBES_PORT.format('self')}) || ({_NAMES_PORT.format('self')}) || "
            f"(has(self.stages) && self.stages.exists(s, {_NAMES_PORT.format('s')}))",
            "an http or tcp check needs a port: add port here or to healthCheck",
        ),
        (
            f"has(self.port) || ({_NAMES_PORT.format('self')}) || !has(self.stages) || "
            f"self.stages.all(s, !({_PROBES_PORT.format('s')}) || ({_NAMES_PORT.format('s')}))",
            "an http or tcp check of a stage needs a port: add port to spec or to its healthCheck",
        ),
        strategy.CEL_RULE,
        (
            "!has(self.volumes) || self.volumes.all(v, self.volumes.exists_one(w, w.mountPath == v.mountPath))",
            "two volumes have one mountPath: give each a path of its own",
        ),
    ),
}
