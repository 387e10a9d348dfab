"""Whether ECS can replace the tasks of a service at all: with its percentages, at its count. Pure.

A rolling deployment leaves at least ⌈count × minimumHealthyPercent ÷ 100⌉ tasks healthy and has at most
⌊count × maximumPercent ÷ 100⌋ at once (ECS API Reference, `DeploymentConfiguration`, read in November 2026). Where the
first is no less than the count, and the second no more, it can neither stop nor start a task, and waits for ever.
`waves.update` sets other percentages then; what is left is the only task of a service that rolls in place.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from auroral.ecs.fleet import Fleet
from auroral.ecs.rollout import waves
from auroral.ecs.rollout.waves import Wave
from auroral.ecs.seen import ClusterSeen

_SEARCHED = 3
"""Larger counts that are tried: from two tasks on there are percentages that fit."""


class Stuck(msgspec.Struct, frozen=True, kw_only=True):
    """A service whose deployment would never end."""

    key: str
    count: int
    min_healthy_percent: int
    max_percent: int
    fits: int | None
    """The next larger count at which it would; None: there is none."""

    @property
    def text(self) -> str:
        """The arithmetic."""
        least, most = waves.bounds(self.count, (self.min_healthy_percent, self.max_percent))
        return (
            f"{self.key} at {self.count}: ⌈{self.count} × {self.min_healthy_percent} %⌉ = {least} must stay, "
            f"⌊{self.count} × {self.max_percent} %⌋ = {most} may be there: ECS can neither stop nor start a task"
        )


def stuck(fleet: Fleet, seen: ClusterSeen, planned: Iterable[Wave]) -> tuple[Stuck, ...]:
    """Services of these waves whose running tasks are to be replaced, and cannot be.

    Tasks of which none is well are no obstacle: ECS stops those whatever must stay.
    """
    found = []
    for step in (step for wave in planned for step in wave):
        service = seen.services[step.key]
        count = service.desired if step.count is None else step.count
        begun = len(service.deployments) > 1
        if not count or not service.running or not (begun or waves.deploys(fleet, seen, step)):
            continue
        tasks = seen.tasks_of(step.key)
        if tasks and all(one.status != "RUNNING" or one.health == "UNHEALTHY" for one in tasks):
            continue
        one = fixed(fleet, seen, step.key, count)
        if one is not None:
            found.append(one)
    return tuple(found)


def fixed(fleet: Fleet, seen: ClusterSeen, key: str, count: int) -> Stuck | None:
    """Why a service cannot be rolled at a count, whatever percentages `roll` sets; None: it can."""
    own, has = fleet.services[key], waves.percents(fleet, seen.services[key])
    plan = (own.min_healthy_percent, own.max_percent)
    if not count or any(waves.moves(count, one) for one in (has, plan, waves.fitting(count, plan))):
        return None
    larger = (one for one in range(count + 1, count + _SEARCHED) if waves.moves(one, waves.fitting(one, plan)))
    return Stuck(key=key, count=count, min_healthy_percent=has[0], max_percent=has[1], fits=next(larger, None))
