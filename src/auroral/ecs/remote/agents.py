"""The tasks that generate for a run over several of them: how they start, which are there, how they end. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from auroral.aws_calls import Call
from auroral.ecs.one_shot.request import OneShot, Place, run_request
from auroral.ecs.seen import ClusterSeen, TaskSeen

AT_ONCE = 10
"""Tasks that one RunTask starts at most (ECS API Reference, `RunTask`, read in November 2026)."""


class AgentsPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The tasks of a run that wait for its parts."""

    count: int
    started_by: str
    requests: tuple[Mapping[str, Any], ...]
    """The arguments of RunTask; each sent twice starts its tasks once."""

    def start(self) -> tuple[Call, ...]:
        """The calls that start them."""
        return tuple(
            Call(service="ecs", operation="run_task", arguments=one, why=f"start {one['count']} of the generators")
            for one in self.requests
        )


def plan_agents(
    place: Place, container: str, count: int, *, command: tuple[str, ...], started_by: str, token: str
) -> AgentsPlan:
    """Start so many tasks with a command, ten at once. `token` has at most 60 characters."""
    requests = []
    for number, first in enumerate(range(0, count, AT_ONCE)):
        one = OneShot(place=place, command=command, started_by=started_by, client_token=f"{token}-{number}")
        requests.append({**run_request(one, container), "count": min(AT_ONCE, count - first)})
    return AgentsPlan(count=count, started_by=started_by, requests=tuple(requests))


class Agents:
    """What is known of them."""

    def __init__(self, plan: AgentsPlan | None) -> None:
        self.plan = plan
        self._tasks: dict[str, TaskSeen] = {}

    def see(self, seen: ClusterSeen) -> None:
        """Take what a look at the cluster has."""
        if self.plan is not None:
            for task in (*seen.stopped, *seen.tasks):
                if task.started_by == self.plan.started_by:
                    self._tasks[task.arn] = task

    @property
    def known(self) -> int:
        """Those that were seen."""
        return len(self._tasks)

    @property
    def running(self) -> int:
        """Those that run."""
        return sum(task.status == "RUNNING" for task in self._tasks.values())

    @property
    def stopped(self) -> int:
        """Those that have stopped."""
        return self.known - len(self.left)

    @property
    def left(self) -> list[TaskSeen]:
        """Those that have not stopped."""
        return [task for task in self._tasks.values() if task.status != "STOPPED"]

    @property
    def ended(self) -> TaskSeen | None:
        """One that has stopped."""
        return next((task for task in self._tasks.values() if task.status == "STOPPED"), None)

    def stop(self, cluster: str) -> tuple[Call, ...]:
        """The calls that stop those that are left."""
        return tuple(
            Call(
                service="ecs",
                operation="stop_task",
                arguments={"cluster": cluster, "task": task.arn, "reason": "the benchmark is over"},
                why="stop a generator",
            )
            for task in self.left
        )
