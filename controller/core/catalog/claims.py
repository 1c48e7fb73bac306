"""Names that only one stage may have: hostnames and volumes. Decides who gets one, and what the others are told.

Hostnames: default routes before instance routes, then whom the route belongs to now, then the order of documents. The
loser goes without that hostname, its containers run all the same. Volumes: the stage that runs, then the order of
documents. Two stages on one volume would write each other's data, so the loser is suspended.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from controller.core.catalog.precedence import Precedence, precedence, where
from controller.core.catalog.types import CatalogRules, Incumbents
from controller.core.model.desired import DesiredStage, Notice, Origin, StageKey

HOSTNAME_MAX = 253
"""RFC 1035: a name has at most 253 characters in text."""

Stages = Mapping[StageKey, DesiredStage]


@dataclass(frozen=True)
class _Claim:
    """A stage, or one of its instances, that wants a hostname."""

    hostname: str
    stage: StageKey
    tag: str | None
    """None: for the default route."""
    origin: Origin
    rank: tuple[int, int, Precedence, StageKey, int]

    def __str__(self) -> str:
        what = f"the default route of {self.stage}" if self.tag is None else f"instance {self.tag} of {self.stage}"
        return f"{what} ({where(self.origin)})"


def grant_hostnames(
    stages: Stages, rules: CatalogRules, incumbents: Incumbents
) -> tuple[dict[StageKey, DesiredStage], dict[str, StageKey]]:
    """The stages with the hostnames that they were granted out of those they want, and each hostname's claimant."""
    contests: dict[str, list[_Claim]] = {}
    for stage in stages.values():
        for claim in _claims(stage, rules, incumbents):
            contests.setdefault(claim.hostname, []).append(claim)
    lost: dict[StageKey, list[tuple[_Claim, Notice]]] = {}
    claims: dict[str, StageKey] = {}
    for hostname in sorted(contests):
        winner, *losers = sorted(contests[hostname], key=lambda claim: claim.rank)
        if len(hostname) > HOSTNAME_MAX:
            losers.insert(0, winner)
        else:
            claims[hostname] = winner.stage
        for loser in losers:
            lost.setdefault(loser.stage, []).append((loser, _hostname_notice(loser, winner)))
    return {key: _without(stage, lost.get(key, ())) for key, stage in stages.items()}, claims


def refuse_shared_volumes(stages: Stages, rules: CatalogRules, incumbents: Incumbents) -> dict[StageKey, DesiredStage]:
    """The stages, those suspended that would mount the named volume of another stage (`a-b/c` and `a/b-c`)."""

    def rank(stage: DesiredStage) -> tuple[bool, Precedence, StageKey]:
        place = precedence(stage.origin, stage.project, rules.sources)
        return (not incumbents.running.get(stage.key), place, stage.key)

    holders: dict[str, list[DesiredStage]] = {}
    for stage in stages.values():
        for source in {mount.source for mount in stage.template.mounts if not mount.bind}:
            holders.setdefault(source, []).append(stage)
    granted = dict(stages)
    for volume in sorted(holders):
        winner, *losers = sorted(holders[volume], key=rank)
        for loser in losers:
            message = (
                f"volume {volume} of {loser.key} ({where(loser.origin)}) is the one of {winner.key} "
                f"({where(winner.origin)}): {loser.key} is left as it is until one of them has another name"
            )
            notice = Notice("VolumeCollision", message, origin=loser.origin)
            granted[loser.key] = granted[loser.key].left_alone(notice)
    return granted


def _claims(stage: DesiredStage, rules: CatalogRules, incumbents: Incumbents) -> Iterable[_Claim]:
    place = precedence(stage.origin, stage.project, rules.sources)
    for number, hostname in enumerate(stage.default_hostnames):
        held_by, _ = incumbents.hostnames.get(hostname, ("", ""))
        rank = (0, 0 if held_by == stage.key else 1, place, stage.key, number)
        yield _Claim(hostname, stage.key, None, stage.origin, rank)
    for number, instance in enumerate(stage.instances):
        if instance.hostname is None:
            continue
        holder = incumbents.hostnames.get(instance.hostname, ("", ""))
        held = 0 if holder == (stage.key, instance.tag) else 1 if holder[0] == stage.key else 2
        place = precedence(instance.origin, instance.request or stage.project, rules.sources)
        yield _Claim(instance.hostname, stage.key, instance.tag, instance.origin, (1, held, place, stage.key, number))


def _hostname_notice(loser: _Claim, winner: _Claim) -> Notice:
    if loser is winner or len(loser.hostname) > HOSTNAME_MAX:
        message = f"hostname {loser.hostname} for {loser} is longer than {HOSTNAME_MAX} characters"
        return Notice("HostnameTooLong", message, loser.tag, loser.origin)
    message = f"hostname {loser.hostname} is wanted by {loser}, but belongs to {winner}"
    return Notice("HostnameConflict", message, loser.tag, loser.origin)


def _without(stage: DesiredStage, lost: Iterable[tuple[_Claim, Notice]]) -> DesiredStage:
    refused = tuple(lost)
    if not refused:
        return stage
    refused_default = {claim.hostname for claim, _ in refused if claim.tag is None}
    refused_tags = {claim.tag for claim, _ in refused}
    return replace(
        stage,
        default_hostnames=tuple(name for name in stage.default_hostnames if name not in refused_default),
        instances=tuple(
            replace(instance, hostname=None) if instance.tag in refused_tags else instance
            for instance in stage.instances
        ),
        notices=(*stage.notices, *(notice for _, notice in refused)),
    )
