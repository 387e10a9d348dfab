"""A cluster as ECS describes it at one moment: services, deployments, tasks, instances. Pure.

Field names and values are those of the ECS API Reference (`Service`, `Deployment`, `Task`, `ContainerInstance`), read
in November 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

EVENTS = 10
"""Of a service, the newest."""


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """One deployment of a service: the PRIMARY one, and those that it replaces (ACTIVE)."""

    id: str
    status: str
    rollout: str
    """IN_PROGRESS, COMPLETED, FAILED; empty where ECS says nothing."""
    reason: str
    task_definition: str
    desired: int
    running: int
    pending: int
    failed: int
    """Tasks in a row that did not reach RUNNING, or were found unhealthy: what the circuit breaker counts."""
    created_at: datetime
    updated_at: datetime


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One of ECS's messages on a service."""

    id: str
    at: datetime
    text: str


class ServiceSeen(msgspec.Struct, frozen=True, kw_only=True):
    """One service."""

    key: str
    """`history`, …: of the fleet."""
    name: str
    status: str
    """ACTIVE, DRAINING, INACTIVE; MISSING where ECS does not know it."""
    desired: int = 0
    running: int = 0
    pending: int = 0
    task_definition: str = ""
    deployments: tuple[Deployment, ...] = ()
    """The primary one first."""
    events: tuple[Event, ...] = ()
    """The newest first."""
    rolling: Mapping[str, Any] = {}
    """Its deployment configuration; empty where ECS says nothing."""

    @property
    def primary(self) -> Deployment | None:
        """The deployment that the service is on its way to."""
        return next((one for one in self.deployments if one.status == "PRIMARY"), None)


class TaskSeen(msgspec.Struct, frozen=True, kw_only=True):
    """One task."""

    arn: str
    service: str
    """Key of the fleet; empty for a task of no service."""
    status: str
    """PROVISIONING, PENDING, ACTIVATING, RUNNING, DEACTIVATING, STOPPING, DEPROVISIONING, STOPPED."""
    desired: str
    health: str
    """HEALTHY, UNHEALTHY, UNKNOWN."""
    address: str
    """Private IPv4 address; empty before it has one."""
    instance: str
    """ARN of its container instance; empty before it is placed."""
    zone: str
    family: str
    revision: str
    """ARN of its task definition."""
    started_by: str
    created_at: datetime | None = None
    started_at: datetime | None = None
    stopped_at: datetime | None = None
    stop_code: str = ""
    reason: str = ""
    exit_codes: Mapping[str, int] = {}
    """Container → exit code."""
    runtime_ids: Mapping[str, str] = {}
    """Container → id of Docker, which Session Manager's target names."""

    @property
    def id(self) -> str:
        """The last part of its ARN."""
        return self.arn.rsplit("/", 1)[-1]


class InstanceSeen(msgspec.Struct, frozen=True, kw_only=True):
    """One container instance. Resources are what tasks may take, and what is left of it."""

    arn: str
    instance_id: str
    """Of EC2."""
    zone: str
    instance_type: str
    provider: str
    """Capacity provider; empty where there is none."""
    status: str
    """ACTIVE, DRAINING, REGISTERING, …"""
    connected: bool
    """Whether its agent is."""
    running: int
    pending: int
    cpu: int
    cpu_left: int
    """CPU units."""
    memory: int
    memory_left: int
    """MiB."""
    trunk: bool = False
    """Whether it has a trunk network interface, which carries more awsvpc tasks."""


class StartLines(msgspec.Struct, frozen=True, kw_only=True):
    """What a server task's log says of its start: `auroral.ecs.rollout.evidence` reads it."""

    address: str = ""
    """The address that it tells its peers; empty: no line yet."""
    created: int | None = None
    """Connections that its warm-up opened; None: no line yet."""
    failed: int = 0

    @property
    def warm(self) -> bool:
        """Whether its pool's warm-up is over."""
        return self.created is not None


class ClusterSeen(msgspec.Struct, frozen=True, kw_only=True):
    """All of it at one moment. `tasks` has those of the services, and one-shot tasks."""

    at: datetime
    services: Mapping[str, ServiceSeen]
    arn: str = ""
    """Of the cluster."""
    tasks: tuple[TaskSeen, ...] = ()
    stopped: tuple[TaskSeen, ...] = ()
    """ECS tells of a stopped task for an hour."""
    instances: tuple[InstanceSeen, ...] = ()
    mark: str = ""
    """The cluster's tag that says which operation is under way: `auroral.ecs.operation`."""
    started: Mapping[str, StartLines] = {}
    """Task id → what its log says of its start, for the tasks that were asked about."""
    unread: str = ""
    """Why the logs could not be read; empty where they were, or nobody asked."""

    def tasks_of(self, service: str) -> tuple[TaskSeen, ...]:
        """Those of one service that have not stopped."""
        return tuple(one for one in self.tasks if one.service == service)


def service_seen(key: str, description: Mapping[str, Any]) -> ServiceSeen:
    """Read one of DescribeServices."""
    events = [
        Event(id=str(one.get("id", "")), at=_time(one.get("createdAt")), text=str(one.get("message", "")))
        for one in (description.get("events") or ())[:EVENTS]
    ]
    deployments = [_deployment(one) for one in description.get("deployments") or ()]
    deployments.sort(key=lambda one: (one.status != "PRIMARY", -one.created_at.timestamp()))
    return ServiceSeen(
        key=key,
        name=str(description.get("serviceName", "")),
        status=str(description.get("status", "")),
        desired=int(description.get("desiredCount", 0)),
        running=int(description.get("runningCount", 0)),
        pending=int(description.get("pendingCount", 0)),
        task_definition=str(description.get("taskDefinition", "")),
        deployments=tuple(deployments),
        events=tuple(events),
        rolling=description.get("deploymentConfiguration") or {},
    )


def missing_service(key: str, name: str) -> ServiceSeen:
    """A service that ECS does not know."""
    return ServiceSeen(key=key, name=name, status="MISSING")


def task_seen(service: str, description: Mapping[str, Any]) -> TaskSeen:
    """Read one of DescribeTasks."""
    containers = description.get("containers") or ()
    revision = str(description.get("taskDefinitionArn", ""))
    return TaskSeen(
        arn=str(description.get("taskArn", "")),
        service=service,
        status=str(description.get("lastStatus", "")),
        desired=str(description.get("desiredStatus", "")),
        health=str(description.get("healthStatus") or "UNKNOWN"),
        address=_address(description),
        instance=str(description.get("containerInstanceArn") or ""),
        zone=str(description.get("availabilityZone") or ""),
        family=revision.rsplit("/", 1)[-1].split(":", maxsplit=1)[0],
        revision=revision,
        started_by=str(description.get("startedBy") or ""),
        created_at=_optional_time(description.get("createdAt")),
        started_at=_optional_time(description.get("startedAt")),
        stopped_at=_optional_time(description.get("stoppedAt")),
        stop_code=str(description.get("stopCode") or ""),
        reason=_reason(description),
        exit_codes={str(one["name"]): int(one["exitCode"]) for one in containers if one.get("exitCode") is not None},
        runtime_ids={str(one["name"]): str(one["runtimeId"]) for one in containers if one.get("runtimeId")},
    )


def instance_seen(description: Mapping[str, Any]) -> InstanceSeen:
    """Read one of DescribeContainerInstances."""
    attributes = {one.get("name"): one.get("value", "") for one in description.get("attributes") or ()}
    registered, left = (_resources(description.get(name)) for name in ("registeredResources", "remainingResources"))
    return InstanceSeen(
        arn=str(description.get("containerInstanceArn", "")),
        instance_id=str(description.get("ec2InstanceId") or ""),
        zone=str(attributes.get("ecs.availability-zone") or ""),
        instance_type=str(attributes.get("ecs.instance-type") or ""),
        provider=str(description.get("capacityProviderName") or ""),
        status=str(description.get("status", "")),
        connected=bool(description.get("agentConnected")),
        running=int(description.get("runningTasksCount", 0)),
        pending=int(description.get("pendingTasksCount", 0)),
        cpu=registered.get("CPU", 0),
        cpu_left=left.get("CPU", 0),
        memory=registered.get("MEMORY", 0),
        memory_left=left.get("MEMORY", 0),
        # ECS developer guide, "Increasing Amazon ECS Linux container instance network interfaces".
        trunk=bool(attributes.get("ecs.awsvpc-trunk-id")),
    )


def _deployment(one: Mapping[str, Any]) -> Deployment:
    return Deployment(
        id=str(one.get("id", "")),
        status=str(one.get("status", "")),
        rollout=str(one.get("rolloutState") or ""),
        reason=str(one.get("rolloutStateReason") or ""),
        task_definition=str(one.get("taskDefinition", "")),
        desired=int(one.get("desiredCount", 0)),
        running=int(one.get("runningCount", 0)),
        pending=int(one.get("pendingCount", 0)),
        failed=int(one.get("failedTasks", 0)),
        created_at=_time(one.get("createdAt")),
        updated_at=_time(one.get("updatedAt") or one.get("createdAt")),
    )


def _resources(listed: Any) -> dict[str, int]:
    return {str(one.get("name")): int(one.get("integerValue", 0)) for one in listed or ()}


def _address(description: Mapping[str, Any]) -> str:
    for attachment in description.get("attachments") or ():
        for detail in attachment.get("details") or ():
            if detail.get("name") == "privateIPv4Address":
                return str(detail.get("value", ""))
    return ""


def _reason(description: Mapping[str, Any]) -> str:
    reasons = [str(description.get("stoppedReason") or "")]
    reasons += [str(one.get("reason") or "") for one in description.get("containers") or ()]
    return ": ".join(dict.fromkeys(reason for reason in reasons if reason))


def _optional_time(value: Any) -> datetime | None:
    return None if value is None else _time(value)


def _time(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    return datetime.fromtimestamp(0, UTC)
