"""One stage of a project with everything filled in: what the stage sets, else what the project sets, else the default.

A stage overrides the project: scalars replace, env goes by name, labels by key, healthCheck, resources and route field
by field. The documents passed the reader, which refuses mistakes across fields.
"""

from collections.abc import Iterable
from typing import TypeVar

from controller.core.catalog.route_options import verify_path
from controller.core.catalog.types import CatalogRules
from controller.core.documents import quantity
from controller.core.documents.spec import Project, Stage
from controller.core.documents.spec_parts import EnvVar, HealthCheck, Model, Resources, RouteOptions, Volume
from controller.core.documents.strategy import strategy_of
from controller.core.model import names
from controller.core.model.desired import (
    Check,
    DesiredStage,
    Env,
    Mount,
    Options,
    Origin,
    PreDeployStep,
    SecretRef,
    Strategy,
    Template,
)

STOP_GRACE = "10s"
DRAIN = "10s"
BAKE = "0s"
PROGRESS_DEADLINE = "10m"

_Group = TypeVar("_Group", bound=Model)
_Value = TypeVar("_Value")


def stage(project: Project, stage: Stage, origin: Origin, rules: CatalogRules) -> DesiredStage:
    """Fill in one stage but for its instances; its hostnames are those it wants, not yet those it is granted."""
    spec, name = project.spec, project.metadata.name
    step = _first(stage.pre_deploy, spec.pre_deploy)
    mounts = tuple(_mount(name, stage.name, volume) for volume in spec.volumes)
    strategy, why = _strategy(_first(stage.strategy, spec.strategy), mounts)
    check = _check(_merged(HealthCheck(), spec.health_check, stage.health_check), spec.port)
    return DesiredStage(
        key=names.stage_key(name, stage.name),
        project=name,
        stage=stage.name,
        template=_template(project, stage, mounts),
        port=spec.port,
        check=check,
        pre_deploy=PreDeployStep(tuple(step.command), quantity.duration(step.timeout)) if step else None,
        strategy=strategy,
        strategy_why=why,
        stop_grace=_seconds(stage.stop_grace_period, spec.stop_grace_period, STOP_GRACE),
        drain=_seconds(stage.drain, spec.drain, DRAIN),
        bake=_seconds(stage.bake, spec.bake, BAKE),
        progress_deadline=_seconds(stage.progress_deadline, spec.progress_deadline, PROGRESS_DEADLINE),
        suspend=_first(stage.suspend, spec.suspend) or False,
        tag_routes=_first(stage.tag_routes, spec.tag_routes) is not False,
        track_digest=_first(stage.track_digest, spec.track_digest) or False,
        max_instances=1 if strategy == "Recreate" else stage.max_instances,
        default_tag=stage.default_tag,
        default_hostnames=_hostnames(project, stage, rules),
        options=_options(_merged(RouteOptions(), spec.route, stage.route), verify_path(check, spec.port)),
        origin=origin,
    )


def _template(project: Project, stage: Stage, mounts: tuple[Mount, ...]) -> Template:
    spec = project.spec
    command, args = _first(stage.command, spec.command), _first(stage.args, spec.args)
    resources = _merged(Resources(), spec.resources, stage.resources)
    return Template(
        image=spec.image,
        command=None if command is None else tuple(command),
        args=None if args is None else tuple(args),
        user=_first(stage.user, spec.user),
        labels=tuple(sorted({**spec.labels, **stage.labels}.items())),
        env=_env((*spec.env, *stage.env)),
        memory=None if resources.memory is None else quantity.memory(resources.memory),
        cpus=None if resources.cpus is None else quantity.cpus(resources.cpus),
        mounts=mounts,
    )


def _env(variables: Iterable[EnvVar]) -> tuple[Env, ...]:
    """The project's order, then what the stage adds; a later one of the same name replaces the value in its place."""
    by_name = {variable.name: Env(variable.name, _value(variable)) for variable in variables}
    return tuple(by_name.values())


def _value(variable: EnvVar) -> str | SecretRef:
    """The literal, or the reference; one of a kind that cannot be resolved has no name, so that it blocks creation."""
    if variable.value is not None:
        return variable.value
    ref = variable.value_from
    if ref is not None and ref.file is not None:
        return SecretRef("file", ref.file)
    return SecretRef("env", (ref.env or "") if ref is not None else "")


def _mount(project: str, stage: str, volume: Volume) -> Mount:
    if volume.host_path is not None:
        return Mount(volume.host_path, volume.mount_path, volume.read_only, bind=True)
    return Mount(names.volume_name(project, stage, volume.name), volume.mount_path, volume.read_only)


def _strategy(declared: Strategy | None, mounts: tuple[Mount, ...]) -> tuple[Strategy, str]:
    writable = (f"{'folder' if mount.bind else 'volume'} {mount.source}" for mount in mounts if not mount.read_only)
    return strategy_of(declared, next(writable, ""))


def _check(health: HealthCheck, port: int | None) -> Check:
    """The check with its port; without any port there is nobody to ask, and a running process counts as healthy."""
    probed_port = health.port if health.port is not None else port
    kind = health.type or "http"
    if kind in ("http", "tcp") and probed_port is None:
        kind = "none"
    return Check(
        type=kind,
        port=probed_port if kind in ("http", "tcp") else None,
        path=health.path,
        statuses=tuple(_range(part) for part in health.statuses.split(",")),
        retries=health.retries,
        interval=quantity.duration(health.interval),
        timeout=quantity.duration(health.timeout),
        success_threshold=health.success_threshold,
        start_period=quantity.duration(health.start_period),
        liveness=quantity.duration(health.liveness),
        restart_on_failure=health.restart_on_failure,
    )


def _range(text: str) -> tuple[int, int]:
    low, _, high = text.partition("-")
    return int(low), int(high or low)


def _options(route: RouteOptions, verify: str) -> Options:
    return Options(
        websockets=route.websockets is not False,
        force_tls=route.force_tls,
        certificate=route.certificate,
        access_list=route.access_list,
        verify=verify,
    )


def _hostnames(project: Project, stage: Stage, rules: CatalogRules) -> tuple[str, ...]:
    if project.spec.port is None:
        return ()
    own = names.hostname(rules.default_pattern, rules.domain, project.metadata.name, stage.name)
    return tuple(dict.fromkeys((own, *stage.domains)))


def _seconds(stage: str | None, project: str | None, default: str) -> float:
    return quantity.duration(_first(stage, project) or default)


def _first(stage: _Value | None, project: _Value | None) -> _Value | None:
    return stage if stage is not None else project


def _merged(defaults: _Group, *levels: _Group | None) -> _Group:
    """A group merged field by field: the last level that wrote a field wins; null is as good as not written."""
    written: dict[str, object] = {}
    for level in levels:
        if level is not None:
            values = {name: getattr(level, name) for name in level.model_fields_set}
            written |= {name: value for name, value in values.items() if value is not None}
    return defaults.model_copy(update=written)
