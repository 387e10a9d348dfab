"""The double's instances: room for tasks, managed scaling, shortage, tags of the cluster, Auto Scaling groups.

API: Amazon ECS API Reference. Guide: Amazon ECS Developer Guide. Both read in November 2026.
"""

from __future__ import annotations

from typing import Any

import pytest

from auroral.aws_account import AwsError, listed
from auroral.aws_calls import Kind
from auroral.ecs.observe import Observer
from auroral.ecs.operation import Operation, clear_mark, parse, set_mark
from tests.support.fake_ecs import Behaviour, FakeAws
from tests.support.fake_ecs.example import contract_fleet, pool, service, small
from tests.support.fake_ecs.instances import LAUNCH_S, SCALE_IN_AFTER_S, SCALE_OUT_EVERY_S


def texts(aws: FakeAws, key: str = "history") -> list[str]:
    return [one["message"] for one in aws.service(key).events[::-1]]


def group(aws: FakeAws, name: str = "dev-main") -> dict[str, Any]:
    (found,) = aws.call("autoscaling", "describe_auto_scaling_groups", AutoScalingGroupNames=[name])[
        "AutoScalingGroups"
    ]
    return dict(found)


def scale(aws: FakeAws, count: int, key: str = "history") -> None:
    aws.call("ecs", "update_service", cluster="dev", service=f"dev-{key}", desiredCount=count)


def run(aws: FakeAws, count: int = 1, **arguments: Any) -> dict[str, Any]:
    vpc = {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}
    return dict(
        aws.call(
            "ecs",
            "run_task",
            cluster="dev",
            taskDefinition="dev-history",
            networkConfiguration=vpc,
            count=count,
            **arguments,
        )
    )


def test_instances_tell_what_is_left_of_them() -> None:
    """API, ContainerInstance: remainingResources is what no task has been given; tasks hold theirs until STOPPED."""
    aws = small(service(planned=2, cpu=1024, memory=2048))
    aws.settle()
    seen = Observer(aws, aws.fleet, now=aws.clock.utc).look(instances=True)
    assert [one.zone for one in seen.instances] == ["us-east-1a", "us-east-1b", "us-east-1c"]
    assert sorted(one.cpu - one.cpu_left for one in seen.instances) == [0, 1024, 1024]
    assert sorted(one.memory - one.memory_left for one in seen.instances) == [0, 2048, 2048]
    assert {one.instance_type for one in seen.instances} == {"m7g.xlarge"}
    assert sum(one.running for one in seen.instances) == 2
    scale(aws, 0)
    aws.clock.advance(4)
    assert any(one.held for one in aws.world.instances), "still stopping"
    aws.clock.advance(60)
    assert not any(one.held for one in aws.world.instances)


@pytest.mark.parametrize(
    ("changes", "trunking", "fit", "lacks"),
    [
        ({"cpu": 2048, "memory": 512}, True, 2, "has insufficient CPU units available."),
        ({"cpu": 256, "memory": 8192}, True, 1, "has insufficient memory available."),
        ({"cpu": 128, "memory": 256}, False, 3, 'encountered error "RESOURCE:ENI".'),
    ],
)
def test_a_task_without_room_waits_in_provisioning_and_an_event_says_why(
    changes: dict[str, Any], trunking: bool, fit: int, lacks: str
) -> None:
    """Guide, "service event messages": insufficient CPU units, insufficient memory, ENI attachment points."""
    aws = small(service(**changes), pools=(pool(minimum=1, maximum=1),), trunking=trunking)
    scale(aws, fit + 1)
    aws.clock.advance(120)
    (instance,) = aws.world.instances
    waiting = [one for one in aws.service("history").live() if one.instance is None]
    assert [one.status for one in waiting] == ["PROVISIONING"]
    assert len(instance.held) == fit
    expected = (
        "(service dev-history) was unable to place a task because no container instance met all of its requirements. "
        f"The closest matching (container-instance {instance.id}) {lacks} For more information, see the "
        "Troubleshooting section of the Amazon ECS Developer Guide."
    )
    assert texts(aws).count(expected) == 1, "duplicates are omitted until the cause is resolved"
    scale(aws, fit)
    aws.clock.advance(120)
    assert aws.service("history").steady


def test_instances_come_from_zero_for_tasks_that_wait() -> None:
    """Guide, "cluster auto scaling": tasks wait in PROVISIONING until the group has launched instances."""
    aws = small(service("benchmark-worker", pool="benchmark", planned=6), pools=(pool("benchmark", minimum=0),))
    scale(aws, 6, "benchmark-worker")
    aws.clock.advance(2)
    assert (group(aws, "dev-benchmark")["DesiredCapacity"], aws.world.instances) == (0, [])
    reason = "Reason: No Container Instances were found in your capacity provider."
    assert any(reason in text for text in texts(aws, "benchmark-worker"))
    took_s = aws.clock.until(lambda: len(aws.world.instances) == 2, within_s=300)
    assert LAUNCH_S <= took_s <= LAUNCH_S + 2 * SCALE_OUT_EVERY_S
    assert group(aws, "dev-benchmark")["DesiredCapacity"] == 2
    aws.clock.until(lambda: aws.service("benchmark-worker").steady, within_s=300)
    scale(aws, 0, "benchmark-worker")
    aws.clock.until(lambda: not aws.world.instances, within_s=SCALE_IN_AFTER_S + 300)
    assert group(aws, "dev-benchmark")["DesiredCapacity"] == 0


def test_a_shortage_brings_no_instance_and_the_group_says_so() -> None:
    """EC2 Auto Scaling User Guide, "insufficient instance capacity"; ECS gives the task up after a while."""
    aws = small(pools=(pool(minimum=0),))
    aws.world.groups["dev-main"].shortage = True
    scale(aws, 1)
    aws.clock.advance(600)
    assert aws.world.instances == []
    assert group(aws)["DesiredCapacity"] == 1
    activity = aws.call("autoscaling", "describe_scaling_activities", AutoScalingGroupName="dev-main")["Activities"][0]
    assert (activity["StatusCode"], "InsufficientInstanceCapacity" in activity["StatusMessage"]) == ("Failed", True)
    aws.clock.advance(600)
    gone = next(one for one in aws.service("history").tasks if not one.live)
    assert (gone.stop_code, gone.stopped_reason) == ("TaskFailedToStart", "TaskFailedToStart: RESOURCE:CPU")
    assert any("was unable to place a task. Reason: TaskFailedToStart: RESOURCE:CPU." in text for text in texts(aws))
    aws.world.groups["dev-main"].shortage = False
    aws.clock.until(lambda: aws.service("history").steady, within_s=3_600)


def test_a_group_is_asked_within_its_bounds() -> None:
    """EC2 Auto Scaling API Reference, SetDesiredCapacity, UpdateAutoScalingGroup."""
    aws = small(pools=(pool(minimum=1, maximum=3),))
    aws.call("autoscaling", "set_desired_capacity", AutoScalingGroupName="dev-main", DesiredCapacity=3)
    aws.clock.advance(LAUNCH_S + 2)
    assert len(group(aws)["Instances"]) == 3
    for count, words in ((4, "above max value 3"), (0, "below min value 1")):
        with pytest.raises(AwsError, match=words) as caught:
            aws.call("autoscaling", "set_desired_capacity", AutoScalingGroupName="dev-main", DesiredCapacity=count)
        assert caught.value.failure.kind is Kind.INVALID
    aws.call("autoscaling", "update_auto_scaling_group", AutoScalingGroupName="dev-main", MinSize=0, MaxSize=2)
    assert (group(aws)["MinSize"], group(aws)["MaxSize"], group(aws)["DesiredCapacity"]) == (0, 2, 2)
    aws.clock.advance(2)
    assert len(aws.world.instances) == 2
    with pytest.raises(AwsError, match="not found"):
        aws.call("autoscaling", "set_desired_capacity", AutoScalingGroupName="dev-other", DesiredCapacity=1)


def test_an_instance_with_tasks_is_protected_from_scale_in() -> None:
    """API, AutoScalingGroupProvider.managedTerminationProtection."""
    aws = small(service(planned=1), pools=(pool(minimum=2, maximum=3),))
    aws.settle()
    aws.call("autoscaling", "update_auto_scaling_group", AutoScalingGroupName="dev-main", MinSize=0, DesiredCapacity=0)
    aws.clock.advance(300)
    (left,) = aws.world.instances
    assert left.held
    assert aws.service("history").steady


def test_tasks_of_a_lost_instance_are_replaced() -> None:
    """Guide, "stopped task error messages": Host EC2 (instance …) terminated."""
    aws = small()
    aws.settle()
    lost = next(one for one in aws.world.instances if one.held)
    held = set(lost.held)
    aws.world.lose(lost)
    gone = [one for one in aws.service("history").tasks if one.id in held]
    assert {one.stopped_reason for one in gone} == {f"Host EC2 (instance {lost.ec2_id}) terminated."}
    aws.clock.advance(30)
    aws.clock.until(lambda: aws.service("history").steady, within_s=300)
    assert aws.clock.until(lambda: len(aws.world.instances) == 3, within_s=300) < LAUNCH_S, "the group has launched one"


def test_an_agent_that_is_not_connected_gets_no_task() -> None:
    """API, ContainerInstance.agentConnected: only connected ones accept placements."""
    aws = small(pools=(pool(minimum=1, maximum=1),))
    aws.world.instances[0].connected = False
    scale(aws, 1)
    aws.clock.advance(20)
    assert any('encountered error "AGENT".' in text for text in texts(aws))
    aws.world.instances[0].connected = True
    aws.clock.until(lambda: aws.service("history").steady, within_s=120)


def test_a_run_without_a_provider_is_placed_at_once_or_fails() -> None:
    """Guide, "API failures messages": RESOURCE:CPU, RESOURCE:MEMORY, RESOURCE:ENI, AGENT; failures beside tasks."""
    aws = small(service(cpu=2048, memory=512), pools=(pool(minimum=1, maximum=1),))
    answer = run(aws, 3)
    assert len(answer["tasks"]) == 2
    assert answer["failures"] == [{"reason": "RESOURCE:CPU", "arn": aws.world.instances[0].arn}]
    memory = small(service(cpu=128, memory=16_384), pools=(pool(minimum=1, maximum=1),))
    assert run(memory)["failures"][0]["reason"] == "RESOURCE:MEMORY"
    interfaces = small(service(cpu=128, memory=128), pools=(pool(minimum=1, maximum=1),), trunking=False)
    assert [one["reason"] for one in run(interfaces, 4)["failures"]] == ["RESOURCE:ENI"]
    interfaces.world.instances[0].connected = False
    assert run(interfaces)["failures"][0]["reason"] == "AGENT"
    with pytest.raises(AwsError, match="No Container Instances were found"):
        run(small(pools=(pool(minimum=0),)))


def test_a_run_by_a_provider_waits_for_room() -> None:
    """Guide, "cluster auto scaling": such a task stays in PROVISIONING; the group launches for it."""
    aws = small(pools=(pool(minimum=0),))
    answer = run(aws, capacityProviderStrategy=[{"capacityProvider": "dev-main", "weight": 1}])
    assert (answer["failures"], answer["tasks"][0]["lastStatus"]) == ([], "PROVISIONING")
    assert "containerInstanceArn" not in answer["tasks"][0]
    aws.clock.until(lambda: aws.world.standalone[0].status == "STOPPED", within_s=600)
    assert aws.world.standalone[0].exit_code == 0


def test_tasks_go_to_instances_of_their_workload() -> None:
    """infra/modules/service: memberOf(attribute:workload == POOL); infra/modules/capacity sets the attribute."""
    aws = FakeAws.from_fleet(contract_fleet())
    aws.settle()
    for one in aws.world.tasks:
        assert one.instance is not None
        assert one.instance.attributes["workload"] == one.definition.attribute
    providers = {task.provider for task in aws.service("benchmark-worker").tasks}
    assert providers == {"dev-benchmark"}


def test_the_mark_of_an_operation_stays_on_the_cluster() -> None:
    """API, TagResource, UntagResource, DescribeClusters.include: tags are told where they are asked for."""
    aws = small()
    observer = Observer(aws, aws.fleet, now=aws.clock.utc)
    arn = observer.look().arn
    began = Operation(name="up", state="begun", at=aws.clock.utc(), facts={"phase": "history"})
    call = set_mark(arn, began)
    aws.call(call.service, call.operation, **call.arguments)
    assert parse(observer.look().mark) == began
    (without,) = aws.call("ecs", "describe_clusters", clusters=["dev"])["clusters"]
    assert without["tags"] == []
    assert aws.call("ecs", "list_tags_for_resource", resourceArn=arn)["tags"][0]["key"] == "auroral:operation"
    call = clear_mark(arn)
    aws.call(call.service, call.operation, **call.arguments)
    assert observer.look().mark == ""


@pytest.mark.parametrize(
    "tag",
    [{"key": "a", "value": "x" * 257}, {"key": "k" * 129, "value": ""}, {"key": "a", "value": "b;c"}, {"key": "aws:a"}],
)
def test_a_tag_that_ecs_would_refuse_is_refused(tag: dict[str, str]) -> None:
    """API, Tag: lengths, characters, the reserved prefix."""
    aws = small()
    with pytest.raises(AwsError) as caught:
        aws.call("ecs", "tag_resource", resourceArn=aws.world.names.cluster_arn, tags=[tag])
    assert caught.value.failure.kind is Kind.INVALID


def test_providers_name_their_groups() -> None:
    """API, DescribeCapacityProviders."""
    aws = FakeAws.from_fleet(contract_fleet())
    asked = ["dev-main", "dev-other"]
    answer = aws.call("ecs", "describe_capacity_providers", capacityProviders=asked)
    (found,) = answer["capacityProviders"]
    assert found["autoScalingGroupProvider"]["autoScalingGroupArn"].endswith("autoScalingGroupName/dev-main")
    assert [one["reason"] for one in answer["failures"]] == ["MISSING"]
    instances = list(
        listed(aws, "ecs", "list_container_instances", "containerInstanceArns", cluster="dev", maxResults=4)
    )
    assert len(instances) == 6


def test_what_is_not_known_is_told_as_missing() -> None:
    """API: DescribeServices and DescribeContainerInstances answer failures, UpdateService refuses."""
    aws = small()
    answer = aws.call("ecs", "describe_services", cluster="dev", services=["dev-history", "dev-none"])
    assert len(answer["services"]) == 1
    assert answer["failures"] == [{"arn": aws.world.names.arn("service", "dev-none"), "reason": "MISSING"}]
    for operation, arguments, code in (
        ("update_service", {"cluster": "dev", "service": "none"}, "ServiceNotFoundException"),
        ("update_service", {"cluster": "other", "service": "dev-history"}, "ClusterNotFoundException"),
        ("describe_services", {"services": ["dev-history"]}, "ClusterNotFoundException"),
        ("describe_services", {"cluster": "dev", "services": ["x"] * 11}, "InvalidParameterException"),
        ("describe_task_definition", {"taskDefinition": "dev-history:9"}, "ClientException"),
        ("stop_task", {"cluster": "dev", "task": "0" * 32}, "InvalidParameterException"),
    ):
        with pytest.raises(AwsError) as caught:
            aws.call("ecs", operation, **arguments)
        assert caught.value.failure.code == code
    assert aws.call("ecs", "describe_clusters", clusters=["x"])["failures"][0]["reason"] == "MISSING"


def test_a_broken_service_holds_its_instance_no_longer_than_its_tasks() -> None:
    """No room is lost by crashes."""
    aws = small()
    aws.behaviour("history", Behaviour(crash_after_s=2))
    scale(aws, 4)
    aws.clock.advance(600)
    scale(aws, 0)
    aws.clock.advance(30)
    assert [one.cpu_left for one in aws.world.instances] == [4096] * 3
