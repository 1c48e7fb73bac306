"""Which strategy a stage has, and what that means for `maxInstances`.

Two containers must not write one volume at a time. The rule stands here in Python, for documents and for the catalog,
and in CEL, for the API server of Kubernetes.
"""

from controller.core.model.desired import Strategy

HELP = "write maxInstances: 1, or strategy: BlueGreen if the app may share its data"

CEL_RULE = (
    "!has(self.stages) || self.stages.all(s, !has(s.maxInstances) || s.maxInstances <= 1 || "
    "(has(s.strategy) ? s.strategy == 'BlueGreen' : has(self.strategy) ? self.strategy == 'BlueGreen' : "
    "!has(self.volumes) || self.volumes.all(v, has(v.readOnly) && v.readOnly)))",
    f"with strategy Recreate, or a writable volume, containers never overlap: {HELP}",
)
"""For a project's spec: no stage whose containers never overlap has more than one instance."""


def strategy_of(declared: Strategy | None, writable: str) -> tuple[Strategy, str]:
    """The strategy of a stage and why it has it. `writable` names a writable volume of it; empty: it has none."""
    if declared is not None:
        return declared, "declared"
    return ("Recreate", f"{writable} is writable") if writable else ("BlueGreen", "default")
