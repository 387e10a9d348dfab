"""Tasks: their states, from PROVISIONING to STOPPED, and how DescribeTasks tells them.

Durations are plausible ones of awsvpc tasks on EC2; the order of states is that of the ECS Developer Guide, "Amazon
ECS task lifecycle".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.support.fake_ecs.behaviour import (
    HEALTH_INTERVAL_S,
    HEALTH_RETRIES,
    UNCHECKED_HEALTHY_S,
    Behaviour,
    Line,
)
from tests.support.fake_ecs.definitions import Definition
from tests.support.fake_ecs.instances import Instance

UP = ("PROVISIONING", "PENDING", "ACTIVATING", "RUNNING")
PENDING = UP[:-1]
DOWN = ("DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED")

ATTACH_S, PULL_S, ACTIVATE_S = 3.0, 8.0, 2.0
DEACTIVATE_S, DEPROVISION_S = 2.0, 3.0
EXEC_AGENT_S = 5.0
"""From the start of a container until ECS Exec reaches it."""
KEPT_S = 3_600.0
"""A stopped task is described for an hour at least (ECS API Reference, DescribeTasks)."""


@dataclass
class Task:
    """One task."""

    arn: str
    definition: Definition
    group: str
    started_by: str
    behaviour: Behaviour
    created_at: datetime
    created_s: float
    provider: str
    """Capacity provider; empty for a launch type."""
    runtime_id: str
    attachment_id: str
    interface_id: str
    jitter_s: float = 0.0
    overrides: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    exec_enabled: bool = True
    status: str = "PROVISIONING"
    desired: str = "RUNNING"
    health: str = "UNKNOWN"
    instance: Instance | None = None
    zone: str = ""
    address: str = ""
    subnet: str = ""
    lines: list[Line] = field(default_factory=list)
    """Still to be written, by seconds after the start."""
    ends_s: float | None = None
    """A one-shot task's end, after its start."""
    exit_code: int | None = None
    stopped_exit_code: int = 0
    container_reason: str = ""
    stop_code: str = ""
    stopped_reason: str = ""
    started_s: float | None = None
    stopped_s: float | None = None
    stopping_at: datetime | None = None
    started_at: datetime | None = None
    stopped_at: datetime | None = None
    execution_stopped_at: datetime | None = None
    pull_started_at: datetime | None = None
    pull_stopped_at: datetime | None = None
    was_healthy: bool = False
    failed: bool = False
    """It did not reach RUNNING, was found unhealthy, or ended before it was healthy."""
    ran: bool = False
    counted: bool = False
    counted_healthy: bool = False
    told: bool = False
    replaces: bool = False
    """It was started in an unhealthy one's place."""
    prepared: bool = False
    at_end: Callable[[], None] | None = None
    version: int = 1
    changes_s: float | None = None
    """When its state changes by itself."""

    @property
    def id(self) -> str:
        """The last part of its ARN."""
        return self.arn.rsplit("/", 1)[-1]

    @property
    def live(self) -> bool:
        """Whether ECS has not been asked to stop it, and it has not ended."""
        return self.desired == "RUNNING"

    @property
    def pending(self) -> bool:
        """Whether it is on its way to RUNNING."""
        return self.status in PENDING and self.live

    @property
    def serves(self) -> bool:
        """Whether it counts for the minimum of healthy tasks."""
        return self.live and self.status == "RUNNING" and self.was_healthy and self.health != "UNHEALTHY"

    def put(self, instance: Instance, address: str, subnet: str, now_s: float) -> None:
        """It has a place."""
        instance.held[self.id] = (self.definition.cpu, self.definition.memory)
        self.instance, self.zone, self.address, self.subnet = instance, instance.zone, address, subnet
        self.changes_s = now_s + ATTACH_S + self.jitter_s

    def stop(self, code: str, reason: str, at: datetime, now_s: float) -> None:
        """Ask it to end."""
        if not self.live:
            return
        self.desired, self.stop_code, self.stopped_reason = "STOPPED", code, reason
        self.stopping_at = at
        self.version += 1
        if self.instance is None:
            self._ended(at, now_s)
        elif self.status == "RUNNING":
            self._to("DEACTIVATING", now_s + DEACTIVATE_S)
        else:
            self._to("DEPROVISIONING", now_s + DEPROVISION_S)

    def lose(self, reason: str, at: datetime, now_s: float) -> None:
        """Its instance is gone."""
        self.desired, self.stop_code, self.stopped_reason = "STOPPED", "TerminationNotice", reason
        self.stopping_at = at
        self._ended(at, now_s)

    def fail_to_start(self, reason: str, at: datetime, now_s: float) -> None:
        """It never ran."""
        self.failed = True
        self.container_reason = reason if self.instance is not None else ""
        self.stop("TaskFailedToStart", reason, at, now_s)

    def step(self, at: datetime, now_s: float) -> None:
        """Let a moment pass."""
        if self.changes_s is not None and now_s >= self.changes_s:
            self._change(at, now_s)
        if self.status == "RUNNING" and self.live and self.started_s is not None:
            self._run(at, now_s, now_s - self.started_s)

    def _run(self, at: datetime, now_s: float, ran_s: float) -> None:
        how = self.behaviour
        if how.crash_after_s is not None and ran_s >= how.crash_after_s:
            self.failed = not self.was_healthy
            self._exits(how.exit_code, how.reason, at, now_s)
            return
        if self.ends_s is not None and ran_s >= self.ends_s:
            self._exits(how.exit_code, how.reason, at, now_s)
            if self.at_end is not None:
                self.at_end()
            return
        start_period_s = self.definition.start_period_s
        if start_period_s is None:
            self.was_healthy = self.was_healthy or ran_s >= UNCHECKED_HEALTHY_S
            return
        gives_up_s = start_period_s + HEALTH_RETRIES * HEALTH_INTERVAL_S
        turned_s = how.unhealthy_after_s
        if turned_s is not None and ran_s >= turned_s + (HEALTH_RETRIES * HEALTH_INTERVAL_S if self.was_healthy else 0):
            self._health("UNHEALTHY")
        elif how.never_healthy or how.healthy_after_s > gives_up_s:
            if ran_s >= gives_up_s:
                self._health("UNHEALTHY")
        elif ran_s >= how.healthy_after_s:
            self._health("HEALTHY")

    def _health(self, health: str) -> None:
        if health != self.health:
            self.health = health
            self.version += 1
        self.was_healthy = self.was_healthy or health == "HEALTHY"

    def _exits(self, code: int, reason: str, at: datetime, now_s: float) -> None:
        self.desired, self.exit_code, self.container_reason = "STOPPED", code, reason
        self.stop_code, self.stopped_reason = "EssentialContainerExited", "Essential container in task exited"
        self.stopping_at = self.execution_stopped_at = at
        self._to("DEPROVISIONING", now_s + DEPROVISION_S)

    def _change(self, at: datetime, now_s: float) -> None:
        if self.status == "PROVISIONING":
            self.pull_started_at = at
            self._to("PENDING", now_s + PULL_S + self.jitter_s)
        elif self.status == "PENDING":
            if self.behaviour.pull_error:
                self.fail_to_start(self.behaviour.pull_error, at, now_s)
                return
            self.pull_stopped_at = at
            self._to("ACTIVATING", now_s + ACTIVATE_S)
        elif self.status == "ACTIVATING":
            self.started_at, self.started_s, self.ran = at, now_s, True
            self._to("RUNNING", None)
        elif self.status == "DEACTIVATING":
            self._to("STOPPING", now_s + self.behaviour.stop_s)
        elif self.status == "STOPPING":
            self.exit_code = self.stopped_exit_code if self.exit_code is None else self.exit_code
            self.execution_stopped_at = at
            self._to("DEPROVISIONING", now_s + DEPROVISION_S)
        elif self.status == "DEPROVISIONING":
            self._ended(at, now_s)

    def _to(self, status: str, changes_s: float | None) -> None:
        self.status, self.changes_s = status, changes_s
        self.version += 1

    def _ended(self, at: datetime, now_s: float) -> None:
        self.stopped_at, self.stopped_s = at, now_s
        if self.instance is not None:
            self.instance.held.pop(self.id, None)
        self._to("STOPPED", None)

    def listed(self) -> dict[str, Any]:
        """What ListTasks knows it by, named as in `described`."""
        told = {
            "taskArn": self.arn,
            "taskDefinitionArn": self.definition.arn,
            "group": self.group,
            "startedBy": self.started_by,
            "desiredStatus": self.desired,
            "launchType": "EC2",
        }
        return told if self.instance is None else told | {"containerInstanceArn": self.instance.arn}

    def described(self, cluster_arn: str) -> dict[str, Any]:
        """As DescribeTasks tells it."""
        told: dict[str, Any] = {
            **self.listed(),
            "clusterArn": cluster_arn,
            "lastStatus": self.status,
            "healthStatus": self.health,
            "cpu": str(self.definition.cpu),
            "memory": str(self.definition.memory),
            "createdAt": self.created_at,
            "enableExecuteCommand": self.exec_enabled,
            "version": self.version,
            "overrides": {"inferenceAcceleratorOverrides": [], "containerOverrides": [], **self.overrides},
            "tags": [{"key": key, "value": value} for key, value in self.tags.items()],
            "attributes": [{"name": "ecs.cpu-architecture", "value": "arm64"}],
            "attachments": [self._attachment()],
            "containers": [self._container(one) for one in self.definition.containers],
        }
        optional = {
            "capacityProviderName": self.provider or None,
            "availabilityZone": self.zone or None,
            "startedAt": self.started_at,
            "stoppingAt": self.stopping_at,
            "stoppedAt": self.stopped_at,
            "executionStoppedAt": self.execution_stopped_at,
            "pullStartedAt": self.pull_started_at,
            "pullStoppedAt": self.pull_stopped_at,
            "stopCode": self.stop_code or None,
            "stoppedReason": self.stopped_reason or None,
        }
        if self.instance is not None:
            optional |= {"connectivity": "CONNECTED" if self.instance.connected else "DISCONNECTED"}
            optional |= {"connectivityAt": self.created_at + timedelta(seconds=ATTACH_S)}
        return told | {name: value for name, value in optional.items() if value is not None}

    def _attachment(self) -> dict[str, Any]:
        status = "PRECREATED" if self.status == "PROVISIONING" else "ATTACHED"
        if self.status == "STOPPED":
            status = "DELETED"
        details = {"subnetId": self.subnet, "networkInterfaceId": self.interface_id, "privateIPv4Address": self.address}
        return {
            "id": self.attachment_id,
            "type": "ElasticNetworkInterface",
            "status": status,
            "details": [{"name": name, "value": value} for name, value in details.items() if self.address],
        }

    def _container(self, definition: Any) -> dict[str, Any]:
        exec_status = "RUNNING" if self.status == "RUNNING" else "PENDING" if self.status in UP else "STOPPED"
        told: dict[str, Any] = {
            "containerArn": self.arn.replace(":task/", ":container/") + f"/{self.attachment_id}",
            "taskArn": self.arn,
            "name": definition["name"],
            "image": definition["image"],
            "lastStatus": self._container_status(),
            "healthStatus": self.health,
            "cpu": "0",
            "networkBindings": [],
            "networkInterfaces": [],
        }
        if self.address:
            interface = {"attachmentId": self.attachment_id, "privateIpv4Address": self.address}
            told["networkInterfaces"] = [interface]
        if self.ran:
            told["runtimeId"] = self.runtime_id
            told["imageDigest"] = definition["image"].partition("@")[2] or f"sha256:{0:064x}"
        if self.exec_enabled and self.ran:
            told["managedAgents"] = [{"name": "ExecuteCommandAgent", "lastStatus": exec_status}]
        if self.exit_code is not None:
            told["exitCode"] = self.exit_code
        if self.container_reason:
            told["reason"] = self.container_reason
        return told

    def _container_status(self) -> str:
        if self.status == "RUNNING":
            return "RUNNING"
        if self.status in PENDING:
            return "PENDING"
        alive = self.ran and self.exit_code is None and self.status in ("DEACTIVATING", "STOPPING")
        return "RUNNING" if alive else "STOPPED"
