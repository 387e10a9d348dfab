"""What a cluster takes of DSQL now, in each wave and after it: counts, with what running task definitions give. Pure.

A change that would overrun DSQL's limits anywhere on its way is refused before its first call. What runs is reckoned
with the shares of the task definitions that run, not with those that the last apply registered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from auroral.capacity.budget import Check
from auroral.ecs.fleet import DsqlShare, Fleet
from auroral.ecs.rollout import connects, waves
from auroral.ecs.rollout.waves import Step, Wave
from auroral.ecs.seen import ClusterSeen, ServiceSeen

Definitions = Mapping[str, DsqlShare | None]
"""ARN of a task definition → its share; None: it opens no connection. One that is not there counts as the fleet's."""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What runs at one moment."""

    counts: Mapping[str, int]
    """By key of the fleet."""
    shares: Mapping[str, DsqlShare | None]
    """Of a task of each service: where two definitions run, the larger in each respect."""


def present(fleet: Fleet, seen: ClusterSeen, definitions: Definitions) -> Load:
    """What runs, or is wanted, now."""
    shares = {
        key: larger(_share(fleet, key, arn, definitions) for arn in used(seen, seen.services[key]))
        for key in fleet.services
    }
    return Load(counts=waves.present(seen), shares=shares)


def used(seen: ClusterSeen, service: ServiceSeen) -> tuple[str, ...]:
    """Task definitions that tasks of a service run, or will."""
    deployed = (one.task_definition for one in service.deployments if one.running or one.pending or one.desired)
    found = (service.task_definition, *deployed, *(task.revision for task in seen.tasks_of(service.key)))
    return tuple(dict.fromkeys(arn for arn in found if arn))


def larger(shares: Iterable[DsqlShare | None]) -> DsqlShare | None:
    """The larger in each respect; None where none opens a connection."""
    some = [one for one in shares if one is not None]
    if not some:
        return None
    return DsqlShare(
        pool_size=max(one.pool_size for one in some),
        rate_per_s=max(one.rate_per_s for one in some),
        burst=max(one.burst for one in some),
        reservoir=max(one.reservoir for one in some),
    )


def overruns(
    fleet: Fleet,
    seen: ClusterSeen,
    planned: Sequence[Wave],
    targets: connects.Targets,
    definitions: Definitions,
) -> tuple[Check, ...]:
    """The sums for which these waves are refused: those of their end, else those of the first wave that is over.

    The end must hold, or be better than now in what it overruns, where it deploys tasks that open connections. On the
    way no sum may be over that was not so large before: who shrinks an overrun cluster is not refused.
    """
    fleet = waves.as_rolled(fleet, seen, planned)
    now = present(fleet, seen, definitions)
    steps = list(_steps(fleet, seen, now, planned, definitions))
    if not steps:
        return ()
    fills = any(
        fleet.services[step.key].dsql is not None and now.counts.get(step.key, 0) and waves.deploys(fleet, seen, step)
        for wave in planned
        for step in wave
    )
    end = steps[-1][-1]
    over = _between(fleet, now, end, targets, strict=fills)
    for (during, after), wave in zip(steps, planned, strict=True):
        if over:
            return over
        replaced = waves.replaced(fleet, seen, [wave])
        over = _between(fleet, now, during, targets, deployed=replaced) or _between(fleet, now, after, targets)
        now = after
    return over


def in_order(
    fleet: Fleet,
    seen: ClusterSeen,
    planned: Sequence[Wave],
    targets: connects.Targets,
    definitions: Definitions,
) -> tuple[Wave, ...]:
    """The waves of a roll: as planned, or those first that take less of DSQL than before where only that order holds.

    A plan that gives one service what it takes from another fills the budget at both ends.
    """
    if not overruns(fleet, seen, planned, targets, definitions):
        return tuple(planned)
    now = present(fleet, seen, definitions)

    def grows(wave: Wave) -> bool:
        return any(
            larger((now.shares[step.key], _target(fleet, seen, step, definitions))) != now.shares[step.key]
            for step in wave
        )

    changed = tuple(sorted(planned, key=grows))
    return tuple(planned) if overruns(fleet, seen, changed, targets, definitions) else changed


def _steps(
    fleet: Fleet, seen: ClusterSeen, now: Load, planned: Sequence[Wave], definitions: Definitions
) -> Iterator[tuple[Load, Load]]:
    """What runs in each wave at most, and after it."""
    for wave in planned:
        counts = waves.after(now.counts, wave)
        after = {step.key: _target(fleet, seen, step, definitions) for step in wave}
        during = {
            key: larger((now.shares[key], share)) if now.counts.get(key, 0) else share for key, share in after.items()
        }
        yield (
            Load(counts=counts, shares={**now.shares, **during}),
            now := Load(counts=counts, shares={**now.shares, **after}),
        )


def _target(fleet: Fleet, seen: ClusterSeen, step: Step, definitions: Definitions) -> DsqlShare | None:
    """The share of what a service runs once a step is done."""
    return _share(fleet, step.key, step.task_definition or seen.services[step.key].task_definition, definitions)


def _share(fleet: Fleet, key: str, arn: str, definitions: Definitions) -> DsqlShare | None:
    service = fleet.services[key]
    return service.dsql if arn == service.task_definition else definitions.get(arn, service.dsql)


def _between(
    fleet: Fleet,
    now: Load,
    then: Load,
    targets: connects.Targets,
    *,
    deployed: Iterable[str] = (),
    strict: bool = False,
) -> tuple[Check, ...]:
    return connects.overruns(
        fleet,
        now.counts,
        then.counts,
        targets,
        deployed=deployed,
        shares=(now.shares, then.shares),
        strict=strict,
    )
