"""Whether ECS can replace the tasks of a service at all: with its percentages, at its count. Pure.

A rolling deployment leaves at least ⌈count × minimumHealthyPercent ÷ 100⌉ tasks healthy and has at most
⌊count × maximumPercent ÷ 100⌋ at once (ECS API Reference, `DeploymentConfiguration`, read in November 2026). Where the
first is no less than the count, and the second no more, it can neither stop nor start a task, and waits for ever.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from auroral.ecs.fleet import Fleet
from auroral.ecs.rollout import waves
from auroral.ecs.rollout.waves import Wave
from auroral.ecs.seen import ClusterSeen

_SEARCHED = 200
"""Larger counts that are tried: with whole percentages the last one that may come to fit is 100 tasks."""


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
        least, most = _bounds(self.count, self.min_healthy_percent, self.max_percent)
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
        own = fleet.services[step.key]
        least = own.min_healthy_percent if service.min_healthy_percent is None else service.min_healthy_percent
        most = own.max_percent if service.max_percent is None else service.max_percent
        if _moves(count, least, most):
            continue
        larger = (one for one in range(count + 1, count + _SEARCHED) if _moves(one, least, most))
        found.append(
            Stuck(key=step.key, count=count, min_healthy_percent=least, max_percent=most, fits=next(larger, None))
        )
    return tuple(found)


def _moves(count: int, min_healthy_percent: int, max_percent: int) -> bool:
    least, most = _bounds(count, min_healthy_percent, max_percent)
    return least < count or most > count


def _bounds(count: int, min_healthy_percent: int, max_percent: int) -> tuple[int, int]:
    return -(-count * min_healthy_percent // 100), count * max_percent // 100
