"""Reads a cluster: services, tasks, instances, the mark of an operation. Acts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from auroral.aws_account import Account, listed
from auroral.ecs.fleet import Fleet
from auroral.ecs.operation import MARK
from auroral.ecs.seen import (
    ClusterSeen,
    InstanceSeen,
    ServiceSeen,
    TaskSeen,
    instance_seen,
    missing_service,
    service_seen,
    task_seen,
)
from auroral.errors import TargetError

SERVICES_AT_ONCE = 10
TASKS_AT_ONCE = 100
INSTANCES_AT_ONCE = 100
"""Of DescribeServices, DescribeTasks and DescribeContainerInstances (ECS API Reference, read in November 2026)."""


class Observer:
    """Looks at one cluster."""

    def __init__(self, account: Account, fleet: Fleet, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)):
        self._account = account
        self._fleet = fleet
        self._now = now

    def look(self, *, tasks: bool = True, instances: bool = False, stopped: bool = False) -> ClusterSeen:
        """The cluster as it is. Raises `AwsError`, and `TargetError` where there is no such cluster."""
        arn, mark = self._cluster()
        return ClusterSeen(
            at=self._now(),
            services=self._services(),
            tasks=tuple(self._tasks("RUNNING")) if tasks else (),
            stopped=tuple(self._tasks("STOPPED")) if stopped else (),
            instances=tuple(self._instances()) if instances else (),
            arn=arn,
            mark=mark,
        )

    def _cluster(self) -> tuple[str, str]:
        answer = self._account.call("ecs", "describe_clusters", clusters=[self._fleet.cluster], include=["TAGS"])
        for found in answer.get("clusters") or ():
            if found.get("status") == "ACTIVE":
                tags = {one.get("key"): one.get("value", "") for one in found.get("tags") or ()}
                return str(found.get("clusterArn", "")), str(tags.get(MARK, ""))
        raise TargetError(
            f"there is no cluster {self._fleet.cluster} in {self._account.region}",
            hint="see --region, --profile and the outputs: `aws ecs list-clusters` names those that are there",
        )

    def _services(self) -> dict[str, ServiceSeen]:
        names = {one.name: key for key, one in self._fleet.services.items()}
        seen: dict[str, ServiceSeen] = {}
        for some in _batches(list(names), SERVICES_AT_ONCE):
            answer = self._account.call("ecs", "describe_services", cluster=self._fleet.cluster, services=some)
            for found in answer.get("services") or ():
                key = names.get(str(found.get("serviceName")))
                if key is not None:
                    seen[key] = service_seen(key, found)
        return {key: seen.get(key) or missing_service(key, one.name) for key, one in self._fleet.services.items()}

    def _tasks(self, desired: str) -> Iterator[TaskSeen]:
        """RUNNING is the desired status of all that ECS has not been asked to stop."""
        cluster = self._fleet.cluster
        arns = list(listed(self._account, "ecs", "list_tasks", "taskArns", cluster=cluster, desiredStatus=desired))
        for some in _batches(arns, TASKS_AT_ONCE):
            answer = self._account.call("ecs", "describe_tasks", cluster=cluster, tasks=some)
            for found in answer.get("tasks") or ():
                yield task_seen(self._service_of(found), found)

    def _service_of(self, task: Mapping[str, Any]) -> str:
        """Key of the task's service: its group is `service:NAME`."""
        group = str(task.get("group") or "")
        return (self._fleet.key_of(group.removeprefix("service:")) or "") if group.startswith("service:") else ""

    def _instances(self) -> Iterator[InstanceSeen]:
        cluster = self._fleet.cluster
        arns = list(listed(self._account, "ecs", "list_container_instances", "containerInstanceArns", cluster=cluster))
        for some in _batches(arns, INSTANCES_AT_ONCE):
            answer = self._account.call("ecs", "describe_container_instances", cluster=cluster, containerInstances=some)
            yield from map(instance_seen, answer.get("containerInstances") or ())


def _batches(names: Sequence[str], size: int) -> Iterable[list[str]]:
    return (list(names[start : start + size]) for start in range(0, len(names), size))
