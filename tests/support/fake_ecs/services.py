"""Services: what ECS has been asked for, their deployments, their events."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.support.fake_ecs.deployments import Deployment
from tests.support.fake_ecs.tasks import Task

EVENTS_KEPT = 100
REPEATED_S = 6 * 3_600.0
"""An event whose cause lasts is written again after six hours (ECS Developer Guide, "service event messages")."""


@dataclass
class Service:
    """One service with the deployment controller ECS."""

    key: str
    name: str
    arn: str
    provider: str
    log_group: str
    task_definition: str
    """ARN."""
    created_at: datetime
    min_healthy_percent: int = 100
    max_percent: int = 200
    breaker: bool = True
    rollback: bool = True
    pool_size: int | None = None
    """Of its tasks' pools; None: they are none of Temporal's."""
    alarm_names: tuple[str, ...] = ()
    exec_enabled: bool = True
    network: dict[str, Any] = field(default_factory=dict)
    status: str = "ACTIVE"
    desired: int = 0
    deployments: list[Deployment] = field(default_factory=list)
    """The primary one first."""
    completed: tuple[str, str] | None = None
    """Id and task definition of the last deployment that was completed."""
    tasks: list[Task] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    """The newest first."""
    steady: bool = False
    steady_told_s: float = 0.0
    next_look_s: float = 0.0
    launches_failed: int = 0
    """In a row, without one that reached RUNNING."""
    no_launch_until_s: float = 0.0
    causes: dict[str, float] = field(default_factory=dict)
    """Events whose cause lasts → when they were written."""

    @property
    def primary(self) -> Deployment:
        """What it is on its way to."""
        return self.deployments[0]

    def live(self) -> list[Task]:
        """Tasks that ECS has not been asked to stop."""
        return [one for one in self.tasks if one.live]

    def told(self, text: str, id: str, at: datetime) -> None:
        """One more event; the oldest goes."""
        self.events.insert(0, {"id": id, "createdAt": at, "message": text})
        del self.events[EVENTS_KEPT:]

    def described(self, cluster_arn: str) -> dict[str, Any]:
        """As DescribeServices tells it."""
        shared: dict[str, Any] = {
            "capacityProviderStrategy": [{"capacityProvider": self.provider, "weight": 1, "base": 0}],
            "networkConfiguration": self.network,
        }
        breaker = {"enable": self.breaker, "rollback": self.rollback}
        alarms = {"alarmNames": list(self.alarm_names), "enable": True, "rollback": self.rollback}
        configuration: dict[str, Any] = {
            "deploymentCircuitBreaker": breaker,
            "maximumPercent": self.max_percent,
            "minimumHealthyPercent": self.min_healthy_percent,
            "strategy": "ROLLING",
            **({"alarms": alarms} if self.alarm_names else {}),
        }
        return {
            "serviceArn": self.arn,
            "serviceName": self.name,
            "clusterArn": cluster_arn,
            "status": self.status,
            "desiredCount": self.desired,
            "runningCount": sum(one.status == "RUNNING" for one in self.tasks),
            "pendingCount": sum(one.pending for one in self.tasks),
            "taskDefinition": self.task_definition,
            "deploymentConfiguration": configuration,
            "deployments": [self._deployment(one, shared) for one in self.deployments],
            "events": list(self.events),
            "createdAt": self.created_at,
            "loadBalancers": [],
            "serviceRegistries": [],
            "placementConstraints": [],
            "placementStrategy": [
                {"type": "spread", "field": "attribute:ecs.availability-zone"},
                {"type": "spread", "field": "instanceId"},
            ],
            "schedulingStrategy": "REPLICA",
            "deploymentController": {"type": "ECS"},
            "enableECSManagedTags": True,
            "propagateTags": "SERVICE",
            "enableExecuteCommand": self.exec_enabled,
            "availabilityZoneRebalancing": "DISABLED",
            **shared,
        }

    def _deployment(self, one: Deployment, shared: dict[str, Any]) -> dict[str, Any]:
        tasks = [task for task in self.tasks if task.started_by == one.id]
        live = sum(task.live for task in tasks)
        return one.described(
            desired=self.desired if one is self.primary else live,
            running=sum(task.status == "RUNNING" for task in tasks),
            pending=sum(task.pending for task in tasks),
            shared=shared,
        )
