"""Whether counts of tasks keep DSQL's limits: the sums of `auroral.capacity.budget` that a change makes worse. Pure.

`auroral.ecs.rollout.loads` says what the tasks of each service take, now and in each wave.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from auroral.capacity.budget import Check, ServiceConnections, judge
from auroral.ecs.fleet import DsqlShare, Fleet


class ScalableTarget(msgspec.Struct, frozen=True, kw_only=True):
    """What Application Auto Scaling may do with one service."""

    minimum: int
    maximum: int
    suspended: bool = False
    """Whether it may start no task."""


Targets = Mapping[str, ScalableTarget]
"""By key of the fleet."""

Shares = Mapping[str, DsqlShare | None]
"""What one task of a service takes, by key of the fleet; None: it opens no connection. Not there: the fleet's own."""


def connections(
    fleet: Fleet, counts: Mapping[str, int], targets: Targets, shares: Shares | None = None
) -> list[ServiceConnections]:
    """The services as the budget sees them with these counts. Autoscaling starts nothing where no task runs."""
    found = []
    for key, service in fleet.services.items():
        count = counts.get(key, 0)
        taken = (shares or {}).get(key, service.dsql)
        one = msgspec.structs.replace(service, dsql=taken).connections(count)
        if one is None or count == 0:
            continue
        target = targets.get(key)
        if target is not None:
            most = count if target.suspended else max(count, target.maximum)
            one = msgspec.structs.replace(one, maximum=most)
        found.append(one)
    return found


def overruns(
    fleet: Fleet,
    now: Mapping[str, int],
    then: Mapping[str, int],
    targets: Targets,
    *,
    deployed: Iterable[str] = (),
    shares: tuple[Shares, Shares] = ({}, {}),
    strict: bool = False,
) -> tuple[Check, ...]:
    """The sums that are over with the counts `then`, less those that `now` has no better.

    Whoever shrinks an overrun cluster is not refused; a service that is `deployed` must keep its own sums in any case.
    `shares` are those of now and then. With `strict` a sum that is over and no smaller than now is refused as well.
    """
    was, will = (
        judge(connections(fleet, counts, targets, taken), fleet.allowance)
        for counts, taken in zip((now, then), shares, strict=True)
    )
    before = {one.name: one for one in was.checks}
    own = tuple(f"-deploying-{key}" for key in deployed)
    return tuple(
        check
        for check in will.violations
        if check.name.endswith(own)
        or check.total > _total(before, check)
        or (strict and check.total == _total(before, check))
    )


def _total(before: Mapping[str, Check], check: Check) -> float:
    """The same sum as it is now; the planned one where there was no such sum."""
    kind = check.name.split("-", 1)[0]
    found = before.get(check.name) or before.get(f"{kind}-planned")
    return found.total if found is not None else 0.0


def spelled_out(checks: Iterable[Check]) -> str:
    """Each sum on a line."""
    return "\n".join(f"  {check.title}: {check.spelled_out()}" for check in checks)


def contradictions(counts: Mapping[str, int], targets: Targets) -> tuple[str, ...]:
    """What Application Auto Scaling would do against these counts. A count of 0 stays 0: it has no metric."""
    found = []
    for key, count in counts.items():
        target = targets.get(key)
        if target is None or count == 0:
            continue
        if count < target.minimum and not target.suspended:
            found.append(
                f"{key}: {count} is below autoscaling's minimum of {target.minimum}, to which a scale-out goes"
            )
        if count > target.maximum:
            found.append(f"{key}: {count} is above autoscaling's maximum of {target.maximum}; it may take tasks away")
    return tuple(found)
