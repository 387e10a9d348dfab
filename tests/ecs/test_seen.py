"""Answers of ECS, in the form of its API reference, and what is read of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from auroral.ecs.seen import ClusterSeen, instance_seen, service_seen, task_seen

AT = datetime(2026, 11, 26, 1, 0, tzinfo=UTC)


def _deployment(**more: Any) -> dict[str, Any]:
    return {
        "id": "ecs-svc/1",
        "status": "ACTIVE",
        "taskDefinition": "arn:x/dev-history:1",
        "desiredCount": 1,
        "runningCount": 1,
        "pendingCount": 0,
        "failedTasks": 0,
        "createdAt": AT,
        "updatedAt": AT,
        "rolloutState": "COMPLETED",
        **more,
    }


def test_the_primary_deployment_comes_first() -> None:
    old = _deployment()
    new = _deployment(id="ecs-svc/2", status="PRIMARY", failedTasks=3, createdAt=AT + timedelta(minutes=1))
    seen = service_seen("history", {"serviceName": "dev-history", "status": "ACTIVE", "deployments": [old, new]})
    assert [one.id for one in seen.deployments] == ["ecs-svc/2", "ecs-svc/1"]
    assert seen.primary is not None
    assert seen.primary.failed == 3


def test_a_service_without_anything_is_read() -> None:
    seen = service_seen("history", {})
    assert seen.primary is None
    assert (seen.desired, seen.events) == (0, ())


def test_events_are_the_newest() -> None:
    events = [{"id": str(number), "createdAt": AT, "message": f"(service x) {number}"} for number in range(40)]
    seen = service_seen("history", {"events": events})
    assert [one.id for one in seen.events[:2]] == ["0", "1"]
    assert len(seen.events) == 10


def test_a_task_with_its_address_and_why_it_stopped() -> None:
    seen = task_seen(
        "history",
        {
            "taskArn": "arn:aws:ecs:eu-west-1:123456789012:task/dev/abc",
            "taskDefinitionArn": "arn:aws:ecs:eu-west-1:123456789012:task-definition/dev-history:7",
            "lastStatus": "STOPPED",
            "attachments": [
                {"details": [{"name": "subnetId", "value": "s"}, {"name": "privateIPv4Address", "value": "10.0.1.2"}]}
            ],
            "containers": [
                {"name": "history", "exitCode": 137, "reason": "OutOfMemoryError", "runtimeId": "abc-1"},
                {"name": "proxy", "reason": "OutOfMemoryError"},
            ],
            "stoppedReason": "Essential container in task exited",
            "stopCode": "EssentialContainerExited",
            "stoppedAt": AT.timestamp(),
        },
    )
    assert (seen.id, seen.family, seen.address) == ("abc", "dev-history", "10.0.1.2")
    assert seen.exit_codes == {"history": 137}
    assert seen.runtime_ids == {"history": "abc-1"}
    assert seen.reason == "Essential container in task exited: OutOfMemoryError"
    assert seen.stopped_at == AT
    assert seen.health == "UNKNOWN"


def test_an_instance_and_what_is_left_of_it() -> None:
    seen = instance_seen(
        {
            "containerInstanceArn": "arn:i",
            "ec2InstanceId": "i-1",
            "capacityProviderName": "dev-main",
            "agentConnected": True,
            "registeredResources": [{"name": "CPU", "integerValue": 8192}, {"name": "MEMORY", "integerValue": 30000}],
            "remainingResources": [{"name": "CPU", "integerValue": 2048}, {"name": "MEMORY", "integerValue": 1000}],
            "attributes": [{"name": "ecs.availability-zone", "value": "eu-west-1a"}, {"name": "ecs.capability.x"}],
        }
    )
    assert (seen.cpu, seen.cpu_left, seen.memory_left) == (8192, 2048, 1000)
    assert (seen.zone, seen.provider) == ("eu-west-1a", "dev-main")


def test_tasks_of_one_service() -> None:
    tasks = tuple(task_seen(service, {"taskArn": f"a/{number}"}) for number, service in enumerate(["ui", "", "ui"]))
    seen = ClusterSeen(at=AT, services={}, tasks=tasks)
    assert [one.id for one in seen.tasks_of("ui")] == ["0", "2"]
