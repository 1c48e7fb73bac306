"""Rules between fields in CEL, by model, for the CustomResourceDefinitions: what `checks` says about documents.

Kept to the common part of CEL, and to what the API server can bound: lists and texts with a maximum. Rules that compare
each hostname of a project with each other, or look at label keys, are left to the controller, which answers with a
condition.
"""

from collections.abc import Mapping

_PROBES_PORT = "has({0}.healthCheck) && has({0}.healthCheck.type) && {0}.healthCheck.type in ['http', 'tcp']"
_NAMES_PORT = "has({0}.healthCheck) && has({0}.healthCheck.port)"

RULES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "EnvVar": (("has(self.value) != has(self.valueFrom)", "write exactly one of value and valueFrom"),),
    "ValueFrom": (("has(self.file) != has(self.env)", "write exactly one of file and env"),),
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
        (
            "!has(self.stages) || self.stages.all(s, !has(s.maxInstances) || s.maxInstances <= 1 || "
            "(has(s.strategy) ? s.strategy == 'BlueGreen' : has(self.strategy) ? self.strategy == 'BlueGreen' : "
            "!has(self.volumes) || self.volumes.all(v, has(v.readOnly) && v.readOnly)))",
            "with strategy Recreate, or a writable volume, containers never overlap: write maxInstances: 1, or "
            "strategy: BlueGreen if the app may share its data",
        ),
        (
            "!has(self.volumes) || self.volumes.all(v, self.volumes.exists_one(w, w.mountPath == v.mountPath))",
            "two volumes have one mountPath: give each a path of its own",
        ),
    ),
}
