"""How ECS replaces the tasks of one service in a rolling deployment: counts in, decisions out. Pure.

Source: Amazon ECS API reference, `DeploymentConfiguration` (read in November 2026): at most ⌊desired × maximumPercent⌋
tasks RUNNING or PENDING, at least ⌈desired × minimumHealthyPercent⌉ of them healthy. A task being stopped counts
in neither, so that it still holds its connections while its successor already opens some.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from auroral.capacity.simulation.scenario import lower, upper


class Step(NamedTuple):
    """What the scheduler does next."""

    start: int
    stop: tuple[int, ...]


class Rollout:
    """One rolling deployment: which of the old tasks are left, and how many new ones were asked for."""

    def __init__(self, old: Sequence[int], desired: int, min_healthy_percent: int, max_percent: int) -> None:
        self._old = list(old)
        self._desired = desired
        self._asked = 0
        self._upper = upper(desired, max_percent)
        self._lower = lower(desired, min_healthy_percent)

    @property
    def asked(self) -> int:
        """New tasks asked for so far."""
        return self._asked

    def step(self, healthy_old: Collection[int], new: int, healthy_new: int) -> Step:
        """Decide, given which old tasks are healthy, and how many new ones there are and are healthy.

        `new` counts those that still start. Old tasks that died by themselves are in neither `healthy_old` nor left.
        """
        # A new task that died is asked for again.
        missing = self._desired - new
        room = self._upper - new - len(self._old)
        start = max(0, min(missing, room))
        healthy = len(healthy_old) + healthy_new
        stop = tuple(self._stoppable(healthy_old, healthy - self._lower, new + start))
        self._old = [task for task in self._old if task not in stop]
        # What was stopped makes room at once: it counts no longer.
        start = max(0, min(missing, self._upper - new - len(self._old)))
        self._asked += start
        return Step(start, stop)

    def lost(self, task: int) -> None:
        """Say that an old task died by itself."""
        if task in self._old:
            self._old.remove(task)

    def done(self, healthy_new: int) -> bool:
        """Whether every task is a new, healthy one."""
        return not self._old and healthy_new >= self._desired

    def _stoppable(self, healthy_old: Collection[int], spare: int, new: int) -> list[int]:
        """Old tasks that may end now: one that is not healthy while enough others are there, healthy ones likewise."""
        enough = len(self._old) + new - self._lower
        unhealthy = [task for task in self._old if task not in healthy_old][: max(0, enough)]
        healthy = [task for task in self._old if task in healthy_old][: max(0, spare)]
        return unhealthy + healthy
