"""Clusters as ECS might describe them, made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from auroral.ecs.seen import ClusterSeen, Deployment, Event, InstanceSeen, ServiceSeen, TaskSeen

AT = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)


def definition(key: str, number: int = 1) -> str:
    """ARN of a revision."""
    return f"arn:aws:ecs:us-east-1:123456789012:task-definition/dev-{key}:{number}"


def deployment(key: str, id: str = "d1", **changed: Any) -> Deployment:
    """The primary one, completed, unless said otherwise."""
    facts = {
        "id": id,
        "status": "PRIMARY",
        "rollout": "COMPLETED",
        "reason": "",
        "task_definition": definition(key),
        "desired": 0,
        "running": 0,
        "pending": 0,
        "failed": 0,
        "created_at": AT,
        "updated_at": AT,
    }
    return Deployment(**{**facts, **changed})


def service(key: str, count: int, *deployments: Deployment, **changed: Any) -> ServiceSeen:
    """As many running as are wanted, unless said otherwise."""
    made = deployments or (deployment(key, desired=count, running=count),)
    facts = {
        "key": key,
        "name": f"dev-{key}",
        "status": "ACTIVE",
        "desired": count,
        "running": count,
        "task_definition": made[0].task_definition,
        "deployments": made,
    }
    return ServiceSeen(**{**facts, **changed})


def task(key: str, number: int, **changed: Any) -> TaskSeen:
    """Running and healthy, unless said otherwise."""
    facts = {
        "arn": f"arn:aws:ecs:us-east-1:123456789012:task/dev/{key}{number:03d}",
        "service": key,
        "status": "RUNNING",
        "desired": "RUNNING",
        "health": "HEALTHY",
        "address": f"10.0.0.{number}",
        "instance": "arn:instance/1",
        "zone": "us-east-1a",
        "family": f"dev-{key}",
        "revision": definition(key),
        "started_by": "d1",
    }
    return TaskSeen(**{**facts, **changed})


def stopped(key: str, number: int, **changed: Any) -> TaskSeen:
    """Ended by itself, unless said otherwise."""
    facts = {
        "status": "STOPPED",
        "desired": "STOPPED",
        "health": "UNKNOWN",
        "stop_code": "EssentialContainerExited",
        "reason": "Essential container in task exited",
        "exit_codes": {key: 1},
        "stopped_at": AT.replace(minute=number % 60),
    }
    return task(key, number, **{**facts, **changed})


def event(text: str, id: str = "e1") -> Event:
    """One of ECS's messages."""
    return Event(id=id, at=AT, text=text)


def instance(number: int, **changed: Any) -> InstanceSeen:
    """An m7g.xlarge of the pool `main` with nothing on it, in one of three zones."""
    facts = {
        "arn": f"arn:instance/{number}",
        "instance_id": f"i-{number}",
        "zone": f"us-east-1{'abc'[number % 3]}",
        "instance_type": "m7g.xlarge",
        "provider": "dev-main",
        "status": "ACTIVE",
        "connected": True,
        "running": 0,
        "pending": 0,
        "cpu": 4096,
        "cpu_left": 4096,
        "memory": 15000,
        "memory_left": 15000,
        "trunk": True,
    }
    return InstanceSeen(**{**facts, **changed})


def cluster(
    *services: ServiceSeen,
    tasks: Sequence[TaskSeen] = (),
    stopped: Sequence[TaskSeen] = (),
    instances: Sequence[InstanceSeen] = (),
) -> ClusterSeen:
    """All of it."""
    return ClusterSeen(
        at=AT,
        services={one.key: one for one in services},
        tasks=tuple(tasks),
        stopped=tuple(stopped),
        instances=tuple(instances),
        arn="arn:aws:ecs:us-east-1:123456789012:cluster/dev",
    )
